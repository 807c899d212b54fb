"""Which release of an engine is meant: a version, or an image of one's own."""

from __future__ import annotations

import re

import msgspec

from gptoss_tui.domain.engines.base import Engine
from gptoss_tui.domain.engines.registry import engine_of
from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.wrong import PlanInputError
from gptoss_tui.errors import UsageError

# A registry with its port, a path, a tag, a digest, as Docker reads them; what comes first is a
# registry where it has a dot or a port: https://github.com/distribution/reference/blob/main/reference.go
_REGISTRY = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_IMAGE = re.compile(
    rf"(?:{_REGISTRY}(?::\d+)?/)?{_PART}(?:/{_PART})*"
    rf"(?::(?P<tag>{_TAG.pattern}))?(?:@sha256:[0-9a-f]{{64}})?",
    re.ASCII,
)


class Release(msgspec.Struct, frozen=True):
    """A version to plan by, and the image where it is not the engine's own for that version.

    `told` is whether the version was given, or stands in the image's tag.
    """

    version: str
    image: str | None = None
    told: bool = True

    @property
    def note(self) -> str:
        """A sentence where the version is a guess; else nothing."""
        if self.told:
            return ""
        return f"The image does not tell its version: it is planned as {self.version}."


def release(engine: Engine, text: str) -> Release:
    """What `text` names: "0.31.0", ":nightly" or "mirror.lan/vllm:0.31.0"; empty is the pinned one.

    Raises `UsageError` for what is neither a version nor an image of this engine.
    """
    text = text.strip()
    if not text:
        return Release(engine.default_version)
    if text.startswith(":"):
        text = engine.image(engine.default_version).partition(":")[0] + text
    if ":" in text or "/" in text:
        return image_release(engine, text)
    version = text.removeprefix("v")
    if not _is_version(version):
        tag = text if _TAG.fullmatch(text) else "latest"
        raise PlanInputError(
            f"{text!r} is no {engine.title} version.",
            f"Write it as {engine.default_version}, or the image's tag with a colon, as :{tag}.",
        )
    return Release(version)


def release_of(engine: Engine, version: str | None, image: str | None) -> Release:
    """What `--engine-version` and `--image` name together: each a version, a tag or an image.

    `image` is what is launched, and `version` what it is planned as, which else the image tells.
    Raises `UsageError`.
    """
    if not (image or "").strip():
        return release(engine, version or "")
    assert image is not None
    named = image.strip().startswith(":") or _is_bare(image.strip())
    own = release(engine, image) if named else image_release(engine, image)
    if not (version or "").strip():
        return own
    planned = release(engine, version or "")
    if own.image is not None:
        return Release(planned.version, own.image)
    if planned.version != own.version:
        raise UsageError(
            f"{version} and {image} name two versions of {engine.title}.", "Give one of them."
        )
    return planned


def is_older(version: str, other: str) -> bool:
    """Whether one release came before the other; False where one of them cannot be read."""
    try:
        return versions.number(version, "") < versions.number(other, "")
    except PlanInputError:
        return False


def image_release(engine: Engine, image: str) -> Release:
    """An image of one's own, with the version that its tag tells. Raises `UsageError`.

    A tag is the engine's version only where the image's name is the engine's.
    """
    image = image.strip()
    match = _IMAGE.fullmatch(image)
    if match is None:
        raise UsageError(f"{image!r} is no image name.", "Write it as repository:tag.")
    other = None if engine.recognises(image, ()) else engine_of(image, ())
    if other is not None:
        raise UsageError(
            f"{image} is an image of {other.title}, not of {engine.title}.",
            f"Choose the engine {other.title} for it.",
        )
    version = (match["tag"] or "").removeprefix("v")
    if _is_version(version) and engine.recognises(image, ()):
        return Release(version, image)
    return Release(engine.default_version, image, told=False)


def _is_bare(text: str) -> bool:
    """A version, or a tag without its colon; an image only by the name of an engine."""
    return _TAG.fullmatch(text) is not None and engine_of(text, ()) is None


def _is_version(text: str) -> bool:
    try:
        versions.number(text, "")
    except PlanInputError:
        return False
    return True
