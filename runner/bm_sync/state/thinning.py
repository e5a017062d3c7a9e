"""Says which records of earlier runs may go, and removes them, within the caller's transaction.

Of the days before `Edges.every` one record a day of each project stays: the last one that did
something, else the last one. Of the days before `Edges.none` none stays. Whatever is older, these
stay: a run that a kept version in the trash belongs to, the last run of each project, runs of open
conflicts, and killed runs since which a project has not converged. Which YAML files a run brought
stays known when it goes. Days are days in UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from msgspec import Struct

from bm_sync.state import effects, history
from bm_sync.state.table import Connection

# What brought a file here that may be a manifest is known for as long as nothing else did: whoever
# finds one has to know who wrote it.
_FORGET = """
DELETE FROM effects WHERE key = ? AND run = ? AND NOT (
    side = 'local' AND (path LIKE '%.yaml' OR path LIKE '%.yml') AND NOT EXISTS (
        SELECT 1 FROM effects later WHERE later.key = effects.key AND later.side = 'local'
        AND later.path = effects.path AND later.run > effects.run
    )
)
"""
_DAY = 8  # digits of a day at the beginning of the id of a run


class Edges(Struct, frozen=True):
    """The first day (YYYYMMDD) of which every run stays, and of which one a day stays."""

    every: str
    none: str


class Record(Struct, frozen=True):
    """The record of a project in a run; `moved` when something was done."""

    run: str
    key: str
    moved: bool

    @property
    def day(self) -> str:
        """Return the day of the run."""
        return self.run[:_DAY]


class Surplus(Struct, frozen=True):
    """What may go of one day: records of projects, and runs of which nothing stays."""

    day: str
    records: tuple[Record, ...]
    runs: tuple[str, ...]


class Whose(Struct, frozen=True):
    """Whose records are looked at: those of `keys`, and of projects that no run has seen since.

    Another manifest may keep its own for longer.
    """

    keys: Collection[str]
    edge: str


def superfluous(
    records: Sequence[Record], spared: Collection[tuple[str, str]], edges: Edges
) -> tuple[Record, ...]:
    """Return which records go of those of whole days; `spared` are runs and keys."""
    old = sorted((r for r in records if r.day < edges.every), key=attrgetter("day", "key"))
    gone: list[Record] = []
    for (day, _), group in groupby(old, attrgetter("day", "key")):
        found = list(group)
        best = max(found, key=lambda r: (r.moved, r.run)) if day >= edges.none else None
        gone += [r for r in found if r is not best and (r.run, r.key) not in spared]
    return tuple(sorted(gone, key=lambda r: (r.run, r.key)))


def next_day(connection: Connection, start: str, end: str) -> str | None:
    """Return the first day from `start` until before `end` of which a run is recorded."""
    text = "SELECT id FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 1"
    found = connection.execute(text, (start, end)).fetchone()
    return None if found is None else str(found[0])[:_DAY]


def after(day: str) -> str:
    """Return what sorts after every run of a day and before the next day."""
    return day + "Z"


def surplus(connection: Connection, day: str, edges: Edges, whose: Whose) -> Surplus:
    """Return what may go of a day."""
    within = (day, after(day))
    text = (
        "SELECT run, key, EXISTS (SELECT 1 FROM actions a WHERE a.run_project = project_runs.id)"
        " FROM project_runs WHERE run >= ? AND run < ?"
    )
    records = [
        Record(run, key, bool(moved))
        for run, key, moved in connection.execute(text, within)
        if isinstance(key, str)  # else it is damaged
    ]
    last = {
        key: run if isinstance(run, str) else ""
        for key, run in connection.execute("SELECT key, last_run FROM projects")
    }
    alive = {key for key, run in last.items() if run >= whose.edge} - set(whose.keys)
    spared = set(_spared(connection, within)) | {(run, key) for key, run in last.items()}
    spared |= {(r.run, r.key) for r in records if r.key in alive}
    unfinished = set(_unfinished(connection, within))
    spared |= {(r.run, r.key) for r in records if r.run in unfinished}
    gone = superfluous(records, spared, edges)
    stay = {r.run for r in set(records) - set(gone)} | unfinished | {run for run, _ in spared}
    found = connection.execute("SELECT id FROM runs WHERE id >= ? AND id < ? ORDER BY id", within)
    return Surplus(day, gone, tuple(run for (run,) in found if run not in stay))


def _spared(connection: Connection, within: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the runs and keys that kept versions and open conflicts belong to."""
    for source in (f"effects WHERE {effects.IN_TRASH} AND", "conflicts WHERE"):
        text = f"SELECT DISTINCT run, key FROM {source} run >= ? AND run < ?"  # noqa: S608 - ours
        yield from connection.execute(text, within)


def _unfinished(connection: Connection, within: tuple[str, str]) -> Iterator[str]:
    """Yield runs that did not come to their end and that a project has not converged since."""
    text = (
        "SELECT id FROM runs WHERE id >= ? AND id < ? AND exit = ? AND EXISTS"
        " (SELECT 1 FROM projects WHERE coalesce(converged, '') < runs.started)"
    )
    yield from (run for (run,) in connection.execute(text, (*within, history.UNFINISHED)))


def remove(connection: Connection, found: Surplus, most: int | None = None) -> tuple[int, bool]:
    """Remove up to `most` records of a day, then its runs; return how many, and whether all."""
    part = found.records if most is None else found.records[:most]
    for record in part:
        history.erase(connection, record.run, record.key)
        connection.execute(_FORGET, (record.key, record.run))
    if len(part) < len(found.records):
        return len(part), False
    for run in found.runs:
        connection.execute("DELETE FROM runs WHERE id = ?", (run,))
        connection.execute("DELETE FROM run_numbers WHERE run = ?", (run,))
    return len(part), True
