"""A machine that can be repaired: package database, /etc and /usr of its own, a mirror of packages.

The box's /etc, /usr and the package database are overlays on this machine's: what a repair installs
and writes is gone with the box. The mirror has the layout of NVIDIA's repository and a key of its
own; its packages are made here and have stand-ins for programs that need a GPU.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.box import USER, Kind, RealBox, real_box

PASSWORD = "correct horse"
OVERLAID = ("/etc", "/usr", "/var/lib/dpkg", "/var/lib/apt", "/var/cache")
TOOLKIT = ("libnvidia-container1", "libnvidia-container-tools", "nvidia-container-toolkit-base",
           "nvidia-container-toolkit")  # fmt: skip

# Does what the real one does to Docker's configuration.
_CTK = """#!/usr/bin/python3
import json, pathlib, sys
if sys.argv[1:] == ["--version"]:
    print("NVIDIA Container Toolkit CLI version 1.20.0 (a stand-in)")
elif sys.argv[1:] == ["runtime", "configure", "--runtime=docker"]:
    file = pathlib.Path("/etc/docker/daemon.json")
    config = json.loads(file.read_text()) if file.exists() else {}
    config.setdefault("runtimes", {})["nvidia"] = {"path": "nvidia-container-runtime", "args": []}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(config, indent=4))
    print("Wrote updated config to", file)
else:
    sys.exit(f"unexpected: {sys.argv}")
"""
_PROGRAMS = {
    "nvidia-container-toolkit-base": {
        "nvidia-ctk": _CTK,
        "nvidia-container-runtime": '#!/bin/sh\nexec /usr/sbin/runc "$@"\n',
    },
    "nvidia-container-toolkit": {"nvidia-container-runtime-hook": "#!/bin/sh\nexit 0\n"},
}


@contextmanager
def bare_machine(registry_port: int) -> Iterator[RealBox]:
    """A box with Docker installed and not started, no toolkit, and a user whose sudo asks."""
    with real_box(registry_port, Kind(docker=False, gpu_runtime=False)) as box:
        _overlay(box)
        _users(box)
        mirror = f"{box.gateway}:{registry_port}"
        etc = box.folder / "over" / "etc" / "upper"
        (etc / "default").mkdir(exist_ok=True)
        (etc / "default" / "docker").write_text(
            f'DOCKER_LOGFILE=/run/docker.log\nDOCKER_OPTS="--data-root /var/lib/docker '
            f"--exec-root /run/docker --registry-mirror http://{mirror} "
            f'--insecure-registry {mirror}"\n'
        )
        (etc / "fstab").write_text("cgroup /sys/fs/cgroup cgroup2 defaults 0 0\n")
        box.run("rm", "-rf", "/etc/apt/sources.list", "/etc/apt/sources.list.d", "/etc/docker")
        box.run("mkdir", "/etc/apt/sources.list.d")
        # Where the tests run, nobody may raise these limits: the script would end there.
        box.run("sed", "-i", "s/ulimit -[npu] .*/:/", "/etc/init.d/docker")
        yield box


def _overlay(box: RealBox) -> None:
    for place in OVERLAID:
        over = box.folder / "over" / place[1:].replace("/", "-")
        for part in ("upper", "work"):
            (over / part).mkdir(parents=True)
        if place == "/etc":
            for file in (box.folder / "etc").iterdir():
                shutil.copy2(file, over / "upper" / file.name)
        options = f"lowerdir={place},upperdir={over}/upper,workdir={over}/work"
        box.run("mount", "-t", "overlay", "overlay", "-o", options, place)


def _users(box: RealBox) -> None:
    """The machine's own system users besides the box's: the package database names them."""
    etc = box.folder / "over" / "etc" / "upper"
    for name in ("passwd", "group"):
        file = etc / name
        there = {line.partition(":")[0] for line in file.read_text().splitlines()}
        more = [
            line
            for line in Path(f"/etc/{name}").read_text().splitlines()
            if line.partition(":")[0] not in there
        ]
        file.write_text(file.read_text() + "\n".join([*more, ""]))
    if "docker:" not in (etc / "group").read_text():
        box.run("groupadd", "--system", "docker")
    for name in ("passwd", "group"):  # /etc/group may have users of this machine in docker
        assert f"{USER}:" in (etc / name).read_text()
    (etc / "sudoers").write_text(f"{USER} ALL=(ALL) ALL\n")
    (etc / "sudoers").chmod(0o440)
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True
    ).stdout.strip()
    box.run("usermod", "-p", hashed, USER)


def image(box: RealBox, name: str) -> None:
    """An image of busybox, with a stand-in for what the toolkit would bring into the container."""
    root = box.folder / "image"
    if root.exists():
        return
    busybox = shutil.which("busybox") or "/bin/busybox"
    linked = subprocess.run(["ldd", busybox], capture_output=True, text=True, check=False).stdout
    for file in (busybox, *re.findall(r"(/\S+)", linked)):
        place = root / (f"bin/{Path(file).name}" if file == busybox else file[1:])
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    for program in ("sh", "sleep"):
        (root / "bin" / program).symlink_to("busybox")
    smi = root / "usr/bin/nvidia-smi"
    smi.parent.mkdir(parents=True)
    smi.write_text('#!/bin/sh\necho "GPU 0: seen from the container"\n')
    smi.chmod(0o755)
    box.run("sh", "-c", f"tar -C {root} -c . | docker import - {name}")


# --- the mirror ---------------------------------------------------------------------------------


def package_mirror(folder: Path) -> str:
    """Make a signed repository with NVIDIA's layout in `folder`; its address."""
    address = f"file://{folder}"
    architecture = _output("dpkg", "--print-architecture")
    deb = folder / "stable" / "deb" / architecture
    deb.mkdir(parents=True)
    (deb.parent / "nvidia-container-toolkit.list").write_text(
        "deb https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH) /\n"
        "#deb https://nvidia.github.io/libnvidia-container/experimental/deb/$(ARCH) /\n"
    )
    packages = "\n".join(_package(folder, deb, name, architecture) for name in TOOLKIT)
    (deb / "Packages").write_text(packages)
    digest = hashlib.sha256(packages.encode()).hexdigest()
    release = f"Date: {_output('date', '-Ru')}\nSHA256:\n {digest} {len(packages)} Packages\n"
    _sign(folder, deb, release)
    return address


