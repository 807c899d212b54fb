"""The Hugging Face cache: what nobody refers to any more, and what may go of it.

Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache. Files are
`models--OWNER--NAME/blobs/HASH`; links in `snapshots/REVISION/` refer to them, and a download
that is under way or broke off ends in `.incomplete`. From huggingface_hub 2 on a blob may be a link
into a store that all models share, `blobs/XX/HASH` beside the models' folders.
"""

from __future__ import annotations

from dataclasses import dataclass

from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.domain.repair.parts import HEAD, assignments, words
from gptoss_tui.domain.repair.types import CacheFile, CacheModel, RunningContainer, Survey

_SCRIPT = r"""
# What any process has open or mapped now, in a container or outside.
used=$(mktemp)
trap 'rm -f "$used"' EXIT
{
    # shellcheck disable=SC2012 # busybox's find cannot print where a link leads
    ls -l /proc/[0-9]*/fd 2>/dev/null | sed -n 's/.* -> //p'
    cat /proc/[0-9]*/maps 2>/dev/null | sed -n 's,^[^/]*/,/,p'
} | sed -n 's, (deleted)$,,; s,.*/\(models--[^/]*/blobs/[^/]*\)$,\1,p
    s,.*/\(blobs/[^/]*/[^/]*\)$,\1,p' | sort -u >"$used" || :

overlaps() { # does one of the folders on standard input hold the cache, or lie in it?
    while IFS= read -r source; do
        [ -n "$source" ] || continue
        source=$(readlink -f "$source")
        case $cache/ in "${source%/}"/*) return 0 ;; esac
        case $source/ in "$cache"/*) return 0 ;; esac
    done
    return 1
}
# A container that began since this was shown may read or write here.
for engine in docker podman; do
    have "$engine" || continue
    for id in $("$engine" ps -q --no-trunc 2>/dev/null || :); do
        case " $known " in *" $id "*) continue ;; esac
        format='{{range .Mounts}}{{println .Source}}{{end}}'
        if "$engine" inspect --format "$format" "$id" | overlaps; then
            echo "The container $id began since this was shown, with the cache mounted." >&2
            echo 'Nothing is deleted.' >&2
            exit 1
        fi
    done
done

referred() { # PATH: does a link of its model lead to it?
    find "${1%/blobs/*}/snapshots" -type l -exec readlink {} \; 2>/dev/null |
        sed 's,.*/,,' | grep -qxF "${1##*/}"
}
drop_file() { # PATH: a file that nothing refers to, if that still holds
    short=${1#"$cache"/}
    if [ ! -f "$1" ] || [ -L "$1" ]; then echo "gone already: $short"
    elif grep -qxF "$short" "$used"; then echo "in use, left alone: $short"
    elif [ -n "$(find "$1" -mmin -10)" ]; then echo "just changed, left alone: $short"
    elif referred "$1"; then echo "referred to again, left alone: $short"
    else rm -f "$1" && echo "deleted: $short"
    fi
}
shared() { # FOLDER...: the files of the store that models in these folders have
    for link in "$@"; do
        [ -L "$link" ] && readlink -f "$link"
    done | sed -n "s,^$store/,blobs/,p" | sort -u
}
drop_model() { # PATH: the folder of a model that nobody uses, with what it alone has of the store
    short=${1#"$cache"/}
    its=$(shared "$1"/blobs/*)
    if [ ! -d "$1" ] || [ -L "$1" ]; then echo "gone already: $short"
    elif grep -qF "$short/blobs/" "$used" || printf '%s\n' "$its" | grep -qxFf "$used"; then
        echo "in use, left alone: $short"
    else
        rm -rf "$1" && echo "deleted: $short"
        others=$(shared "$cache"/models--*/blobs/*)
        for file in $its; do
            printf '%s\n' "$others" | grep -qxF "$file" || rm -f "$cache/$file"
        done
    fi
}
# A folder's name as sed's pattern.
store=$(printf '%s/blobs' "$cache" | sed 's/[][\\.*^$,]/\\&/g')
"""


