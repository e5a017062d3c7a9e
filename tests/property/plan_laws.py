"""The laws of the planner, as functions that raise when a case breaks one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import product
from typing import TypeVar

from property.plan_cases import NO_GUARDS, Case
from property.plan_world import World, above

from bm_sync.model.config import Compare, Guards, Limit, Mode, Winner
from bm_sync.model.plan import (
    Accept,
    Action,
    Copy,
    Forget,
    Guard,
    KeepBoth,
    MakeDir,
    Move,
    Plan,
    ProjectPlan,
    Reason,
    RemoveDir,
    Restore,
    Trash,
)
from bm_sync.model.tree import Observation, ProblemKind, Side
from bm_sync.plan import wire
from bm_sync.plan.fit import fit, narrowed
from bm_sync.plan.intent import Intent, source_side
from bm_sync.plan.planner import make
from bm_sync.structs import replace

T = TypeVar("T")


def no_version_is_lost(case: Case) -> None:
    world = case.world
    before = world.kept()
    world.carry_out(world.plan(case.intent)[1])
    assert before <= world.kept()


def nothing_happens_twice(case: Case) -> None:
    world = case.world
    first = world.plan(case.intent)[1]
    world.carry_out(first)
    again = replace(case.intent, now="20991231T2359")
    second = world.plan(again)[1]
    if any(problem.kind is ProblemKind.CLASH for problem in first.problems):
        # What stood in the way may have left in the first run.
        world.carry_out(second)
        second = world.plan(again)[1]
    assert second.actions == ()


def names_that_differ_by_case_settle(case: Case) -> None:
    """Nothing is lost, and after a few runs nothing moves any more."""
    world = case.world
    before = world.kept()
    for _ in range(4):
        world.carry_out(world.plan(case.intent)[1])
        assert before <= world.kept()
    assert world.plan(case.intent)[1].moves == ()


def two_way_converges(case: Case) -> None:
    world = case.world
    _, plan = world.plan(case.intent)
    world.carry_out(plan)
    open_ = {c.path for c in plan.clashes if c.winner is None} | {p.path for p in plan.problems}
    for path in world.local.files.keys() | world.remote.files.keys():
        if open_.isdisjoint((path, *above(path))):
            assert world.contents(Side.LOCAL).get(path) == world.contents(Side.REMOTE).get(path)
    if world.remote.has_folders:
        for path in world.local.dirs ^ world.remote.dirs:
            hides = any(p.startswith(path + "/") for p in _spoilt(case) | open_)
            assert hides or not open_.isdisjoint((path, *above(path)))


def _spoilt(case: Case) -> set[str]:
    places = case.world.local, case.world.remote
    return {path for place in places for path in place.hidden | place.blocked}


def changes_propagate(case: Case) -> None:
    """Compare each undisputed path with the table of the specification, written down anew."""
    world = case.world
    base, local, remote = dict(world.agreed), *(world.contents(side) for side in Side)
    plan = world.plan(case.intent)[1]
    world.carry_out(plan)
    disputed = _disputed(case, local, remote)
    copies = {a.copy_path for a in plan.actions if isinstance(a, KeepBoth)}
    clashes = {clash.path: clash for clash in plan.clashes}
    for path in (base | local | remote).keys() - disputed:
        b, here, there = (d.get(path) for d in (base, local, remote))
        after = {world.contents(side).get(path) for side in Side}
        if here == there:
            want = {here}
        elif case.intent.keep_deleted and None in (here, there):
            want = {here, there} - {None}
        elif b in (here, there):
            want = {there if here == b else here}
        elif None in (here, there):
            want = {here, there} - {None}
        else:
            assert path in clashes, "two versions that neither side knows are a conflict"
            want = {here, there} if clashes[path].winner is None else after
            assert after <= {here, there}
        assert after == want, path
        if here == there or b in (here, there):
            assert path not in clashes, "nobody is bothered without need"
    assert world.contents(Side.LOCAL).keys() <= (local | remote).keys() | copies


def _disputed(case: Case, local: dict[str, str], remote: dict[str, str]) -> set[str]:
    """Return the paths that a name clash or a problem takes out of the plain table."""
    world = case.world
    paths = local.keys() | remote.keys() | world.local.dirs | world.remote.dirs
    folders = {up for path in paths for up in above(path)} | world.local.dirs | world.remote.dirs
    roots = (folders & (local.keys() | remote.keys())) | _spoilt(case)
    every = paths | world.agreed.keys()
    return {p for p in every if p in roots or not roots.isdisjoint(above(p))}


def conflicts_obey_the_policy(case: Case) -> None:
    world = case.world
    local, remote = dict(world.local.files), dict(world.remote.files)
    plan = world.plan(case.intent)[1]
    disputed = _disputed(case, world.contents(Side.LOCAL), world.contents(Side.REMOTE))
    winner = case.intent.policy.conflict.winner
    for clash in plan.clashes:
        if clash.path in disputed:
            continue
        one, two = local[clash.path], remote[clash.path]
        assert one.content != two.content
        scale = {
            Winner.NEWER: one.minute - two.minute,
            Winner.OLDER: two.minute - one.minute,
            Winner.LARGER: len(one.content) - len(two.content),
            Winner.SMALLER: len(two.content) - len(one.content),
            Winner.LOCAL: 1,
            Winner.REMOTE: -1,
        }.get(winner, 0)
        if winner is Winner.STOP:
            assert clash.winner is None
        elif not (scale == 0 or world.remote.store == "plain"):
            assert clash.winner is (Side.LOCAL if scale > 0 else Side.REMOTE)
        else:
            assert clash.winner is not None


def one_way_never_writes_back(case: Case) -> None:
    world, policy = case.world, case.intent.policy
    source = source_side(policy)
    assert source is not None
    place = world.place(source)
    before = dict(place.files), set(place.dirs)
    plan = world.plan(case.intent)[1]
    world.carry_out(plan)
    assert before == (place.files, place.dirs)
    if policy.mode in (Mode.PUSH, Mode.PULL):
        assert not any(isinstance(a, Trash | Move | RemoveDir | KeepBoth) for a in plan.actions)


def a_mirror_is_equal(case: Case) -> None:
    world = case.world
    plan = world.plan(replace(case.intent, keep_deleted=False))[1]
    source = source_side(case.intent.policy)
    assert source is not None
    before = world.contents(source.other)
    world.carry_out(plan)
    left = {problem.path for problem in plan.problems}
    one, two = world.contents(source), world.contents(source.other)
    for path in one.keys() | two.keys():
        if left.isdisjoint((path, *above(path))):
            assert one.get(path) == two.get(path)
    replaced = {(source.other, p, c) for p, c in before.items() if two.get(p) != c}
    moved = {(source.other, old, content) for old, _, content in world.aliases}
    assert replaced <= {*world.trash, *moved}


def only_the_agreed_version_is_replaced(case: Case) -> None:
    """In push and pull what the baseline does not know stays, unless the policy names the source;
    in every mode what is replaced unasked was agreed on."""
    world, policy = case.world, case.intent.policy
    base = dict(world.agreed)
    before = {side: world.contents(side) for side in Side}
    plan = world.plan(case.intent)[1]
    clashes = {clash.path for clash in plan.clashes if clash.winner is not None}
    for action in plan.actions:
        if isinstance(action, Copy) and action.target is not None:
            known = before[action.to][action.path] == base.get(action.path)
            assert known or action.path in clashes or policy.mode is Mode.MIRROR
        if isinstance(action, Trash) and policy.mode is Mode.TWO_WAY and not action.early:
            assert before[action.side][action.path] == base.get(action.path)
    source = source_side(policy)
    if policy.mode in (Mode.PUSH, Mode.PULL) and source is not None:
        world.carry_out(plan)
        after = world.contents(source.other)
        for path, content in before[source.other].items():
            assert path in after, "nothing is deleted"
            assert after[path] == content or base.get(path) == content or path in clashes


def blocked_paths_stay(case: Case) -> None:
    world = case.world
    problems = [p for side in Side for p in world.look().tree(side).problems]
    roots = {problem.path for problem in problems}

    def below(paths: dict[str, object]) -> dict[str, object]:
        return {p: v for p, v in paths.items() if not roots.isdisjoint((p, *above(p)))}

    def snapshot() -> list[object]:
        sides = [below(dict(world.place(side).files)) for side in Side]
        hidden = [set(world.place(side).hidden) for side in Side]
        return [sides, hidden, below(dict(world.rows))]

    before = snapshot()
    plan = world.plan(case.intent)[1]
    world.carry_out(plan)
    assert snapshot() == before
    assert roots <= {problem.path for problem in plan.problems}


def excluded_rows_stay(case: Case) -> None:
    """Hide every path below d: nothing there moves, is forgotten, or counts for a guard."""
    world = case.world
    hidden = {p for p in world.rows if p.startswith("d/")}
    for side in Side:
        place = world.place(side)
        for path in [p for p in place.files if p.startswith("d/")]:
            del place.files[path]
        place.dirs -= {d for d in place.dirs if d == "d" or d.startswith("d/")}
    seen = world.look()
    change = replace(seen.filter_change, leaves=tuple(sorted(hidden)))
    guards = replace(NO_GUARDS, max_delete=Limit(count=0), empty_side="stop")
    policy = replace(case.intent.policy, guards=guards)
    wanted = replace(case.intent, policy=policy)
    shown = make("p", "k", replace(seen, filter_change=change), wanted)
    rows = {p: row for p, row in world.rows.items() if p not in hidden}
    bare = make("p", "k", replace(seen, baseline=replace(seen.baseline, files=rows)), wanted)
    assert hidden.isdisjoint(action.path for action in shown.actions)
    assert [s.what for s in shown.stops] == [s.what for s in bare.stops]
    assert shown.actions == bare.actions


def guards_are_exact(case: Case) -> None:
    seen, free = case.world.plan(case.intent)
    deletes = {side: _deletes(free.actions, side) for side in Side}
    overwrites = {side: _overwrites(free.actions, side) for side in Side}
    for count in {0, *deletes.values(), *(n - 1 for n in deletes.values() if n)}:
        guards = replace(NO_GUARDS, max_delete=Limit(count=count))
        total = sum(deletes.values())
        lets = Accept(delete=total), Accept(delete=total + 1)
        _judged(case, (seen, free, guards), {s for s in Side if deletes[s] > count}, lets)
    for count in {0, *overwrites.values(), *(n - 1 for n in overwrites.values() if n)}:
        guards = replace(NO_GUARDS, max_overwrite=Limit(count=count))
        total = sum(overwrites.values())
        lets = Accept(overwrite=total), Accept(overwrite=total + 1)
        _judged(case, (seen, free, guards), {s for s in Side if overwrites[s] > count}, lets)


def _judged(
    case: Case,
    facts: tuple[Observation, ProjectPlan, Guards],
    sides: set[Side],
    lets: tuple[Accept, Accept],
) -> None:
    """Hold that the plan stops on these sides, and that only the exact figure lets it through."""
    seen, free, guards = facts
    exact, near = lets
    wanted = replace(case.intent, policy=replace(case.intent.policy, guards=guards))
    plan = make("p", "k", seen, wanted)
    assert {stop.side for stop in plan.stops} == sides
    figure = exact.delete if exact.delete is not None else exact.overwrite
    assert all(str(stop.accept).endswith(f"={figure}") for stop in plan.stops)
    assert plan.actions == free.actions, "a stopped plan is still shown"
    assert make("p", "k", seen, replace(wanted, accept=exact)).stops == ()
    assert make("p", "k", seen, replace(wanted, accept=near)).stops == plan.stops


def _deletes(actions: tuple[Action, ...], side: Side) -> int:
    return sum(isinstance(a, Trash) and a.side is side for a in actions)


def _overwrites(actions: tuple[Action, ...], side: Side) -> int:
    copies = sum(isinstance(a, Copy) and a.to is side and a.target is not None for a in actions)
    leave = (a for a in actions if isinstance(a, KeepBoth) and a.gives_way)
    return copies + sum(a.loser is side for a in leave)


def an_emptied_side_stops(case: Case) -> None:
    world = case.world
    for side in Side:
        for path in list(world.place(side).files):
            world.remove(side, path)
        wanted = replace(
            case.intent,
            policy=replace(case.intent.policy, guards=replace(NO_GUARDS, empty_side="stop")),
        )
        plan = world.plan(wanted)[1]
        deletes = _deletes(plan.actions, side.other)
        many = len(world.rows) >= 2 or (wanted.policy.mode is Mode.MIRROR and deletes > 1)
        blocked = bool(_spoilt(case))
        if deletes and many and not blocked:
            assert [s.guard for s in plan.stops] == [Guard.EMPTY_SIDE]
        source, additive = source_side(wanted.policy), wanted.policy.mode in (Mode.PUSH, Mode.PULL)
        if not deletes and source is side.other and world.place(source).files:
            assert plan.stops == ()
        if additive and source is side and len(world.rows) >= 2 and not blocked:
            assert [s.accept for s in plan.stops] == ["empty_side"]
            _may_be_empty(case, wanted)


def _may_be_empty(case: Case, wanted: Intent) -> None:
    """Accepted, an empty source is forgotten, and nothing of the other side is touched."""
    plan = case.world.plan(replace(wanted, accept=Accept(empty_side=True)))[1]
    assert plan.stops == ()
    assert not any(isinstance(a, Copy | Trash | KeepBoth | Move) for a in plan.actions)
    assert {a.path for a in plan.actions if isinstance(a, Forget)} <= set(case.world.rows)


def the_memory_is_true(case: Case) -> None:
    """What both sides hold alike is known as it stands; what neither holds is forgotten."""
    world = case.world
    plan = world.plan(case.intent)[1]
    world.carry_out(plan)
    left = {problem.path for problem in plan.problems} | {c.path for c in plan.clashes}
    one, two = world.contents(Side.LOCAL), world.contents(Side.REMOTE)
    quiet = world.remote.store != "plain" or case.intent.policy.mode is not Mode.TWO_WAY
    for path in one.keys() | two.keys() | world.rows.keys():
        if not left.isdisjoint((path, *above(path))):
            continue
        if path not in one and path not in two:
            assert path not in world.rows
        elif one.get(path) == two.get(path) and quiet:
            row = world.rows[path]
            assert (row.local, row.remote) == tuple(world.place(s).stamp(path) for s in Side)


def totals_are_right(case: Case) -> None:
    world = case.world
    plan = world.plan(case.intent)[1]
    files = {side: len(world.place(side).files) for side in Side}
    assert (plan.files_local, plan.files_remote) == tuple(
        len(world.look().tree(side).files) for side in Side
    )
    world.carry_out(plan)
    t = plan.totals
    assert t.delete_local == sum(s is Side.LOCAL for s, *_ in world.trash) - _replaced(
        plan.actions, Side.LOCAL
    )
    assert t.delete_remote == sum(s is Side.REMOTE for s, *_ in world.trash) - _replaced(
        plan.actions, Side.REMOTE
    )
    copies = [a for a in plan.actions if isinstance(a, Copy)]
    keeps = [a for a in plan.actions if isinstance(a, KeepBoth)]
    sizes = [a.size for a in copies] + [a.size for a in keeps]
    new = sum(a.to is Side.LOCAL and a.target is None for a in copies)
    left = sum(a.gives_way and a.loser is Side.LOCAL for a in keeps)
    grown = new + len(keeps) - left - t.delete_local
    assert len(world.local.files) == files[Side.LOCAL] + grown
    assert t.up + t.down == len(copies)
    assert t.bytes_up + t.bytes_down == sum(sizes)
    assert t.conflicts == len(plan.clashes)
    assert t.folders == sum(isinstance(a, MakeDir | RemoveDir) for a in plan.actions)


def _replaced(actions: tuple[Action, ...], side: Side) -> int:
    """Return how many versions a side's replacements put into the trash."""
    return sum(
        isinstance(a, Copy) and a.to is side and a.target is not None and a.kept_as is None
        for a in actions
    )


