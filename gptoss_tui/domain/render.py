"""One launch spec, two renderings of the same container: the Engine API body and `docker run`."""

from __future__ import annotations

import shlex
from typing import Any

import msgspec

from gptoss_tui.domain.engines.parts import VOCABULARY_MOUNT, WEIGHTS_MOUNT
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.launch import LABEL_LAUNCH, LABEL_SPEC, SPEC_VERSION, LaunchSpec
from gptoss_tui.errors import StateError

LABEL_GPU = "io.gptoss-tui.gpu-"


def labels(spec: LaunchSpec) -> dict[str, str]:
    """What the container carries: the whole spec, and each GPU for a quick search by Docker."""
    return {
        LABEL_SPEC: msgspec.json.encode(spec).decode(),
        LABEL_LAUNCH: spec.launch_id,
        **{f"{LABEL_GPU}{gpu}": spec.launch_id for gpu in spec.gpu_ids},
    }


def spec_from_label(text: str) -> LaunchSpec:
    """Read the spec back. Raises `StateError` for a newer version, or for what is no spec."""
    try:
        version = msgspec.json.decode(text, type=dict[str, Any]).get("version")
    except msgspec.DecodeError as error:
        raise StateError("The container's launch spec cannot be read.") from error
    if not isinstance(version, int) or version > SPEC_VERSION:
        raise StateError(
            "A newer gptoss-tui launched this container.", "Update gptoss-tui to manage it."
        )
    try:
        return msgspec.json.decode(text, type=LaunchSpec)
    except msgspec.ValidationError as error:
        raise StateError(f"The container's launch spec is odd: {error}.") from error


def engine_api_body(spec: LaunchSpec) -> dict[str, Any]:
    """The body of `POST /containers/create`."""
    engine = engine_named(spec.engine)
    port = f"{engine.container_port}/tcp"
    entrypoint = engine.container_entrypoint(spec)
    host: dict[str, Any] = {
        "Binds": list(mounts(spec)),
        "PortBindings": {port: [{"HostIp": spec.bind, "HostPort": str(spec.port)}]},
        "ShmSize": spec.shm_bytes,
        "RestartPolicy": {"Name": "no"},
    }
    if spec.security_opt:
        host["SecurityOpt"] = list(spec.security_opt)
    if spec.host_user:
        host["UsernsMode"] = "host"
    if spec.gpu_access == "runtime":
        host["Runtime"] = "nvidia"
    elif spec.gpu_access == "cdi":
        host["DeviceRequests"] = [{"Driver": "cdi", "DeviceIDs": list(spec.cdi_devices)}]
    else:
        host["DeviceRequests"] = [
            {"Driver": "", "DeviceIDs": list(spec.gpu_ids), "Capabilities": [["gpu"]]}
        ]
    body: dict[str, Any] = {
        "Image": spec.image,
        "Cmd": list(engine.container_command(spec)),
        "Env": [f"{key}={value}" for key, value in environment(spec)],
        "Labels": labels(spec),
        "ExposedPorts": {port: {}},
        "StopTimeout": spec.stop_timeout_s,
        "HostConfig": host,
    }
    if entrypoint:
        body["Entrypoint"] = list(entrypoint)
    return body


def mounts(spec: LaunchSpec) -> tuple[str, ...]:
    """Folders of the box in the container, as `-v` and `Binds` write them."""
    found: list[str] = []
    if spec.cache_dir:
        found.append(f"{spec.cache_dir}:{engine_named(spec.engine).cache_mount}")
    if spec.weights_dir:
        found.append(f"{spec.weights_dir}:{WEIGHTS_MOUNT}:ro")
    if spec.vocab_dir:
        found.append(f"{spec.vocab_dir}:{VOCABULARY_MOUNT}:ro")
    return tuple(found)


