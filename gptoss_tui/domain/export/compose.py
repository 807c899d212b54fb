"""The export as `compose.yaml`. Every scalar is a JSON string, which YAML 1.2 takes as it is.

https://github.com/compose-spec/compose-spec/blob/main/spec.md; `$` begins a variable in a value,
`$$` is a dollar.
"""

from __future__ import annotations

import json
import re

from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.export import container
from gptoss_tui.domain.launch import LABEL_SPEC, LaunchSpec
from gptoss_tui.domain.render import bracketed, environment, labels, mounts

# What a YAML stream must not hold as it is (https://yaml.org/spec/1.2.2/#51-character-set), and
# line ends of YAML 1.1.
_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def write(spec: LaunchSpec) -> str:
    """The file. `docker compose -f FILE up -d` starts it."""
    engine = engine_named(spec.engine)
    use = "Start it on the box: docker compose -f FILE up -d (or docker-compose)"
    entrypoint = engine.container_entrypoint(spec)
    lines = [f"# {line}" for line in container.remarks(spec, use)]
    lines += ["services:", f"  {_text(spec.name)}:"]
    lines += [f"    container_name: {_value(spec.name)}", f"    image: {_value(spec.image)}"]
    if entrypoint:
        lines += ["    entrypoint:", *(f"      - {_value(word)}" for word in entrypoint)]
    lines += ["    command:", *(f"      - {_value(w)}" for w in engine.container_command(spec))]
    variables = environment(spec)
    if variables:
        lines += ["    environment:"]
        lines += [f"      - {_value(f'{key}={value}')}" for key, value in variables]
    port = f"{bracketed(spec.bind)}:{spec.port}:{engine.container_port}"
    lines += ["    ports:", f"      - {_value(port)}", *_mounts(spec)]
    lines += [f"    shm_size: {spec.shm_bytes}", f"    stop_grace_period: {spec.stop_timeout_s}s"]
    lines += [f"    restart: {'unless-stopped' if spec.restart_once_ready else _text('no')}"]
    if spec.security_opt:
        lines += ["    security_opt:", *(f"      - {_value(each)}" for each in spec.security_opt)]
    if spec.host_user:
        lines += ["    userns_mode: host"]
    lines += _gpus(spec)
    lines += ["    labels:"]
    lines += [f"      {_text(key)}: {_value(value)}" for key, value in labels(spec).items()]
    return "\n".join(lines) + "\n"


def _mounts(spec: LaunchSpec) -> list[str]:
    """A folder that is not there is made; a secret's file (in the long form) must be there."""
    lines = [f"      - {_value(mount)}" for mount in mounts(spec)]
    for source, target in container.secret_files(spec):
        lines += ["      - type: bind", f"        source: {_value(source)}"]
        lines += [f"        target: {_value(target)}", "        read_only: true"]
    return ["    volumes:", *lines] if lines else []


def _gpus(spec: LaunchSpec) -> list[str]:
    """https://docs.docker.com/compose/how-tos/gpu-support/"""
    if spec.gpu_access == "runtime":
        return ["    runtime: nvidia"]
    if spec.gpu_access == "cdi":
        return ["    devices:", *(f"      - {_value(device)}" for device in spec.cdi_devices)]
    return [
        "    deploy:",
        "      resources:",
        "        reservations:",
        "          devices:",
        "            - driver: nvidia",
        "              device_ids:",
        *(f"                - {_value(gpu)}" for gpu in spec.gpu_ids),
        "              capabilities:",
        "                - gpu",
    ]


def _text(text: str) -> str:
    """A double-quoted scalar, for YAML and for JSON alike."""
    plain = json.dumps(text, ensure_ascii=False)
    return _ODD.sub(lambda odd: f"\\u{ord(odd[0]):04x}", plain)


def _value(text: str) -> str:
    return _text(text.replace("$", "$$"))


def spec_text(text: str) -> str | None:
    """The label with the spec, in a file of this form; None where it is none."""
    begin = f"{_text(LABEL_SPEC)}: "
    for line in text.split("\n"):
        if line.strip().startswith(begin):
            try:
                return str(json.loads(line.strip().removeprefix(begin))).replace("$$", "$")
            except ValueError:
                return None
    return None
