"""Conflicts are shown with what differs, and settled as a person says, on both sides."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from two_machines import BUCKETS, FOLDERS, Machine, converged, quiet, remote_of

from bm_sync import api, past_api
from bm_sync.errors import UsageError
from bm_sync.model.config import Conflict, Winner
from bm_sync.model.past import Undo
from bm_sync.model.report import OpenConflict, Selection
from bm_sync.model.run import ProjectRun
from bm_sync.past_api import Settle
from bm_sync.plan.resolve import Keep
from bm_sync.structs import replace

BASE, MINE, THEIRS = "agreed\n", "agreed\nmine\n", "theirs, longer\nagreed\n"


@pytest.fixture(params=(*FOLDERS, BUCKETS[0]))
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "one", remote_of(request, request.param, tmp_path))
    made.folder.mkdir(parents=True)
    return made


def having(machine: Machine, winner: Winner) -> Machine:
    """Return the machine with another rule for conflicts."""
    return replace(machine, policy=replace(machine.policy, conflict=Conflict(winner)))


def clashing(one: Machine) -> None:
    """Let two machines change a file that both agreed on."""
    two = replace(one, home=one.home.parent / "two")
    two.folder.mkdir(parents=True)
    one.write("a.md", BASE)
    one.write("b.md", "b")
    converged(one.apply())
    converged(two.apply())
    two.write("a.md", THEIRS)
    converged(two.apply())
    one.write("a.md", MINE)


def resolved(machine: Machine, path: str, choice: Settle) -> ProjectRun:
    """Settle a conflict."""
    manifest = machine.manifest
    work = past_api.resolve(manifest, manifest.projects[0], path, choice, machine.setup)
    applied = asyncio.run(work)
    assert applied.run is not None
    return converged(applied.run.projects[0])


def open_ones(machine: Machine) -> tuple[OpenConflict, ...]:
    """Return what is open."""
    return api.conflicts(machine.manifest, Selection(), machine.setup)


def stands(machine: Machine) -> dict[str, str]:
    """Return what stands on both sides, which an apply leaves as it is."""
    quiet(machine)
    assert open_ones(machine) == ()
    return {path: data.decode() for path, data in machine.files().items() if path != "b.md"}


@pytest.mark.parametrize(("keep", "text"), [(Keep.LOCAL, MINE), (Keep.REMOTE, THEIRS)])
def test_a_copy_beside_the_winner_is_settled_either_way(
    one: Machine, keep: Keep, text: str
) -> None:
    one = having(one, Winner.REMOTE)
    clashing(one)
    converged(one.apply())
    (conflict,) = open_ones(one)
    assert conflict.base is not None
    resolved(one, "a.md", Settle(keep))
    assert stands(one) == {"a.md": text}
    applied = asyncio.run(past_api.undo(one.manifest, Undo(), one.setup))
    assert applied.run is not None
    converged(applied.run.projects[0])
    assert sorted(one.files().values()) == sorted([b"b", MINE.encode(), THEIRS.encode()])


def test_both_versions_may_stay(one: Machine) -> None:
    one = having(one, Winner.REMOTE)
    clashing(one)
    converged(one.apply())
    resolved(one, "a.md", Settle(Keep.BOTH))
    assert sorted(stands(one).values()) == [MINE, THEIRS]


@pytest.mark.parametrize(("keep", "text"), [(Keep.LOCAL, MINE), (Keep.REMOTE, THEIRS)])
def test_a_conflict_that_waits_is_settled_either_way(one: Machine, keep: Keep, text: str) -> None:
    one = having(one, Winner.STOP)
    clashing(one)
    one.write("b.md", "goes on by itself")
    assert one.apply().exit == 3
    resolved(one, "a.md", Settle(keep))
    assert stands(one) == {"a.md": text}


def test_a_conflict_that_waits_may_keep_both(one: Machine) -> None:
    one = having(one, Winner.STOP)
    clashing(one)
    assert one.apply().exit == 3
    resolved(one, "a.md", Settle(Keep.BOTH))
    quiet(one)
    assert sorted(one.files().values()) == sorted([b"b", MINE.encode(), THEIRS.encode()])


@pytest.mark.parametrize("winner", [Winner.REMOTE, Winner.STOP])
def test_a_version_that_a_person_gives_settles_it(one: Machine, winner: Winner) -> None:
    one = having(one, winner)
    clashing(one)
    one.apply()
    resolved(one, "a.md", Settle(Keep.FILE, b"by hand\n"))
    assert stands(one) == {"a.md": "by hand\n"}
    assert not (one.folder / ".bm-sync/new").exists()
    converged(replace(one, home=one.home.parent / "two").apply())


def test_only_an_open_conflict_can_be_settled(one: Machine) -> None:
    one.write("a.md", BASE)
    converged(one.apply())
    with pytest.raises(UsageError, match="no conflict is open at"):
        resolved(one, "a.md", Settle(Keep.LOCAL))


def test_a_conflict_is_shown_with_the_version_last_agreed_on_when_it_is_kept(one: Machine) -> None:
    one = having(one, Winner.REMOTE)
    clashing(one)
    converged(one.apply())
    project = one.manifest.projects[0]
    sides = asyncio.run(past_api.conflict_sides(project, "a.md", one.setup))
    assert (sides.local, sides.remote) == (MINE.encode(), THEIRS.encode())
    assert sides.base == BASE.encode(), "the other machine has put it into the remote's trash"


def test_a_conflict_that_waits_shows_what_the_remote_has(one: Machine) -> None:
    one = having(one, Winner.STOP)
    clashing(one)
    assert one.apply().exit == 3
    project = one.manifest.projects[0]
    sides = asyncio.run(past_api.conflict_sides(project, "a.md", one.setup))
    assert (sides.local, sides.remote) == (MINE.encode(), THEIRS.encode())
