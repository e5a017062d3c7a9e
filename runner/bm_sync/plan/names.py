"""Names for conflict copies: derived from the losing version, never too long, never taken."""

from __future__ import annotations

import posixpath
import re
from datetime import UTC, datetime, timedelta

_MAX_BYTES = 255
_FITS_BYTES = 140  # of a name that every remote takes; crypt has the least room, 143
_FITS_PATH_BYTES = 200  # of a path that every remote takes (SMB: 260 with all above it)
_MAX_EXTENSION_BYTES = 64
_MAX_WHO = 40
_KEPT = re.compile(r"\.conflict-\d{8}T\d{4}-[A-Za-z0-9_-]+(\.[^./]*)?$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def looks_kept(path: str) -> bool:
    """Return whether a path is named like a conflict copy."""
    return ".conflict-" in path and _KEPT.search(path) is not None


def conflict_name(path: str, *, when: str, who: str, turn: int = 1) -> str:
    """Return the path of a conflict copy beside `path`.

    `turn` above 1 appends `-2`, `-3`... The last component has at most 255 bytes in UTF-8, and no
    more than the original's where every remote takes fewer: that one stands on both sides. Where
    the ending alone is longer, one sign goes before it.
    """
    folder, name = posixpath.split(path)
    stem, extension = posixpath.splitext(name)
    if _bytes(extension) > _MAX_EXTENSION_BYTES:
        stem, extension = name, ""
    number = f"-{turn}" if turn > 1 else ""
    tail = f".conflict-{when}-{_sanitised(who)}{number}{extension}"
    return posixpath.join(folder, _cut(stem, _most(folder, name) - _bytes(tail)) + tail)


def moment(mtime_ns: int | None, now: str) -> str:
    """Return a modification time as YYYYMMDDTHHMM in UTC; `now` when it is unknown or absurd."""
    if mtime_ns is None:
        return now
    try:
        time = _EPOCH + timedelta(seconds=mtime_ns // 1_000_000_000)
    except OverflowError:
        return now
    return f"{time.year:04}{time.month:02}{time.day:02}T{time.hour:02}{time.minute:02}"


def _sanitised(who: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", who)[:_MAX_WHO] or "unknown"


def _bytes(text: str) -> int:
    # A byte that is not UTF-8 counts as three here: too short is harmless, too long is not.
    return len(text.encode("utf-8", "surrogatepass"))


def _most(folder: str, name: str) -> int:
    """Return how many bytes the name of a copy may have beside an original."""
    room = min(_FITS_BYTES, _FITS_PATH_BYTES - _bytes(folder))
    return min(_MAX_BYTES, max(_bytes(name), room))


def _cut(stem: str, room: int) -> str:
    while len(stem) > 1 and _bytes(stem) > room:
        stem = stem[:-1]
    return stem