def order_of_observation_does_not_matter(case: Case) -> None:
    seen, plan = case.world.plan(case.intent)
    turned = replace(
        seen,
        local=replace(seen.local, files=_turned(seen.local.files)),
        remote=replace(seen.remote, files=_turned(seen.remote.files)),
        baseline=replace(seen.baseline, files=_turned(seen.baseline.files)),
    )
    assert make("p", "k", turned, case.intent) == plan


def _turned(items: Mapping[str, T]) -> dict[str, T]:
    return dict(reversed(list(items.items())))


def what_was_asked_is_enough(case: Case) -> None:
    """Whoever knows all contents decides the same, where looking costs no download."""
    world = case.world
    if world.remote.store == "plain" or case.intent.policy.compare is Compare.FULL:
        return
    seen, plan = world.plan(case.intent)
    everything = {side: frozenset(seen.tree(side).files) for side in Side}
    told = make("p", "k", world.tell(seen, everything), case.intent)
    assert [_bare(a) for a in told.actions] == [_bare(a) for a in plan.actions]


def _bare(action: Action) -> Action:
    return replace(action, content=None) if isinstance(action, Copy) else action


def plans_survive_being_saved(case: Case) -> None:
    seen, made = case.world.plan(case.intent)
    plan = wire.sealed(Plan("2026-11-22T07:15:00Z", "/sync.yaml", "0" * 64, (made,)))
    assert wire.from_json(json.loads(json.dumps(wire.to_json(plan)))) == plan
    found = fit(made, made, seen)
    assert (found.misfits, found.left, found.taken) == ((), (), made.actions)


