"""Histories whose last run is raced: people go on saving while files move."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import strategies as st
from machine.histories import (
    SIDES,
    Delete,
    Edit,
    History,
    Rename,
    Touch,
    Write,
    histories,
    plain_edits,
)
from machine.lane import Lane
from machine.world import World

from bm_sync import api
from bm_sync.model.report import Selection
from bm_sync.model.run import ActionEnded, Event, ProjectStarted, Run
from bm_sync.structs import replace

_PLAIN = (Write, Touch, Delete, Rename)


@dataclass(frozen=True)
class Race:
    """A history, and what is done after so many events of its last run."""

    history: History
    saves: tuple[tuple[int, Edit], ...]


def plain(edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """Return the edits after which everything can be synced."""
    return tuple(e for e in edits if isinstance(e, _PLAIN))


def _quiet(history: History) -> History:
    return replace(history, rounds=tuple(plain(r) for r in history.rounds))


def races() -> st.SearchStrategy[Race]:
    """Return a two-way history that nobody has to decide on, raced by edits of another."""
    settled = (
        histories()
        .map(_quiet)
        .filter(lambda h: h.policy.mode == "two-way" and h.policy.winner != "stop")
    )
    moment = st.tuples(st.integers(0, 4), plain_edits)
    saves = st.lists(moment, min_size=1, max_size=6).map(tuple)
    return st.builds(Race, settled, saves)


class _Savers:
    """People who save while a run is on.

    owed: every version that nobody threw away. news: those among them that were saved meanwhile.
    """

    def __init__(self, lane: Lane, saves: tuple[tuple[int, Edit], ...]) -> None:
        self._lane = lane
        self._saves = saves
        self._events = 0
        self.owed = {data for s in SIDES for data in self._contents(s)}
        self.news: set[bytes] = set()
        self._known = set(self.owed)

    def _contents(self, side: str) -> set[bytes]:
        return set(self._lane.shores[side].view().contents().values())

    def on_event(self, event: Event) -> None:
        """Do what is due now."""
        if not isinstance(event, ProjectStarted | ActionEnded):
            return
        for at, edit in self._saves:
            if at == self._events:
                self._save(edit)
        self._events += 1

    def _save(self, edit: Edit) -> None:
        was = {s: self._contents(s) for s in SIDES}
        self._lane.do(edit)
        now = {s: self._contents(s) for s in SIDES}
        for side in SIDES:
            self.owed |= now[side]
            self.owed -= was[side] - now[side]
            self.news |= now[side] - was[side] - self._known
            self.news -= was[side] - now[side]
        self._known |= self.owed


def race(world: World, saves: tuple[tuple[int, Edit], ...], runner: asyncio.Runner) -> None:
    """Play a world of one lane; edit during its last run; then let it settle."""
    lane = world.lanes[0]
    *quiet, last = lane.history.rounds
    for edits in quiet:
        for edit in edits:
            lane.do(edit)
        _apply(world, runner)
    for edit in last:
        lane.do(edit)
    savers = _Savers(lane, saves)
    _apply(world, runner, savers)
    _nothing_lost(lane, savers.owed)
    exits = [_apply(world, runner).exit for _ in range(2)]
    assert exits[-1] == 0, exits
    _nothing_lost(lane, savers.owed)
    views = lane.views()
    if lane.history.policy.loser == "copy":
        stands = {e.data for v in views.values() for e in v.files.values()}
        assert savers.news <= stands, f"replaced unseen: {savers.news - stands}"
    assert len({tuple(sorted(v.contents().items())) for v in views.values()}) == 1, views
    done = _apply(world, runner)
    assert not done.projects[0].actions, "it does not come to rest"


def _apply(world: World, runner: asyncio.Runner, savers: _Savers | None = None) -> Run:
    manifest = world.declared()
    on_event = savers.on_event if savers else lambda _: None
    done = runner.run(api.apply(manifest, Selection(), world.setup, on_event=on_event))
    assert done.run is not None
    return done.run


def _nothing_lost(lane: Lane, owed: set[bytes]) -> None:
    trash = lane.trash()
    there = {d for s in SIDES for d in trash[s].values()}
    there |= {e.data for v in lane.views().values() for e in v.files.values()}
    assert owed <= there, f"lost: {owed - there}"
