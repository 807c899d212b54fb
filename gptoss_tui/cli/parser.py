"""The words of the command line. Imports nothing heavy: --help and --version answer at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from gptoss_tui import __version__
from gptoss_tui.cli import (
    parser_engines,
    parser_export,
    parser_lifecycle,
    parser_repair,
    parser_spot,
)
from gptoss_tui.cli.words import (
    Command,
    Words,
    WordsError,
    above_zero,
    byte_count,
    line_count,
    local_port,
    tokens,
    zero_or_more,
)

EPILOG = """secrets: the first line of a FILE; "-" is standard input, keyring:SERVICE/USER a keyring
exit codes: 0 done, 1 failed, 2 the words are off, 3 the box cannot be reached or entered,
4 Docker refuses, 5 it does not fit, 6 the launch failed, 7 not found, 8 the server refuses,
130 interrupted"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the words; ends the process with 0 by itself (--help, --version). Raises `WordsError`."""
    words = list(argv)
    flags_alone = not words or words[0].startswith("-")
    if flags_alone and not {"-h", "--help"} & set(words):
        try:  # the app, without a command: what all commands take is not waited for
            return _app().parse_args(words)
        except WordsError:
            pass
    return build().parse_args(words)


def _app() -> argparse.ArgumentParser:
    parser = Words(
        prog="gptoss-tui",
        description="Size, launch, watch, talk to and stop GPT-OSS on GPU boxes. "
        "Without a command it opens the app.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gptoss-tui {__version__}")
    _connection(parser, top=True)
    parser_spot.add_app(parser, False)
    parser.set_defaults(command=None)
    return parser


def build() -> argparse.ArgumentParser:
    """All the words there are."""
    parser = _app()
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Command)
    _box(commands, "check", "look at a box: GPUs, Docker, disks, what stands in the way")
    _box(commands, "forget-key", "forget the host key of a box that was rented out anew")
    parser_repair.add_words(_box(commands, "repair", "mend what stands in the way of a launch"))
    _plan(commands)
    _launch(commands)
    _box(commands, "status", "what runs on a box, and how it does", name=True)
    _logs(commands)
    _doctor(commands)
    _chat(commands)
    _forward(commands)
    parser_lifecycle.add_stop(
        _box(commands, "stop", "stop a server that gptoss-tui launched", name=True)
    )
    parser_lifecycle.add_restart(
        _box(commands, "restart", "restart a server, its requests drained", name=True)
    )
    parser_lifecycle.add_upgrade(
        _box(commands, "upgrade", "put another version in a server's place", name=True)
    )
    parser_export.add_export(
        _box(commands, "export", "write what was launched as a file", name=True)
    )
    parser_engines.add_load_image(
        _box(commands, "load-image", "bring an image to a box that reaches no registry")
    )
    parser_spot.add_words(
        _box(commands, "spot", "wait for the notice that a spot box is taken back")
    )
    cancel = _box(commands, "cancel", "cancel a launch in progress")
    cancel.add_argument(
        "launch_id", nargs="?", metavar="LAUNCH", help="its id, or the name of its server"
    )
    _sim(commands)
    _demo(commands)
    return parser