def a_changed_world_makes_a_saved_plan_stale(case: Case) -> None:
    """Touch each file that an action is about: that action must say so."""
    world = case.world
    made = world.plan(case.intent)[1]
    for action in made.moves:
        for side in Side:
            if action.path in world.place(side).files:
                files = world.place(side).files
                old = files[action.path]
                files[action.path] = replace(old, content=old.content + "!", tick=old.tick + 1000)
                seen, today = world.plan(case.intent)
                what = fit(made, today, seen).misfits
                assert any(sentence.startswith(f"{action.path}: ") for sentence in what)
                files[action.path] = old


def a_part_of_a_plan_is_as_safe_as_the_whole(case: Case) -> None:
    """Take one action out of the plan, and one action alone: done as planned, or refused."""
    before = deepcopy(case.world)
    seen, today = case.world.plan(case.intent)
    case.world.carry_out(today)
    for action in today.moves:
        alone = (action,)
        others = tuple(a for a in today.actions if a is not action)
        for part in (alone, others):
            found = fit(replace(today, actions=part), today, seen)
            if not found.misfits:
                world = deepcopy(before)
                world.carry_out(narrowed(today, found, seen, case.intent))
                assert before.kept() <= world.kept()
                _each_path_as_before_or_after(before, world, case.world)


