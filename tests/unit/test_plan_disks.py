"""Disks: one that is away is no deletion, one that came back under another number is the same."""

from __future__ import annotations

import pytest
from property.strategies import agree, bucket, folder, intent, local_file, remote_file

from bm_sync.model.plan import Accept, Guard, ProjectPlan, Trash
from bm_sync.model.tree import Disk, Observation, ProblemKind, Root, Side
from bm_sync.plan import disks
from bm_sync.plan.planner import make
from bm_sync.structs import replace

STICK = Disk(("uuid:stick", "id:77777777777", "77777777777"))
OTHER = Disk(("uuid:other", "id:88888888888", "88888888888"))
NUMBERED = Disk(("device:1792", "1792"))
RENUMBERED = Disk(("device:1793", "1793"))
PASSING = Disk(("mount:1234567890123", "1234567890123"))
NAMES = tuple(f"n{n}.md" for n in range(4))
INSIDE = tuple(f"private/p{n}.md" for n in range(4))


def observed(known: str, now: Disk, *, edited: int = 0, gone: int = 0) -> Observation:
    """Return four agreed files, some of which are edited or gone here."""
    here = {n: local_file("new" if i < edited else n) for i, n in enumerate(NAMES)}
    here = dict(list(here.items())[gone:])
    base = agree({n: local_file(n) for n in NAMES}, {n: remote_file(n) for n in NAMES})
    return Observation(
        replace(folder(here), disks={"": now}),
        bucket({n: remote_file(n) for n in NAMES}),
        replace(base, disks={Side.LOCAL: {"": known}}),
    )


def stopped(observation: Observation) -> bool:
    """Return whether the guard stops it; that is alike whether anything is to be done or not."""
    stops = make("p", "k", observation, intent()).stops
    found = {stop.guard for stop in stops if stop.side is Side.LOCAL}
    assert disks.is_other(observation, Side.LOCAL) == (Guard.DEVICE in found)
    return Guard.DEVICE in found


@pytest.mark.parametrize("known", STICK.names)
@pytest.mark.parametrize("edited", [0, 1, 4])
def test_a_disk_that_one_of_its_names_tells_is_the_same_however_much_was_edited(
    known: str, edited: int
) -> None:
    assert not stopped(observed(known, STICK, edited=edited))


@pytest.mark.parametrize("known", ["uuid:stick", "id:77777777777", "77777777777"])
@pytest.mark.parametrize("edited", [0, 1, 4])
def test_a_disk_with_another_lasting_name_stops_whether_anything_moves_or_not(
    known: str, edited: int
) -> None:
    assert stopped(observed(known, OTHER, edited=edited))


@pytest.mark.parametrize(
    ("known", "now"),
    [
        ("device:1792", RENUMBERED),
        ("1792", RENUMBERED),
        ("0", RENUMBERED),
        ("mount:999", PASSING),
        ("uuid:stick", RENUMBERED),
        ("device:1792", STICK),
    ],
)
def test_where_no_name_lasts_the_files_of_before_tell_the_disk(known: str, now: Disk) -> None:
    assert not stopped(observed(known, now))
    assert not stopped(observed(known, now, edited=1))
    assert not stopped(observed(known, now, edited=1, gone=1))
    assert stopped(observed(known, now, edited=4))
    assert stopped(observed(known, now, gone=3))
    assert stopped(observed(known, now, gone=4))


def test_accepting_lets_a_disk_through_and_lasts() -> None:
    seen = observed("uuid:stick", OTHER, edited=1)
    assert disks.to_remember(seen) == {Side.LOCAL: {"": "uuid:stick"}}
    accepted = disks.release(seen, Accept(device=True))
    assert not stopped(accepted)
    assert disks.to_remember(accepted) == {Side.LOCAL: {"": "uuid:other"}}


def test_a_project_that_agreed_on_nothing_has_nothing_to_lose() -> None:
    base = replace(agree({}, {}), disks={Side.LOCAL: {"": "uuid:stick"}})
    tree = replace(folder({"new": local_file("new")}), disks={"": OTHER})
    assert not stopped(Observation(tree, bucket({}), base))


