"""Removes the records and logs of earlier runs that the manifest does not keep any longer.

A run removes a bounded part at its end, `bm-sync prune --history` all that is due. Nothing that a
kept version, an open conflict or an unfinished run needs is removed (`state.thinning`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from bm_sync.engine.identity import project_key
from bm_sync.model.config import KeepHistory, Manifest
from bm_sync.model.past import OldRuns
from bm_sync.model.setup import Setup
from bm_sync.state.store import State
from bm_sync.state.thinning import Edges, Surplus, Whose
from bm_sync.structs import replace

LOGS_KEPT = 500
"""How many logs stay, the newest ones; each at most as long as the record of its run."""

_A_RUN = 5000  # records that one run removes at most: 0.1 s
_DAYS = 32  # that one run looks at for each edge at most
_PAGES = 4096  # that one run gives back to the disk at most: 16 MiB
_BEFORE_ALL = "00000000"
_FACT = "history"


def prune_logs(folder: Path) -> None:
    """Remove the logs of all but the newest runs; what the runs did stays in the state."""
    for old in sorted(folder.glob("*.log"), reverse=True)[LOGS_KEPT:]:
        old.unlink(missing_ok=True)


def edges(keep: KeepHistory, now: datetime) -> Edges:
    """Return the first days of which all runs, and of which one a day is kept."""
    every = _day(keep.all_s, now)
    return Edges(every, min(every, _day(keep.daily_s, now)))


def _day(seconds: float | None, now: datetime) -> str:
    if seconds is None:
        return _BEFORE_ALL
    try:
        return f"{now - timedelta(seconds=seconds):%Y%m%d}"
    except OverflowError:
        return _BEFORE_ALL


def after_run(manifest: Manifest, state: State, setup: Setup, now: datetime) -> None:
    """Remove a part of what is due; a run of a day that has nothing due reads one fact."""
    due, name = edges(manifest.keep_history, now), _name(manifest)
    done = _done(state, name, due)
    whose, left = Whose(_keys(manifest), due.every), _A_RUN
    for edge, days in (("none", Edges(due.none, due.none)), ("every", due)):
        start = done.get(edge, _BEFORE_ALL)
        done[edge] = days.every
        for looked, day in enumerate(state.past.days(start, days.every)):
            found = state.past.surplus(day, days, whose)
            number, whole = state.past.thin(found, left)
            left -= number
            if not whole or looked == _DAYS:
                done[edge] = day  # goes on from here
                break
            _remove_logs(setup, found)
    state.set_remote_fact(_FACT, name, json.dumps(done, sort_keys=True))
    if left < _A_RUN:
        state.past.shrink(_PAGES)


def _name(manifest: Manifest) -> str:
    """Return under which name it is remembered how far a manifest has come."""
    return hashlib.sha256(os.fsencode(manifest.file.absolute())).hexdigest()[:16]


def _done(state: State, name: str, due: Edges) -> dict[str, str]:
    """Return the first day that was not thinned yet, for each edge.

    It begins anew when the manifest keeps more than it did.
    """
    told = state.remote_fact(_FACT, name)
    try:
        found = json.loads(told) if isinstance(told, str) else {}
    except ValueError:
        found = {}
    known = {edge: found.get(edge) for edge in ("every", "none")} if isinstance(found, dict) else {}
    return {
        edge: day
        for edge, day in known.items()
        if isinstance(day, str) and day <= getattr(due, edge)
    }


def plan(manifest: Manifest, state: State, setup: Setup, now: datetime) -> OldRuns:
    """Return all that is due. Changes nothing."""
    found = OldRuns(bytes_before=state.past.size, bytes_after=state.past.size)
    for each in _due(manifest, state, now):
        found = _with(found, each, len(_logs(setup, each)))
    return found


def prune(manifest: Manifest, state: State, setup: Setup, now: datetime) -> OldRuns:
    """Remove all that is due, and give the room back to the disk; return what went."""
    gone = OldRuns(bytes_before=state.past.size)
    for each in _due(manifest, state, now):
        state.past.thin(each)
        gone = _with(gone, each, _remove_logs(setup, each))
    state.past.shrink()
    return replace(gone, bytes_after=state.past.size)


def _due(manifest: Manifest, state: State, now: datetime) -> Iterator[Surplus]:
    due = edges(manifest.keep_history, now)
    whose = Whose(_keys(manifest), due.every)
    for day in state.past.days(_BEFORE_ALL, due.every):
        found = state.past.surplus(day, due, whose)
        if found.records or found.runs:
            yield found


def _with(sums: OldRuns, found: Surplus, logs: int) -> OldRuns:
    return replace(
        sums,
        records=sums.records + len(found.records),
        runs=sums.runs + len(found.runs),
        logs=sums.logs + logs,
        first=sums.first or found.day,
        last=found.day,
    )


def _keys(manifest: Manifest) -> frozenset[str]:
    declared = (*manifest.projects, *(each.project for each in manifest.elsewhere))
    return frozenset(project_key(project) for project in declared)


def _logs(setup: Setup, found: Surplus) -> list[Path]:
    names = [f"{run}{end}" for run in found.runs for end in (".log", ".rclone.log")]
    folder = setup.state_dir / "logs"
    return [folder / name for name in names if (folder / name).is_file()]


def _remove_logs(setup: Setup, found: Surplus) -> int:
    files = _logs(setup, found)
    for file in files:
        with suppress(OSError):
            file.unlink()
    return len(files)
