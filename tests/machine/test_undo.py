"""Random histories with runs taken back in between, on a folder remote.

What a run did to a path is gone after its undo: both sides hold what the side held before that the
run had written. Nothing is left for a plain apply, and an undo of the undo brings all of it back.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from machine.histories import LOCAL, REMOTE, History, histories
from machine.racing import plain
from machine.world import World, folder_world

from bm_sync import api, past_api
from bm_sync.model.past import Undo
from bm_sync.model.report import Selection
from bm_sync.model.run import ProjectRun, Run

_MORE = int(os.environ.get("BM_SYNC_HISTORIES", "0"))
Contents = Mapping[str, bytes]


def _plain(history: History) -> History:
    return History(history.policy, tuple(plain(edits) for edits in history.rounds))


_histories = histories().map(_plain).filter(lambda history: history.policy.mode == "two-way")


@settings(
    max_examples=_MORE or 12,
    deadline=None,
    print_blob=True,
    derandomize=not _MORE,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(history=_histories, taken_back=st.lists(st.booleans(), min_size=4, max_size=4))
def test_undo_brings_back_what_was_and_undo_of_undo_what_is(
    history: History, taken_back: list[bool], runner: asyncio.Runner
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = folder_world(Path(folder), [history])
        for edits, back in zip(history.rounds, taken_back, strict=False):
            for edit in edits:
                world.lanes[0].do(edit)
            _round(world, runner, back=back)


def _round(world: World, runner: asyncio.Runner, *, back: bool) -> None:
    before = _sides(world)
    run = _apply(world, runner)
    after = _sides(world)
    if run.exit != 0 or not run.actions or after[LOCAL] != after[REMOTE]:
        return
    undone = _undo(world, runner)
    assert undone.exit == 0, _said(undone)
    _as_before(before, after, _sides(world))
    _nothing_to_do(world, runner)
    if not back:
        again = _undo(world, runner)
        assert again.exit == 0, _said(again)
        assert _sides(world) == after, "undo twice is not what was"
        _nothing_to_do(world, runner)


def _as_before(
    before: Mapping[str, Contents], after: Mapping[str, Contents], now: Mapping[str, Contents]
) -> None:
    assert now[LOCAL] == now[REMOTE], "the sides differ after an undo"
    for path in {p for side in (before, after, now) for files in side.values() for p in files}:
        was = {before[side].get(path) for side in (LOCAL, REMOTE)}
        replaced = was - {after[LOCAL].get(path)}
        expected = replaced or was
        assert now[LOCAL].get(path) in expected, (path, expected)


def _sides(world: World) -> dict[str, dict[str, bytes]]:
    return {side: view.contents() for side, view in world.lanes[0].views().items()}


def _apply(world: World, runner: asyncio.Runner) -> ProjectRun:
    return _only(runner.run(api.apply(world.declared(), Selection(), world.setup)).run)


def _undo(world: World, runner: asyncio.Runner) -> ProjectRun:
    return _only(runner.run(past_api.undo(world.declared(), Undo(), world.setup)).run)


def _only(run: Run | None) -> ProjectRun:
    assert run is not None
    return run.projects[0]


def _nothing_to_do(world: World, runner: asyncio.Runner) -> None:
    before = _sides(world)
    plan = runner.run(api.plan(world.declared(), Selection(), world.setup)).projects[0]
    assert plan.moves == (), "an apply would move something after an undo"
    assert _apply(world, runner).exit == 0
    assert _sides(world) == before


def _said(run: ProjectRun) -> str:
    missed = [a for a in run.actions if a.outcome != "done"]
    return f"{run.status} {run.message} {run.problems} {run.stops} {missed}"
