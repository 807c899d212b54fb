"""Docker's errors in words. The wordings were collected from engines 20.10 to 29."""

from __future__ import annotations

import re

from gptoss_tui.text import clean_line

_TABLE: tuple[tuple[str, str, str], ...] = (
    (
        r"port is already allocated|address already in use|ports are not available",
        "The port is taken: {said}",
        "Choose another port (--port), or stop what listens there.",
    ),
    (
        r"could not select device driver.*gpu|unknown or invalid runtime name: nvidia"
        r"|failed to discover GPU|nvidia-container-cli: initialization error",
        "Docker cannot give GPUs to containers here: the NVIDIA Container Toolkit is missing or "
        "not configured.",
        "Install nvidia-container-toolkit, then: sudo nvidia-ctk runtime configure "
        "--runtime=docker && sudo systemctl restart docker.",
    ),
    (
        r"unsatisfied condition: cuda|please update your driver",
        "The NVIDIA driver is too old for this image: {said}",
        "Use an image tag that ends in -cu129, or update the driver (580 or newer for CUDA 13).",
    ),
    (
        r"unknown device|device.*not found.*gpu|no such device|invalid device",
        "Docker does not know one of the chosen GPUs: {said}",
        "Look at the box again and choose GPUs that are there.",
    ),
    (
        r"manifest.*(?:unknown|not found)|not found: manifest|manifest unknown"
        r"|no such image|repository does not exist|pull access denied",
        "The image does not exist: {said}",
        "Check its name and tag (--image), and that the registry needs no login.",
    ),
    (
        r"toomanyrequests|rate limit",
        "The registry refuses more pulls for now: its rate limit is reached.",
        "Wait, or log in to the registry on the box (docker login).",
    ),
    (
        r"no space left on device|disk quota exceeded",
        "The box's disk is full.",
        "Free some space (docker system df; docker image prune), then launch again.",
    ),
    (
        r"permission denied.*(?:docker|socket)|docker.*permission denied",
        "This user may not use Docker.",
        "Add the user to the docker group (which is root by another name), log in again.",
    ),
    (
        r"container name .* is already in use|name conflict|Conflict\. The container name",
        "The container name is taken: {said}",
        "Choose another name (--name), or remove that container.",
    ),
    (
        r"unexpected EOF|short read|connection reset|TLS handshake timeout|i/o timeout"
        r"|context deadline exceeded",
        "The connection to the registry broke off: {said}",
        "Launch again; finished layers are not downloaded twice.",
    ),
    (
        r"no such host|server misbehaving|temporary failure in name resolution"
        r"|network is unreachable|connection refused",
        "The box cannot reach the registry: {said}",
        "Check the box's network and DNS, or load the image by hand (docker load).",
    ),
    (
        r"x509|certificate",
        "The registry's certificate was not accepted: {said}",
        "Check the box's clock and its CA certificates (a proxy may be in between).",
    ),
    (
        r"failed to register layer|operation not permitted",
        "Docker could not unpack the image: {said}",
        "The box may be a container without the rights that Docker needs.",
    ),
    (
        r"client version .* is too new|client version .* is too old",
        "Docker speaks another version of its API: {said}",
        "Update Docker Engine on the box.",
    ),
    (r"no such container", "The container is gone: {said}", "Look at the box again."),
)


def failure_of(step: str, said: str) -> tuple[str, str]:
    """A sentence and a next step for what Docker said at `step`; always something to show."""
    brief = clean_line(said, 300).rstrip(".")
    for pattern, sentence, next_step in _TABLE:
        if re.search(pattern, said, re.IGNORECASE):
            return sentence.format(said=brief + "." if "{said}" in sentence else ""), next_step
    return f"Docker refused ({step}): {brief or 'without a word'}.", "See Docker's own log."
