"""Writes and reads the conflicts that nobody has settled yet, within the caller's transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from bm_sync.model.report import OpenConflict
from bm_sync.model.tree import Side
from bm_sync.state import rows


def read(connection: sqlite3.Connection, key: str) -> tuple[OpenConflict, ...]:
    """Return the open conflicts of a project, by path."""
    found = connection.execute(
        "SELECT project, path, kept, winner, run, since, what, base FROM conflicts WHERE key = ?",
        (key,),
    )
    conflicts = (
        OpenConflict(
            project=rows.text_out(project),
            path=rows.text_out(path),
            kept=rows.maybe_text(kept),
            winner=None if winner is None else Side(winner),
            run=run,
            since=since,
            what=rows.text_out(what),
            base=base,
        )
        for project, path, kept, winner, run, since, what, base in found
    )
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


def write(connection: sqlite3.Connection, key: str, conflicts: tuple[OpenConflict, ...]) -> None:
    """Replace the open conflicts of a project."""
    connection.execute("DELETE FROM conflicts WHERE key = ?", (key,))
    connection.executemany(
        "INSERT INTO conflicts (key, project, path, kept, winner, run, since, what, base)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                key,
                rows.text_in(conflict.project),
                rows.text_in(conflict.path),
                rows.text_in(conflict.kept),
                None if conflict.winner is None else conflict.winner.value,
                conflict.run,
                conflict.since,
                rows.text_in(conflict.what),
                conflict.base,
            )
            for conflict in conflicts
        ),
    )
