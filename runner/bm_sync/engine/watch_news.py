"""Tells whether what happened below a project's folder is news to it.

Excluded paths are not, and neither is what a run itself put in place: the stamp of such a file is
the one that the run remembered. So a run never calls for another one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bm_sync.engine.walk import IGNORE_FILE, MAX_IGNORE_BYTES
from bm_sync.filters.matcher import Matcher
from bm_sync.model.config import FilterSet
from bm_sync.model.tree import Baseline, FileStamp

_MANGLED = "\ufffd"  # a name that is not UTF-8 comes from the events like that


class Happening(NamedTuple):
    """Something happened to a path, relative to the project's folder; `gone`: it was taken away."""

    path: str
    gone: bool


def relevant(
    root: Path, filters: FilterSet, happened: Iterable[Happening]
) -> tuple[Happening, ...]:
    """Return what happened to paths that the filters let through."""
    matcher = Matcher(filters)
    known: set[str] = set()
    found = []
    for each in happened:
        if filters.gitignore:
            _teach(matcher, root, each.path, known)
        is_dir = os.path.isdir(root / each.path)  # noqa: PTH112 - a name with a NUL is no folder
        if each.path and not matcher.excluded(each.path, is_dir=is_dir):
            found.append(each)
    return tuple(found)


def _teach(matcher: Matcher, root: Path, path: str, known: set[str]) -> None:
    """Let the .gitignore files of the folders above a path speak, each once."""
    for folder in _above(path):
        if folder not in known:
            known.add(folder)
            text = _text(root / folder / IGNORE_FILE)
            if text is not None:
                matcher.add_ignore_file(folder, text, IGNORE_FILE)


def _above(path: str) -> Iterator[str]:
    """Yield the folders that a path lies in, the root ("") first."""
    yield ""
    for number, char in enumerate(path):
        if char == "/":
            yield path[:number]


def _text(file: Path) -> str | None:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            raw = stream.read(MAX_IGNORE_BYTES + 1)
    except OSError:
        return None
    return raw.decode("utf-8", "surrogateescape") if len(raw) <= MAX_IGNORE_BYTES else None


def is_news(root: Path, happened: Collection[Happening], baseline: Baseline) -> bool:
    """Return whether anything lies there otherwise than both sides last agreed on."""
    if not baseline.known:
        return True
    folders = _folders(baseline) if happened else frozenset()
    return any(_is_other(root, each, baseline, folders) for each in happened)


def _folders(baseline: Baseline) -> frozenset[str]:
    parents = {path.rpartition("/")[0] for path in baseline.files}
    return baseline.dirs | {folder for each in parents for folder in (*_above(each), each)}


def _is_other(
    root: Path, happened: Happening, baseline: Baseline, folders: Collection[str]
) -> bool:
    path = happened.path
    if _MANGLED in path:
        return True
    try:
        found = os.lstat(root / path)
    except OSError:
        return path in baseline.files or path in folders
    if stat.S_ISDIR(found.st_mode):
        return happened.gone or path not in folders
    agreed = baseline.files.get(path)
    stamp = FileStamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    return agreed is None or agreed.local != stamp
