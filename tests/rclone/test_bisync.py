"""`engine: bisync`: rclone bisync moves, under the same plan, guards, trash and records."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import servers
from two_machines import (
    BUCKETS,
    EVERYWHERE,
    FOLDERS,
    UNGUARDED,
    Machine,
    converged,
    done,
    files_in,
    quiet,
    remote_of,
    trouble,
)

from bm_sync.errors import LockedError
from bm_sync.model.config import (
    Conflict,
    Engine,
    FilterSet,
    FolderRemote,
    Links,
    Loser,
    Policy,
    Retry,
    Winner,
)
from bm_sync.model.plan import Guard
from bm_sync.model.run import Done, Outcome, ProjectRun, Status
from bm_sync.rclone.bisync import Bisync, Ended, Order
from bm_sync.rclone.transfer import OnProgress
from bm_sync.state.lock import Owner, hold
from bm_sync.structs import replace

BY_BISYNC = Policy(
    "test", guards=UNGUARDED, engine=Engine.BISYNC, retry=Retry(attempts=3, max_wait_s=2.0)
)


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """Watch every bisync that runs; each is the real one."""
    seen: list[Order] = []
    real = Bisync.run

    async def run(self: Bisync, order: Order, on_progress: OnProgress | None) -> Ended:
        seen.append(order)
        return await real(self, order, on_progress)

    monkeypatch.setattr(Bisync, "run", run)
    return seen


def two(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> tuple[Machine, Machine]:
    """Return a machine whose engine is bisync, and another one with the same remote."""
    remote = remote_of(request, kind, tmp_path)
    desk = Machine(tmp_path / "desk", remote, policy=BY_BISYNC)
    far = Machine(tmp_path / "far", remote)
    for machine in (desk, far):
        machine.folder.mkdir(parents=True)
    return desk, far


def outcomes(run: ProjectRun) -> Mapping[str, Outcome]:
    """Return how each path of a run ended."""
    return {a.path: a.outcome for a in run.actions}


def kept_here(desk: Machine) -> dict[str, bytes]:
    """Return what the newest run keeps in the trash of the local folder."""
    return files_in(max((desk.folder / ".bm-sync" / "trash").iterdir()) / "notes")


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_new_changed_and_deleted_files_travel_both_ways_in_one_bisync(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, orders: list[Order]
) -> None:
    desk, far = two(request, kind, tmp_path)
    for name in ("edited here.md", "edited there.md", "gone here.md", "gone there.md", "calm.md"):
        desk.write(name, f"first {name}")
    desk.write("notes/odd {a,b} [c] *?.md", "odd")
    converged(desk.apply())
    converged(far.apply())
    desk.write("edited here.md", "second, from here")
    desk.write("new/here.md", "new")
    (desk.folder / "gone here.md").unlink()
    far.write("edited there.md", "second, from there")
    far.write("new/there.md", "new too")
    (far.folder / "gone there.md").unlink()
    converged(far.apply())
    orders.clear()
    run = converged(desk.apply())
    assert len(orders) == 1, "one bisync does all of it"
    assert "calm.md" not in orders[0].paths, "what is quiet is not even shown to bisync"
    assert run.status is Status.CHANGED
    converged(far.apply())
    assert desk.files() == far.files()
    assert sorted(desk.files()) == [
        "calm.md",
        "edited here.md",
        "edited there.md",
        "new/here.md",
        "new/there.md",
        "notes/odd {a,b} [c] *?.md",
    ]
    assert desk.files()["edited there.md"] == b"second, from there"
    old = {"edited there.md": b"first edited there.md", "gone there.md": b"first gone there.md"}
    assert kept_here(desk) == old
    replaced = {a.path for a in run.actions if a.kept}
    assert replaced == {"edited here.md", "gone here.md", *old}
    quiet(desk)


@pytest.mark.parametrize("kind", [*FOLDERS, "serve_s3"])
def test_a_first_run_is_a_union_that_loses_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    desk, far = two(request, kind, tmp_path)
    far.write("both.md", "theirs, and longer")
    far.write("same.md", "equal")
    far.write("theirs.md", "theirs")
    converged(far.apply())
    desk.write("both.md", "ours")
    desk.write("same.md", "equal")
    desk.write("ours.md", "ours")
    plan = desk.plan()
    assert [c.path for c in plan.clashes] == ["both.md"]
    run = converged(desk.apply())
    copy = plan.clashes[0].kept
    assert copy is not None
    assert set(desk.files()) == {"both.md", "same.md", "ours.md", "theirs.md", copy}
    assert {desk.files()["both.md"], desk.files()[copy]} == {b"theirs, and longer", b"ours"}
    assert [a.path for a in done(run, "keep-both")] == ["both.md"]
    converged(far.apply())
    assert far.files() == desk.files()
    quiet(desk)


def test_the_loser_of_a_conflict_goes_to_the_trash_where_the_policy_says_so(tmp_path: Path) -> None:
    shelf = FolderRemote("shelf", tmp_path / "shelf")
    policy = replace(BY_BISYNC, conflict=Conflict(Winner.REMOTE, Loser.TRASH))
    desk = Machine(tmp_path / "desk", shelf, policy=policy)
    desk.write("a.md", "ours")
    there = shelf.root / "notes" / "a.md"
    there.parent.mkdir(parents=True)
    there.write_text("theirs")
    converged(desk.apply())
    assert desk.files() == {"a.md": b"theirs"}
    assert kept_here(desk) == {"a.md": b"ours"}
    quiet(desk)


@pytest.mark.parametrize("kind", [*FOLDERS, "serve_s3"])
def test_a_file_that_becomes_a_folder_and_one_that_becomes_a_file_converge(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    desk, far = two(request, kind, tmp_path)
    desk.write("a", "a file")
    desk.write("b/inside.md", "in a folder")
    converged(desk.apply())
    converged(far.apply())
    (desk.folder / "a").unlink()
    desk.write("a/inside.md", "now a folder")
    shutil.rmtree(far.folder / "b")
    far.write("b", "now a file")
    converged(far.apply())
    converged(desk.apply())
    converged(far.apply())
    assert desk.files() == far.files() == {"a/inside.md": b"now a folder", "b": b"now a file"}
    quiet(desk)


def test_plan_and_a_quiet_apply_start_no_bisync_and_make_no_working_directory(
    tmp_path: Path, orders: list[Order]
) -> None:
    desk = Machine(tmp_path / "desk", FolderRemote("shelf", tmp_path / "shelf"), policy=BY_BISYNC)
    desk.write("a.md")
    assert any("rclone bisync" in note for note in desk.plan().notes)
    assert not (tmp_path / "desk" / "state" / "bisync").exists()
    converged(desk.apply())
    assert len(orders) == 1
    shutil.rmtree(tmp_path / "desk" / "state" / "bisync")
    quiet(desk)
    assert desk.plan().notes == ()
    assert len(orders) == 1
    assert not (tmp_path / "desk" / "state" / "bisync").exists()


@pytest.mark.parametrize("kind", [*FOLDERS, *BUCKETS])
def test_nothing_of_a_run_is_left_but_the_trash(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    desk, far = two(request, kind, tmp_path)
    desk.write("a.md", "one")
    converged(desk.apply())
    desk.write("a.md", "another one")
    run = converged(desk.apply())
    (replaced,) = run.actions
    assert replaced.kept is not None
    assert not list((tmp_path / "desk" / "state" / "bisync").iterdir())
    assert [p.name for p in desk.folder.iterdir() if p.is_file()] == ["a.md"]
    converged(far.apply())
    assert far.files() == {"a.md": b"another one"}


def test_a_guard_stops_the_plan_before_bisync_sees_anything(
    tmp_path: Path, orders: list[Order]
) -> None:
    shelf = FolderRemote("shelf", tmp_path / "shelf")
    desk = Machine(tmp_path / "desk", shelf, policy=Policy("test", engine=Engine.BISYNC))
    for number in range(30):
        desk.write(f"{number}.md")
    converged(desk.apply())
    orders.clear()
    for number in range(20):
        (desk.folder / f"{number}.md").unlink()
    run = desk.apply()
    assert (run.status, run.exit) == (Status.STOPPED, 3)
    assert [s.guard for s in run.stops] == [Guard.MAX_DELETE]
    assert len(files_in(shelf.root / "notes")) == 30
    assert not orders


def test_one_file_that_the_remote_refuses_does_not_keep_the_others_from_going(
    tmp_path: Path, serve_s3: servers.Server
) -> None:
    remote = serve_s3.remote(f"{serve_s3.root}/{tmp_path.name}")
    desk = Machine(tmp_path / "desk", remote, policy=BY_BISYNC)
    longest = "/".join(letter * 250 for letter in "abcde")
    desk.write("good.md", "good")
    desk.write(f"{longest}.md", "its key is too long for a bucket")
    run = desk.apply()
    assert run.exit == 1, trouble(run)
    assert outcomes(run) == {"good.md": Outcome.DONE, f"{longest}.md": Outcome.FAILED}
    assert "good.md" in desk.remote_names()
    (bad,) = [a for a in run.actions if a.outcome is Outcome.FAILED]
    assert bad.detail


def test_a_file_edited_between_plan_and_bisync_is_not_replaced_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = FolderRemote("shelf", tmp_path / "shelf")
    desk = Machine(tmp_path / "desk", shelf, policy=BY_BISYNC)
    desk.write("a.md", "first")
    desk.write("b.md", "first")
    converged(desk.apply())
    desk.write("a.md", "from here")
    (desk.folder / "b.md").unlink()
    real = Bisync.run

    async def late(self: Bisync, order: Order, on_progress: OnProgress | None) -> Ended:
        (shelf.root / "notes" / "a.md").write_text("saved late, there")
        (shelf.root / "notes" / "b.md").write_text("saved late as well")
        return await real(self, order, on_progress)

    monkeypatch.setattr(Bisync, "run", late)
    run = desk.apply()
    monkeypatch.undo()
    assert run.exit == 1
    assert set(outcomes(run).values()) == {Outcome.DROPPED}
    converged(desk.apply())
    assert desk.files() == files_in(shelf.root / "notes")
    texts = set(desk.files().values())
    assert {b"from here", b"saved late, there", b"saved late as well"} <= texts


def test_what_vanished_between_plan_and_bisync_is_told_and_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = FolderRemote("shelf", tmp_path / "shelf")
    desk = Machine(tmp_path / "desk", shelf, policy=BY_BISYNC)
    for name in ("a.md", "b.md", "c.md"):
        desk.write(name, "first")
    converged(desk.apply())
    desk.write("a.md", "from here")
    (desk.folder / "b.md").unlink()
    desk.write("c.md", "from here too")
    real = Bisync.run

    async def late(self: Bisync, order: Order, on_progress: OnProgress | None) -> Ended:
        (shelf.root / "notes" / "a.md").unlink()
        (shelf.root / "notes" / "b.md").unlink()
        return await real(self, order, on_progress)

    monkeypatch.setattr(Bisync, "run", late)
    run = desk.apply()
    monkeypatch.undo()
    assert run.exit == 1
    told = {a.path: (a.outcome, a.kept is not None) for a in run.actions}
    dropped, done = (Outcome.DROPPED, False), (Outcome.DONE, True)
    assert told == {"a.md": dropped, "b.md": dropped, "c.md": done}
    assert files_in(shelf.root / "notes") == desk.files()
    quiet(desk)


def test_an_edit_that_restores_size_and_time_is_carried_by_bisync(tmp_path: Path) -> None:
    shelf = FolderRemote("shelf", tmp_path / "shelf")
    desk = Machine(tmp_path / "desk", shelf, policy=BY_BISYNC)
    file = desk.write("a.md", "one")
    converged(desk.apply())
    old = file.stat()
    file.write_text("two")
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))
    converged(desk.apply())
    assert files_in(shelf.root / "notes") == {"a.md": b"two"}


def test_links_that_are_followed_are_refused_with_the_reason(tmp_path: Path) -> None:
    desk = Machine(
        tmp_path / "desk",
        FolderRemote("shelf", tmp_path / "shelf"),
        policy=BY_BISYNC,
        filters=FilterSet(links=Links.FOLLOW),
    )
    desk.write("a.md")
    plan = desk.plan()
    assert plan.failure == "engine: bisync does not follow symbolic links"
    assert plan.failure_hint == "engine: reconcile can"
    assert desk.apply().exit == 1
    assert not (tmp_path / "shelf").exists()


def test_places_whose_names_are_too_long_for_bisync_are_told(
    tmp_path: Path, serve_s3: servers.Server
) -> None:
    remote = serve_s3.remote(f"{serve_s3.root}/{tmp_path.name}/{'long' * 50}")
    desk = Machine(tmp_path / "desk", remote, policy=BY_BISYNC)
    desk.write("a.md")
    run = desk.apply()
    assert run.exit == 1
    (failed,) = run.actions
    assert failed.detail == "the paths of both sides together are too long for rclone bisync"
    converged(replace(desk, policy=Policy("ours", guards=UNGUARDED)).apply())


def test_a_project_that_another_run_holds_is_not_touched(tmp_path: Path) -> None:
    desk = Machine(tmp_path / "desk", FolderRemote("shelf", tmp_path / "shelf"), policy=BY_BISYNC)
    desk.write("a.md")
    converged(desk.apply())
    key = desk.plan().key
    owner = Owner(os.getpid(), "elsewhere", "now", "apply", "notes")
    desk.write("b.md")
    with hold(desk.setup.state_dir, key, owner):
        run = desk.apply()
    assert (run.status, run.exit) == (Status.LOCKED, int(LockedError.exit))
    assert "elsewhere" in (run.message or "")


def test_switching_engines_forth_and_back_keeps_the_memory(tmp_path: Path) -> None:
    shelf = FolderRemote("shelf", tmp_path / "shelf")
    ours = Machine(tmp_path / "desk", shelf)
    bisync = replace(ours, policy=BY_BISYNC)
    ours.write("a.md")
    ours.write("b.md")
    ours.write("c.md")
    converged(ours.apply())
    (ours.folder / "a.md").unlink()
    run = converged(bisync.apply())
    assert [(a.kind, a.path) for a in run.actions] == [("trash", "a.md")], "a deletion stays one"
    (shelf.root / "notes" / "b.md").unlink()
    run = converged(ours.apply())
    assert [(a.kind, a.path) for a in run.actions] == [("trash", "b.md")]
    quiet(bisync)


def test_a_cancelled_bisync_is_stopped_and_what_was_done_is_recorded(tmp_path: Path) -> None:
    shelf = FolderRemote("shelf", tmp_path / "shelf")
    limits = replace(BY_BISYNC.limits, bandwidth=2 << 20, transfers=1)
    slow = Machine(tmp_path / "desk", shelf, policy=replace(BY_BISYNC, limits=limits))
    for number in range(4):
        slow.write(f"{number}.md", f"small {number}")
    slow.write("zbig", os.urandom(1 << 20) * 8)

    async def stopped() -> ProjectRun:
        task = asyncio.create_task(slow.applying())
        while not list((shelf.root / "notes").glob("zbig.*")):
            assert not task.done()
            await asyncio.sleep(0.01)
        task.cancel()
        return await task

    run = asyncio.run(stopped())
    assert (run.status, run.exit) == (Status.INTERRUPTED, 130)
    there = files_in(shelf.root / "notes")
    assert {a.path for a in run.actions if a.outcome is Outcome.DONE} <= set(there)
    assert "zbig" not in there
    swift = replace(slow, policy=BY_BISYNC)
    converged(swift.apply())
    assert files_in(shelf.root / "notes") == swift.files()
    assert len(swift.files()) == 5
    quiet(swift)


def test_every_action_is_told_once(tmp_path: Path) -> None:
    shelf = FolderRemote("shelf", tmp_path / "shelf")
    desk = Machine(tmp_path / "desk", shelf, policy=BY_BISYNC)
    for number in range(5):
        desk.write(f"{number}.md")
    told: list[Done] = []
    run = desk.apply(lambda event: told.append(event.done) if hasattr(event, "done") else None)
    assert sorted(d.path for d in told) == sorted(a.path for a in run.actions)