@dataclass(frozen=True)
class Cleaning:
    """What would be deleted, and why other things are left."""

    files: tuple[CacheFile, ...] = ()
    models: tuple[CacheModel, ...] = ()
    known: tuple[str, ...] = ()  # ids of the running containers that were thought of
    left: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.files and not self.models

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.files) + sum(each.bytes for each in self.models)


def cleaning(survey: Survey, drop_models: tuple[str, ...] = ()) -> Cleaning:
    """What may be deleted; `drop_models` are models that the user wants to go besides.

    A running container of ours keeps its model whole; one of somebody else's with the cache
    mounted keeps everything, for nobody knows what it reads.
    """
    cache = survey.cache_dir
    if cache is None:
        return Cleaning()
    mounting = [each for each in survey.running or () if _mounts(each, cache)]
    strangers = [each.name for each in mounting if not each.managed or each.model is None]
    if strangers:
        names = ", ".join(strangers)
        return Cleaning(left=(f"everything: {names} has the cache mounted, and is not ours",))
    dropped = {_folder(model) for model in drop_models}  # with all that is in them
    kept = {each.model: each.name for each in mounting}
    folders = {_folder(model) for model in kept if model}
    return Cleaning(
        files=tuple(
            each
            for each in survey.files
            if _inside(each.path, cache, folders) and _folder_of(each.path) not in dropped
        ),
        models=tuple(
            each
            for each in survey.models
            if each.model in drop_models and _inside(f"{each.path}/", cache, folders)
        ),
        known=tuple(each.id for each in mounting),
        left=tuple(f"{model}: {name} serves it" for model, name in kept.items()),
    )  # fmt: skip


def _mounts(container: RunningContainer, cache: str) -> bool:
    """Whether one of its folders holds the cache, or lies in it."""
    return any(
        f"{cache}/".startswith(f"{source.rstrip('/')}/") or f"{source}/".startswith(f"{cache}/")
        for source in container.mounts
    )


def _folder(model: str) -> str:
    return f"models--{model.replace('/', '--')}"


def _folder_of(blob: str) -> str:
    """The model's folder that a blob lies in."""
    return blob.rpartition("/blobs/")[0].rpartition("/")[2]


def _inside(path: str, cache: str, kept: set[str]) -> bool:
    """Whether `path` lies in a model's folder of the cache, and not in one that is kept."""
    head, _, rest = path.partition(f"{cache}/")
    folder = rest.partition("/")[0]
    plain = ".." not in rest.split("/") and "\n" not in rest
    return not head and plain and folder.startswith("models--") and folder not in kept


def script(cache: str, plan: Cleaning) -> str:
    """Deletes exactly what `plan` names, each after another look at it."""
    calls = [f"drop_file {words((each.path,))}\n" for each in plan.files]
    calls += [f"drop_model {words((each.path,))}\n" for each in plan.models]
    values = {"cache": cache, "known": " ".join(plan.known)}
    return assignments(values) + HEAD + _SCRIPT + "\n" + "".join(calls)


def preview(cache: str, plan: Cleaning) -> tuple[str, ...]:
    """What would go, with sizes, the largest first; and what stays, with the reason."""
    rows = [
        (each.bytes, f"{each.path.removeprefix(f'{cache}/')} ({each.kind})") for each in plan.files
    ]
    rows += [(each.bytes, f"all of {each.model}") for each in plan.models]
    rows.sort(key=lambda row: -row[0])
    lines = [f"{size_text(size):>10}  {what}" for size, what in rows]
    if not rows:
        lines.append("Nothing would be deleted.")
    else:
        lines.append(f"{size_text(plan.bytes):>10}  in all")
    return (*lines, *(f"left alone: {text}" for text in plan.left))


def size_text(size: int) -> str:
    """Bytes in the unit that suits them."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.1f} MiB"
