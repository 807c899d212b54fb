"""What one service of a log has said so far: candidates for a cause, and its last words."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from gptoss_tui.domain.doctor.lines import Line
from gptoss_tui.domain.doctor.rows import HINT, Row
from gptoss_tui.domain.doctor.table import docker_row, row_of
from gptoss_tui.domain.doctor.tracebacks import GENERIC, Raised, Tracebacks
from gptoss_tui.domain.doctor.words import Words

_MOST_MARKS, _MOST_EVIDENCE = 48, 4
_READY = Words(
    r"Application startup complete|The server is fired up and ready|llama(?: runner|-server) started in"
    r"|server is listening on http"
)
# A request is being answered, so it came up before the first line of this piece of a log.
_ANSWERS = Words(
    r"Exception in ASGI application"
    r"|ERROR [^\[]{0,40}\[(?:serving|serving_\w+|\w*tool_parser)\.py:\d+\]"
)
# After the server was ready: only with one of these is an exception more than a failed request.
_DIED = Words(
    r"EngineDeadError|EngineCore (?:encountered a fatal error|hit an exception)"
    r"|Got fatal signal from worker|AsyncLLM output_handler failed"
    r"|Engine core proc \S+ died|[Rr]eceived sigquit|SIGQUIT received|Scheduler hit an exception"
    r"|Exception in (?:ModelTpServer|ControllerSingle)|Initialization failed\. warmup"
    r"|Worker proc \S+ died|MQLLMEngine.*(?:dead|terminated)"
)
# Plain words of a failure, known or not: one that stands nowhere else is shown as unknown.
_FAILS = Words(
    r"^(?:[\w][\w .-]{0,40}: )?(?:[Ee]rror|ERROR|FATAL|[Ff]atal(?: error)?|panic"
    r"|ERRO)(?:\[\d+\])?(?::|\]) ?\S"
    r"|^\S*sh: (?:\d+: )?\S+: |[Ee]rror ?response from daemon|OCI runtime (?:error|create failed)"
    r"|^\[FATAL |^(?:CUDA|cuBLAS|HIP|ROCm) error\b|[Ff]ailed to load model|^\[(?:Error|ERROR|Fatal|FATAL)\] \S"
    r"|core dumped"
)
# A line without a level that has one of these may tell of a failure, unless it only supposes one.
_TELLS = Words(
    r"(?i)^(?!.*\b(?:warn(?:ing)?|info|debug|may|might|skip\w*|ignor\w*|default\w*|optional\w*"
    r"|retry\w*|if|when)\b).*\b(?:no such file|not found|not installed|denied|can ?not|can't|could ?n[o']t|unable to"
    r"|fail(?:ed|ure|s)?|refused|time[d]? ?out|(?:un|not )support(?:ed)?|invalid|missing"
    r"|no (?:\w+ ){1,3}(?:was |were )?(?:found|detected|available|visible)|(?:used|held|occupied) by an?other|insufficient|not enough|not defined|error while|out of|exceed(?:s|ed)?|incomplete|corrupt\w*|exited)\b"
)
_DAEMON = Words(r"[Ee]rror ?response from daemon|OCI runtime (?:error|create failed)")
_STOPS = Words(
    r"Shutting down(?! Ray)|Application shutdown complete|shutdown triggered|signal_handler"
    r"|SIGTERM(?! received, please ignore)"
)
# SGLang kills itself when a part of it failed: 137, and as the first process of a container 0.
_SGLANG = Words(r"^server_args=")
_KILLS_ITSELF = Words(r"[Rr]eceived sigquit|SIGQUIT received")


def _split_in_one(row: Row, line: Line) -> bool:
    """Whether a row blames the split over several GPUs for a layer that an engine on one GPU made.

    With several, vLLM's layers are made in workers; the engine's core itself makes them on one.
    """
    return (
        row.cause == "parallel_size"
        and line.speaker[1].startswith("EngineCore")
        and line.message.startswith("RuntimeError: size_")
    )


@dataclass
class Mark:
    """A candidate: the first line that spoke of the cause, and the lines that show it."""

    cause: str
    rank: int
    number: int
    message: str
    evidence: tuple[tuple[int, str], ...]
    said: frozenset[str]


class Service:
    """Feed it the lines of one service in their order. What it keeps does not grow with them."""

    def __init__(self) -> None:
        self.marks: dict[str, Mark] = {}
        self.hints: deque[tuple[str, int, str]] = deque(maxlen=2)
        self.raised: Raised | None = None
        self.stopping = False
        self.killed_itself = False
        self._sglang = False
        self._generic: tuple[int, str] | None = None
        self._loud: deque[tuple[int, str]] = deque(maxlen=4)
        self._any: deque[tuple[int, str]] = deque(maxlen=4)
        self._tracebacks = Tracebacks()
        self._serving = False
        self._requests: list[tuple[int, Row, Line]] = []

    def feed(self, number: int, line: Line) -> None:
        if line.talk:
            return
        frames = self._tracebacks.frames(line)
        raised = self._tracebacks.feed(number, line)
        message = line.message
        if line.text.strip():
            self._any.append((number, line.text))
        if _READY.search(message):
            self._ready()
        elif not self._serving and self._well() and _ANSWERS.search(line.text):
            self._serving = True
        elif _STOPS.search(message):
            self.stopping = True
        if _DIED.search(message):
            self._died()
        self._sglang = self._sglang or _SGLANG.match(message) is not None
        self.killed_itself = self.killed_itself or _KILLS_ITSELF.search(message) is not None
        if line.level == "debug":
            return
        if GENERIC.search(message):
            self._generic = self._generic or (number, line.text)
        elif raised is not None and not raised.generic and not self._serving:
            self.raised = self.raised or raised
        elif line.level in ("", "error") and not self._serving and _FAILS.search(message):
            self._generic = self._generic or (number, line.text)
        if line.level == "error" and not self._serving:
            self._loud.append((number, line.text))
        told = line.level == "error" or raised is not None or _FAILS.search(message) is not None
        told = told or (line.level == "" and _TELLS.search(message) is not None)
        self._match(number, line, frames, vague=told and not self._serving)

    def _match(self, number: int, line: Line, frames: str, *, vague: bool) -> None:
        row = docker_row(line.message) if line.docker else None
        in_passing = line.level == "info"
        row = row or row_of(line.message, frames, vague=vague, in_passing=in_passing)
        if row is not None and row.scope == "log" and _DAEMON.search(line.message):
            return  # An engine's words mean something else where Docker says them.
        if row is None or (in_passing and not row.told) or _split_in_one(row, line):
            return
        if row.rank == HINT or (line.level == "warning" and not row.warned):
            self.hints.append((row.cause, number, line.text))
        elif self._serving and not row.serving:
            # It may have been one request's; should the engine die, it was more.
            self._requests = [*self._requests[-7:], (number, row, line)]
        else:
            self._note(number, row, line)

    def _note(self, number: int, row: Row, line: Line) -> None:
        said = " ".join(line.message.split())
        there = self.marks.get(row.cause)
        if there is None:
            if len(self.marks) < _MOST_MARKS:
                self.marks[row.cause] = Mark(
                    row.cause, row.rank, number, line.message, ((number, line.text),),
                    frozenset({said}),
                )  # fmt: skip
            return
        if row.rank < there.rank:
            there.rank, there.number, there.message = row.rank, number, line.message
        if said not in there.said and len(there.evidence) < _MOST_EVIDENCE:
            there.evidence = (*there.evidence, (number, line.text))
            there.said = there.said | {said}

    def _ready(self) -> None:
        """It came up: whatever was said before did not keep it from that."""
        self._serving = True
        self.marks.clear()
        self.hints.clear()
        self._loud.clear()
        self.raised = self._generic = None
        self.stopping = False

    @property
    def ended_early(self) -> bool:
        """Whether an end now is a failure, whatever the exit code: SGLang ends with 0, too."""
        return self._sglang and not self._serving and not self.stopping

    def _well(self) -> bool:
        return not self.marks and self.raised is None and self._generic is None

    def _died(self) -> None:
        if not self._serving or self.stopping:
            return
        self._serving = False
        for number, row, line in self._requests:
            self._note(number, row, line)
        self._requests = []

    def last_words(self, *, always: bool) -> list[tuple[int, str]]:
        """The lines that show an unknown failure; none where nothing failed."""
        if self.raised is not None:
            return [*self.raised.frames[-3:], (self.raised.number, self.raised.message)]
        if self._generic is not None and (not self._serving or always):
            return sorted({*self._loud, self._generic})
        if not always:
            return []
        return list(self._loud or self._any)
