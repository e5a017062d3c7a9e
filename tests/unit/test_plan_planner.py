from __future__ import annotations

import json

import pytest
from property.strategies import agree, bucket, digest, folder, intent, local_file, remote_file, seen

from bm_sync.model.config import (
    Compare,
    Conflict,
    Direction,
    Guards,
    Limit,
    Loser,
    Mode,
    Policy,
    Winner,
)
from bm_sync.model.plan import (
    Accept,
    Adopt,
    AdoptDir,
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
    Trash,
)
from bm_sync.model.tree import (
    Baseline,
    File,
    FileStamp,
    FilterChange,
    ObjectStamp,
    Observation,
    Problem,
    ProblemKind,
    Root,
    Side,
    Tree,
)
from bm_sync.plan import wire
from bm_sync.plan.diff import needs_mtime, questions
from bm_sync.plan.fit import fit, narrowed
from bm_sync.plan.intent import Intent
from bm_sync.plan.planner import make
from bm_sync.structs import replace

TWO_WAY = Policy("p")
LOOSE = Guards(max_delete=Limit(), max_overwrite=Limit(), empty_side="allow")


def plan(observation: Observation, wanted: Intent | None = None) -> ProjectPlan:
    return make("notes", "k", observation, wanted or intent())


def kinds(made: ProjectPlan) -> list[tuple[str, str]]:
    return [(a.kind, a.path) for a in made.actions]


def pair(*contents: str) -> tuple[dict[str, File], dict[str, File]]:
    local = {f"f{n}.md": local_file(c) for n, c in enumerate(contents)}
    remote = {f"f{n}.md": remote_file(c) for n, c in enumerate(contents)}
    return local, remote


def policy(mode: Mode, **changes: object) -> Policy:
    return replace(Policy("p", mode=mode, guards=LOOSE), **changes)  # type: ignore[arg-type]


def one_row(content: str = "old") -> Baseline:
    return agree({"x": local_file(content)}, {"x": remote_file(content)})


def test_a_quiet_project_has_no_actions() -> None:
    local, remote = pair("a", "b")
    made = plan(seen(local, remote, agree(local, remote)))
    assert made.actions == ()
    assert made.in_sync


def test_a_first_run_is_a_union() -> None:
    local = {"a": local_file("a"), "same": local_file("s")}
    remote = {"b": remote_file("b"), "same": remote_file("s")}
    made = plan(seen(local, remote))
    assert kinds(made) == [("copy", "a"), ("copy", "b"), ("adopt", "same")]


def test_each_two_way_case_does_what_the_specification_says() -> None:
    base = one_row()
    old_l, old_r = local_file("old"), remote_file("old")
    new_l, new_r = local_file("mine!", inode=2), remote_file("yours")
    copy_up = plan(seen({"x": new_l}, {"x": old_r}, base)).actions[0]
    assert isinstance(copy_up, Copy)
    assert (copy_up.to, copy_up.reason) == (Side.REMOTE, Reason.CHANGED)
    assert copy_up.content == digest("mine!")
    copy_down = plan(seen({"x": old_l}, {"x": new_r}, base)).actions[0]
    assert isinstance(copy_down, Copy)
    assert copy_down.to is Side.LOCAL
    gone = plan(seen({}, {"x": old_r}, base)).actions[0]
    assert isinstance(gone, Trash)
    assert (gone.side, gone.reason) == (Side.REMOTE, Reason.DELETED)
    wins = plan(seen({}, {"x": new_r}, base)).actions[0]
    assert isinstance(wins, Copy)
    assert wins.reason is Reason.EDIT_BEATS_DELETE
    assert plan(seen({}, {}, base)).actions == (Forget("x", Reason.GONE),)


def test_equal_edits_on_both_sides_are_adopted() -> None:
    made = plan(seen({"x": local_file("new", inode=2)}, {"x": remote_file("new")}, one_row("old")))
    assert [type(a) for a in made.actions] == [Adopt]


def test_a_touched_file_is_adopted_and_not_copied() -> None:
    touched = local_file("old", inode=9)
    made = plan(seen({"x": touched}, {"x": remote_file("old")}, one_row()))
    assert [type(a) for a in made.actions] == [Adopt]


