"""An area's own words near words of failing, in any order: the last thing that is tried.

Like those of `rows_vague.py`, whose wordings are closer, they count only in a line that tells of a
failure, where nothing was raised before it and nothing more definite stands anywhere.
"""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import VAGUE, Row, row

_FAILS = r"\b(?:fail(?:ed|s|ure)?|can ?not|can't|could ?n[o']t|unable)\b"
_ABSENT = (
    r"(?:\b(?:not (?:found|installed|set|present|available|configured|exist)|missing"
    r"|no such file|does(?:n't| not) exist|found 0)\b)"
)
_BROKEN = r"\b(?:corrupt\w*|truncated|incomplete|damaged)\b"
_LATE = r"\b(?:time(?:d )?[ -]?out|unreachable|refused|reset by peer|interrupted|stalled|aborted)\b"
_UNFIT = (
    r"\b(?:not (?:be )?support(?:ed)?|unsupported|incompatible|not (?:be )?compatible"
    r"|does(?:n't| not) support)\b"
)


def _near(cause: str, area: str, fails: str, *, within: int = 60) -> Row:
    """`area` and `fails` stand in one line, at most `within` characters apart, in any order.

    What is a part of a path or an address speaks of no area.
    """
    gap, area = rf".{{0,{within}}}", rf"(?<![/.\w-])(?:{area})(?![/\w-])"
    return row(cause, rf"(?i){area}{gap}(?:{fails})|(?:{fails}){gap}{area}", VAGUE)


AREA_ROWS = (
    # --- the container ------------------------------------------------------------------------
    _near("bad_command", r"^exec(?::? )\S+|\b(?:entrypoint|executable(?: file)?)\b|'/\S*/s?bin/[\w.-]+'",
          rf"{_ABSENT}|permission denied"),
    _near("bad_mount", r"\b(?:mount(?:ing)?|bind source|volume)\b",
          rf"{_FAILS}|{_ABSENT}|not a directory|invalid characters"),
    row("bad_mount", r"\bmkdir /\S+: not a directory", VAGUE),
    _near("no_gpu_runtime", r"\bnvidia[- ](?:container[- ])?(?:toolkit|runtime|cli|ctk)\b",
          rf"{_FAILS}|{_ABSENT}"),
    _near("docker_down", r"\bdocker(?: daemon| engine| service)?\b", r"\b(?:is not|isn't|not) running\b",
          within=20),
    # --- the card and its driver --------------------------------------------------------------
    _near("no_driver", r"\b(?:nvidia|cuda|gpu) drivers?\b", rf"{_ABSENT}|not loaded", within=30),
    _near("gpu_not_in_image", r"\b(?:this|your|the|current) (?:gpu|device|card|(?:gpu )?architecture)\b"
          r"|\bcompute capability\b|\bsm_?\d{2,3}a?\b", _UNFIT, within=40),
    _near("gpu_busy", r"\b(?:gpu|vram|device memory)\b",
          r"\b(?:in use|used|occupied|held) by (?:an?other|other)\b"),
    _near("attention_backend", r"\battention[ _-]?backend\b", rf"{_UNFIT}|\binvalid\b|\bunknown\b"),
    _near("moe_backend", r"\bmoe[ _-](?:runner[ _-])?(?:backend|kernel)\b",
          rf"{_UNFIT}|\binvalid\b|\bunknown\b"),
    _near("kv_dtype_unsupported", r"\bkv[ _-]?cache[ _-]?(?:d?type|quantization)\b", _UNFIT),
    _near("graph_capture_failed", r"\bcaptur(?:e|ing)\b.{0,20}\b(?:cuda|hip) ?graphs?\b", _FAILS),
    _near("compile_failed", r"\btorch\.compile\b|\binductor\b|\bdynamo\b", r"\b(?:fail(?:ed|s|ure)?|errors?)\b",
          within=30),
    _near("build_failed", r"\b(?:ninja|nvcc|ptxas|cmake|jit|triton) (?:build|compil\w+)\b", _FAILS),
    _near("build_tools_missing", r"\b(?:nvcc|ptxas|ninja|gcc|clang|cmake|CUDA_HOME|Python\.h"
          r"|c(?:\+\+)? compiler)\b", _ABSENT, within=40),
    _near("nccl", r"\w*(?:nccl|gloo)", rf"{_FAILS}|{_LATE}|\berrors?\b"),
    # --- files and the network ----------------------------------------------------------------
    _near("weights_damaged", r"\b(?:weights?|checkpoint|safetensors|shards?|gguf|model files?)\b",
          rf"{_BROKEN}|checksum mismatch"),
    _near("weights_damaged", r"\bweights?\b|\bsafetensors\b|\bshards?\b", _ABSENT, within=40),
    _near("tokenizer_missing", r"\b(?:tokenizer|vocab(?:ulary)?|tekken)\b", _ABSENT),
    _near("download_broken", r"\bdownload(?:ing|ed)?\b", rf"{_FAILS}|{_LATE}", within=40),
    _near("hub_refused", r"\bhugging ?face\b|\bhf[ _-]?token\b|\bhf auth login\b|\bhuggingface-cli login\b",
          r"\b(?:unauthori[sz]ed|forbidden|(?:invalid|incorrect) token|token is invalid|invalid or expired|expired|access denied)\b"),
    _near("hub_unreachable", r"\bhugging ?face\b|\bhf\.co\b", rf"{_LATE}|\bconnection\b|\bto (?:connect|resolve)\b"),
    _near("certificate", r"\b(?:ssl|tls|certificates?)\b", r"\bverif(?:y|ication)\b|\bself.signed\b"
          r"|\bexpired\b|\buntrusted\b", within=40),
    _near("disk_full", r"\b(?:disk|storage)(?: space)?\b",
          r"\b(?:not enough|insufficient|out of|run out|quota exceeded)\b", within=30),
    _near("port_taken", r"\bport\b", r"\b(?:in use|already taken|occupied)\b", within=30),
    _near("cannot_listen", r"\b(?:listen|bind)(?:ing)? (?:tcp|on|to)\b",
          rf"{_FAILS}|denied|forbidden|not permitted"),
    _near("missing_module", r"\b(?:package|module|library)\b|\bpip3? install\b|\bplease install\b",
          r"\bnot installed\b"),
    row("missing_module", r"^(?:[\w.]+\.)?\w*(?:Error|Exception): \W?[\w-]+\W? .{0,60}\bis not installed\b",
        VAGUE),
    # --- how it ended -------------------------------------------------------------------------
    _near("killed", r"\bexit(?:ed)?\b(?: with)?(?: code| status)?\b", r"\b137\b", within=8),
    _near("crashed", r"\bexit(?:ed)?\b(?: with)?(?: code| status)?\b", r"\b139\b", within=8),
    _near("process_limit", r"\b(?:threads?|processes|file descriptors|open files)\b",
          r"\b(?:limit (?:reached|exceeded)|exhausted|too many)\b", within=30),
)  # fmt: skip