def _connection(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    # A subcommand must not overwrite what stood before it with its own defaults.
    default = None if top else argparse.SUPPRESS
    group = parser.add_argument_group("connection")
    group.add_argument("-F", dest="ssh_config", metavar="FILE", default=default, help="ssh config")
    group.add_argument("-i", dest="identity", metavar="KEY", default=default, help="private key")
    group.add_argument(
        "--accept-new",
        action="store_true",
        default=False if top else argparse.SUPPRESS,
        help="accept the key of a host never seen before (a changed one is always refused)",
    )
    group.add_argument(
        "--password-file", metavar="FILE", default=default, help="for a login that asks for one"
    )
    group.add_argument(
        "--passphrase-file", metavar="FILE", default=default, help="of an encrypted private key"
    )
    group.add_argument(
        "--read-only",
        action="store_true",
        default=False if top else argparse.SUPPRESS,
        help="watch everything, change nothing",
    )


def _command(
    commands: argparse._SubParsersAction[Command], name: str, what: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=what, description=what[0].upper() + what[1:] + ".", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return parser


def _box(
    commands: argparse._SubParsersAction[Command],
    name_of_command: str,
    what: str,
    *,
    name: bool = False,
) -> argparse.ArgumentParser:
    parser = _command(commands, name_of_command, what)
    parser.add_argument(
        "box", metavar="BOX", help="a Host of the ssh config, user@host:port, local"
    )
    if name:
        parser.add_argument(
            "name", nargs="?", metavar="NAME", help="a server on the box; needed among several"
        )
    _connection(parser)
    return parser


def _plan_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("plan")
    group.add_argument("--model", default="20b", help="20b or 120b (default 20b)")
    group.add_argument("--engine", default="vllm", help="vllm (default), sglang, ollama")
    parser_engines.add_release(group, "the pinned one")
    group.add_argument(
        "--max-model-len", "--context", type=tokens, dest="max_model_len", metavar="N",
        help="tokens of one request: 32768 (default), 32k, or auto",
    )  # fmt: skip
    group.add_argument(
        "--users", type=int, metavar="N",
        help="simultaneous requests; on a box by default 8, or as many as fit",
    )  # fmt: skip
    group.add_argument("--tensor-parallel-size", type=int, metavar="N")
    group.add_argument("--max-num-seqs", type=int, metavar="N")
    group.add_argument("--max-num-batched-tokens", type=int, metavar="N")
    group.add_argument("--gpu-memory-utilization", type=float, metavar="0..1")
    group.add_argument("--kv-cache-dtype", metavar="DTYPE")
    group.add_argument("--kv-cache-memory-bytes", type=byte_count, metavar="BYTES")
    group.add_argument("--enforce-eager", action="store_true")
    group.add_argument("--block-size", type=int, metavar="TOKENS", help="default 16")
    group.add_argument("--async-scheduling", action=argparse.BooleanOptionalAction, default=None)
    group.add_argument("--disable-hybrid-kv-cache-manager", action="store_true")
    group.add_argument(
        "--checkpoint", default="mxfp4", metavar="mxfp4|bf16", help="bf16: unofficial"
    )
    group.add_argument("--quantization", metavar="NAME", help="says what this flag would do")
    group.add_argument("--dtype", metavar="NAME", help="says what this flag would do")
    group.add_argument("--gpu-ids", metavar="0,1", help="indices or UUIDs; default: free ones")


def _plan(commands: argparse._SubParsersAction[Command]) -> None:
    parser = _command(commands, "plan", "say before the launch what the engine will say after it")
    parser.add_argument("box", nargs="?", metavar="BOX", help="plan for this box as it is")
    parser.add_argument("--box", dest="box_option", metavar="BOX", help="the same")
    _plan_flags(parser)
    group = parser.add_argument_group(
        "a card instead of a box",
        "Without --users the flags left out, --context too, have the engine's own defaults; with "
        "it they are chosen as for a box.",
    )
    group.add_argument("--gpu", metavar="NAME", help='as nvidia-smi prints it: "NVIDIA L40S"')
    group.add_argument(
        "--gpus",
        type=int,
        metavar="N",
        help="cards of that kind: 1 (default) to 16; a search: at most",
    )
    group.add_argument("--gpu-memory-mib", type=int, metavar="MIB", help="as nvidia-smi prints it")
    group.add_argument("--compute-capability", metavar="X.Y")
    group.add_argument(
        "--installed-by", default="image", metavar="image|pip",
        help="pip: a vLLM up to 0.11.0 outside of its image (default image)",
    )  # fmt: skip
    group = parser.add_argument_group(
        "cost", "Without BOX and --gpu, --users and --context search the catalogue."
    )
    group.add_argument("--usd-per-hour", type=float, metavar="USD", help="what one GPU costs you")
    group.add_argument("--busy", type=float, default=0.7, metavar="0..1", help="default 0.7")
    group.add_argument("--tokens-per-month", type=float, metavar="N")
    group.add_argument(
        "--hosted-usd-per-m", metavar="INPUT,OUTPUT",
        help="US dollars per million tokens of what you would buy instead",
    )  # fmt: skip
    # A plan's own command has these too; they change nothing of it.
    parser.add_argument("--shutdown-timeout", help=argparse.SUPPRESS)
    parser.add_argument("--tool-call-parser", help=argparse.SUPPRESS)
    parser.add_argument("--enable-auto-tool-choice", action="store_true", help=argparse.SUPPRESS)
    _connection(parser)


def _launch(commands: argparse._SubParsersAction[Command]) -> None:
    parser = _box(commands, "launch", "launch GPT-OSS in a container on a box")
    _plan_flags(parser)
    group = parser.add_argument_group("launch")
    group.add_argument("--name", help="of the container")
    group.add_argument("--port", type=int, help="on the box; default: the first free from 8000")
    group.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="default 127.0.0.1")
    group.add_argument("--api-key-file", metavar="FILE", help="a key that clients must send")
    group.add_argument("--hf-token-file", metavar="FILE", help="not needed for GPT-OSS")
    group.add_argument("--yes", "-y", action="store_true", help="do not ask")
    group.add_argument("--wait", action="store_true", help="until it is ready or has failed")
    group.add_argument(
        "--dry-run", action="store_true", help="show the plan and the docker run line only"
    )
    group.add_argument(
        "--force", action="store_true", help="also when the plan does not fit, or -o FILE is there"
    )
    parser_export.add_launch(group)
    parser_engines.add_launch(group)


def _logs(commands: argparse._SubParsersAction[Command]) -> None:
    parser = _box(commands, "logs", "print a server's log", name=True)
    parser.add_argument("--follow", "-f", action="store_true", help="until it ends")
    parser.add_argument(
        "--tail", type=line_count, default=200, metavar="LINES", help="default 200; 0: everything"
    )


def _doctor(commands: argparse._SubParsersAction[Command]) -> None:
    parser = _command(commands, "doctor", "say why a server did not start, and what to do")
    parser.add_argument("box", nargs="?", metavar="BOX", help="a box, or --log")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a server on the box")
    parser.add_argument("--log", metavar="FILE", help='a saved log ("-": standard input)')
    group = parser.add_argument_group("launch again")
    group.add_argument("--apply", action="store_true", help="with the change that helps")
    group.add_argument("--yes", "-y", action="store_true", help="do not ask")
    group.add_argument("--wait", action="store_true", help="until it is ready or has failed")
    group.add_argument("--api-key-file", metavar="FILE", help="the key of a server that has one")
    _connection(parser)


def _chat(commands: argparse._SubParsersAction[Command]) -> None:
    parser = _box(commands, "chat", "ask a server; the answer streams", name=True)
    parser.add_argument("-p", "--prompt", help="default: read from standard input")
    parser.add_argument(
        "--effort", choices=("low", "medium", "high"), default="medium",
        help="of the reasoning; default medium",
    )  # fmt: skip
    parser.add_argument(
        "--max-tokens", type=int, metavar="N",
        help="of the answer and its reasoning; default: the server's limit",
    )  # fmt: skip
    parser.add_argument("--api-key-file", metavar="FILE", help="or the variable GPTOSS_TUI_API_KEY")


def _forward(commands: argparse._SubParsersAction[Command]) -> None:
    parser = _box(commands, "forward", "open a server's endpoint on this machine", name=True)
    parser.add_argument(
        "--port", type=local_port, default=0, help="on 127.0.0.1 here; default: any free"
    )


def _sim(commands: argparse._SubParsersAction[Command]) -> None:
    parser = _command(commands, "sim", "run simulated GPU boxes that any SSH client can use")
    _sim_flags(parser, 1, 0.0)
    parser.add_argument("--warm", action="store_true", help="no pull, no download, no load")
    parser.add_argument(
        "--list-faults", action="store_true", help="what --fault can break, a line each"
    )


def _sim_flags(parser: argparse.ArgumentParser, boxes: int, traffic: float) -> None:
    parser.add_argument(
        "--boxes", type=int, default=boxes, metavar="N", help=f"how many; default {boxes}"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed, the same figures"
    )
    parser.add_argument(
        "--speed", type=above_zero, default=1.0, metavar="N", help="how fast things go; default 1"
    )
    parser.add_argument(
        "--traffic", type=zero_or_more, default=traffic, metavar="N",
        help=f"requests of others at once, in the mean; default {traffic:g}",
    )  # fmt: skip
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME", dest="faults",
        help="break the boxes, once for each fault; `gptoss-tui sim --list-faults` has the names",
    )  # fmt: skip
    parser_spot.add_sim(parser)


def _demo(commands: argparse._SubParsersAction[Command]) -> None:
    parser = _command(commands, "demo", "open the app on simulated boxes")
    _sim_flags(parser, 3, 7.0)
    parser_spot.add_app(parser, argparse.SUPPRESS)
