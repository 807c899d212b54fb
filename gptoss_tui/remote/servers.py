"""The servers of a box: ours by their label, others by what they look like, launches on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from gptoss_tui.domain.draining import check_ours
from gptoss_tui.domain.engines.flags import value_of
from gptoss_tui.domain.engines.registry import engine_of
from gptoss_tui.domain.instance import Instance, InstanceList, InstanceState
from gptoss_tui.domain.parse.docker_json import instances_from_containers
from gptoss_tui.domain.parse.probe import Probe, Server
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.errors import (
    ConflictError,
    ConnectionLostError,
    EngineError,
    GptossError,
    NoDockerError,
    NotFoundError,
)
from gptoss_tui.remote import launcher
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.engine_client import EngineClient
from gptoss_tui.remote.engine_clients import EngineClients
from gptoss_tui.remote.first_answers import FirstAnswers
from gptoss_tui.remote.transport import Transport


class Servers:
    """Finds, names and stops servers. `probe` gives the last look (for plain processes)."""

    def __init__(
        self,
        transport: Transport,
        docker: Callable[[], Awaitable[Docker]],
        probe: Callable[[], Probe | None],
        clients: EngineClients,
    ) -> None:
        self._transport = transport
        self._docker = docker
        self._probe = probe
        self._clients = clients
        self._answers = FirstAnswers(transport, docker)
        self._last: InstanceList | None = None

    async def all(self, *, ask: bool = True) -> InstanceList:
        """Every server: ours first. A box without Docker lists its plain processes.

        Without `ask`, a server that Docker knows no health of is as it was last known.
        Raises `DockerError` when Docker is there and does not say: that is not "no servers".
        """
        containers, launches = await asyncio.gather(self._containers(), self._launches())
        named = {instance.name for instance in containers}
        coming = [_coming(launch) for launch in launches if launch.name not in named]
        launching: set[str | None] = {launch.launch_id for launch in launches}
        checked = await asyncio.gather(
            *(self._with_health(instance, launching, ask=ask) for instance in containers)
        )
        plain = self._processes(taken={instance.port for instance in checked})
        replaced = {one.replaces: one.launch_id for one in launches if one.replaces is not None}
        everything = [
            msgspec.structs.replace(one, replaced_by=replaced.get(one.name))
            for one in (*coming, *checked)
        ]
        everything += plain
        everything.sort(key=lambda instance: (not instance.managed, instance.name))
        self._last = InstanceList(instances=tuple(everything))
        return self._last

    async def named(self, name: str) -> Instance:
        """The server of that name. Raises `NotFoundError` with the names there are."""
        for fresh in (False, True):
            listed = await self.all() if fresh or self._last is None else self._last
            for instance in listed.instances:
                if instance.name == name and (fresh or instance.port is not None):
                    return instance
        raise _unknown(name, listed.instances)

    async def container_of(self, name: str) -> str:
        """The container of a server. Raises `NotFoundError` where it has none."""
        instance = await self.named(name)
        if instance.container_id is None:
            instance = next((i for i in (await self.all()).instances if i.name == name), instance)
        if instance.container_id is None:
            raise NotFoundError(
                f"{name} has no container (yet), so Docker has no log of it.",
                "While it is being launched, the launch shows what happens.",
            )
        return instance.container_id

    async def ours(self, name: str) -> Instance:
        """One of ours that has a container, as it is now. Raises `NotFoundError` for any other."""
        instance = await self._now(name)
        check_ours(instance)
        return instance

    async def settled(self, name: str) -> Instance:
        """The server of that name as it is now, also one to come. Raises `NotFoundError`.

        Raises `ConflictError` while a launch is about to take its place, or to bring it back.
        """
        instance = await self._now(name)
        if launch_id := instance.replaced_by:
            raise ConflictError(
                f"{name} is being upgraded by the launch {launch_id}, which would start it again.",
                f"Cancel that launch first (`gptoss-tui cancel BOX {launch_id}`).",
            )
        return instance

    async def _now(self, name: str) -> Instance:
        listed = (await self.all()).instances
        for instance in listed:
            if instance.name == name:
                return instance
        raise _unknown(name, listed)

    async def signal(self, instance: Instance, grace_s: int) -> None:
        """SIGTERM, and SIGKILL after `grace_s` seconds; returns when the container has ended."""
        docker = await self._docker()
        await docker.post(f"/containers/{instance.container_id}/stop", {"t": str(grace_s)})

    async def restart(self, instance: Instance, grace_s: int) -> None:
        """The same, and the same container started again: what was put into it is still there."""
        docker = await self._docker()
        await docker.post(f"/containers/{instance.container_id}/restart", {"t": str(grace_s)})
        self._last = None

    async def cancel(self, launch_id: str) -> LaunchProgress:
        """End the launch of a server that is not ready. Raises `CommandError` where it has ended."""
        self._last = None
        return await launcher.cancel(self._transport, launch_id)

    async def remove(self, instance: Instance) -> None:
        """Remove a container that has ended."""
        docker = await self._docker()
        await docker.delete(f"/containers/{instance.container_id}", {"force": "1", "v": "1"})
        self._last = None

    async def _containers(self) -> tuple[Instance, ...]:
        try:
            docker = await self._docker()
            listed = await docker.get("/containers/json", {"all": "1"})
        except NoDockerError:
            return ()
        return instances_from_containers(listed)

    async def _launches(self) -> tuple[LaunchProgress, ...]:
        try:
            found = await launcher.running(self._transport)
        except ConnectionLostError:
            raise
        except GptossError:
            return ()
        return tuple(record.progress for record in found if record.alive)

    async def _with_health(
        self, instance: Instance, launching: set[str | None], *, ask: bool
    ) -> Instance:
        """Tell a server that answers from one that still loads, and from one that never answered."""
        if instance.state != "unknown" or instance.port is None or instance.engine is None:
            return instance
        client = self._clients.of(instance)
        healthy = await client.healthy(timeout_s=3) if ask else None
        model = instance.model or (await self._model(client) if healthy else None)
        state: InstanceState = "ready" if healthy else "loading"
        detail = instance.detail
        if instance.launch_id in launching:  # it may answer, and still fetch its model
            state = "launching"
        elif healthy is None:
            state = self._state_before(instance) or "unknown"
        elif healthy and (reason := await self._answers.failure_reason(instance)):
            state, detail = "unhealthy", reason
        return msgspec.structs.replace(instance, state=state, detail=detail, model=model)

    async def answered(self, instance: Instance) -> None:
        """Its model was seen to answer."""
        await self._answers.note(instance)

    def _state_before(self, instance: Instance) -> InstanceState | None:
        """What was last known of a server that did not answer in time."""
        listed = self._last.instances if self._last else ()
        return next((i.state for i in listed if i.container_id == instance.container_id), None)

    async def _model(self, client: EngineClient) -> str | None:
        try:
            return next(iter(await client.models()), None)
        except EngineError:
            return None

    def _processes(self, taken: set[int | None]) -> list[Instance]:
        probe = self._probe()
        found = [_plain(server) for server in probe.servers] if probe else []
        return [instance for instance in found if instance and instance.port not in taken]


def _coming(launch: LaunchProgress) -> Instance:
    """A server that has no container of its name yet."""
    return Instance(
        name=launch.name,
        managed=True,
        state="launching",
        detail=launch.current.name if launch.current else "",
        launch_id=launch.launch_id,
        container_id=launch.container_id,
        gpu_ids=launch.spec.gpu_ids if launch.spec else (),
    )


def _unknown(name: str, listed: tuple[Instance, ...]) -> NotFoundError:
    names = ", ".join(instance.name for instance in listed) or "none"
    return NotFoundError(f"There is no server {name} on the box (there: {names}).")


def _plain(server: Server) -> Instance | None:
    """A server that runs as a process: its port is in its command line, or the engine's own."""
    engine = engine_of("", server.command)
    if engine is None:
        return None
    return Instance(
        name=f"{engine.name}-{server.pid}",
        engine=engine.name,
        model=engine.served_model(server.command),
        port=_port_in(server.command) or engine.container_port,
        pid=server.pid,
        state="unknown",
        detail=f"a process of {server.user}",
    )


def _port_in(command: tuple[str, ...]) -> int | None:
    port = value_of("--port", command) or ""
    return int(port) if port.isdecimal() else None
