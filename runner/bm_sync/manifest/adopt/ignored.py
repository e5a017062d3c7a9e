"""Takes over Basic Memory's global ignore file, `.bmignore`: it is used where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from bm_sync import access, files
from bm_sync.filters import rules as patterns
from bm_sync.filters.matcher import Matcher
from bm_sync.manifest.bmignore import NAME
from bm_sync.manifest.filtersets import MAX_BYTES
from bm_sync.model.config import BUILT_IN, FilterSet, Git, Rule

_INSIDE = "/**"


class Ignoring(Struct, frozen=True):
    """What the filter of the new manifest says: the file, patterns beside it, and comments."""

    file: Path
    exclude: tuple[str, ...]
    remarks: tuple[str, ...]


def ignoring(folder: Path) -> Ignoring:
    """Return how the ignore file in Basic Memory's data directory is taken over."""
    file = folder / NAME
    text = _text(file)
    if text is None:
        remark = "Until Basic Memory has written that file its default patterns count."
        return Ignoring(file, (), () if access.standing(file) else (remark,))
    good, _ = patterns.parse(text, NAME, "")
    added = tuple(_completed(good))
    return Ignoring(file, added, _about_completed(added))


def _text(file: Path) -> str | None:
    """Return the text of the file, None when there is none; what is wrong with it others tell."""
    try:
        return files.read(file, MAX_BYTES, {}, consent=True).decode("utf-8", "surrogateescape")
    except (OSError, files.RefusedFileError):
        return None


def _completed(rules: Sequence[Rule]) -> Iterator[str]:
    """Yield `X` and `X/**` for each rule `X/**` that leaves a file X itself in.

    Basic Memory's own guide writes `.env/**` and means the file .env as well.
    """
    said = tuple(Rule(r.pattern, BUILT_IN) for r in rules)
    matcher = Matcher(FilterSet(git=Git.SYNC, shared=said))
    for rule in rules:
        name = rule.pattern.removesuffix(_INSIDE)
        if name == rule.pattern or name.startswith("!") or not name.strip("*/"):
            continue
        if not matcher.excluded(name.strip("/"), is_dir=False):
            yield name
            yield rule.pattern


def _about_completed(added: Sequence[str]) -> tuple[str, ...]:
    if not added:
        return ()
    return (
        "A pattern X/** means what lies in a folder X, not a file X. Written for .env it lets",
        "the file through; so X and X/** stand here together.",
    )
