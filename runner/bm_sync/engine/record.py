"""Writes into the state what a project has agreed on; only what was verified gets there."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from bm_sync.engine.disks import disks_at
from bm_sync.engine.ledger import Ledger
from bm_sync.engine.observe import Seen
from bm_sync.model.config import Winner
from bm_sync.model.plan import ProjectPlan
from bm_sync.model.report import OpenConflict
from bm_sync.model.setup import Setup
from bm_sync.model.tree import Side, Stamp
from bm_sync.plan import disks
from bm_sync.state.store import State
from bm_sync.state.values import Change


def iso(moment: datetime) -> str:
    """Return a time in UTC as the records write it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def record(seen: Seen, plan: ProjectPlan, ledger: Ledger, state: State, run: str) -> None:
    """Teach the baseline what is agreed now, and keep the list of open conflicts.

    Where the policy merges, the texts that a later merge needs are kept, too.
    """
    memory = _memory(seen, ledger)
    state.record(
        plan.key,
        Change(
            project=plan.project,
            put=ledger.put,
            drop=ledger.drop,
            put_dirs=ledger.put_dirs - ledger.drop_dirs,
            drop_dirs=ledger.drop_dirs,
            filters=seen.matcher.snapshot(),
            via_link=seen.via_link,
            memory=None if memory == dict(seen.remembered.memory) else memory,
        ),
    )
    _remember_disks(seen, state)
    _remember_spellings(seen, state)
    _conflicts(seen, plan, ledger, state, run)
    if seen.project.policy.conflict.winner is Winner.MERGE:
        from bm_sync.engine import merge

        merge.remember(seen, ledger, state)


def record_part(seen: Seen, plan: ProjectPlan, ledger: Ledger, state: State) -> None:
    """Teach the baseline what became of some paths, and leave all else in it as it is."""
    if seen.remembered.baseline.known:
        part = Change(
            project=plan.project,
            put=ledger.put,
            drop=ledger.drop,
            put_dirs=ledger.put_dirs - ledger.drop_dirs,
            drop_dirs=ledger.drop_dirs,
        )
        state.record(plan.key, part)
        _remember_disks(seen, state)
        _remember_spellings(seen, state)
    known = state.conflicts(plan.key)
    settled = ledger.drop | ledger.put.keys()
    left = tuple(c for c in known if (c.kept or c.path) not in settled)
    if left != known:
        state.put_conflicts(plan.key, left)


def _remember_spellings(seen: Seen, state: State) -> None:
    """Note which names a side lists otherwise than they are planned with, where that changed."""
    if seen.spellings != state.spellings(seen.key):
        state.set_spellings(seen.key, seen.spellings)


def _remember_disks(seen: Seen, state: State) -> None:
    """Note which file systems the folders of a project lie on; between remotes there are none.

    The state of two remotes goes to other machines, whose disks are others.
    """
    if seen.near is not None:
        return
    found = dict(disks.to_remember(seen.observation))
    for side in Side:
        made = seen.folder_on(side)
        if side not in found and made is not None:
            with suppress(OSError):  # it was missing, and this run made it
                found[side] = {p: d.names[0] for p, d in disks_at(made).items()}
    if found:
        state.set_disks(seen.key, found)


def _memory(seen: Seen, ledger: Ledger) -> Mapping[tuple[Side, str], tuple[Stamp, str]]:
    """Return the contents worth remembering: hashed, still standing, and not agreed on.

    A path that this run settled holds another version now, or one that its row tells.
    """
    known = {**seen.remembered.memory, **seen.hashed}
    kept = {}
    for (side, path), (stamp, content) in known.items():
        if path in ledger.put or path in ledger.drop:
            continue
        file = seen.observation.tree(side).files.get(path)
        row = seen.observation.baseline.files.get(path)
        told = row is not None and (row.local if side is Side.LOCAL else row.remote) == stamp
        if file is not None and file.stamp == stamp and not told:
            kept[side, path] = stamp, content
    return kept


def _conflicts(seen: Seen, plan: ProjectPlan, ledger: Ledger, state: State, run: str) -> None:
    """Keep the list of conflicts nobody has settled: waiting, or with a copy that still stands."""
    known = state.conflicts(plan.key)
    if not known and not plan.clashes:
        return
    rows = seen.observation.baseline.files.keys() | ledger.put.keys()
    standing = rows - ledger.drop
    now = {c.path: c for c in known if c.kept is not None and c.kept in standing}
    for clash in plan.clashes:
        if clash.winner is None or (clash.kept is not None and clash.kept in standing):
            row = seen.observation.baseline.files.get(clash.path)
            now[clash.path] = OpenConflict(
                project=plan.project,
                path=clash.path,
                kept=clash.kept,
                winner=clash.winner,
                run=run,
                since=f"{run[0:4]}-{run[4:6]}-{run[6:11]}:{run[11:13]}:{run[13:15]}Z",
                what=clash.what,
                base=row.content if row else None,
            )
    state.put_conflicts(plan.key, tuple(now[p] for p in sorted(now)))


class Ticket(Struct, frozen=True):
    """What names a run: its id, when it began, what was typed, where it logs."""

    id: str
    started: datetime
    command: str
    log: Path

    @property
    def started_at(self) -> str:
        """Return when it began, as records say it."""
        return iso(self.started)


def ticket(setup: Setup, command: str, now: datetime | None = None) -> Ticket:
    """Return the ticket of a run that begins now; its id sorts by time, to 16 microseconds."""
    started = now or datetime.now(UTC)
    fraction = (started.microsecond << 16) // 1_000_000
    name = f"{started:%Y%m%dT%H%M%SZ}-{fraction:04x}{secrets.token_hex(3)}"
    return Ticket(name, started, command, setup.state_dir / "logs" / f"{name}.log")
