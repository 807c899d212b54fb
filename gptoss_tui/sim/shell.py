"""Commands on the simulated box: our own scripts by their `$0`, and what a person tries.

There is no shell behind this: a command is known here, or it is "not found".
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from typing import Protocol

from gptoss_tui.sim import launches, nvidia, repairs
from gptoss_tui.sim.docker_api import DockerApi
from gptoss_tui.sim.http import Reader, Writer, serve
from gptoss_tui.sim.probe import probe
from gptoss_tui.sim.world import World


class Out(Protocol):
    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...


class Shell:
    """One exec request: `run` returns the exit status."""

    def __init__(self, world: World, stdin: Reader, stdout: Writer, stderr: Out) -> None:
        self._world = world
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr

    async def run(self, command: str) -> int:
        try:
            words = shlex.split(command)
        except ValueError as error:
            self._stderr.write(f"sh: 1: Syntax error: {error}\n".encode())
            return 2
        return await self._words(words)

    async def _words(self, words: list[str]) -> int:
        if not words:
            return 0
        if words[:2] == ["sh", "-c"] and len(words) > 3:
            return await self._script(words[3], words[4:])
        known = self._programs().get(words[0])
        if known is not None:
            return await known(words[1:])
        self._stderr.write(f"sh: 1: {words[0]}: not found\n".encode())
        return 127

    def _programs(self) -> dict[str, Callable[[list[str]], Awaitable[int]]]:
        profile = self._world.profile
        says: dict[str, Callable[[list[str]], str]] = {
            "true": lambda words: "",
            "echo": lambda words: " ".join(words) + "\n",
            "hostname": lambda words: profile.hostname + "\n",
            "whoami": lambda words: "root\n",
            "id": lambda words: "uid=0(root) gid=0(root) groups=0(root)\n",
            "uname": lambda words: f"Linux {profile.hostname} 6.8.0-51-generic x86_64 GNU/Linux\n",
        }
        programs = {name: self._saying(text) for name, text in says.items()}
        programs |= {"nvidia-smi": self._nvidia_smi, "sudo": self._sudo, "env": self._env}
        if not profile.lacks_docker and not profile.has("podman"):
            programs["docker"] = self._docker
        return programs

    def _saying(self, text: Callable[[list[str]], str]) -> Callable[[list[str]], Awaitable[int]]:
        async def program(words: list[str]) -> int:
            self._stdout.write(text(words).encode())
            return 0

        return program

    # --- our own scripts ------------------------------------------------------------------------

    async def _script(self, name: str, words: list[str]) -> int:
        world = self._world
        if name == "gptoss-watch":
            return await self._watched(words)
        if name == "gptoss-guard":
            await _everything(self._stdin)
            return 0
        if name == "gptoss-probe":
            return self._print(probe(world, words[0] if words else ""))
        if name == "gptoss-launch" and words:
            return self._print(
                launches.start(world, words[0], await _everything(self._stdin)) + "\n"
            )
        if name == "gptoss-launches":
            return self._print(launches.listing(world, words))
        if name == "gptoss-cancel" and words:
            text, status = await launches.cancel(world, words[0])
            self._print(text)
            return status
        if name.startswith("gptoss-repair"):
            return await self._repair(name, words)
        if name == "gptoss-tail" and len(words) == 2:
            return await self._tail(words[0], int(words[1]) - 1)
        if name == "gptoss-part" and words[0] in world.launches:
            begin = int(words[1]) - 1
            self._stdout.write(bytes(world.launches[words[0]].log[begin : begin + int(words[2])]))
            return 0
        self._stderr.write(f"sh: 1: {name}: not found\n".encode())
        return 127

    async def _repair(self, name: str, words: list[str]) -> int:
        if name == "gptoss-repair-survey":
            return self._print(repairs.survey(self._world))
        if name == "gptoss-repair-log":
            async for piece in repairs.log(self._world, words[0]):
                self._stdout.write(piece)
                await self._stdout.drain()
            return 0
        # Only a password is sent, and nothing where there is none.
        password = await self._stdin.read(4096) if words[1] == "password" else b""
        return self._print(repairs.start(self._world, words, password.decode(errors="replace")))

    def _print(self, text: str) -> int:
        self._stdout.write(text.encode("utf-8", "surrogateescape"))
        return 0

    async def _watched(self, words: list[str]) -> int:
        """Run the inner command until it ends or until nobody watches it any more."""
        inner = asyncio.ensure_future(self._words(words))
        gone = asyncio.ensure_future(_everything(self._stdin))
        try:
            done, _ = await asyncio.wait({inner, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (inner, gone):
                task.cancel()
            await asyncio.gather(inner, gone, return_exceptions=True)
        return inner.result() if inner in done else 143

    async def _tail(self, launch_id: str, at: int) -> int:
        launch = self._world.launches.get(launch_id)
        if launch is None:
            self._stderr.write(b"tail: cannot open the log: No such file or directory\n")
            return 1
        while True:
            if at < len(launch.log):
                self._stdout.write(bytes(launch.log[at:]))
                at = len(launch.log)
                await self._stdout.drain()
            await self._world.change()

    # --- programs -------------------------------------------------------------------------------

    async def _nvidia_smi(self, words: list[str]) -> int:
        if words[:1] == ["dmon"]:
            async for text in nvidia.dmon(self._world, words[1:]):
                self._print(text)
                await self._stdout.drain()
            return 0
        text, status = nvidia.answer(self._world, words)
        self._print(text)
        return status

    async def _env(self, words: list[str]) -> int:
        """The box's own zone is UTC: no variable that is set here changes an answer."""
        while words and "=" in words[0]:
            words = words[1:]
        return await self._words(words)

    async def _sudo(self, words: list[str]) -> int:
        if self._world.profile.has("docker_denied"):
            self._stderr.write(b"sudo: a password is required\n")
            return 1
        return await self._words([word for word in words if word != "-n"])

    async def _docker(self, words: list[str]) -> int:
        if words[:1] == ["--host"]:
            words = words[2:]
        if self._world.profile.has("docker_denied"):
            self._stderr.write(
                b"permission denied while trying to connect to the Docker daemon socket at "
                b"unix:///var/run/docker.sock\n"
            )
            return 1
        if words == ["system", "dial-stdio"]:
            await serve(self._stdin, self._stdout, DockerApi(self._world).handle)
            return 0
        if words[:1] == ["ps"]:
            return self._print(self._ps(everything="-a" in words))
        if words[:1] == ["images"]:
            return self._print("\n".join(["REPOSITORY:TAG", *sorted(self._world.images), ""]))
        if words[:1] == ["logs"] and len(words) > 1 and (found := self._world.find(words[-1])):
            return self._print("".join(f"{text}\n" for _, text in found.log))
        self._stderr.write(b"The simulated docker knows ps, images, logs and system dial-stdio.\n")
        return 1

    def _ps(self, everything: bool) -> str:
        lines = ["CONTAINER ID   IMAGE                      STATUS     NAMES"]
        for container in self._world.containers.values():
            if everything or container.state == "running":
                image = str(container.body.get("Image"))
                lines.append(
                    f"{container.id[:12]}   {image:26} {container.state:10} {container.name}"
                )
        return "\n".join([*lines, ""])


async def _everything(stdin: Reader) -> bytes:
    parts: list[bytes] = []
    while data := await stdin.read(65536):
        parts.append(data)
    return b"".join(parts)
