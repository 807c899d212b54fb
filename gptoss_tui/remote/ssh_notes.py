"""What `check` says of the way to a box: hops, directives that are not followed, fallbacks."""

from __future__ import annotations

import asyncio

import asyncssh
import msgspec

from gptoss_tui.remote.sessions import ENOUGH, sessions_of
from gptoss_tui.remote.ssh_algorithms import LISTS, chosen
from gptoss_tui.remote.ssh_config import Config, Directive
from gptoss_tui.remote.ssh_connect import Opened
from gptoss_tui.remote.ssh_options import known_name
from gptoss_tui.text import clean_line

PROBE_S = 5.0
# The directives that are followed, by us or by asyncssh.
_FOLLOWED = """
    hostname port user identityfile identitiesonly identityagent certificatefile hostkeyalias
    proxyjump proxycommand userknownhostsfile globalknownhostsfile connecttimeout addressfamily
    bindaddress compression ciphers kexalgorithms macs hostkeyalgorithms casignaturealgorithms
    preferredauthentications passwordauthentication pubkeyauthentication tag ignoreunknown
    kbdinteractiveauthentication challengeresponseauthentication tcpkeepalive
    numberofpasswordprompts
"""
USED = frozenset(_FOLLOWED.split())
_OWN_CONNECTION = "not needed: all of a box goes over one connection, which we open ourselves"
_FORWARDS = "no port is opened by itself: `gptoss-tui forward BOX` opens a server's"
_KEPT = "not needed: silence is noticed after 5 s, and a connection given up after 30 s"
_COMMAND = "only commands of ours are run, and never on a terminal"
_ENVIRONMENT = "no environment is sent to the box"
_HOST_KEYS = "unknown host keys are always asked about (or --accept-new), changed ones refused"
_NO_METHOD = "this way to log in is not supported"
_WHY = {
    "controlmaster": _OWN_CONNECTION, "controlpath": _OWN_CONNECTION,
    "controlpersist": _OWN_CONNECTION, "localforward": _FORWARDS, "remoteforward": _FORWARDS,
    "dynamicforward": _FORWARDS, "exitonforwardfailure": _FORWARDS, "gatewayports": _FORWARDS,
    "clearallforwardings": _FORWARDS, "serveraliveinterval": _KEPT, "serveralivecountmax": _KEPT,
    "remotecommand": _COMMAND, "localcommand": _COMMAND, "permitlocalcommand": _COMMAND,
    "requesttty": _COMMAND, "sessiontype": _COMMAND, "stdinnull": _COMMAND,
    "forkafterauthentication": _COMMAND, "escapechar": _COMMAND,
    "sendenv": _ENVIRONMENT, "setenv": _ENVIRONMENT,
    "stricthostkeychecking": _HOST_KEYS, "updatehostkeys": "no key is added by a box itself",
    "verifyhostkeydns": "keys in the DNS are not asked for",
    "hashknownhosts": "our own file of host keys has names in the clear",
    "checkhostip": "not needed: host keys are filed by name, as OpenSSH does since 8.5",
    "knownhostscommand": "host keys are read from files only",
    "nohostauthenticationforlocalhost": _HOST_KEYS,
    "visualhostkey": "the fingerprint is shown instead",
    "fingerprinthash": "fingerprints are SHA256",
    "forwardagent": "not needed: nothing on a box uses your agent",
    "forwardx11": "no window is opened from a box", "forwardx11trusted": "no window is opened",
    "addkeystoagent": "an unlocked key is kept until gptoss-tui ends, and not given to the agent",
    "usekeychain": "the keychain is not asked: ssh-add --apple-use-keychain fills the agent",
    "loglevel": "what happens is in the debug log", "batchmode": "`--json` asks nobody",
    "rekeylimit": "the library's own limit holds (1 GiB or an hour)",
    "canonicalizehostname": "names are not completed: write HostName",
    "canonicaldomains": "names are not completed: write HostName",
    "gssapiauthentication": _NO_METHOD, "gssapidelegatecredentials": _NO_METHOD,
    "hostbasedauthentication": _NO_METHOD, "pkcs11provider": "use an agent (ssh-add -s)",
    "securitykeyprovider": "use an agent for security keys",
    "pubkeyacceptedalgorithms": "what the server takes is offered",
    "proxyusefdpass": "a ProxyCommand is spoken to by its standard input and output",
    "connectionattempts": "a box that is gone is tried again until you leave it",
    "bindinterface": "use BindAddress", "ipqos": "the system's own setting holds",
}  # fmt: skip


