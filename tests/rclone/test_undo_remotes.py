"""Runs are taken back on every kind of remote: folders, object stores, servers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from servers import REMEMBERED_S
from two_machines import EVERYWHERE, SERVERS, Machine, converged, done, quiet, remote_of

from bm_sync import past_api
from bm_sync.model.past import Undo
from bm_sync.model.run import ProjectRun


@pytest.fixture(params=EVERYWHERE)
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    kind: str = request.param
    stale_s = REMEMBERED_S if kind in SERVERS else 0.0
    made = Machine(tmp_path / "one", remote_of(request, kind, tmp_path), stale_s=stale_s)
    made.folder.mkdir(parents=True)
    return made


def other(one: Machine) -> Machine:
    """Return a second machine on the same remote."""
    made = Machine(one.home.parent / "two", one.remote, stale_s=one.stale_s)
    made.folder.mkdir(parents=True)
    return made


def undone(machine: Machine) -> ProjectRun:
    """Take the last run back."""
    applied = asyncio.run(past_api.undo(machine.manifest, Undo(), machine.setup))
    assert applied.run is not None
    (run,) = applied.run.projects
    return run


def test_what_went_up_and_what_came_down_goes_back_and_comes_again(one: Machine) -> None:
    two = other(one)
    one.write("up.md", "first")
    one.write("down.md", "first")
    one.write("gone.md", "first")
    one.write("d/old name.md", "moved by name")
    converged(one.apply())
    converged(two.apply())
    before = one.files()
    two.write("down.md", "second, from two")
    two.write("e/new.md", "new on two")
    (two.folder / "gone.md").unlink()
    converged(two.apply())
    one.write("up.md", "second, from one")
    one.write("mine.md", "new on one")
    (one.folder / "d/old name.md").rename(one.folder / "new name.md")
    converged(one.apply())
    after = one.files()
    converged(undone(one))
    assert one.files() == before
    assert one.remote_names() == sorted(before)
    quiet(one)
    converged(two.apply())
    assert two.files() == before
    converged(undone(one))
    assert one.files() == after
    quiet(one)
    converged(two.apply())
    assert two.files() == after


def test_what_another_machine_changed_since_is_left_alone(one: Machine) -> None:
    two = other(one)
    one.write("a.md", "first")
    one.write("b.md", "first")
    converged(one.apply())
    one.write("a.md", "second of a")
    one.write("b.md", "second of b")
    converged(one.apply())
    converged(two.apply())
    two.write("b.md", "third, from two")
    converged(two.apply())
    run = undone(one)
    assert [(p.path, p.what) for p in run.problems] == [("b.md", "it was changed after the run")]
    assert one.files() == {"a.md": b"first", "b.md": b"second of b"}
    assert {a.path for a in done(run, "restore")} == {"a.md"}
    converged(one.apply())
    assert one.files() == {"a.md": b"first", "b.md": b"third, from two"}
