"""One line of a log, taken apart: who said it, how loud, and what, without the prefixes of others."""

from __future__ import annotations

import json
import re
from typing import Literal

import msgspec

from gptoss_tui.domain.doctor.words import Words
from gptoss_tui.text import clean

Level = Literal["debug", "info", "warning", "error", ""]
LONGEST = 8_000

# Compose and swarm write "service-1  | ", kubectl "[pod/name/container] ", containerd a time and
# "stderr F ", journald and docker their times, a terminal that lost its escape bytes "[1;36m" or
# wrote them out ("ESC[1;36m", "#033[1;36m"), markdown "**(...)**", a quotation "> ",
# grep and cat the number of the line.
_COMPOSE = Words(r"^([A-Za-z0-9][\w.@-]{0,80})\s*\| (?!\s*\d+/\d+)")
_POD = Words(r"^\[pod/([\w./-]{1,200})\] ?")
_QUOTED = Words(r"^(?:> ?|`(?=\S))+|^ {0,8}(?:Line )?\d{1,7}(?:: |\t)")
_STREAM = Words(r"^(?:stdout|stderr) [FP] ")
_HOST = Words(r"^[\w.-]{1,64} ([\w.@-]+)\[\d+\]: ")  # behind a time: journalctl -o short-iso
_JOURNAL = Words(
    r"^(?:\[ *\d+\.\d+\] |[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d )(?:\S+ )?([\w.@-]+)(?:\[\d+\])?: "
    r"|^[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d: ()"
)
# Programs that start an engine print its lines with a time and a level of their own.
_WRAPPED = Words(r"^- [\w.]+ - [A-Z]+ - ?|^\[(?:Info|Warning|Error)\] \(Process\) ?")
# loguru and its like: "TIME | LEVEL | where - message".
_PIPED = Words(r"^\| [\w.:<>-]{1,80}(?: \||  ?-) ")
_TIME = Words(
    r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?(?: \||[ \t:]) ?"
    r"|^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\] "
    r"|^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)? "  # Go's own logger
)
_COLOUR = Words(r"(?:ESC|\^\[|#033|\\033|\\x1b|\\u001b)?\[(?:\d{1,3};)*\d{1,3}m")
_RANK = Words(
    r"^\**(?:\(((?:\w[\w :.-]{0,40}?)?pid=\d+[^()]{0,60}"
    r"|(?:EngineCore|Api|APIServer|Worker|VllmWorker|RayWorker|DP|TP|PP)\w*[^()]{0,60})\)"
    r"|\[(rank\d+)\]:?)\**[ \t]?"
)
_VLLM = Words(
    r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL)(?::|\b) ?"
    r"(?:\d\d-\d\d \d\d:\d\d:\d\d ?(?:\[\S{0,80}?:\d+\]|[\w.]+\.py:\d+\])?)? ?"
)
_SGLANG = Words(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d+)?((?: \w+)*)\] ?")
_SLOG = Words(r"\blevel=(DEBUG|INFO|WARN|ERROR)\b")
_LEVELS: dict[str, Level] = {
    "DEBUG": "debug", "INFO": "info", "WARNING": "warning", "WARN": "warning", "ERROR": "error",
    "CRITICAL": "error",
}  # fmt: skip
# Access lines, and lines that quote what users and models say.
_TALK = Words(
    r'"?(?:GET|POST|PUT|HEAD|DELETE|OPTIONS) \S+ HTTP/\d|\[GIN\]|Received request |Added request |'
    r"Receive: obj=|Finish: obj=|Generated response|prompt: ['\"]|\"(?:prompt|content|messages)\":"
)
# Words of a loud line that is no failure: a probe of a backend, a report to the maker.
_ASIDE = Words(
    r"stats\.vllm\.ai|Failed to import Triton kernels|Dumping input data|Failed to pickle inputs"
    r"|_report_usage|Cannot use FA version|usage_lib|Exception ignored in"
    r"|No available shared memory broadcast block|Retrying in|retrying in"
    r"|(?<!is too old\. )[Ff](?:alling|alls) back to|[Ff]allback to|NCCL WARN Call to bind failed"
    r"|Error while finding module specification for '(?!vllm|sglang)"
    # SGLang tries every model's file at each start, and serves without its Responses API.
    r"|Ignore import error when loading (?!sglang\.srt\.models\.gpt_oss\b)"
    r"|OpenAI Responses API .* disabled|\bNCCL INFO\b|\band will be ignored\b| storage-driver=|Input length \(\d+ tokens\) exceeds the maximum allowed"
)
# An exception is none, whatever its words.
_WARNING = Words(
    r"^(?!(?:[\w.]+\.)?\w+(?:Error|Exception): ).*?\b\w*Warning: |^\[?W\d{3,}|^warning:|^\[W ",
    re.IGNORECASE,
)
_DOCKER = Words(
    r"error ?response from daemon|^docker: ?|net/http: |failed to authorize|fetch \w+ token"
    r"|nvidia-container-|failed to register layer|"
    r"ImagePullBackOff|Failed to pull image|OCI runtime|trying to connect to the docker|"
    r"docker daemon|CDI (?:devices?|spec)\b|^Error: (?:crun|runc|OCI|unable to|initializing|creating|statfs|"
    r"stat |rootlessport|short-name|copying|lsetxattr|writing blob|netavark|preparing|something went wrong)|"
    r"failed to resolve reference|failed to pull and unpack|manifest for \S+ not found"
    r"|toomanyrequests|"
    r"^(?:error(?: from registry)?: )?(?:unauthorized|denied|manifest unknown)\b|docker\.sock"
    r"|docker API|"
    r"no matching manifest for|"
    r"docker\.io/|error pulling image|failed to start daemon|Error starting daemon|Cannot create container for service"
    r"|returned error: |iptables failed|"
    r"^Error: (?:pull|image)|Cannot start service|could not select device driver|"
    r"unknown or invalid runtime name|'?devices'? (?:does not|was unexpected|is not allowed)"
    r"|fetching server API version|docker\.service\b|ready-to-use NVIDIA container|docker application container engine|invalid volume specification|docker command|httpReadSeeker|Compose file|^unsupported config option"
    r"|error mounting|docker-compose|argument 'gpus'|pod sandbox|NVIDIA Container Runtime"
    r"|^podman: |error during connect|error while creating mount source path|fulfil+ mount request"
    r"|authorization denied by plugin|failed to (?:create endpoint|add the host)"
    r"|^mkdir /\S+: file exists$|containerd task",
    re.IGNORECASE,
)


