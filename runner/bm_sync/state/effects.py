"""Writes and reads what runs did to files, within the caller's transaction.

It is what an undo goes by, and the index of the trash: where each version that a run replaced or
deleted is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from bm_sync import layout
from bm_sync.model.past import PRUNED, Effect
from bm_sync.model.tree import Side
from bm_sync.state.history import UNFINISHED
from bm_sync.state.table import Connection, Reader, insert, only

_COLUMNS = "kind path side content old_path kept kept_size kept_content"
_EFFECTS = Reader.of("effects", Effect, _COLUMNS)
_NAMES: Reader[str] = Reader.of("effects", only, "project")
_HELD = Reader.of(
    "effects", lambda run, side, kept_size: (run, side, kept_size), "run side kept_size"
)
_IDS: Reader[str] = Reader.of("runs", only, "id")
_RUNS: Reader[str] = Reader.of("effects", only, "run")
IN_TRASH = f"kept IS NOT NULL AND substr(kept, 1, {len(layout.HOME) + 1}) = '{layout.HOME}/'"


class Held(Struct, frozen=True):
    """What the trash of one side holds of one run, in one project."""

    run: str
    side: Side
    files: int
    bytes: int


def put(
    connection: Connection, run: str, key: str, project: str, effects: Iterable[Effect]
) -> None:
    """Write what a run did to a project, in the order it was planned."""
    names = _COLUMNS.split()
    found = (
        (key, run, n, project, *(getattr(effect, name) for name in names))
        for n, effect in enumerate(effects)
    )
    insert(connection, "effects", f"key run n project {_COLUMNS}", found, "INSERT OR REPLACE")


def of_run(connection: Connection, run: str, key: str) -> tuple[Effect, ...]:
    """Return what a run did to a project."""
    return tuple(_EFFECTS.read(connection, "WHERE key = ? AND run = ? ORDER BY n", (key, run)))


def last_run(connection: Connection, keys: Collection[str]) -> str | None:
    """Return the newest run that changed a file of one of these projects."""
    marks = ", ".join("?" * len(keys))
    return _RUNS.first(connection, f"WHERE key IN ({marks}) ORDER BY run DESC", tuple(keys))


def last_here(connection: Connection, key: str, path: str) -> Effect | None:
    """Return the last thing that a run did to a path of a project on this machine's side."""
    asked = "WHERE key = ? AND path = ? AND side = ? ORDER BY run DESC, n DESC LIMIT 1"
    return next(iter(_EFFECTS.read(connection, asked, (key, path, Side.LOCAL.value))), None)


def names(connection: Connection, key: str) -> frozenset[str]:
    """Return the names that a project had when it kept versions."""
    return frozenset(_NAMES.read(connection, "WHERE key = ? GROUP BY project", (key,)))


def held(connection: Connection, key: str) -> tuple[Held, ...]:
    """Return what the trash holds of a project, the oldest run first."""
    found: dict[tuple[str, Side], tuple[int, int]] = {}
    for run, side, size in _HELD.read(connection, f"WHERE key = ? AND {IN_TRASH}", (key,)):
        files, total = found.get((run, side), (0, 0))
        found[run, side] = files + 1, total + size
    return tuple(Held(*which, *sums) for which, sums in sorted(found.items()))


def holds_older(connection: Connection, key: str, run: str) -> bool:
    """Return whether the trash holds anything of a run before `run`."""
    found = connection.execute(
        f"SELECT 1 FROM effects WHERE key = ? AND run < ? AND {IN_TRASH} LIMIT 1",  # noqa: S608 - no values
        (key, run),
    ).fetchone()
    return found is not None


def unfinished(connection: Connection, key: str) -> frozenset[str]:
    """Return the runs that have not ended, or were killed, since the project last converged."""
    since = "coalesce((SELECT converged FROM projects WHERE key = ?), '')"
    found = _IDS.read(connection, f"WHERE exit = ? AND started >= {since}", (UNFINISHED, key))
    return frozenset(found)


def known_runs(connection: Connection) -> frozenset[str]:
    """Return the ids of all runs of this machine."""
    return frozenset(_IDS.read(connection, ""))


def pruned(connection: Connection, key: str, run: str, side: Side) -> None:
    """Note that what a run kept in the trash of a side is there no more."""
    connection.execute(
        f"UPDATE effects SET kept = ? WHERE key = ? AND run = ? AND side = ? AND {IN_TRASH}",  # noqa: S608 - no values
        (PRUNED, key, run, side.value),
    )