def test_an_edit_of_the_same_size_without_known_content_is_taken_for_a_change() -> None:
    unknown = local_file("new", inode=2, known=False)
    made = plan(seen({"x": unknown}, {"x": remote_file("old")}, one_row()))
    assert kinds(made) == [("copy", "x")]


def test_the_newer_version_keeps_the_name_and_the_other_is_kept_beside_it() -> None:
    local, remote = local_file("mine", time=5), remote_file("yours", time=7)
    made = plan(seen({"d/x.md": local}, {"d/x.md": remote}))
    copy_path = "d/x.conflict-19700101T0005-laptop.md"
    keep, copy = made.actions
    assert isinstance(keep, KeepBoth)
    assert (keep.copy_path, keep.loser, keep.gives_way) == (copy_path, Side.LOCAL, False)
    assert isinstance(copy, Copy)
    assert (copy.to, copy.kept_as) == (Side.LOCAL, copy_path)
    assert made.clashes[0].winner is Side.REMOTE


@pytest.mark.parametrize(
    ("winner", "side"),
    [
        (Winner.NEWER, Side.REMOTE),
        (Winner.OLDER, Side.LOCAL),
        (Winner.LARGER, Side.REMOTE),
        (Winner.SMALLER, Side.LOCAL),
        (Winner.LOCAL, Side.LOCAL),
        (Winner.REMOTE, Side.REMOTE),
        (Winner.BOTH, Side.REMOTE),
        (Winner.STOP, None),
    ],
)
def test_the_policy_names_the_winner(winner: Winner, side: Side | None) -> None:
    wanted = intent(policy(Mode.TWO_WAY, conflict=Conflict(winner, Loser.TRASH)))
    observation = seen({"x": local_file("mine", time=5)}, {"x": remote_file("yours", time=7)})
    made = plan(observation, wanted)
    assert made.clashes[0].winner is side
    if winner is Winner.BOTH:
        assert [a.kind for a in made.actions] == ["keep-both", "copy"]
    elif winner is Winner.STOP:
        assert made.actions == ()
    else:
        assert [a.kind for a in made.actions] == ["copy"]


def test_equal_times_keep_both_even_when_losers_go_to_the_trash() -> None:
    wanted = intent(policy(Mode.TWO_WAY, conflict=Conflict(Winner.NEWER, Loser.TRASH)))
    made = plan(seen({"x": local_file("mine", time=5)}, {"x": remote_file("your", time=5)}), wanted)
    assert [a.kind for a in made.actions] == ["keep-both", "copy"]


def test_a_taken_name_gets_a_number_and_an_equal_copy_is_used_again() -> None:
    name = "x.conflict-19700101T0005-laptop"
    mine, yours = local_file("mine", time=5), remote_file("yours", time=7)
    taken = plan(seen({"x": mine, name: local_file("other")}, {"x": yours}))
    assert [a.copy_path for a in taken.actions if isinstance(a, KeepBoth)] == [name + "-2"]
    again = plan(seen({"x": mine, name: local_file("mine")}, {"x": yours}))
    assert kinds(again) == [("copy", "x"), ("copy", name)]
    replaced = again.actions[0]
    assert isinstance(replaced, Copy)
    assert replaced.kept_as is None
    assert again.clashes[0].kept == name


def test_a_rename_is_a_move_on_the_other_side() -> None:
    base = agree({"old": local_file("text")}, {"old": remote_file("text")})
    made = plan(seen({"d/new": local_file("text", inode=3)}, {"old": remote_file("text")}, base))
    (move,) = (a for a in made.actions if isinstance(a, Move))
    assert (move.old_path, move.path, move.side) == ("old", "d/new", Side.REMOTE)
    assert isinstance(move.local, FileStamp)
    assert isinstance(move.remote, ObjectStamp)
    assert made.totals.move == 1
    assert made.totals.delete_remote == 0


