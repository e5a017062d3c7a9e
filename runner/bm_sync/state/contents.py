"""The rows below a project: agreed files, agreed folders, remembered hashes.

What changes rows returns by how much the checksum of the project changes; the caller adds it up
within one transaction.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bm_sync.model.tree import Agreed, Side, Stamp
from bm_sync.state import rows
from bm_sync.state.table import Connection, Reader, insert, only
from bm_sync.state.values import HashMemory

_COLUMNS = (
    "path, content, l_size, l_mtime, l_ctime, l_inode, l_content,"
    " r_size, r_mtime, r_ctime, r_inode, r_content"
)
_GET = f"SELECT {_COLUMNS}, crc FROM agreed WHERE project = ?"  # noqa: S608 - columns only
_PUT = f"INSERT INTO agreed (project, {_COLUMNS}, crc) VALUES ({','.join('?' * 14)})"  # noqa: S608 - columns only

_REMEMBERED = "side path size mtime ctime inode stamp_content content"


def _hash(
    side: Side,
    path: str,
    content: str,
    **stamp: Any,  # noqa: ANN401 - columns
) -> tuple[tuple[Side, str], tuple[Stamp, str]]:
    return (side, path), (rows.stamp_out(*stamp.values()), content)


_FOLDERS: Reader[str] = Reader.of("folders", only, "path")
_HASHES = Reader.of("hashes", _hash, _REMEMBERED)


def files(connection: Connection, project: int) -> tuple[dict[str, Agreed], int]:
    """Return all agreed files of a project and what their columns weigh.

    Raises TypeError or ValueError for a row that does not weigh what it did when it was written.
    """
    found: dict[str, Agreed] = {}
    total = 0
    with _no_collection():
        for whole in connection.execute(_GET, (project,)):
            row = whole[:-1]
            weight = rows.weigh(row)
            if weight != whole[-1]:
                raise ValueError("a row was changed")
            total += weight
            path, content, ls, lm, lc, li, lk, rs, rm, rc, ri, rk = row
            found[path if type(path) is str else rows.text_out(path)] = Agreed(
                content,
                rows.stamp_out(ls, lm, lc, li, lk),
                rows.stamp_out(rs, rm, rc, ri, rows.remote_content(rk, content)),
            )
    return found, total


def put_files(connection: Connection, project: int, agreed: Mapping[str, Agreed]) -> int:
    """Add agreed files whose older rows were dropped."""
    total = 0

    def weighed() -> Iterator[tuple[object, ...]]:
        nonlocal total
        for path, both in agreed.items():
            row = rows.agreed_in(path, both)
            weight = rows.weigh(row)
            total += weight
            yield (project, *row, weight)

    connection.executemany(_PUT, weighed())
    return total


def drop_files(connection: Connection, project: int, paths: Iterable[str]) -> int:
    """Drop agreed files; a path that is not there is no error."""
    total = 0
    for path in paths:
        name = (project, rows.text_in(path))
        found = connection.execute(
            "SELECT crc FROM agreed WHERE project = ? AND path = ?", name
        ).fetchone()
        if found is not None:
            total -= found[0] if isinstance(found[0], int) else 0  # of a memory that is not used
            connection.execute("DELETE FROM agreed WHERE project = ? AND path = ?", name)
    return total


def folders(connection: Connection, project: int) -> frozenset[str]:
    """Return all agreed folders of a project."""
    return frozenset(_FOLDERS.read(connection, "WHERE project = ?", (project,)))


def weigh_folders(paths: Iterable[str]) -> int:
    """Return what folders add to the checksum."""
    return sum(rows.weigh_text("folder", path) for path in paths)


def put_folders(connection: Connection, project: int, paths: Collection[str]) -> int:
    """Add agreed folders whose older rows were dropped."""
    new = set(paths)
    insert(connection, "folders", "project path", ((project, path) for path in new))
    return weigh_folders(new)


def drop_folders(connection: Connection, project: int, paths: Iterable[str]) -> int:
    """Drop agreed folders; a path that is not there is no error."""
    total = 0
    for path in paths:
        dropped = connection.execute(
            "DELETE FROM folders WHERE project = ? AND path = ?", (project, rows.text_in(path))
        )
        if dropped.rowcount:
            total -= weigh_folders([path])
    return total


def hashes(connection: Connection, project: int) -> HashMemory:
    """Return the remembered hashes of a project."""
    return dict(_HASHES.read(connection, "WHERE project = ?", (project,)))


def weigh_hashes(memory: HashMemory) -> int:
    """Return what remembered hashes add to the checksum."""
    return sum(
        rows.weigh_text("hash", side.value, path, *rows.stamp_in(stamp), content)
        for (side, path), (stamp, content) in memory.items()
    )


def replace_hashes(connection: Connection, project: int, memory: HashMemory) -> int:
    """Remember `memory` and nothing else."""
    older = weigh_hashes(hashes(connection, project))
    connection.execute("DELETE FROM hashes WHERE project = ?", (project,))
    found = (
        (project, side, path, *rows.stamp_in(stamp), content)
        for (side, path), (stamp, content) in memory.items()
    )
    insert(connection, "hashes", f"project {_REMEMBERED}", found)
    return weigh_hashes(memory) - older


def clear(connection: Connection, project: int) -> int:
    """Drop all rows of a project; return how many files were remembered."""
    dropped = connection.execute("DELETE FROM agreed WHERE project = ?", (project,)).rowcount
    connection.execute("DELETE FROM folders WHERE project = ?", (project,))
    connection.execute("DELETE FROM hashes WHERE project = ?", (project,))
    return dropped


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the cyclic garbage collector: it costs a third of a large load and finds nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
