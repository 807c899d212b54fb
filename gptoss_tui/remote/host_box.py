"""The one `Box` for machines that have a transport: SSH, local and simulated boxes alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial

from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatRequest
from gptoss_tui.domain.facts import Fact, Hub
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.domain.host import BoxReport, LinkState
from gptoss_tui.domain.instance import InstanceList, LogLine, Notice
from gptoss_tui.domain.lag import Lag
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.launch_words import cancel_words
from gptoss_tui.domain.parse.probe import Probe
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.prompts import Prompter
from gptoss_tui.domain.repair.types import Repair, RepairEnded, RepairLine, Survey
from gptoss_tui.domain.secret import Secret
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.domain.spot.clouds import METADATA
from gptoss_tui.domain.spot.notice import SpotNotice
from gptoss_tui.errors import DockerError, NoDockerError
from gptoss_tui.remote import launcher, look
from gptoss_tui.remote import repair as repairing
from gptoss_tui.remote.beat import Beat
from gptoss_tui.remote.box import Cadence, Forward, changes, observes
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.endpoints import Endpoints
from gptoss_tui.remote.engine_clients import EngineClients
from gptoss_tui.remote.gpus import GpuSource, Judge
from gptoss_tui.remote.launch_watch import watch_launch
from gptoss_tui.remote.lifecycle import Lifecycle
from gptoss_tui.remote.logs import docker_logs
from gptoss_tui.remote.pulse import REAL, Pulse
from gptoss_tui.remote.resume import LogCursor
from gptoss_tui.remote.servers import Servers
from gptoss_tui.remote.spot import Spot
from gptoss_tui.remote.transport import Transport


class HostBox:
    """Composes what knows Docker, GPUs, servers and launches; stamps what they say."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        gpus: GpuSource,
        hub: Hub,
        pulse: Pulse = REAL,
        *,
        launches: launcher.Known | None = None,
    ) -> None:
        self._name = name
        self._transport = transport
        self._gpus = gpus
        self._hub = hub
        self._pulse = pulse
        self._lag = Lag()
        self._probe: Probe | None = None
        # As they were told last, over the connections of this run.
        self._launches: launcher.Known = {} if launches is None else launches
        self._docker: Docker | None = None
        self._docker_lock = asyncio.Lock()
        self._clients = clients = EngineClients(transport, pulse)
        self._servers = Servers(transport, self._engine_docker, lambda: self._probe, clients)
        self._beat = Beat(pulse)
        self._endpoints = Endpoints(transport, self._servers, clients, self._beat, pulse)

    @property
    def name(self) -> str:
        return self._name

    @property
    def link(self) -> LinkState:
        return self._transport.link

    @observes
    def link_changes(self) -> AsyncIterator[LinkState]:
        return self._transport.link_changes()

    @property
    def ssh_target(self) -> str | None:
        return self._transport.ssh_target

    @observes
    async def look(self) -> Fact[BoxReport]:
        docker, probe = await asyncio.gather(
            self._docker_or_problem(ask=False), look.probe(self._transport, self._hub.now)
        )
        self._probe = probe
        if not isinstance(docker, Docker) and look.elsewhere(probe):
            docker = await self._docker_or_problem()  # now that the socket's path is known
        problem = None if isinstance(docker, Docker) else docker
        engine = docker if isinstance(docker, Docker) else None
        body = await look.report(self._transport, probe, engine, problem)
        return self._hub.publish(body, box=self._name, box_time=probe.box_time)

    @observes
    async def gpus(self) -> Fact[GpuSnapshot]:
        reading = await self._gpus.now()
        body = Judge(self._lag, self._pulse.seconds).judged(reading)
        return self._hub.publish(body, box=self._name, box_time=reading[0])

    @observes
    async def watch_gpus(self, cadence: Cadence) -> AsyncIterator[Fact[GpuSnapshot]]:
        judge = Judge(self._lag, self._pulse.seconds)
        async with aclosing(self._gpus.watch(cadence)) as readings:
            async for reading in readings:
                body = judge.judged(reading)
                self._beat.strike()
                yield self._hub.publish(body, box=self._name, box_time=reading[0])

    @observes
    async def instances(self, *, ask: bool = True) -> Fact[InstanceList]:
        return self._hub.publish(await self._servers.all(ask=ask), box=self._name)

    @observes
    async def engine(self, instance: str) -> Fact[EngineSnapshot]:
        snapshot = await self._endpoints.scrape(instance)
        return self._hub.publish(snapshot, box=self._name, instance=instance)

    @observes
    async def watch_engine(
        self, instance: str, cadence: Cadence
    ) -> AsyncIterator[Fact[EngineSnapshot]]:
        async with aclosing(self._endpoints.watch(instance, cadence.period_s)) as snapshots:
            async for snapshot in snapshots:
                yield self._hub.publish(snapshot, box=self._name, instance=instance)

    @observes
    async def logs(
        self,
        instance: str,
        *,
        tail: int | None = 200,
        follow: bool = False,
        cursor: LogCursor | None = None,
    ) -> AsyncIterator[Fact[LogLine]]:
        docker = await self._engine_docker()
        container = await self._servers.container_of(instance)
        stream = docker_logs(docker, container, tail=tail, follow=follow, cursor=cursor)
        async with aclosing(stream) as lines:
            async for at, line in lines:
                yield self._hub.publish(line, box=self._name, instance=instance, box_time=at)

    @observes
    async def launches(self) -> tuple[Fact[LaunchProgress], ...]:
        found = await launcher.records(self._transport, self._launches)
        self._launches.clear()
        self._launches |= {record.launch_id: record for record in found}
        told = [record.progress for record in found]
        # The oldest first: of what launches show of a box, the newest is remembered.
        facts = [
            self._hub.publish(progress, box=self._name, instance=progress.name or None)
            for progress in reversed(told)
        ]
        return tuple(reversed(facts))

    @observes
    async def watch_launch(self, launch_id: str) -> AsyncIterator[Fact[LaunchProgress]]:
        watched = watch_launch(self._transport, self._engine_docker, launch_id)
        async with aclosing(watched) as steps:
            async for progress in steps:
                yield self._hub.publish(progress, box=self._name, instance=progress.name or None)

    @observes
    async def spot(self) -> Fact[SpotNotice] | None:
        async with self._metadata() as metadata:
            notice = await metadata.now() if metadata is not None else None
        return None if notice is None else self._hub.publish(notice, box=self._name)

    @observes
    async def watch_spot(self, known: SpotNotice | None = None) -> AsyncIterator[Fact[SpotNotice]]:
        async with self._metadata() as metadata:
            if metadata is None:
                return
            async with aclosing(metadata.watch(known)) as notices:
                async for notice in notices:
                    yield self._hub.publish(notice, box=self._name)

    @asynccontextmanager
    async def _metadata(self) -> AsyncIterator[Spot | None]:
        """The metadata service of the cloud that the box is in; None where it is in none of ours."""
        cloud = self._probe.report.cloud if self._probe else await look.cloud(self._transport)
        if cloud is None:
            yield None
            return
        metadata = Spot(self._transport, METADATA[cloud], self._pulse, self._hub.now)
        try:
            yield metadata
        finally:
            await metadata.aclose()

    @changes
    def forward(self, instance: str, local_port: int = 0) -> AbstractAsyncContextManager[Forward]:
        return self._endpoints.forward(instance, local_port)

    @changes
    async def launch(
        self, spec: LaunchSpec, secrets: Secrets, *, replaces: str | None = None
    ) -> str:
        socket = (self._probe.socket or self._probe.denied) if self._probe else None
        old = await self._lifecycle(replaces).replaced() if replaces else None
        return await launcher.start(self._transport, spec, secrets, socket, old)

    @changes
    async def load_image(self, parts: AsyncIterator[bytes]) -> Fact[Notice]:
        loaded = await (await self._engine_docker()).load(parts)
        notice = Notice(text=f"Docker on {self._name} has {', '.join(loaded)}.")
        return self._hub.publish(notice, box=self._name)

    @changes
    async def cancel(self, launch_id: str) -> Fact[Notice]:
        progress = await launcher.cancel(self._transport, launch_id)
        notice = Notice(text=cancel_words(progress))
        return self._hub.publish(notice, box=self._name, instance=progress.name or None)

    @changes
    async def stop(
        self, instance: str, *, drain_s: int | None = None, grace_s: int | None = None
    ) -> Fact[Notice]:
        text = await self._lifecycle(instance).stop(drain_s, grace_s)
        return self._hub.publish(Notice(text=text), box=self._name, instance=instance)

    @changes
    async def drain(self, instance: str, within_s: float) -> Fact[Notice]:
        text = await self._lifecycle(instance).drain(within_s)
        return self._hub.publish(Notice(text=text), box=self._name, instance=instance)

    @changes
    async def restart(self, instance: str, *, drain_s: int | None = None) -> Fact[Notice]:
        text = await self._lifecycle(instance).restart(drain_s)
        return self._hub.publish(Notice(text=text), box=self._name, instance=instance)

    def _lifecycle(self, instance: str) -> Lifecycle:
        tell = partial(self._hub.publish, box=self._name, instance=instance)
        return Lifecycle(instance, self._servers, self._endpoints, tell, self._pulse)

    @changes
    async def chat(
        self, instance: str, request: ChatRequest, api_key: Secret | None = None
    ) -> AsyncIterator[Fact[ChatDelta | ChatDone]]:
        async with aclosing(self._endpoints.chat(instance, request, api_key)) as pieces:
            async for piece in pieces:
                yield self._hub.publish(piece, box=self._name, instance=instance)

    @observes
    async def survey(self) -> Fact[Survey]:
        docker = await self._docker_or_problem()
        probe = self._probe = self._probe or await look.probe(self._transport, self._hub.now)
        engine = docker if isinstance(docker, Docker) else None
        body = await repairing.survey(self._transport, engine, probe.report.cache_dir)
        return self._hub.publish(body, box=self._name)

    @changes
    async def repair(
        self, repair: Repair, prompter: Prompter | None = None
    ) -> AsyncIterator[Fact[RepairLine | RepairEnded]]:
        lines = repairing.run(self._transport, self._name, repair, prompter)
        async with aclosing(lines) as bodies:
            async for body in bodies:
                if isinstance(body, RepairEnded):
                    await self._forget_docker()
                yield self._hub.publish(body, box=self._name)

    async def _forget_docker(self) -> None:
        """Docker may have been restarted, and may be reached by another way now: find it anew."""
        async with self._docker_lock:
            old, self._docker = self._docker, None
        if old is not None:
            await old.aclose()

    async def aclose(self) -> None:
        await self._clients.aclose()
        if self._docker is not None:
            await self._docker.aclose()
        await self._transport.aclose()

    async def _engine_docker(self, *, ask: bool = True) -> Docker:
        """The Engine's client, connected at the first use. Raises `DockerError`."""
        async with self._docker_lock:
            if self._docker is None:
                self._docker = await look.docker_of(self._transport, self._probe, ask=ask)
            return self._docker

    async def _docker_or_problem(self, *, ask: bool = True) -> Docker | DockerError:
        try:
            return await self._engine_docker(ask=ask)
        except NoDockerError as error:
            return error