def test_empty_files_are_not_taken_for_renamed() -> None:
    base = agree({"old": local_file("")}, {"old": remote_file("")})
    made = plan(seen({"new": local_file("")}, {"old": remote_file("")}, base))
    assert kinds(made) == [("copy", "new"), ("trash", "old")]


def test_a_mirror_makes_the_destination_equal_and_never_writes_the_source() -> None:
    base = one_row()
    up = intent(policy(Mode.MIRROR))
    made = plan(
        seen({"x": local_file("old")}, {"x": remote_file("new"), "y": remote_file("y")}, base), up
    )
    assert kinds(made) == [("copy", "x"), ("trash", "y")]
    assert {a.reason for a in made.actions} == {Reason.DIFFERS, Reason.NOT_AT_SOURCE}
    down = intent(policy(Mode.MIRROR, direction=Direction.DOWN))
    made = plan(seen({"z": local_file("z")}, {"x": remote_file("new")}), down)
    assert [(a.kind, a.path) for a in made.moves] == [("copy", "x"), ("trash", "z")]


def test_a_push_replaces_only_the_version_last_agreed_on() -> None:
    push = intent(policy(Mode.PUSH))
    mine, yours = local_file("mine", inode=2), remote_file("yours!")
    assert kinds(plan(seen({"x": mine}, {"x": remote_file("old")}, one_row()), push)) == [
        ("copy", "x")
    ]
    waits = plan(seen({"x": mine}, {"x": yours}, one_row()), push)
    assert waits.actions == ()
    assert waits.clashes[0].winner is None
    assert plan(seen({}, {"x": remote_file("old")}, one_row()), push).actions == ()
    assert plan(seen({"x": local_file("old")}, {"x": yours}, one_row()), push).clashes == ()
    told = intent(policy(Mode.PUSH, conflict=Conflict(Winner.LOCAL)))
    replaced = plan(seen({"x": mine}, {"x": yours}, one_row()), told)
    assert [a.reason for a in replaced.actions] == [Reason.CONFLICT]
    silent = intent(policy(Mode.PUSH, conflict=Conflict(Winner.REMOTE)))
    assert plan(seen({"x": mine}, {"x": yours}, one_row()), silent).clashes == ()


def test_kept_deletions_come_back() -> None:
    wanted = intent(keep_deleted=True)
    made = plan(seen({}, {"x": remote_file("old")}, one_row()), wanted)
    assert [(a.kind, a.reason) for a in made.actions] == [("copy", Reason.KEPT)]
    mirror = intent(policy(Mode.MIRROR), keep_deleted=True)
    assert plan(seen({}, {"x": remote_file("old")}, one_row()), mirror).actions == ()


def test_a_file_that_became_a_folder_leaves_early() -> None:
    base = one_row()
    made = plan(seen({"x/y": local_file("y")}, {"x": remote_file("old")}, base))
    assert kinds(made) == [("trash", "x"), ("copy", "x/y")]
    first = made.actions[0]
    assert isinstance(first, Trash)
    assert first.early


def test_a_folder_that_became_a_file_leaves_early() -> None:
    base = agree({"x/y": local_file("y")}, {"x/y": remote_file("y")})
    made = plan(seen({"x/y": local_file("y")}, {"x": remote_file("new")}, base))
    assert kinds(made) == [("trash", "x/y"), ("remove-dir", "x"), ("copy", "x")]
    hidden = Observation(
        folder({"x/y": local_file("y")}, {"x": True}), bucket({"x": remote_file("new")}), base
    )
    refused = plan(hidden)
    assert refused.actions == ()
    assert [(p.path, p.kind) for p in refused.problems] == [("x", ProblemKind.CLASH)]


def test_a_new_file_gives_way_to_a_new_folder() -> None:
    made = plan(seen({"x": local_file("file")}, {"x/y": remote_file("y")}))
    keep, copy = made.actions
    assert isinstance(keep, KeepBoth)
    assert keep.gives_way
    assert keep.loser is Side.LOCAL
    assert isinstance(copy, Copy)
    assert copy.path == "x/y"


