"""What the positional arguments of a command mean: a manifest, a saved plan, or project names."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from bm_sync import access
from bm_sync.errors import UsageError

_SUFFIXES = (".yaml", ".yml")
_SNIFF_BYTES = 65536


class Targets(Struct, frozen=True):
    """The positional arguments, told apart."""

    manifest: Path | None = None
    saved: Path | None = None
    names: tuple[str, ...] = ()


def targets(words: Sequence[str]) -> Targets:
    """Tell files from project names.

    A manifest ends in `.yaml` or `.yml`, or is a file with a line `version:`; a saved plan is a
    file that holds a JSON object; everything else is a name or a glob.
    """
    kinds = [(_kind(word), word) for word in words]
    manifests = [Path(word) for kind, word in kinds if kind == "manifest"]
    plans = [Path(word) for kind, word in kinds if kind == "plan"]
    for named in (manifests, plans):
        if len(named) > 1:
            raise UsageError(f"one file at a time: {named[0]} and {named[1]} are two")
    return Targets(
        manifest=manifests[0] if manifests else None,
        saved=plans[0] if plans else None,
        names=tuple(word for kind, word in kinds if kind == "name"),
    )


def names_and_manifest(words: Sequence[str]) -> Targets:
    """Tell files from project names where a saved plan has no meaning."""
    found = targets(words)
    if found.saved is not None:
        raise UsageError(
            f"{found.saved} is a saved plan",
            hint=f"see it: bm-sync show {found.saved}, do it: bm-sync apply {found.saved}",
        )
    return found


def _kind(word: str) -> Literal["manifest", "plan", "name"]:
    if word.endswith(_SUFFIXES):
        return "manifest"
    path = Path(word)
    if not _is_file(path):
        if "/" in word or word.endswith((".plan", ".json")):
            raise UsageError(
                f"there is no file {word!r}",
                hint="give a manifest, a plan of `bm-sync plan --out FILE`, or project names",
            )
        return "name"
    try:
        with path.open("rb") as file:
            head = file.read(_SNIFF_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read {word!r}: {error.strerror}") from error
    if head.lstrip().startswith(b"{"):
        return "plan"
    return "manifest" if head.startswith(b"version:") or b"\nversion:" in head else "name"


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except PermissionError as e:
        raise access.unreachable(path, e) from e
    except (OSError, ValueError):  # a name that is too long for a file
        return False