class Line(msgspec.Struct, frozen=True):
    """`speaker` keeps apart what ranks and services of one log say; `message` keeps its indent."""

    text: str
    speaker: tuple[str, str]
    level: Level
    message: str
    talk: bool = False
    docker: bool = False


def take_apart(raw: str) -> Line:
    """Read one line, without its end. Never raises."""
    text = _COLOUR.sub("", clean(_unwrapped(raw[:LONGEST]))).replace("\n", " ").rstrip()
    message, service = _QUOTED.sub("", text), ""
    if found := _COMPOSE.match(message) or _POD.match(message):
        service, message = found[1], message[found.end() :]
    bare = _TIME.sub("", message)
    found = _HOST.match(bare) if bare != message else None
    message = _STREAM.sub("", bare)
    if found := found or _JOURNAL.match(message):
        service, message = service or found[1] or "", message[found.end() :]
    message = _WRAPPED.sub("", message)
    level, rank, message = _speaker(message)
    talk = bool(_TALK.search(message) or _ASIDE.search(message))
    return Line(text, (service, rank), level, message, talk, bool(_DOCKER.search(message)))


def _speaker(message: str) -> tuple[Level, str, str]:
    level: Level = ""
    rank = ""
    for _ in range(4):
        if found := _RANK.match(message):
            rank = found[1] or found[2]
        elif found := _VLLM.match(message) if not level else None:
            level = _LEVELS[found[1]]
        elif found := _PIPED.match(message) if level else None:
            pass
        elif found := _SGLANG.match(message):
            rank = rank or found[1].strip()
        else:
            break
        message = message[found.end() :]
    if not level:
        if found := _SLOG.search(message):
            level = _LEVELS[found[1]]
        elif _WARNING.search(message):
            level = "warning"
    return level, rank, message


# Where a logger that writes a document a line keeps the line: Docker's json-file, structured logs.
_KEYS = ("log", "message", "msg", "textPayload")


def _unwrapped(raw: str) -> str:
    """The line in a document around it, with its level where that is not in the line itself."""
    if not raw.startswith('{"'):
        return raw
    try:
        document = json.loads(raw)
    except ValueError:
        return raw
    said = next((document[key] for key in _KEYS if isinstance(document.get(key), str)), None)
    if said is None or "messages" in document:
        return raw
    level = document.get("level") or document.get("levelname") or document.get("severity")
    return f"{str(level).upper()} {said}" if level and "log" not in document else str(said)