def test_an_object_beside_a_folder_of_its_name_is_that_objects_problem() -> None:
    made = plan(seen({}, {"x": remote_file("f"), "x/y": remote_file("y")}))
    assert kinds(made) == [("copy", "x/y")]
    assert [p.path for p in made.problems] == ["x"]
    other = plan(seen({"x": local_file("f")}, {"x": remote_file("f"), "x/y": remote_file("y")}))
    assert kinds(other) == [("adopt", "x")]
    assert [p.path for p in other.problems] == ["x/y"]


def test_a_problem_blocks_its_path_and_all_below() -> None:
    local = Tree({}, problems=(Problem("d", Side.LOCAL, ProblemKind.UNREADABLE, "no"),))
    base = agree({"d/x": local_file("old")}, {"d/x": remote_file("old")})
    remote = bucket({"d/x": remote_file("old"), "e": remote_file("e")})
    made = plan(Observation(local, remote, base))
    assert kinds(made) == [("copy", "e")]
    assert len(made.problems) == 1


def test_a_skipped_symlink_is_a_note_until_somebody_else_knows_its_name() -> None:
    problem = Problem("ln", Side.LOCAL, ProblemKind.SYMLINK, "skipped", silent_alone=True)
    local = Tree({}, problems=(problem,))
    made = plan(Observation(local, bucket({}), Baseline()))
    assert made.problems == ()
    assert made.notes == ("1 symlink skipped",)
    known = plan(Observation(local, bucket({"ln/x": remote_file("x")}), Baseline()))
    assert known.problems == (problem,)
    assert known.actions == ()


def test_case_twins_are_never_let_over_one_another() -> None:
    remote = replace(bucket({"Note": remote_file("old")}), case_insensitive=True)
    base = agree({"Note": local_file("old")}, {"Note": remote_file("old")})
    local = folder({"Note": local_file("old"), "note": local_file("new")})
    made = plan(Observation(local, remote, base))
    assert made.actions == ()
    assert [(p.path, p.kind) for p in made.problems] == [("note", ProblemKind.CASE)]
    both = plan(
        Observation(
            folder({"A": local_file("1"), "a": local_file("2")}),
            replace(remote, files={}),
            Baseline(),
        )
    )
    assert both.actions == ()
    assert [p.path for p in both.problems] == ["A", "a"]


def test_a_rename_by_case_trashes_the_old_name_first() -> None:
    remote = replace(bucket({"Note": remote_file("old")}), case_insensitive=True)
    base = agree({"Note": local_file("old")}, {"Note": remote_file("old")})
    made = plan(Observation(folder({"note": local_file("old", inode=4)}), remote, base))
    assert kinds(made) == [("trash", "Note"), ("copy", "note")]
    assert made.problems == ()


def test_folders_are_made_adopted_removed_and_forgotten() -> None:
    local = folder({}, {"new": False, "both": False, "gone": False, "hidden": True})
    remote = folder({}, {"both": False})
    base = Baseline(dirs=frozenset({"gone", "hidden", "lost"}), known=True)
    made = plan(Observation(local, remote, base))
    assert made.actions == (
        MakeDir("new", Side.REMOTE, Reason.FOLDER),
        RemoveDir("gone", Side.LOCAL, Reason.DELETED),
        AdoptDir("both"),
        Forget("lost", Reason.GONE, folder=True),
    )


def test_a_folder_emptied_by_the_plan_goes_where_the_other_side_has_none() -> None:
    base = agree({"d/e/x": local_file("old")}, {"d/e/x": remote_file("old")})
    local = folder({"d/e/x": local_file("old")})
    made = plan(Observation(local, bucket({}), base))
    assert kinds(made) == [("trash", "d/e/x"), ("remove-dir", "d/e"), ("remove-dir", "d")]
    hidden = replace(local, dirs={"d": True, "d/e": False})
    kept = plan(Observation(hidden, bucket({}), base))
    assert kinds(kept) == [("trash", "d/e/x"), ("remove-dir", "d/e")]


