"""The laws of a remote that deletes nothing, as functions that raise when a case breaks one."""

from __future__ import annotations

from collections.abc import Callable

from property import plan_laws
from property.plan_cases import NO_GUARDS, Case
from property.plan_world import World, above

from bm_sync.model.config import Limit, Mode
from bm_sync.model.plan import Guard, KeepBoth, Move, ProjectPlan, Trash
from bm_sync.model.tree import ProblemKind, Side
from bm_sync.structs import replace


def nothing_leaves_the_remote(case: Case) -> None:
    """What stands there stays there, and what should have gone is told, every time."""
    world = _undeletable(case)
    before = set(world.remote.files)
    first = world.plan(case.intent)[1]
    assert not any(_takes_away(action) for action in first.actions)
    world.carry_out(first)
    assert before <= world.remote.files.keys()
    again = replace(case.intent, now="20991231T2359")
    assert _withheld(first) <= _withheld(world.plan(again)[1])


def a_deletion_that_waits_brings_nothing_back(case: Case) -> None:
    """Whoever deleted an agreed file here, which nobody edited there, never sees it again."""
    world = _undeletable(case)
    if case.intent.keep_deleted:
        return
    agreed = dict(world.agreed)
    gone = {p for p in agreed if p not in world.local.files}
    same = {p for p in gone if world.contents(Side.REMOTE).get(p) == agreed[p]}
    for now in ("20261122T0715", "20261122T0716"):
        plan = world.plan(replace(case.intent, now=now))[1]
        world.carry_out(plan)
        blocked = {p.path for p in plan.problems}
        for path in same:
            assert path not in world.local.files
            assert path in world.rows, "the memory of it stays"
            assert not blocked.isdisjoint((path, *above(path))), "and it is told"


def the_guards_count_only_what_would_go(case: Case) -> None:
    world = _undeletable(case)
    guards = replace(NO_GUARDS, max_delete=Limit(count=0))
    wanted = replace(case.intent, policy=replace(case.intent.policy, guards=guards))
    plan = world.plan(wanted)[1]
    assert all(stop.side is Side.LOCAL for stop in plan.stops)


def an_emptied_folder_stops_all_the_same(case: Case) -> None:
    world = _undeletable(case)
    for path in list(world.local.files):
        world.remove(Side.LOCAL, path)
    guards = replace(NO_GUARDS, empty_side="stop")
    wanted = replace(case.intent, policy=replace(case.intent.policy, guards=guards))
    plan = world.plan(wanted)[1]
    spoilt = world.local.hidden | world.local.blocked | world.remote.hidden | world.remote.blocked
    if len(_withheld(plan)) > 1 and not spoilt:
        assert [stop.guard for stop in plan.stops] == [Guard.EMPTY_SIDE]
        assert str(plan.stops[0].accept).startswith("delete=")
        figure = int(str(plan.stops[0].accept).removeprefix("delete="))
        accept = replace(wanted.accept, delete=figure)
        assert world.plan(replace(wanted, accept=accept))[1].stops == ()


def still(law: Callable[[Case], None]) -> Callable[[Case], None]:
    """Return a law of every remote, held where nothing can be deleted."""

    def held(case: Case) -> None:
        _undeletable(case)
        law(case)

    held.__name__ = law.__name__
    return held


WHEREVER = [
    still(law)
    for law in (
        plan_laws.no_version_is_lost,
        plan_laws.nothing_happens_twice,
        plan_laws.only_the_agreed_version_is_replaced,
        plan_laws.blocked_paths_stay,
        plan_laws.the_memory_is_true,
        plan_laws.order_of_observation_does_not_matter,
        plan_laws.plans_survive_being_saved,
    )
]
OWN = [nothing_leaves_the_remote, the_guards_count_only_what_would_go]
TWO_WAY = [
    still(plan_laws.two_way_converges),
    a_deletion_that_waits_brings_nothing_back,
    an_emptied_folder_stops_all_the_same,
]


def one_way_is_not_concerned(case: Case) -> None:
    """Push and pull delete nothing, so nothing waits."""
    assert case.intent.policy.mode in (Mode.PUSH, Mode.PULL)
    plan = _undeletable(case).plan(case.intent)[1]
    assert _withheld(plan) == set()


def _undeletable(case: Case) -> World:
    case.world.remote.can_delete = False
    return case.world


def _takes_away(action: object) -> bool:
    match action:
        case Trash(side=Side.REMOTE) | Move(side=Side.REMOTE):
            return True
        case KeepBoth(gives_way=True, loser=Side.REMOTE):
            return True
        case _:
            return False


def _withheld(plan: ProjectPlan) -> set[str]:
    return {p.path for p in plan.problems if p.kind is ProblemKind.UNDELETABLE}
