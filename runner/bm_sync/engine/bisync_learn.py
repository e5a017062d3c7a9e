"""Turns two listings of `rclone bisync` into what both sides agreed on. Pure.

A row is believed where both listings tell the same version. A side that still shows that version
gets its present stamp; one that shows another keeps the stamp of the listing, which no file of
today has, so that the planner sees a change, or a deletion, and not a file nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from bm_sync.model.learnt import LearntFile, NotLearnt, Since
from bm_sync.model.tree import Agreed, File, FileStamp, ObjectStamp, Stamp, Tree
from bm_sync.rclone.bisync_listing import Listed, Listing

_DIFFER = "the two listings tell different versions"
_SILENT = "the listings tell neither a time nor a hash"
_EXACT_NS = 1


class Listings(Struct, frozen=True):
    """The listings of both sides; times that differ by less than `window_ns` are one time."""

    local: Listing
    remote: Listing
    window_ns: int = _EXACT_NS


class Lesson(Struct, frozen=True):
    """What was learnt: rows and folders for the memory, and what to tell about them."""

    put: Mapping[str, Agreed]
    folders: frozenset[str]
    files: tuple[LearntFile, ...]
    left_out: tuple[NotLearnt, ...]


def learn(listings: Listings, local: Tree, remote: Tree) -> Lesson:
    """Compare the listings with each other and with what stands on both sides now."""
    put: dict[str, Agreed] = {}
    files: list[LearntFile] = []
    left_out: list[NotLearnt] = []
    for one, two in _pairs(listings):
        here, there = local.files.get(one.path), remote.files.get(one.path)
        if here is None and there is None:
            continue
        why = _doubt(one, two, listings.window_ns)
        if why is not None:
            left_out.append(NotLearnt(one.path, why))
            continue
        row, since = _agreed(one, two, (here, there), listings.window_ns)
        put[one.path] = row
        files.append(LearntFile(one.path, since))
    folders = frozenset(_folders(listings, put)) if remote.has_folders else frozenset()
    return Lesson(put, folders, tuple(files), tuple(left_out))


def untimed(listings: Listings, remote: Tree) -> list[str]:
    """Return the files whose remote time must be asked for, as the listing has nothing else."""
    found = []
    for one, two in _pairs(listings):
        file = remote.files.get(one.path)
        if file is None or file.mtime_ns is not None or two.mtime_ns is None:
            continue
        if two.size == file.size and not _alike(two.content, file.content):
            found.append(one.path)
    return found


def _pairs(listings: Listings) -> Iterator[tuple[Listed, Listed]]:
    """Yield the rows of files that both listings know, by path."""
    for path in sorted(listings.local.rows.keys() & listings.remote.rows.keys()):
        one, two = listings.local.rows[path], listings.remote.rows[path]
        if not one.is_dir and not two.is_dir:
            yield one, two


def _doubt(one: Listed, two: Listed, window_ns: int) -> str | None:
    """Return why two rows are no agreement, None when they are one."""
    if one.size != two.size or one.size < 0:
        return _DIFFER
    if _comparable(one.content, two.content):
        return None if one.content == two.content else _DIFFER
    if one.mtime_ns is None or two.mtime_ns is None:
        return _SILENT
    return None if abs(one.mtime_ns - two.mtime_ns) < window_ns else _DIFFER


def _agreed(
    one: Listed, two: Listed, now: tuple[File | None, File | None], window_ns: int
) -> tuple[Agreed, Since]:
    here, there = now
    same_here = here is not None and _stands(one, here, _EXACT_NS)
    same_there = there is not None and _stands(two, there, window_ns)
    local: Stamp = FileStamp(one.size, one.mtime_ns or 0, 0, 0)
    remote: Stamp = _kind_of(there, two)
    content = two.content or one.content
    if here is not None and same_here:
        local, content = here.stamp, content or here.content
    if there is not None and same_there:
        remote, content = there.stamp, there.content or content
    since = _since(here, there, same_here=same_here, same_there=same_there)
    return Agreed(content, local, remote), since


def _kind_of(there: File | None, row: Listed) -> Stamp:
    """Return the stamp of the listed version, of the kind that the remote's files have."""
    if there is not None and isinstance(there.stamp, FileStamp):
        return FileStamp(row.size, row.mtime_ns or 0, 0, 0)
    return ObjectStamp(row.size, row.content, row.mtime_ns)


def _stands(row: Listed, file: File, window_ns: int) -> bool:
    """Return whether a file is known to be the listed version."""
    if row.size != file.size:
        return False
    if _comparable(row.content, file.content):
        return row.content == file.content
    if row.mtime_ns is None or file.mtime_ns is None:
        return False
    return abs(row.mtime_ns - file.mtime_ns) < window_ns


def _since(here: File | None, there: File | None, *, same_here: bool, same_there: bool) -> Since:
    if here is None:
        return Since.DELETED_HERE
    if there is None:
        return Since.DELETED_THERE
    if same_here:
        return Since.UNCHANGED if same_there else Since.CHANGED_THERE
    return Since.CHANGED_HERE if same_there else Since.CHANGED_BOTH


def _comparable(one: str | None, two: str | None) -> bool:
    return bool(one and two) and _alike(one, two)


def _alike(one: str | None, two: str | None) -> bool:
    """Return whether both are hashes of one algorithm."""
    return bool(one and two) and one.partition(":")[0] == two.partition(":")[0]  # type: ignore[union-attr]


def _folders(listings: Listings, put: Mapping[str, Agreed]) -> Iterator[str]:
    """Yield the folders that stood on both sides: those of agreed files, and those listed."""
    for path in put:
        parts = path.split("/")
        yield from ("/".join(parts[:n]) for n in range(1, len(parts)))
    for path, row in listings.local.rows.items():
        other = listings.remote.rows.get(path)
        if row.is_dir and other is not None and other.is_dir:
            yield path