def nested(*, inside: Disk | None, files: tuple[str, ...] = (), known: str | None) -> Observation:
    """Return a project with a disk mounted in it, and what stands of its four files."""
    names = (*NAMES, *INSIDE)
    base = agree({n: local_file(n) for n in names}, {n: remote_file(n) for n in names})
    told = {"": "uuid:stick"} | ({"private": known} if known else {})
    now = {"": STICK} | ({"private": inside} if inside else {})
    here = {n: local_file(n) for n in (*NAMES, *files)}
    return Observation(
        replace(folder(here, {"private": False}), disks=now),
        bucket({n: remote_file(n) for n in names}),
        replace(base, disks={Side.LOCAL: told}),
    )


def plan(observation: Observation, accept: Accept = Accept()) -> ProjectPlan:  # noqa: B008 - frozen
    found = disks.release(disks.hold(observation), accept)
    return make("p", "k", found, intent(accept=accept))


def held(observation: Observation) -> bool:
    made = plan(observation)
    deletes = {a.path for a in made.actions if isinstance(a, Trash)}
    found = [p for p in made.problems if p.kind is ProblemKind.DEVICE]
    if found:
        assert [(p.path, p.side) for p in found] == [("private", Side.LOCAL)]
        assert not deletes
        assert not made.broken
        assert not made.in_sync
    return bool(found)


@pytest.mark.parametrize(
    ("inside", "known"), [(None, "uuid:other"), (OTHER, None), (STICK, "uuid:other")]
)
def test_a_folder_whose_disk_went_came_or_changed_is_left_alone_until_all_is_there(
    inside: Disk | None, known: str | None
) -> None:
    assert held(nested(inside=inside, known=known))
    assert held(nested(inside=inside, known=known, files=INSIDE[1:]))
    assert not held(nested(inside=inside, known=known, files=INSIDE))


def test_the_same_disk_inside_may_lose_files() -> None:
    assert not held(nested(inside=OTHER, known="uuid:other", files=INSIDE[:1]))
    assert not held(nested(inside=RENUMBERED, known="device:1792", files=INSIDE[:3]))
    assert held(nested(inside=RENUMBERED, known="device:1792", files=INSIDE[:1]))


def test_a_state_that_knew_no_disks_inside_judges_none() -> None:
    seen = nested(inside=None, known=None)
    seen = replace(seen, baseline=replace(seen.baseline, disks={Side.LOCAL: {"": "77777777777"}}))
    assert not held(seen)


def test_all_else_goes_on_while_a_folder_waits_for_its_disk() -> None:
    seen = nested(inside=None, known="uuid:other")
    files = dict(seen.local.files)
    del files["n0.md"]
    seen = replace(seen, local=replace(seen.local, files=files))
    assert [a.path for a in plan(seen).actions] == ["n0.md"]
    assert disks.to_remember(disks.hold(seen))[Side.LOCAL]["private"] == "uuid:other"


def test_a_folder_is_let_through_by_its_name_and_that_lasts() -> None:
    seen, accept = nested(inside=None, known="uuid:other"), Accept(devices=("private",))
    made = plan(seen, accept)
    assert {a.path for a in made.actions if isinstance(a, Trash)} == set(INSIDE)
    assert not held(replace(seen, baseline=replace(seen.baseline, disks={})))
    kept = disks.to_remember(disks.release(disks.hold(seen), accept))
    assert kept == {Side.LOCAL: {"": "uuid:stick"}}
    other = disks.release(disks.hold(seen), Accept(devices=("else",)))
    assert [p.path for p in other.local.problems] == ["private"]


def test_folders_above_one_that_waits_are_not_removed_on_the_other_side() -> None:
    names = ("up/private/p.md", "n.md")
    base = agree({n: local_file(n) for n in names}, {n: local_file(n) for n in names})
    base = replace(base, disks={Side.LOCAL: {"": "uuid:stick", "up/private": "uuid:other"}})
    there = folder({n: local_file(n) for n in names}, {"up": False, "up/private": False})
    seen = Observation(
        replace(folder({"n.md": local_file("n.md")}), disks={"": STICK}),
        there,
        replace(base, dirs=frozenset({"up", "up/private"})),
    )
    assert plan(seen).actions == ()


def test_a_missing_root_is_the_root_s_matter_alone() -> None:
    seen = nested(inside=None, known="uuid:other")
    gone = replace(seen, local=replace(folder({}), root=Root.MISSING))
    assert disks.hold(gone).local.problems == ()
    assert disks.to_remember(gone) == {Side.LOCAL: {"": "uuid:stick", "private": "uuid:other"}}
