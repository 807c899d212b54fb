"""Opening a box: all that needs SSH, HTTP and the parsers, which take longer to load than the app.

So `remote.fleet` imports this file at the first connection, or in the background before it.
"""

from __future__ import annotations

import shlex
from importlib import import_module

from gptoss_tui.domain.facts import Hub
from gptoss_tui.remote.fleet_port import LOCAL
from gptoss_tui.remote.gpus import SmiSource
from gptoss_tui.remote.host_box import HostBox
from gptoss_tui.remote.launcher import Known
from gptoss_tui.remote.local_transport import LocalTransport
from gptoss_tui.remote.pulse import Pulse
from gptoss_tui.remote.ssh_connect import ConnectOptions, Dialer
from gptoss_tui.remote.ssh_transport import SshTransport
from gptoss_tui.remote.target import Target

# Otherwise imported at the first request and the first scrape, while somebody waits.
for _late in (
    "encodings.idna", "anyio.lowlevel", "anyio._core._synchronization", "anyio._backends._asyncio",
    "prometheus_client.parser",
):  # fmt: skip
    import_module(_late)


async def dial(
    name: str, target: Target, dialer: Dialer, hub: Hub, pulse: Pulse, *, launches: Known
) -> HostBox:
    """A box over SSH, connected; `launches` are what is known of it. Raises the `BoxError` family."""
    opened = await dialer.connect(name, target)
    transport = SshTransport(opened.connection, name, ssh_words(target, dialer.options))
    return HostBox(name, transport, SmiSource(transport), hub, pulse, launches=launches)


def this_machine(hub: Hub) -> HostBox:
    """The local box."""
    # NVML is loaded only where it can be of use: on this machine.
    from gptoss_tui.remote.nvml import NvmlSource

    local = LocalTransport()
    return HostBox(LOCAL, local, NvmlSource(SmiSource(local)), hub)


def ssh_words(target: Target, options: ConnectOptions) -> str:
    """The words behind `ssh` that lead to the same box, with the config and the key it was given."""
    words = ["-F", str(options.config_file)] if options.config_file else []
    words += ["-p", str(target.port)] if target.port else []
    words += ["-J", target.jump] if target.jump else []
    identity = target.identity or options.identity
    words += ["-i", identity] if identity else []
    words += [word for option in target.options for word in ("-o", option)]
    user = f"{target.user}@" if target.user else ""
    return shlex.join([*words, f"{user}{target.host}"])
