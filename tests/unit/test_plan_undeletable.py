"""Deletions that a remote cannot carry out, by example; the laws are in tests/property."""

from __future__ import annotations

import pytest
from property.strategies import agree, intent, local_file, remote_file, seen

from bm_sync.errors import Exit
from bm_sync.model.config import Direction, Guards, Limit, Mode, Policy
from bm_sync.model.plan import Guard, ProjectPlan
from bm_sync.model.tree import File, Observation, ProblemKind, Side
from bm_sync.plan.planner import make
from bm_sync.structs import replace

LOOSE = Guards(max_delete=Limit(), max_overwrite=Limit(), empty_side="allow")


def plan(observation: Observation, policy: Policy | None = None) -> ProjectPlan:
    remote = replace(observation.remote, can_delete=False)
    wanted = intent(policy or Policy("p", guards=LOOSE))
    return make("notes", "k", replace(observation, remote=remote), wanted)


def of(*paths: str) -> tuple[dict[str, File], dict[str, File]]:
    return {p: local_file(p) for p in paths}, {p: remote_file(p) for p in paths}


def told(made: ProjectPlan) -> list[str]:
    return [p.path for p in made.problems if p.kind is ProblemKind.UNDELETABLE]


def test_a_deletion_waits_with_a_reason_and_all_else_goes_on() -> None:
    local, remote = of("a", "b")
    before = agree(local, remote)
    del local["a"]
    local["c"] = local_file("new")
    made = plan(seen(local, remote, before))
    assert told(made) == ["a"]
    assert "stays there" in made.problems[0].what
    assert [(a.kind, a.path) for a in made.actions] == [("copy", "c")]
    assert made.totals.delete_remote == 0
    assert made.exit is Exit.STOPPED
    assert not made.in_sync


def test_a_rename_is_a_copy_and_a_deletion_that_waits() -> None:
    local, remote = of("a")
    before = agree(local, remote)
    local["b"] = local.pop("a")
    made = plan(seen(local, remote, before))
    assert told(made) == ["a"]
    assert [(a.kind, a.path) for a in made.actions] == [("copy", "b")]


def test_a_file_waits_for_the_folder_whose_name_it_takes() -> None:
    local, remote = of("x/a", "x/b")
    before = agree(local, remote)
    made = plan(seen({"x": local_file("now a file")}, remote, before))
    assert told(made) == ["x"]
    assert made.actions == ()


def test_a_folder_waits_for_the_file_whose_name_it_takes() -> None:
    local, remote = of("x")
    before = agree(local, remote)
    made = plan(seen({"x/a": local_file("now below")}, remote, before))
    assert told(made) == ["x"]
    assert made.actions == ()


def test_a_file_edited_there_does_not_give_way_to_a_folder() -> None:
    local, remote = of("x")
    before = agree(local, remote)
    made = plan(seen({"x/a": local_file("below")}, {"x": remote_file("edited")}, before))
    assert told(made) == ["x"]
    assert (made.actions, made.clashes) == ((), ())


def test_deletions_here_are_carried_out() -> None:
    local, remote = of("a", "b")
    before = agree(local, remote)
    del remote["a"]
    made = plan(seen(local, remote, before))
    assert (told(made), [a.kind for a in made.actions]) == ([], ["trash"])


@pytest.mark.parametrize("mode", [Mode.PUSH, Mode.PULL])
def test_who_only_adds_is_not_concerned(mode: Mode) -> None:
    local, remote = of("a", "b")
    before = agree(local, remote)
    del local["a"]
    made = plan(seen(local, remote, before), Policy("p", mode=mode, guards=LOOSE))
    assert told(made) == []
    assert made.exit is Exit.OK


def test_a_mirror_says_what_is_surplus() -> None:
    local, remote = of("a", "b")
    del local["a"]
    mirror = Policy("p", mode=Mode.MIRROR, direction=Direction.UP, guards=LOOSE)
    assert told(plan(seen(local, remote), mirror)) == ["a"]


def test_a_failure_beside_it_is_more_serious() -> None:
    local, remote = of("a", "d")
    before = agree(local, remote)
    del local["a"]
    remote["d/e"] = remote_file("beside an object of its folder's name")
    made = plan(seen(local, remote, before))
    assert told(made) == ["a"]
    assert made.exit is Exit.FAILED


def test_deletions_that_wait_count_for_no_limit_but_an_emptied_folder_still_stops() -> None:
    local, remote = of(*(f"f{n}" for n in range(40)))
    before = agree(local, remote)
    some = {p: local[p] for p in list(local)[:5]}
    made = plan(seen(some, remote, before), Policy("p"))
    assert (made.stops, len(told(made))) == ((), 35)
    (stop,) = plan(seen({}, remote, before), Policy("p")).stops
    assert (stop.guard, stop.accept, len(stop.paths)) == (Guard.EMPTY_SIDE, "delete=40", 40)


def test_a_near_side_that_deletes_nothing_keeps_what_the_remote_lost() -> None:
    local, remote = of("a", "b")
    before = agree(local, remote)
    del remote["a"]
    observation = seen(local, remote, before)
    stays = replace(observation.local, can_delete=False)
    wanted = intent(Policy("p", guards=replace(LOOSE, max_delete=Limit(count=0))))
    made = make("notes", "k", replace(observation, local=stays), wanted)
    assert [(p.path, p.side) for p in made.problems] == [("a", Side.LOCAL)]
    assert (made.actions, made.stops) == ((), ())


def test_an_emptied_remote_stops_beside_a_near_side_that_deletes_nothing() -> None:
    local, remote = of("a", "b", "c")
    before = agree(local, remote)
    observation = seen(local, {}, before)
    stays = replace(observation.local, can_delete=False)
    made = make("notes", "k", replace(observation, local=stays), intent(Policy("p")))
    assert [(s.guard, s.side) for s in made.stops] == [(Guard.EMPTY_SIDE, Side.REMOTE)]