def _package(folder: Path, deb: Path, name: str, architecture: str) -> str:
    """One package, and its paragraph of the index."""
    root = folder / "build" / name
    (root / "DEBIAN").mkdir(parents=True)
    depends = {"nvidia-container-toolkit": f"Depends: {', '.join(TOOLKIT[:-1])}\n"}.get(name, "")
    control = (
        f"Package: {name}\nVersion: 1.20.0-1\nArchitecture: {architecture}\n"
        f"Maintainer: nobody <nobody@example.org>\n{depends}Description: a stand-in\n"
    )
    (root / "DEBIAN/control").write_text(control)
    for program, text in _PROGRAMS.get(name, {}).items():
        file = root / "usr/bin" / program
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    made = deb / f"{name}.deb"
    _output("dpkg-deb", "--root-owner-group", "--build", str(root), str(made))
    content = made.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return f"{control}Filename: ./{made.name}\nSize: {len(content)}\nSHA256: {digest}\n"


def _sign(folder: Path, deb: Path, release: str) -> None:
    home = folder / "keys"
    home.mkdir(mode=0o700)
    environment = {**os.environ, "GNUPGHOME": str(home)}

    def gpg(*words: str, text: str = "") -> str:
        return subprocess.run(
            ["gpg", "--batch", "--yes", *words],
            input=text, env=environment, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    gpg("--passphrase", "", "--quick-generate-key", "mirror@example.org", "ed25519", "sign", "1d")
    (folder / "gpgkey").write_text(gpg("--armor", "--export"))
    (deb / "InRelease").write_text(gpg("--clearsign", text=release))
    subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)


def _output(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return done.stdout.strip()