def environment(spec: LaunchSpec) -> tuple[tuple[str, str], ...]:
    """The container's variables: the engine's, and the GPUs where a runtime reads them there."""
    gpus: tuple[tuple[str, str], ...] = ()
    if spec.gpu_access == "runtime":
        gpus = (
            ("NVIDIA_VISIBLE_DEVICES", ",".join(spec.cdi_devices or spec.gpu_ids)),
            ("NVIDIA_DRIVER_CAPABILITIES", "compute,utility"),
        )
    return (*engine_named(spec.engine).environment(spec), *gpus)


def _gpu_words(spec: LaunchSpec) -> list[str]:
    if spec.gpu_access == "runtime":
        return ["--runtime", "nvidia"]
    if spec.gpu_access == "cdi":
        return [word for device in spec.cdi_devices for word in ("--device", device)]
    return ["--gpus", '"device=' + ",".join(spec.gpu_ids) + '"']


def docker_run(spec: LaunchSpec, *, with_labels: bool = False) -> tuple[str, ...]:
    """The `docker run` argument list that makes the same container.

    The labels (by which we find it again) are left out unless asked for: they are long. Secrets
    are handed over after creation, which `docker run` cannot do: a spec with secrets is rendered
    as `docker create` would need it, and the files named in it must be put there by hand.
    """
    engine = engine_named(spec.engine)
    words = ["docker", "run", "-d", "--name", spec.name]
    words += _gpu_words(spec)
    for option in spec.security_opt:
        words += ["--security-opt", option]
    words += ["--userns", "host"] if spec.host_user else []
    words += ["--shm-size", str(spec.shm_bytes)]
    words += ["--stop-timeout", str(spec.stop_timeout_s)]
    words += ["-p", f"{bracketed(spec.bind)}:{spec.port}:{engine.container_port}"]
    for mount in mounts(spec):
        words += ["-v", mount]
    for key, value in environment(spec):
        words += ["-e", f"{key}={value}"]
    if with_labels:
        for key, value in labels(spec).items():
            words += ["--label", f"{key}={value}"]
    entrypoint = engine.container_entrypoint(spec)
    if entrypoint:
        words += ["--entrypoint", entrypoint[0]]
    words.append(spec.image)
    words += [*(entrypoint[1:] if entrypoint else ()), *engine.container_command(spec)]
    return tuple(words)


def command_line(words: tuple[str, ...]) -> str:
    """An argument list as a line that a shell reads back to the same list."""
    return shlex.join(words)


def command_page(words: tuple[str, ...]) -> str:
    """The same line broken before each option, for reading; it can be pasted as it is."""
    lines: list[list[str]] = [[]]
    for word in words:
        option = word.startswith("-") and word != "-d"
        pair_is_full = lines[-1] and lines[-1][0].startswith("-") and len(lines[-1]) > 1
        if option or pair_is_full:
            lines.append([])
        lines[-1].append(word)
    return " \\\n  ".join(shlex.join(line) for line in lines)


def base_url(spec_or_port: LaunchSpec | int) -> str:
    """The OpenAI base URL as seen from a machine that has the port on its 127.0.0.1."""
    port = spec_or_port if isinstance(spec_or_port, int) else spec_or_port.port
    return f"http://127.0.0.1:{port}/v1"


def ssh_forward_line(ssh_target: str, port: int, host: str = "127.0.0.1") -> str:
    """The plain `ssh` line that opens the endpoint on the laptop."""
    return f"ssh -N -L {port}:{host}:{port} {ssh_target}"


def openai_env(url: str, model: str, needs_api_key: bool = False) -> str:
    """The block that points OpenAI clients at the endpoint; the key itself is never in it."""
    key = "put-your-key-here" if needs_api_key else "none"
    lines = (
        f"export OPENAI_BASE_URL={shlex.quote(url)}",
        f"export OPENAI_API_KEY={key}",
        f"export OPENAI_MODEL={shlex.quote(model)}",
    )
    return "\n".join(lines)


def bracketed(address: str) -> str:
    """An address as it stands before a port: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address
