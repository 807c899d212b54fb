"""The NVIDIA Container Toolkit: installed as NVIDIA documents it, and Docker told of it.

https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html
"""

from __future__ import annotations

import re

from gptoss_tui.domain.repair.parts import AGAIN, HEAD, assignments
from gptoss_tui.errors import UsageError

REPOSITORY = "https://nvidia.github.io/libnvidia-container"
# What may stand in a package source, in sed's replacement and between the marks of both.
_ADDRESS = re.compile(r"(https?|file)://[A-Za-z0-9._~:/%+@\[\]-]+")

_INSTALL = r"""
# Where NVIDIA's repository is; a mirror has the same files below its own address.
origin=https://nvidia.github.io/libnvidia-container
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if have nvidia-ctk && have nvidia-container-runtime; then
    echo "The toolkit is installed already: $(nvidia-ctk --version | head -n 1)"
elif have apt-get; then
    # Another package run (a new box updates itself) is waited for, not broken into.
    apt() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null; }
    # One that was cut off is finished first: until then apt refuses all else.
    if [ -n "$(find /var/lib/dpkg/updates -name '[0-9]*' 2>/dev/null)" ]; then
        DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --configure -a \
            </dev/null || :
    fi
    needed=
    have curl || needed='ca-certificates curl'
    have gpg || needed="$needed gnupg"
    if [ -n "$needed" ]; then
        apt update || echo 'Some package lists could not be read; going on.'
        # shellcheck disable=SC2086 # names, one by one
        apt install -y --no-install-recommends $needed
    fi
    keyring=/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg
    list=/etc/apt/sources.list.d/nvidia-container-toolkit.list
    # The same repository under two keys would stop apt altogether.
    sources='/etc/apt/sources.list /etc/apt/sources.list.d'
    # shellcheck disable=SC2086 # two words
    if other=$(grep -rlsF "$repository/stable/deb" $sources | grep -vxF "$list"); then
        echo "The repository is known already, from $other"
    else
        curl -fsSL -o "$work/key" "$repository/gpgkey"
        GNUPGHOME=$work gpg --batch --yes --dearmor -o "$work/keyring" "$work/key"
        curl -fsSL -o "$work/list" "$repository/stable/deb/nvidia-container-toolkit.list"
        sed "s#deb $origin#deb [signed-by=$keyring] $repository#" "$work/list" >"$work/signed"
        install -D -m 0644 "$work/keyring" "$keyring"
        install -D -m 0644 "$work/signed" "$list"
    fi
    apt update || echo 'Some package lists could not be read; going on.'
    apt install -y nvidia-container-toolkit
elif have zypper || have dnf; then
    # `zypper ar` takes the same file, but refuses a second time.
    if have zypper; then folder=/etc/zypp/repos.d; else folder=/etc/yum.repos.d; fi
    if ! have curl; then
        if have zypper; then zypper --non-interactive install curl; else dnf install -y curl; fi
    fi
    curl -fsSL -o "$work/repo" "$repository/stable/rpm/nvidia-container-toolkit.repo"
    sed "s#$origin#$repository#g" "$work/repo" >"$work/ours"
    install -D -m 0644 "$work/ours" "$folder/nvidia-container-toolkit.repo"
    if have zypper; then
        zypper --non-interactive --gpg-auto-import-keys install -y nvidia-container-toolkit
    else
        dnf install -y nvidia-container-toolkit
    fi
else
    echo 'There is neither apt-get nor dnf nor zypper here.' >&2
    echo 'Install nvidia-container-toolkit by hand.' >&2
    exit 1
fi
"""

_NOT_INSTALLED = r"""
if ! have nvidia-ctk; then
    echo 'nvidia-ctk is not installed: the repair "toolkit" installs it.' >&2
    exit 1
fi
"""

