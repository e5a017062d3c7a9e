"""Writes and reads the conflicts that nobody has settled yet, within the caller's transaction."""

from __future__ import annotations

from bm_sync.model.report import OpenConflict
from bm_sync.state.table import Connection, Reader, insert
from bm_sync.structs import replace

_COLUMNS = "project path kept winner run since what base"
_CONFLICTS = Reader.of("conflicts", OpenConflict, _COLUMNS)


def read(connection: Connection, key: str) -> tuple[OpenConflict, ...]:
    """Return the open conflicts of a project, by path."""
    conflicts = _CONFLICTS.read(connection, "WHERE key = ?", (key,))
    return tuple(sorted(conflicts, key=lambda conflict: conflict.path))


def merged(
    known: tuple[OpenConflict, ...], now: tuple[OpenConflict, ...]
) -> tuple[OpenConflict, ...]:
    """Return `now`, by path, where known conflicts keep the run and time they were first met in.

    It is the same conflict when path and conflict copy are the same.
    """
    older = {(conflict.path, conflict.kept): conflict for conflict in known}
    kept = []
    for conflict in sorted(now, key=lambda conflict: conflict.path):
        first = older.get((conflict.path, conflict.kept), conflict)
        kept.append(replace(conflict, run=first.run, since=first.since, base=first.base))
    return tuple(kept)


def write(connection: Connection, key: str, conflicts: tuple[OpenConflict, ...]) -> None:
    """Replace the open conflicts of a project."""
    connection.execute("DELETE FROM conflicts WHERE key = ?", (key,))
    names = _COLUMNS.split()
    found = ((key, *(getattr(conflict, name) for name in names)) for conflict in conflicts)
    insert(connection, "conflicts", f"key {_COLUMNS}", found)