def test_too_many_deletions_stop_and_the_exact_figure_lets_them_through() -> None:
    local, remote = pair(*"abcdefgh")
    base = agree(local, remote)
    guards = Guards(max_delete=Limit(percent=25))
    observation = seen(dict(list(local.items())[:4]), remote, base)
    made = plan(observation, intent(Policy("p", guards=guards)))
    (stop,) = made.stops
    assert stop.guard is Guard.MAX_DELETE
    assert stop.what == "4 of 8 files on cloud:notes would go, the limit is 25 % (2)"
    assert stop.accept == "delete=4"
    assert len(stop.paths) == 4
    for figure, left in ((4, 0), (3, 1), (5, 1)):
        told = intent(Policy("p", guards=guards), accept=Accept(delete=figure))
        assert len(plan(observation, told).stops) == left


def test_an_empty_or_missing_side_stops() -> None:
    local, remote = pair("a", "b")
    base = agree(local, remote)
    (stop,) = plan(seen({}, remote, base)).stops
    assert (stop.guard, stop.side) == (Guard.EMPTY_SIDE, Side.LOCAL)
    missing = Observation(Tree({}, root=Root.MISSING), bucket(remote), base)
    assert [s.guard for s in plan(missing).stops] == [Guard.EMPTY_SIDE]
    assert plan(missing, intent(accept=Accept(delete=2))).stops == ()
    first = Observation(Tree({}, root=Root.MISSING), bucket(remote), Baseline())
    assert plan(first).stops == ()
    mirror = plan(seen({}, remote), intent(policy(Mode.MIRROR, guards=Guards())))
    assert [s.guard for s in mirror.stops] == [Guard.EMPTY_SIDE]


def test_a_source_that_is_gone_or_empty_is_never_in_sync() -> None:
    local, remote = pair("a", "b")
    base, no_folder = agree(local, remote), Tree({}, root=Root.MISSING)
    for mode in (Mode.PUSH, Mode.MIRROR):
        one_way = intent(policy(mode, guards=Guards()))
        for tree in (no_folder, Tree({})):
            (stop,) = plan(Observation(tree, bucket({}), base), one_way).stops
            assert (stop.guard, stop.side, stop.accept) == (
                Guard.EMPTY_SIDE,
                Side.LOCAL,
                "empty_side",
            )
        (first,) = plan(Observation(no_folder, bucket({}), Baseline()), one_way).stops
        assert first.what == "/home/me/notes is missing"
        assert plan(Observation(Tree({}), bucket({}), Baseline()), one_way).in_sync
    pull = intent(policy(Mode.PULL, guards=Guards()))
    (emptied,) = plan(seen(local, {}, base), pull).stops
    assert (emptied.side, emptied.what) == (
        Side.REMOTE,
        "cloud:notes is empty; 2 files were synced with it",
    )
    accepted = plan(seen(local, {}, base), replace(pull, accept=Accept(empty_side=True)))
    assert (accepted.stops, accepted.moves) == ((), ())
    assert {a.path for a in accepted.actions if isinstance(a, Forget)} == {"f0.md", "f1.md"}
    (unknown,) = plan(seen(local, {}, Baseline()), pull).stops
    assert unknown.what == "cloud:notes is empty, and /home/me/notes holds 2 files"


def test_a_new_project_with_nothing_on_either_side_stops_where_its_folder_is_missing() -> None:
    nowhere = Observation(Tree({}, root=Root.MISSING), bucket({}), Baseline())
    (stop,) = plan(nowhere).stops
    assert stop.what == "/home/me/notes is missing, and cloud:notes holds no files"
    made = plan(nowhere, replace(intent(), makes_roots=True))
    assert (made.stops, kinds(made)) == ((), [("make-dir", "")])
    assert plan(Observation(Tree({}), bucket({}), Baseline())).in_sync


def test_both_sides_of_a_two_way_project_do_not_lose_their_files_without_a_word() -> None:
    local, remote = pair("a", "b")
    stops = plan(seen({}, {}, agree(local, remote))).stops
    assert {(s.guard, s.side) for s in stops} == {
        (Guard.EMPTY_SIDE, Side.LOCAL),
        (Guard.EMPTY_SIDE, Side.REMOTE),
    }