_DOCKER = r"""
config=/etc/docker/daemon.json
before=$(cksum "$config" 2>/dev/null || :)
nvidia-ctk runtime configure --runtime=docker
# What was set for a Docker without root keeps one with root from opening the GPUs.
if [ ! -e /run/systemd/container ] &&
    grep -qsE '^ *no-cgroups *= *true' /etc/nvidia-container-runtime/config.toml; then
    nvidia-ctk config --set nvidia-container-cli.no-cgroups=false --in-place
fi
# A list of devices (CDI) is made for one driver.
for list in /etc/cdi/*.yaml /etc/cdi/*.json /var/run/cdi/*.yaml /var/run/cdi/*.json; do
    grep -qs 'libcuda\.so' "$list" || continue
    ! have nvidia-modprobe || nvidia-modprobe -u -c 0 || :
    nvidia-ctk cdi generate --output="$list"
done
known=$(docker info --format '{{json .Runtimes}}' 2>/dev/null || :)
case $known in
    *'"nvidia"'*) [ "$before" = "$(cksum "$config" 2>/dev/null || :)" ] && restart=no || restart=yes ;;
    *) restart=yes ;;
esac
if [ "$restart" = no ]; then
    echo 'Docker knows the runtime already: it is not restarted.'
else
    echo 'Docker restarts now. What runs in it:'
    docker ps --format '  {{.Names}} ({{.Image}})' || :
    service_of_docker restart
fi
"""

_ROOTLESS = r"""
# Docker runs without root here, as this user.
runtime=/run/user/$(id -u "$user")
as_user() {
    runuser -u "$user" -- env "XDG_RUNTIME_DIR=$runtime" "DOCKER_HOST=unix://$runtime/docker.sock" "$@"
}
config=$(getent passwd "$user" | cut -d : -f 6)/.config/docker/daemon.json
as_user mkdir -p "${config%/*}"
as_user nvidia-ctk runtime configure --runtime=docker --config="$config"
nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place
as_user systemctl --user restart docker
docker() { as_user docker "$@"; }
wait_for_docker
"""

_VALIDATE = r"""
# A container has to see the GPUs now; an image that is here is used before one is pulled.
if ! nvidia-smi -L >/dev/null 2>&1; then
    echo 'The driver does not answer on this box: nothing to validate in a container.'
    exit 0
fi
image=$(docker images --format '{{.Repository}}:{{.Tag}}' | grep -v ':<none>$' |
    grep -E '(^|/)(ubuntu|debian|cuda|vllm-openai|sglang|ollama):' | head -n 1 || :)
if [ -z "$image" ]; then
    image=ubuntu:latest
    if ! docker pull -q "$image"; then
        echo "Not validated in a container: $image cannot be pulled."
        exit 0
    fi
fi
echo "Validating in a container of $image:"
# (Where SELinux confines containers, they see no GPU without that option.)
docker run --rm --security-opt label=disable --runtime=nvidia --gpus all \
    --entrypoint nvidia-smi "$image" -L
"""

_PODMAN = r"""
# Podman has no daemon: it reads this list of devices (CDI) at each start.
mkdir -p /etc/cdi
! have nvidia-modprobe || nvidia-modprobe -u -c 0 || :
nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml
nvidia-ctk cdi list
"""


def install(repository: str, rootless_user: str = "", *, podman: bool = False) -> str:
    """Install, configure, restart, validate; Docker may run without root, as `rootless_user`.

    `podman`: that is the engine, not Docker. Raises `UsageError` for an address that is none.
    """
    if not _ADDRESS.fullmatch(repository):
        raise UsageError(
            f"{repository!r} is no address of a package repository.",
            f"It has to look like {REPOSITORY}.",
        )
    values = {"repository": repository.rstrip("/")}
    return _head(values, rootless_user) + _INSTALL + _rest(rootless_user, podman)


def configure(rootless_user: str = "", *, podman: bool = False) -> str:
    """The same for a toolkit that is installed."""
    return _head({}, rootless_user) + _NOT_INSTALLED + _rest(rootless_user, podman)


def _head(values: dict[str, str], rootless_user: str) -> str:
    user = {"user": rootless_user} if rootless_user else {}
    return assignments(values | user) + HEAD + AGAIN


def _rest(rootless_user: str, podman: bool) -> str:
    if podman:
        return _PODMAN
    return (_ROOTLESS if rootless_user else _DOCKER) + _VALIDATE