def _each_path_as_before_or_after(before: World, world: World, after: World) -> None:
    for side in Side:
        was, now, then = (w.contents(side) for w in (before, world, after))
        for path in was.keys() | now.keys() | then.keys():
            assert now.get(path) in (was.get(path), then.get(path)), path


def what_today_would_not_do_is_never_taken(case: Case) -> None:
    """Write every action that a plan can hold for every path: only today's own are taken."""
    seen, today = case.world.plan(case.intent)
    for action in _every_action(case.world):
        for actions in ((action,), (*today.actions, action)):
            found = fit(replace(today, actions=actions), today, seen)
            assert found.misfits, action
            assert set(narrowed(today, found, seen, case.intent).actions) <= set(today.actions)


def _every_action(world: World) -> Iterator[Action]:
    every = sorted({*world.local.files, *world.remote.files, "never/there"})
    for path, side in product(every, Side):
        stamps = [world.place(s).stamp(path) for s in Side]
        here, there = stamps
        other = every[(every.index(path) + 1) % len(every)]
        yield MakeDir(path, side, Reason.NEW)
        yield RemoveDir(path, side, Reason.DELETED)
        yield Restore(path, side, side, other, 1, Reason.SETTLED, here, there)
        if world.place(side).files.get(path) is not None:
            yield Copy(path, side.other, 1, Reason.NEW, here, there, kept_as=other)
            yield Trash(path, side, 1, Reason.DELETED, here, there, early=True)
            yield KeepBoth(path, "git/hooks/x", side, 1, Reason.CONFLICT, here, there)
        if here is not None and there is not None:
            yield Move(other, path, side, 1, Reason.RENAMED, here, there)