@pytest.mark.parametrize("root", [Root.NOT_A_FOLDER, Root.SYMLINK, Root.STORE_MISSING])
def test_a_root_that_is_no_folder_always_stops(root: Root) -> None:
    made = plan(Observation(Tree({}), Tree({}, root=root), Baseline()))
    (stop,) = made.stops
    assert stop.accept is None
    assert stop.guard in (Guard.ROOT, Guard.STORE)


@pytest.mark.parametrize(
    ("unlisted", "what"),
    [
        (
            {"a": True, "b": False},
            "the listing of cloud:notes is not whole: it leaves out 1 file that stands there",
        ),
        ({"a": False}, "1 file missing from the listing of cloud:notes could not be looked for"),
    ],
)
def test_a_listing_that_leaves_out_what_stands_there_stops(
    unlisted: dict[str, bool], what: str
) -> None:
    local, remote = pair("a", "b")
    observation = seen(local, {}, agree(local, remote))
    assert Guard.LISTING not in {s.guard for s in plan(observation).stops}
    doubted = replace(observation, remote=replace(observation.remote, unlisted=unlisted))
    (stop,) = (s for s in plan(doubted).stops if s.guard is Guard.LISTING)
    assert (stop.what, stop.side, stop.paths) == (what, Side.REMOTE, tuple(unlisted))
    assert stop.accept == f"listing={len(unlisted)}"
    told = plan(doubted, intent(accept=Accept(listing=len(unlisted)))).stops
    assert Guard.LISTING not in {s.guard for s in told}


def test_rows_that_a_filter_hid_do_not_count() -> None:
    local, remote = pair("a", "b")
    base = agree(local, remote)
    hidden = Observation(Tree({}), bucket({}), base, FilterChange(leaves=tuple(base.files)))
    made = plan(hidden)
    assert made.actions == ()
    assert made.stops == ()


def test_questions_ask_only_what_decides() -> None:
    base = agree(
        {"moved": local_file("old"), "grown": local_file("old"), "gone": local_file("text")},
        {"moved": remote_file("old"), "grown": remote_file("old"), "gone": remote_file("text")},
    )
    local = {
        "moved": local_file("new", inode=2, known=False),
        "grown": local_file("newer", inode=2, known=False),
        "name": local_file("text", inode=3, known=False),
        "fresh": local_file("fresh", known=False),
    }
    remote = {p: remote_file("old") for p in ("moved", "grown")} | {"gone": remote_file("text")}
    asked = questions(seen(local, remote, base), TWO_WAY)
    assert asked.local == {"moved", "name"}
    assert asked.remote == frozenset()


def test_a_file_new_on_both_sides_is_asked_for_on_both_when_the_sizes_agree() -> None:
    local = {"x": local_file("abc", known=False), "y": local_file("abc", known=False)}
    remote = {"x": remote_file("abd", hashed=False, known=False), "y": remote_file("abcd")}
    asked = questions(seen(local, remote), TWO_WAY)
    assert asked.local == asked.remote == {"x"}


def test_a_remote_without_hashes_is_read_only_to_tell_a_conflict() -> None:
    old = remote_file("old", time=1, hashed=False, known=False)
    touched = remote_file("old", time=2, hashed=False, known=False)
    base = agree({"x": local_file("old")}, {"x": old})
    alone = questions(seen({"x": local_file("old")}, {"x": touched}, base), TWO_WAY)
    assert alone.remote == frozenset()
    deleted = questions(seen({}, {"x": touched}, base), TWO_WAY)
    assert deleted.remote == {"x"}
    edited = local_file("longer", inode=2, known=False)
    both = questions(seen({"x": edited}, {"x": touched}, base), TWO_WAY)
    assert both.remote == {"x"}


def test_times_are_needed_only_for_conflicts_that_they_decide_or_name() -> None:
    observation = seen({"x": local_file("mine"), "y": local_file("y")}, {"x": remote_file("yours")})
    assert needs_mtime(observation, TWO_WAY) == {"x"}
    remote_wins = policy(Mode.TWO_WAY, conflict=Conflict(Winner.REMOTE))
    assert needs_mtime(observation, remote_wins) == frozenset()
    local_wins = policy(Mode.TWO_WAY, conflict=Conflict(Winner.LOCAL))
    assert needs_mtime(observation, local_wins) == {"x"}
    trashed = policy(Mode.TWO_WAY, conflict=Conflict(Winner.LOCAL, Loser.TRASH))
    assert needs_mtime(observation, trashed) == frozenset()


