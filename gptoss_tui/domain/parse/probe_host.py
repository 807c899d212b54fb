"""The parts of the probe's output that tell of the machine: cards, kernel log, ports, network."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from gptoss_tui.domain.parse.http_date import http_date
from gptoss_tui.domain.parse.numbers import finite, whole
from gptoss_tui.domain.parse.sections import Sections, answer, pairs

_XID = re.compile(r"NVRM: Xid \((?:PCI:)?([^)]*)\): (\d+)")
_UPTIME = re.compile(r"^\[\s*(\d+(?:\.\d+)?)\]")
# https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/kernel/module/signing.c
_REJECTED = re.compile(r"Loading of .* rejected|unsigned module loading is restricted")
_OWNER = re.compile(r'\(\("([^"]+)"')
TARGETS = ("reach_registry", "reach_hub", "reach_hub_by_proxy")


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """An NVIDIA card on the PCI bus, and the kernel driver that has it."""

    address: str
    driver: str | None = None


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel knows of NVIDIA cards, with or without a driver.

    `pci`: the bus could be read. `module_file`: a kernel module for this kernel lies on the disk.
    `denied`: a device node that this user may not open. `fabric_manager`: systemd's word for its
    service on a box with NVSwitch, None elsewhere. `wsl`: WSL 2 with a GPU of Windows; `tegra`: a
    Jetson. `blacklisted`: the file that keeps NVIDIA's module from being loaded. `uvm`:
    whether /dev/nvidia-uvm can be opened, by which CUDA starts, and nvidia-smi does not need.
    """

    pci: bool = False
    cards: tuple[Card, ...] = ()
    modules: frozenset[str] = frozenset()
    kernel_module: str | None = None
    module_file: bool = False
    secure_boot: bool | None = None
    blacklisted: str | None = None
    uvm: bool = True
    denied: str | None = None
    fabric_manager: str | None = None
    wsl: bool = False
    tegra: bool = False


class Xid(msgspec.Struct, frozen=True, kw_only=True):
    """An error that the driver wrote into the kernel's log; `uptime_s` says when."""

    code: int
    address: str
    uptime_s: float | None = None


