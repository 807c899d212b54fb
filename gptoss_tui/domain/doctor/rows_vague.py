"""What stands beside what: words of an area that nearly always speak of one cause, in any wording.

They count only in a line that tells of a failure, where nothing more definite stands anywhere and
nothing was raised before. The areas are those of the causes; the wordings are the reader's own.
"""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import VAGUE, Row, row

_RAISED = r"^(?:[\w.]+\.)?(?:Value|Assertion|NotImplemented|Runtime|Import|Key|Type)Error: "


def _near(cause: str, words: str) -> Row:
    return row(cause, "(?i)" + words, VAGUE)


VAGUE_ROWS = (
    _near("parallel_size", r"divisible by\b.{0,60}\b(?:tensor|tp|ep|pp|parallel\w*|world|gpus?"
          r"|ranks?)(?:\b|_)"),
    row("parallel_size", r"^AssertionError$", VAGUE, after=r"assert .* % .*\b(?:tp|tensor|world"
          r"|parallel|num_gpus|size)\w* == 0"
        r"|assert numerator % denominator == 0"),
    _near("too_few_gpus", r"(?:requires?|requested|needs?|asked for|specified"
          r"|expected)\b.{0,30}\b\d+ "
          r"(?:gpu|cuda device|device|accelerator)s?\b.{0,40}\b(?:only|but|found|available|got)\b"),
    _near("gpu_memory", r"(?:out of|insufficient|not enough) (?:free |available )?(?:gpu|cuda"
          r"|device|video|vram|hbm)\b.{0,12}memory"
          r"|(?:out of|insufficient|not enough) vram"),
    _near("host_memory", r"(?:out of|insufficient|not enough) (?:free |available )?(?:system|host"
          r"|cpu|main) (?:memory|ram)"
          r"|(?:out of|insufficient|not enough) ram\b"),
    _near("context_does_not_fit", r"kv ?cache\b.{0,60}\b(?:not enough|insufficient|too small"
          r"|exceeds?)\b"),
    _near("context_over_model", r"(?:max[_ ]model[_ ]len|context[_ -]?(?:length|size)"
          r"|max[_ ]seq\w*)\b.{0,80}\b"
          r"(?:greater|larger|longer|exceeds?|more)\b.{0,60}(?:derived|model's|max_position"
          r"|config)"),
    _near("context_over_model", r"(?:not support|exceeds?|greater than|larger than)\b.{0,30}\bmax[_ -]model[_ -]len\b"
          r"|\bmax[_ -]model[_ -]len\b.{0,40}\b(?:greater|larger|longer) than \d"),
    _near("bad_argument", r"(?:invalid|unknown|unsupported|unrecognized|unexpected) "
          r"(?:value|choice|option|argument|flag|parameter|setting)\b.{0,40}--\w"),
    row("bad_argument", _RAISED + r".*--[a-z][\w-]+.*\b(?:must|cannot|can't|requires?|incompatible"
        r"|not (?:supported|compatible|allowed)|conflicts?|instead)\b", VAGUE),
    row("bad_argument", r"^(?:[\w.]+\.)?(?:Value|Assertion|NotImplemented|Type)Error: .*\b(?:must|[Cc]annot|[Cc]an't|not (?:supported|compatible|allowed)"
        r"|incompatible|conflicts?)\b.*(?<!increase )(?<!raise )--[a-z][\w-]+", VAGUE),
    _near("download_broken", r"(?:failed|unable|could not|error) (?:to )?(?:download|fetch"
          r"|retriev)\w*\b.{0,80}"
          r"(?:hugging|hf\.co|model|weights|checkpoint|safetensors|gguf)"),
    row("bad_command", r"\bexec \S+ failed: |\bfailed to exec pid1\b|^\S*sh: (?:line )?(?:\d+: )?\S+: (?:not found|command not found"
          r"|Permission denied|No such file)", VAGUE),
    # The head of pydantic's report; the lines below it are more definite.
    row("bad_argument", r"validation errors? for \w*(?:Config|Args)\b", VAGUE),
    _near("no_permission", r"permission denied:? ['\"]?/|: permission denied$"),
    _near("model_not_found", r"(?:failed to open|cannot open|error opening|unable to open"
          r"|no such file)\b.{0,120}\.gguf"
          r"|model (?:file|path|directory)\b.{0,80}(?:not found|does not exist)"),
    _near("start_timeout", r"timed? ?out (?:after \S+ )?(?:while )?waiting\b|(?<!probe failed: )\b(?:server|engine) did not become (?:ready|healthy)|timeout while waiting"
          r"|not ready (?:after|within) \d+|fail\w* to start within\b"),
    _near("start_timeout", r"\bbarrier (?:\w+ )?timed out\b"),
    _near("nccl", r"\b(?:nccl|rccl|gloo|nvshmem|ibverbs|rdma)\b.{0,60}\b(?:error|fail\w*"
          r"|time(?:d )?out|unable|abort\w*)\b"),
    _near("gpu_not_visible", r"\bno (?:suitable |usable |supported |compatible "
          r"|available )?(?:cuda|nvidia|amd|rocm|gpus?)\b(?![ -](?:container|runtime|driver|toolkit|docker))"
          r"[\w -]{0,20}\b(?:found|detected|available|visible|present)"),
    _near("driver_too_old", r"\bdriver\b.{0,40}\b(?:too old|outdated|older than|does not support"
          r"|is not sufficient)\b"),
    _near("disk_full", r"\b(?:disk|volume|file ?system|drive)\b (?:is |was )?full\b"),
    _near("engine_too_old", r"(?<!gpu )(?<!cuda )(?<!device )\b(?:model|architecture)s?\b (?:type |class "
          r"|arch\w* )?\S{0,60} ?(?:is|are) not (?:yet |currently )?"
          r"(?:supported|implemented|registered|recogni[sz]ed)(?! (?:by|for|in|on|when|while|with)\b)"),
    row("bad_argument", r"^(?:[\w.]+\.)?(?:Value|Assertion|Type)Error: .*\b(?:must|(?:cannot|can't) be (?:used|set)"
        r"|[Pp]lease (?:specify|provide))\b.*--[a-z][\w-]+", VAGUE),
    row("bad_argument", r"^(?:[\w.]+\.)?(?:Value|Assertion|Type)Error: .*\b(?:max_num_seqs|max_model_len|gpu_memory_utilization"
        r"|GPU memory utilization|mem_fraction_static|chunked_prefill_size|max_num_batched_tokens|block_size|page_size"
        r"|data_parallel_size|pipeline_parallel_size|max_running_requests|context_length|swap_space)\b"
        r".{0,40}\b(?:must|should|cannot|can't|has to) be\b", VAGUE),
    _near("bad_argument", r"\binvalid (?:environment variable|env var|configuration value)\b"),
    row("broken_install", r"^ImportError: (?!.*(?:[Pp]lease install|pip3? install|No module named))\S", VAGUE),
    _near("broken_install", r"\b(?:can ?not|can't|could not|failed to|unable to) import (?:the )?\W?[a-z]\w+"),
    row("hub_unreachable", r"^(?:[\w.]+\.)?\w*Error: (?:.*\()?\[Errno (?:101|-2|-3|-5)\]", VAGUE),
    row("hub_unreachable", r"^(?:httpx|httpcore|requests|urllib3)[\w.]*: .*(?:[Nn]ame resolution|Name or service not known"
        r"|getaddrinfo failed)", VAGUE),
    _near("no_kv_memory", r"kv ?cache\b.{0,40}\bnegative\b|no (?:gpu )?memory (?:is )?(?:left )?for (?:the )?kv ?cache"),
    _near("too_few_gpus", r"\bonly \d+ (?:gpu|device|accelerator)s? (?:is|are|was|were) (?:visible|available|found|detected)"),
    _near("driver_too_old", r"\brequires? (?:an? )?(?:nvidia |cuda |gpu )*driver(?: version)? (?:>=? ?)?\d{3}"),
    _near("model_not_found", r"(?<![/\w])model \S+ (?:was )?not found\b|could(?: not|n't) find (?:the )?model\b"),
    row("broken_install", r"^(?!.*requires grad)(?:Import|Runtime|Value|Assertion"
          r"|Attribute)Error: .*(?i:(?:requires?|needs?|upgrade|at least"
        r"|incompatible|minimum|mismatch)\b.{0,40}\b(?:torch|pytorch|transformers|flashinfer"
          r"|xformers|numpy|sgl[-_]kernel"
        r"|tokenizers|xgrammar)\b(?:$| ?[<>=~!\d.]| (?:v?\d|version|package|to be|library|release"
        r"|build|is not)))", VAGUE),
)  # fmt: skip