def whole(made: ProjectPlan) -> Plan:
    return wire.sealed(Plan("2026-11-22T07:15:00Z", "/sync.yaml", "0" * 64, (made,)))


def test_a_plan_survives_json_with_names_that_are_not_utf_8() -> None:
    local = {"caf\udce9": local_file("1"), "x": local_file("mine")}
    made = plan(seen(local, {"x": remote_file("yours"), "d/y": remote_file("2")}))
    text = json.dumps(wire.to_json(whole(made)))
    assert wire.from_json(json.loads(text)) == whole(made)


def misfits(saved: ProjectPlan, now: Observation) -> tuple[str, ...]:
    return fit(saved, plan(now), now).misfits


@pytest.mark.parametrize(("mode", "side"), [(Mode.PULL, "local"), (Mode.PUSH, "remote")])
def test_a_push_or_a_pull_says_what_it_leaves_though_it_differs(mode: Mode, side: str) -> None:
    local, remote = {"x": local_file("old")}, {"x": remote_file("old")}
    base = agree(local, remote)
    if mode is Mode.PULL:
        local = {"x": local_file("edited")}
    else:
        remote = {"x": remote_file("edited")}
    made = plan(seen(local, remote, base), intent(policy(mode)))
    left = f"1 file was changed on the {side} side: a {mode} neither sends nor replaces it"
    assert (made.moves, made.notes) == ((), (left,))
    assert plan(seen(local, remote, base), intent(policy(Mode.TWO_WAY))).notes == ()


def test_a_saved_plan_that_no_longer_fits_says_where() -> None:
    local, remote = {"x": local_file("1")}, {"y": remote_file("2")}
    saved = plan(seen(local, remote))
    assert misfits(saved, seen(local, remote)) == ()
    changed = seen({"x": local_file("1", inode=7)}, remote)
    assert misfits(saved, changed) == ("x: changed on the local side since the plan was made",)


def test_a_saved_plan_leaves_out_what_came_since() -> None:
    local, remote = {"x": local_file("1")}, {"y": remote_file("2")}
    saved = plan(seen(local, remote))
    more = seen({**local, "d/z": local_file("3")}, remote)
    found = fit(saved, plan(more), more)
    assert (found.misfits, [a.path for a in found.left]) == ((), ["d/z"])
    part = narrowed(plan(more), found, more, intent())
    assert kinds(part) == kinds(saved)
    assert part.notes == ("1 more change came since the plan was made and is not part of it",)


def test_a_saved_plan_that_leaves_out_the_copy_of_a_conflict_is_stale() -> None:
    observation = seen({"x": local_file("mine")}, {"x": remote_file("yours")})
    whole = plan(observation)
    assert [a.kind for a in whole.actions] == ["keep-both", "copy"]
    part = replace(whole, actions=whole.actions[1:])
    (misfit,) = fit(part, whole, observation).misfits
    assert misfit.startswith("x: today's plan has to keep the other version as x.conflict-")


def test_a_saved_plan_that_leaves_out_what_makes_room_for_a_twin_of_the_name_is_stale() -> None:
    base = agree({"Note": local_file("old")}, {"Note": remote_file("old")})
    observation = seen({"note": local_file("new")}, {"Note": remote_file("old")}, base)
    remote = replace(observation.remote, case_insensitive=True)
    whole = plan(replace(observation, remote=remote))
    assert kinds(whole) == [("trash", "Note"), ("copy", "note")]
    part = replace(whole, actions=whole.actions[1:])
    assert fit(part, whole, observation).misfits == (
        "Note: today's plan has to delete it on the remote side, too",
    )