class Ignored(msgspec.Struct, frozen=True, kw_only=True):
    """A directive, or a part of its value, that has no effect here, and why.

    `hop` is the jump host that it is for; "" for the box itself.
    """

    directive: str
    value: str
    place: str
    why: str
    hop: str = ""


class SshNotes(msgspec.Struct, frozen=True, kw_only=True):
    """The way to a box. `fallbacks` say what the server forbids and what is done instead."""

    host: str
    port: int
    user: str
    known_as: str
    hops: tuple[str, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    fallbacks: tuple[str, ...] = ()


def ignored_in(config: Config, hop: str = "") -> tuple[Ignored, ...]:
    """What is in force for this host by the user's own files and is not followed.

    Lines of /etc/ssh/ssh_config are left out: nobody wrote them for this box.
    """
    lines = [one for ones in config.directives.values() for one in ones if not one.system]
    ignored = [_ignored(one, hop) for one in lines if one.keyword not in USED]
    ignored += [
        _note(one, ",".join(lacking), "the SSH library has no such algorithm", hop)
        for one in lines
        if one.keyword in LISTS and one.args
        if (lacking := chosen(one.keyword, one.args[0]).lacking)
    ]
    return tuple(ignored)


def _all_ignored(opened: Opened) -> tuple[Ignored, ...]:
    """Those of the box, then those of each hop; a line for all hosts is told of once."""
    found = {(one.directive, one.place): one for one in ignored_in(opened.config)}
    for hop, config in zip(opened.hops, opened.hop_configs, strict=True):
        for one in ignored_in(config, hop):
            found.setdefault((one.directive, one.place), one)
    return tuple(found.values())


def _ignored(one: Directive, hop: str) -> Ignored:
    why = _WHY.get(one.keyword, "gptoss-tui does not know it")
    if one.keyword.startswith("match "):
        why = "a Match by it fits no host here"
    return _note(one, one.value, why, hop)


def _note(one: Directive, value: str, why: str, hop: str) -> Ignored:
    return Ignored(
        directive=clean_line(one.keyword, 60), value=clean_line(value, 120),
        place=clean_line(one.place), why=why, hop=clean_line(hop),
    )  # fmt: skip


async def notes_of(opened: Opened) -> SshNotes:
    """Asks the server whether it forwards, and for a few sessions, which changes nothing there."""
    config = opened.config
    alias, port = known_name(config)
    return SshNotes(
        host=clean_line(config.host), port=config.port, user=clean_line(config.user),
        known_as=alias if port == 22 else f"[{alias}]:{port}",
        hops=opened.hops, ignored=_all_ignored(opened),
        fallbacks=(
            *await _forwarding(opened.connection), *await _few_sessions(opened.connection)
        ),
    )  # fmt: skip


async def _few_sessions(connection: asyncssh.SSHClientConnection) -> tuple[str, ...]:
    sessions = sessions_of(connection)
    if sessions is None:
        return ()
    await sessions.measure()
    if sessions.single:
        return (
            "It allows one session at a time (MaxSessions 1): commands take turns, and what would "
            "be followed (GPU figures, the progress of a launch) comes by single looks.",
        )
    if sessions.allowed < ENOUGH:
        return (
            f"It allows {sessions.allowed} sessions at a time (MaxSessions {sessions.allowed}): "
            "commands wait for each other while something is followed.",
        )
    return ()


async def _forwarding(connection: asyncssh.SSHClientConnection) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(PROBE_S):
            # A port that nobody listens on: a server that may forward says "connection refused".
            _, writer = await connection.open_connection("127.0.0.1", 1)
            writer.close()
    except asyncssh.ChannelOpenError as error:
        if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
            return (
                "TCP forwarding is forbidden there (AllowTcpForwarding, PermitOpen): servers are "
                "reached through exec channels, which take more of the box's sessions.",
            )
    except (asyncssh.Error, OSError, TimeoutError):
        return ()
    return ()
