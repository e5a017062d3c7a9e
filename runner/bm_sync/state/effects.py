"""Writes and reads what runs did to files, within the caller's transaction.

It is what an undo goes by, and the index of the trash: where each version that a run replaced or
deleted is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bm_sync import layout
from bm_sync.model.past import PRUNED, Effect, EffectKind
from bm_sync.model.tree import Side
from bm_sync.state import rows
from bm_sync.state.history import UNFINISHED

_COLUMNS = "kind, path, side, content, old_path, kept, kept_size, kept_content"
_IN_TRASH = f"kept IS NOT NULL AND substr(kept, 1, {len(layout.HOME) + 1}) = '{layout.HOME}/'"


@dataclass(frozen=True, slots=True)
class Held:
    """What the trash of one side holds of one run, in one project."""

    run: str
    side: Side
    files: int
    bytes: int


def put(
    connection: sqlite3.Connection, run: str, key: str, project: str, effects: Iterable[Effect]
) -> None:
    """Write what a run did to a project, in the order it was planned."""
    connection.executemany(
        f"INSERT OR REPLACE INTO effects (key, run, n, project, {_COLUMNS})"  # noqa: S608 - columns only
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                key,
                run,
                n,
                rows.text_in(project),
                effect.kind.value,
                rows.text_in(effect.path),
                effect.side.value,
                effect.content,
                rows.text_in(effect.old_path),
                rows.text_in(effect.kept),
                rows.number_in(effect.kept_size),
                effect.kept_content,
            )
            for n, effect in enumerate(effects)
        ),
    )


def of_run(connection: sqlite3.Connection, run: str, key: str) -> tuple[Effect, ...]:
    """Return what a run did to a project."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM effects WHERE key = ? AND run = ? ORDER BY n",  # noqa: S608 - columns only
        (key, run),
    )
    return tuple(
        Effect(
            kind=EffectKind(kind),
            path=rows.text_out(path),
            side=Side(side),
            content=content,
            old_path=rows.maybe_text(old_path),
            kept=rows.maybe_text(kept),
            kept_size=int(size),
            kept_content=kept_content,
        )
        for kind, path, side, content, old_path, kept, size, kept_content in found
    )


def last_run(connection: sqlite3.Connection, keys: Collection[str]) -> str | None:
    """Return the newest run that changed a file of one of these projects."""
    marks = ", ".join("?" * len(keys))
    found = connection.execute(
        f"SELECT run FROM effects WHERE key IN ({marks}) ORDER BY run DESC LIMIT 1",  # noqa: S608 - marks only
        tuple(keys),
    ).fetchone()
    return None if found is None else str(found[0])


def names(connection: sqlite3.Connection, key: str) -> frozenset[str]:
    """Return the names that a project had when it kept versions."""
    found = connection.execute("SELECT DISTINCT project FROM effects WHERE key = ?", (key,))
    return frozenset(rows.text_out(name) for (name,) in found)


def held(connection: sqlite3.Connection, key: str) -> tuple[Held, ...]:
    """Return what the trash holds of a project, the oldest run first."""
    found = connection.execute(
        "SELECT run, side, count(*), sum(kept_size) FROM effects"  # noqa: S608 - no values
        f" WHERE key = ? AND {_IN_TRASH} GROUP BY run, side ORDER BY run, side",
        (key,),
    )
    return tuple(Held(run, Side(side), files, size) for run, side, files, size in found)


def holds_older(connection: sqlite3.Connection, key: str, run: str) -> bool:
    """Return whether the trash holds anything of a run before `run`."""
    found = connection.execute(
        f"SELECT 1 FROM effects WHERE key = ? AND run < ? AND {_IN_TRASH} LIMIT 1",  # noqa: S608 - no values
        (key, run),
    ).fetchone()
    return found is not None


def unfinished(connection: sqlite3.Connection, key: str) -> frozenset[str]:
    """Return the runs that have not ended, or were killed, since the project last converged."""
    found = connection.execute(
        "SELECT id FROM runs WHERE exit = ? AND started >="
        " coalesce((SELECT converged FROM projects WHERE key = ?), '')",
        (UNFINISHED, key),
    )
    return frozenset(run for (run,) in found)


def known_runs(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the ids of all runs of this machine."""
    return frozenset(run for (run,) in connection.execute("SELECT id FROM runs"))


def pruned(connection: sqlite3.Connection, key: str, run: str, side: Side) -> None:
    """Note that what a run kept in the trash of a side is there no more."""
    connection.execute(
        f"UPDATE effects SET kept = ? WHERE key = ? AND run = ? AND side = ? AND {_IN_TRASH}",  # noqa: S608 - no values
        (PRUNED, key, run, side.value),
    )