def test_more_bytes_than_allowed_stop_and_the_exact_figure_lets_them_through() -> None:
    observation = seen({"x": local_file("12345")}, {"y": remote_file("678")})
    wanted = Policy("p", guards=Guards(max_bytes=7))
    (stop,) = plan(observation, intent(wanted)).stops
    assert (stop.guard, stop.accept, stop.paths) == (Guard.MAX_BYTES, "bytes=8", ("x", "y"))
    assert plan(observation, intent(wanted, accept=Accept(bytes=8))).stops == ()
    assert len(plan(observation, intent(wanted, accept=Accept(bytes=9))).stops) == 1
    assert plan(observation, intent(Policy("p", guards=Guards(max_bytes=8)))).stops == ()


def test_a_limit_with_a_floor_says_which_of_the_two_holds() -> None:
    local, remote = pair(*"abcdefgh")
    base = agree(local, remote)
    observation = seen({"f0.md": local["f0.md"]}, remote, base)
    floor = Guards(max_delete=Limit(percent=25, at_least=5))
    (stop,) = plan(observation, intent(Policy("p", guards=floor))).stops
    assert stop.what == "7 of 8 files on cloud:notes would go, the limit is 25 % but at least 5"
    count = Guards(max_delete=Limit(count=3))
    (stop,) = plan(observation, intent(Policy("p", guards=count))).stops
    assert stop.what == "7 of 8 files on cloud:notes would go, the limit is 3"


def test_the_only_file_of_a_project_may_be_deleted() -> None:
    made = plan(seen({}, {"x": remote_file("old")}, one_row()))
    assert kinds(made) == [("trash", "x")]
    assert made.stops == ()


def test_a_missing_root_stops_even_for_the_only_file() -> None:
    gone = Observation(Tree({}, root=Root.MISSING), bucket({"x": remote_file("old")}), one_row())
    assert [stop.guard for stop in plan(gone).stops] == [Guard.EMPTY_SIDE]


def test_a_push_from_a_folder_that_is_missing_says_so() -> None:
    gone = Observation(Tree({}, root=Root.MISSING), bucket({"x": remote_file("old")}), one_row())
    made = plan(gone, intent(policy(Mode.PUSH, guards=Guards())))
    assert made.actions == ()
    assert [s.what for s in made.stops] == ["/home/me/notes is missing; 1 file was synced with it"]


def test_a_conflict_copy_of_a_run_that_was_cut_short_is_asked_for() -> None:
    name = "x.conflict-19700101T0005-laptop"
    local = {"x": local_file("mine", known=False), name: local_file("mine", known=False)}
    asked = questions(seen(local, {"x": remote_file("yours")}), TWO_WAY)
    assert asked.local == {"x", name}


def test_a_folder_that_became_a_file_on_both_sides_is_forgotten_as_a_folder_only() -> None:
    base = Baseline(dirs=frozenset({"x"}), known=True)
    here = folder({"x": local_file("f")})
    there = folder({"x": remote_file("f")})
    made = plan(Observation(here, there, base))
    assert {type(a) for a in made.actions} == {Adopt, Forget}
    assert Forget("x", Reason.GONE, folder=True) in made.actions


def test_full_comparison_sees_a_file_that_rotted_under_its_stamp() -> None:
    full = policy(Mode.TWO_WAY, compare=Compare.FULL)
    rotten = local_file("old")._replace(content=digest("bad"))
    observation = seen({"x": rotten}, {"x": remote_file("old")}, one_row())
    assert kinds(plan(observation, intent(full))) == [("copy", "x")]
    assert plan(observation).actions == ()
    blank = seen({"x": local_file("old", known=False)}, {"x": remote_file("old")}, one_row())
    assert questions(blank, full).local == {"x"}


def test_a_saved_plan_knows_when_a_file_takes_a_new_name() -> None:
    base = agree({"old": local_file("text")}, {"old": remote_file("text")})
    renamed = {"new": local_file("text", inode=3)}
    saved = plan(seen(renamed, {"old": remote_file("text")}, base))
    taken = {"old": remote_file("text"), "new": remote_file("other")}
    assert misfits(saved, seen(renamed, taken, base)) == (
        "new: came on the remote side since the plan was made",
    )