class KernelLog(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel's log says of NVIDIA; `readable` False where this user may not read it.

    `wants_open`: a card wants the open kernel module, and another is loaded; `refused`: a card is too
    old for the driver or its module; `unknown`: the driver's release does not know a card; `failed`:
    it could not start one; `fell`: one fell off the bus; `no_power`: one lacks a power cable;
    `no_window`: the firmware gave one no room for its memory.
    """

    readable: bool = False
    wants_open: bool = False
    refused: bool = False
    unknown: bool = False
    failed: bool = False
    fell: bool = False
    no_power: bool = False
    no_window: bool = False
    xids: tuple[Xid, ...] = ()
    key_rejected: bool = False
    mismatch: bool = False


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """How many PCIe lanes a GPU has, of those that it could have."""

    index: int
    lanes: int
    most: int


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """What `nvidia-smi -q` alone tells of.

    `licenses` are those of virtual GPUs ("Licensed (Expiry: ...)", "Unlicensed"), `fabric` the states
    of NVSwitch's links ("Completed", "In Progress", "N/A").
    """

    licenses: tuple[str, ...] = ()
    fabric: frozenset[str] = frozenset()
    links: tuple[Link, ...] = ()


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """TCP ports on which something listens, and the program where that could be told."""

    listening: tuple[int, ...] = ()
    owners: tuple[tuple[int, str], ...] = ()


class Inodes(msgspec.Struct, frozen=True, kw_only=True):
    """How many files a file system can hold, and how many more; `role` as in `Disk`."""

    role: str
    total: int
    free: int


class Resolvers(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the box asks for names (addresses, as /etc/resolv.conf has them).

    `resolved`: systemd-resolved knows others, which Docker takes instead. `of_docker`: Docker's
    settings name some.
    """

    addresses: tuple[str, ...] = ()
    resolved: bool = False
    of_docker: bool = False


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a place in the Internet answered the box.

    `status` is curl's exit status (0: it answered; 6: no such name; 28: no answer in time; 60: its
    certificate was refused), None where nothing could ask; `proxy` is host and port.
    https://curl.se/docs/manpage.html#EXIT
    """

    target: str
    status: int | None = None
    http: int | None = None
    seconds: float | None = None
    proxy: str | None = None
    date: datetime | None = None
    said: str = ""

    @property
    def answered(self) -> bool:
        return self.status == 0 and bool(self.http)


def hardware(lines: list[str]) -> Hardware:
    known = pairs(lines)
    cards = (line.removeprefix("card=").split() for line in lines if line.startswith("card="))
    modules = (line.removeprefix("module=") for line in lines if line.startswith("module="))
    version = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", known.get("kernel_module", ""))
    return Hardware(
        pci="pci" in known or "card" in known,
        cards=tuple(
            Card(address=words[0], driver=words[1] if len(words) > 1 else None)
            for words in cards
            if words
        ),
        modules=frozenset(name.strip() for name in modules),
        kernel_module=version[1] if version else None,
        module_file=bool(known.get("module_file")),
        secure_boot={"1": True, "0": False}.get(known.get("secure_boot", "")),
        blacklisted=known.get("blacklisted") or None,
        uvm="uvm" not in known,
        denied=known.get("denied") or None,
        fabric_manager=known.get("fabric_manager") or None,
        wsl="wsl" in known,
        tegra="tegra" in known,
    )


def kernel_log(lines: list[str]) -> KernelLog:
    text = "\n".join(lines)
    sentence = " ".join(line.rpartition("NVRM:")[2].strip() for line in lines)
    return KernelLog(
        readable=bool(lines),
        wants_open="requires use of the NVIDIA open" in sentence,
        refused="installed in this system is not supported by open" in sentence
        or "is supported through the NVIDIA" in sentence,
        unknown="installed in this system is not supported by the " in sentence,
        failed="RmInitAdapter failed" in text,
        fell="fallen off the bus" in text,
        no_power="necessary power cables" in text,
        no_window="BAR1 is 0M" in text,
        xids=tuple(filter(None, map(_xid, lines))),
        key_rejected=_REJECTED.search(text) is not None,
        mismatch="API mismatch" in text,
    )


def _xid(line: str) -> Xid | None:
    found = None if line.startswith("@first ") else _XID.search(line)
    code = whole(found[2]) if found else None
    if found is None or code is None:
        return None
    since = _UPTIME.match(line)
    return Xid(code=code, address=found[1], uptime_s=finite(since[1]) if since else None)


def detail(lines: list[str]) -> Detail:
    told = [line.partition("=") for line in lines]
    links = (value.split() for key, _, value in told if key == "link")
    return Detail(
        licenses=tuple(value for key, _, value in told if key == "license"),
        fabric=frozenset(value for key, _, value in told if key == "fabric"),
        links=tuple(
            Link(index=index, lanes=lanes, most=most)
            for words in links
            if len(words) == 3
            and (index := whole(words[0])) is not None
            and (lanes := whole(words[1]))
            and (most := whole(words[2]))
        ),
    )


def ports(lines: list[str]) -> Ports:
    """Listening TCP ports from `ss` ("127.0.0.1:22 users:…") or /proc/net/tcp ("hex:0100007F:0016")."""
    found: set[int] = set()
    owners: dict[int, str] = {}
    for line in lines:
        address, _, users = line.strip().partition(" ")
        last = address.rpartition(":")[2]
        try:
            port = int(last, 16 if line.startswith("hex:") else 10)
        except ValueError:
            continue
        found.add(port)
        if owner := _OWNER.search(users):
            owners.setdefault(port, owner[1])
    return Ports(listening=tuple(sorted(found)), owners=tuple(sorted(owners.items())))


def inodes(lines: list[str]) -> tuple[Inodes, ...]:
    """Lines as `docker 16777216 15665256`; a file system without a fixed number has none."""
    found: list[Inodes] = []
    for line in lines:
        words = [*line.split(), "", ""]
        total, free = whole(words[1]), whole(words[2])
        if total and free is not None:
            found.append(Inodes(role=words[0], total=total, free=free))
    return tuple(found)


def resolvers(lines: list[str]) -> Resolvers:
    known = pairs(lines)
    named = (line.partition("=") for line in lines)
    return Resolvers(
        addresses=tuple(
            value.split()[0] for key, _, value in named if key == "nameserver" and value.split()
        ),
        resolved="resolved" in known,
        of_docker="docker" in known,
    )


def reached(found: Sections) -> tuple[Reach, ...]:
    return tuple(_reach(name, found[name]) for name in TARGETS if name in found)


def _reach(name: str, lines: list[str]) -> Reach:
    text, _, status = answer(lines, ())
    http, seconds = None, None
    date: datetime | None = None
    said = ""
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "@http":
            code, _, took = rest.partition(" ")
            http, seconds = whole(code), finite(took)
        elif word.lower() == "date:":
            date = http_date(rest)
        elif word.lower() == "curl:":
            said = rest.strip()
    return Reach(
        target=name.removeprefix("reach_"),
        status=status,
        http=http or None,
        seconds=seconds,
        proxy=pairs(lines).get("proxy") or None,
        date=date,
        said=said,
    )
