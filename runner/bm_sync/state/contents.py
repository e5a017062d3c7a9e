"""The rows below a project: agreed files, agreed folders, remembered hashes.

What changes rows returns by how much the checksum of the project changes; the caller adds it up
within one transaction.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from bm_sync.model.tree import Agreed, Side
from bm_sync.state import rows
from bm_sync.state.values import HashMemory

_COLUMNS = (
    "path, content, l_size, l_mtime, l_ctime, l_inode, l_content,"
    " r_size, r_mtime, r_ctime, r_inode, r_content"
)
_GET = f"SELECT {_COLUMNS} FROM agreed WHERE project = ?"  # noqa: S608 - columns only
_PUT = f"INSERT INTO agreed (project, {_COLUMNS}, crc) VALUES ({','.join('?' * 14)})"  # noqa: S608 - columns only


def files(connection: sqlite3.Connection, project: int) -> tuple[dict[str, Agreed], int]:
    """Return all agreed files of a project and what their columns weigh now."""
    found: dict[str, Agreed] = {}
    total = 0
    with _no_collection():
        for row in connection.execute(_GET, (project,)):
            total += rows.weigh(row)
            path, content, ls, lm, lc, li, lk, rs, rm, rc, ri, rk = row
            found[path if type(path) is str else rows.text_out(path)] = Agreed(
                content,
                rows.stamp_out(ls, lm, lc, li, lk),
                rows.stamp_out(rs, rm, rc, ri, rows.remote_content(rk, content)),
            )
    return found, total


def put_files(connection: sqlite3.Connection, project: int, agreed: Mapping[str, Agreed]) -> int:
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


def drop_files(connection: sqlite3.Connection, project: int, paths: Iterable[str]) -> int:
    """Drop agreed files; a path that is not there is no error."""
    total = 0
    for path in paths:
        name = (project, rows.text_in(path))
        found = connection.execute(
            "SELECT crc FROM agreed WHERE project = ? AND path = ?", name
        ).fetchone()
        if found is not None:
            total -= found[0]
            connection.execute("DELETE FROM agreed WHERE project = ? AND path = ?", name)
    return total


def folders(connection: sqlite3.Connection, project: int) -> frozenset[str]:
    """Return all agreed folders of a project."""
    found = connection.execute("SELECT path FROM folders WHERE project = ?", (project,))
    return frozenset(rows.text_out(path) for (path,) in found)


def weigh_folders(paths: Iterable[str]) -> int:
    """Return what folders add to the checksum."""
    return sum(rows.weigh_text("folder", path) for path in paths)


def put_folders(connection: sqlite3.Connection, project: int, paths: Collection[str]) -> int:
    """Add agreed folders whose older rows were dropped."""
    new = set(paths)
    connection.executemany(
        "INSERT INTO folders (project, path) VALUES (?, ?)",
        ((project, rows.text_in(path)) for path in new),
    )
    return weigh_folders(new)


def drop_folders(connection: sqlite3.Connection, project: int, paths: Iterable[str]) -> int:
    """Drop agreed folders; a path that is not there is no error."""
    total = 0
    for path in paths:
        dropped = connection.execute(
            "DELETE FROM folders WHERE project = ? AND path = ?", (project, rows.text_in(path))
        )
        if dropped.rowcount:
            total -= weigh_folders([path])
    return total


def hashes(connection: sqlite3.Connection, project: int) -> HashMemory:
    """Return the remembered hashes of a project."""
    found = connection.execute(
        "SELECT side, path, size, mtime, ctime, inode, stamp_content, content"
        " FROM hashes WHERE project = ?",
        (project,),
    )
    return {
        (Side(side), rows.text_out(path)): (rows.stamp_out(*stamp), content)
        for side, path, *stamp, content in found
    }


def weigh_hashes(memory: HashMemory) -> int:
    """Return what remembered hashes add to the checksum."""
    return sum(
        rows.weigh_text("hash", side.value, path, *rows.stamp_in(stamp), content)
        for (side, path), (stamp, content) in memory.items()
    )


def replace_hashes(connection: sqlite3.Connection, project: int, memory: HashMemory) -> int:
    """Remember `memory` and nothing else."""
    older = weigh_hashes(hashes(connection, project))
    connection.execute("DELETE FROM hashes WHERE project = ?", (project,))
    connection.executemany(
        "INSERT INTO hashes (project, side, path, size, mtime, ctime, inode, stamp_content,"
        " content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (project, side.value, rows.text_in(path), *rows.stamp_in(stamp), content)
            for (side, path), (stamp, content) in memory.items()
        ),
    )
    return weigh_hashes(memory) - older


def clear(connection: sqlite3.Connection, project: int) -> int:
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
