"""All messages of the app. Facts come down (past tense), intents go up (…Requested).

Only `app.feeds` turns intents into calls on a `Box`, and a `Box`'s facts into `FactArrived`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from textual.message import Message

from gptoss_tui.domain.chat import Effort
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.prompts import PromptRequest
from gptoss_tui.domain.repair.types import Repair
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import EngineError, GptossError, UnknownHostKeyError

_REPLACEABLE = (GpuSnapshot, EngineSnapshot)


@dataclass
class FactArrived(Message):
    """A fact passed the hub. A sample still in the queue gives way to its successor."""

    fact: AnyFact

    def can_replace(self, message: Message) -> bool:
        if not isinstance(message, FactArrived):
            return False
        mine, other = self.fact, message.fact
        return (
            isinstance(mine.body, _REPLACEABLE)
            and type(mine.body) is type(other.body)
            and (mine.box, mine.instance) == (other.box, other.instance)
        )


@dataclass
class ActionFailed(Message):
    """Something asked for did not happen; `doing` names it ("stop gptoss-20b")."""

    box: str | None
    doing: str
    error: GptossError


@dataclass
class ChatFailed(Message):
    """An answer did not come, or broke off. `status` of the error is the server's, if any."""

    box: str
    instance: str
    error: GptossError

    @property
    def status(self) -> int | None:
        return self.error.status if isinstance(self.error, EngineError) else None


Part = Literal["engine", "log"]


@dataclass
class WatchFailed(Message):
    """This part of a server cannot be followed now; it is tried again."""

    box: str
    instance: str
    part: Part
    error: GptossError


@dataclass
class HostKeyAsked(Message):
    """A host that was never seen before showed its key: the user decides."""

    box: str
    error: UnknownHostKeyError


@dataclass
class PromptAsked(Message):
    """A login needs something of a person; `answer` takes it (None: the dialog was closed)."""

    request: PromptRequest
    answer: asyncio.Future[str | None]


@dataclass
class BoxIntent(Message):
    """Base of all intents about a box."""

    box: str


@dataclass
class ConnectRequested(BoxIntent):
    """The user chose this box: connect (or try again now), look at it, remember it."""


@dataclass
class BoxAdded(Message):
    """The user pasted an ssh command line or a user@host:port."""

    line: str


@dataclass
class ForgetRequested(BoxIntent):
    """Take a box off the list (and disconnect); the app asks before it does."""


@dataclass
class LookRequested(BoxIntent):
    """Look at the whole box anew (report and instances)."""


@dataclass
class DashboardRequested(BoxIntent):
    """Open the dashboard of a box, at an instance if one is named, with this pane in front."""

    instance: str | None = None
    pane: int = 1


@dataclass
class WizardRequested(BoxIntent):
    """Open the wizard for a box."""


@dataclass
class RepairsRequested(BoxIntent):
    """Open the place where a box is repaired."""


@dataclass
class SurveyRequested(BoxIntent):
    """Look at a box, and at what repairs need to know besides."""


@dataclass
class RepairRequested(BoxIntent):
    """Run this repair: the user has seen its script and said yes."""

    repair: Repair


@dataclass
class LogsRequested(BoxIntent):
    """Follow the log of this instance (None: none)."""

    instance: str | None = None


@dataclass
class EngineWatchRequested(BoxIntent):
    """Watch the metrics of this instance (None: none)."""

    instance: str | None = None


@dataclass
class ChatRequested(BoxIntent):
    """Ask this server."""

    instance: str
    prompt: str
    effort: Effort


@dataclass
class ChatStopRequested(BoxIntent):
    """Drop the answer that is streaming."""

    instance: str


@dataclass
class LaunchRequested(BoxIntent):
    """Launch; `replaces` is a failed launch's stopped server, which is removed before.

    `upgrades` is a server whose place it takes once it is ready, and which is started again if not.
    """

    spec: LaunchSpec
    secrets: Secrets
    replaces: str | None = None
    upgrades: str | None = None


@dataclass
class CancelLaunchRequested(BoxIntent):
    """End a launch and take back what it made; the app asks before it does."""

    launch_id: str


@dataclass
class StopRequested(BoxIntent):
    """Stop a server of ours; the app asks before it does."""

    instance: str


@dataclass
class UpgradeRequested(BoxIntent):
    """Open the place where another version is put in a server's place."""

    instance: str


@dataclass
class ForwardRequested(BoxIntent):
    """Open (or close, when open) a server's endpoint on this machine."""

    instance: str


@dataclass
class CopyRequested(Message):
    """Put text on the clipboard, by every way that works here (also inside tmux)."""

    text: str
    what: str = "text"


@dataclass
class PageRequested(Message):
    """Show text as a plain unwrapped page that can be selected, copied and saved to a file."""

    title: str
    text: str


@dataclass
class SaveRequested(Message):
    """Write text to a file of the user's, and say where."""

    title: str
    text: str


@dataclass
class LaunchWatchRequested(BoxIntent):
    """Open the timeline of a launch that is under way (or has ended)."""

    launch_id: str
