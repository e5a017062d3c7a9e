"""`import bisync-state`: what a real `rclone bisync` left becomes the memory of a project."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import servers
from two_machines import BUCKETS, FOLDERS, UNGUARDED, Machine, converged, files_in, quiet, remote_of

from bm_sync.engine.import_bisync import import_bisync_state
from bm_sync.engine.opening import open_rclone
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, UsageError
from bm_sync.model.config import BackendRemote, FolderRemote, Policy
from bm_sync.model.learnt import Learnt, Since
from bm_sync.model.plan import ProjectPlan
from bm_sync.rclone.binary import find
from bm_sync.state.store import State
from bm_sync.structs import replace

MEMORY = ("--compare=modtime", "--resilient", "--conflict-resolve=newer", "--local-no-preallocate")
CAREFUL = ("--compare=size,modtime,checksum", "--create-empty-src-dirs")
ENCODING = "Slash,InvalidUtf8,Dot,Ctl,BackSlash,DoubleQuote"
ODD = ('quote " and back\\slash.md', "tab\there.md", "ünï 😀.md", "{a,b} [c].md")


@dataclass
class Old:
    """A machine on which rclone bisync ran until now."""

    machine: Machine
    workdir: Path

    def bisync(self, *flags: str) -> None:
        """Run rclone bisync as a person does."""
        remote = self.machine.remote
        env = {**self.machine.setup.env, "RCLONE_CONFIG": os.devnull}
        if isinstance(remote, FolderRemote):
            place = str(remote.root / "notes")
            Path(place).mkdir(parents=True, exist_ok=True)
        else:
            assert isinstance(remote, BackendRemote)
            place = f"store:{remote.root}/notes"
            env["RCLONE_CONFIG_STORE_TYPE"] = remote.type
            options = {**dict(remote.options), "encoding": ENCODING}
            env |= {f"RCLONE_CONFIG_STORE_{k.upper()}": str(v) for k, v in options.items()}
        words = ["bisync", str(self.machine.folder), place, "--workdir", str(self.workdir), *flags]
        command = [str(find(None, os.environ).path), *words]
        ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr

    def learn(self, folder: Path | None = None, *, replace_memory: bool = False) -> Learnt:
        """Import what bisync left."""
        return asyncio.run(self._learn(folder, replace_memory=replace_memory))

    async def _learn(self, folder: Path | None, *, replace_memory: bool) -> Learnt:
        setup, (project,) = self.machine.setup, self.machine.manifest.projects
        with State.open(setup.state_dir, host=setup.host) as state:
            async with open_rclone(setup, [project]) as rclone:
                site = Site(setup, state, rclone)
                return await import_bisync_state(
                    project, site, folder=folder, replace_memory=replace_memory
                )

    @property
    def listings(self) -> Mapping[str, tuple[int, bytes]]:
        """Return the time and the text of everything that bisync has left."""
        found = sorted(self.workdir.iterdir())
        return {f.name: (f.stat().st_mtime_ns, f.read_bytes()) for f in found}


def old_at(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Old:
    """Return a machine whose listings lie where Basic Memory keeps them."""
    machine = Machine(tmp_path / "desk", remote_of(request, kind, tmp_path))
    machine.folder.mkdir(parents=True)
    return Old(machine, machine.home / ".basic-memory" / "bisync-state" / "notes")


@pytest.fixture
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    """Return a machine with a folder for a remote."""
    return old_at(request, "folder", tmp_path)


def moves(plan: ProjectPlan) -> set[tuple[str, str]]:
    """Return what a plan would do to which path."""
    return {(action.kind, action.path) for action in plan.moves}


@pytest.mark.parametrize("kind", [*FOLDERS, *BUCKETS])
@pytest.mark.parametrize("flags", [MEMORY, CAREFUL], ids=["basic-memory", "careful"])
def test_nobody_who_comes_from_bisync_starts_with_a_union(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, flags: tuple[str, ...]
) -> None:
    old = old_at(request, kind, tmp_path)
    desk = old.machine
    for name in ("calm.md", "edited.md", "gone.md", "deep/er.md", *ODD):
        desk.write(name, f"first {name}")
    if kind != "folder":
        flags = tuple(f for f in flags if f != "--create-empty-src-dirs")
    old.bisync("--resync", *flags)
    before = old.listings
    (desk.folder / "gone.md").unlink()
    desk.write("edited.md", "second, and longer")
    desk.write("new.md", "new")
    learnt = old.learn()
    assert old.listings == before, "the source is never changed"
    assert (learnt.left_out, learnt.damaged, learnt.replaced) == ((), 0, False)
    since = {file.path: file.since for file in learnt.files}
    assert since.pop("gone.md") is Since.DELETED_HERE
    assert since.pop("edited.md") is Since.CHANGED_HERE
    assert since == dict.fromkeys(("calm.md", "deep/er.md", *ODD), Since.UNCHANGED)
    assert moves(desk.plan()) == {("trash", "gone.md"), ("copy", "edited.md"), ("copy", "new.md")}
    converged(desk.apply())
    assert "gone.md" not in desk.remote_names()
    assert "gone.md" not in desk.files()
    quiet(desk)


def test_what_happened_on_the_remote_since_travels_as_well(old: Old) -> None:
    desk, shelf = old.machine, old.machine.remote
    assert isinstance(shelf, FolderRemote)
    there = shelf.root / "notes"
    for name in ("edited.md", "gone.md", "both.md", "folder/gone too.md", "touched.md"):
        desk.write(name, f"first {name}")
    old.bisync("--resync", *MEMORY)
    (there / "edited.md").write_text("second, there")
    (there / "gone.md").unlink()
    (there / "folder" / "gone too.md").unlink()
    (there / "folder").rmdir()
    (there / "both.md").write_text("theirs")
    desk.write("both.md", "ours, and longer")
    os.utime(there / "touched.md", (1_000_000_000, 1_000_000_000))
    learnt = old.learn()
    assert learnt.count(Since.DELETED_THERE) == 2
    assert learnt.count(Since.CHANGED_BOTH) == 1
    run = converged(desk.apply())
    assert [c.path for c in run.clashes] == ["both.md"]
    assert not (desk.folder / "folder").exists(), "a folder that was deleted does not come back"
    assert desk.files()["edited.md"] == b"second, there"
    assert desk.files() == files_in(there)
    quiet(desk)


def test_deletions_since_stand_under_the_guards(old: Old) -> None:
    guarded = replace(old.machine, policy=Policy("test"))
    for number in range(40):
        guarded.write(f"{number}.md")
    old.bisync("--resync", *MEMORY)
    for number in range(30):
        (guarded.folder / f"{number}.md").unlink()
    assert old.learn().count(Since.DELETED_HERE) == 30
    plan = guarded.plan()
    assert [stop.accept for stop in plan.stops] == ["delete=30"]


def test_the_listings_are_found_where_rclone_keeps_them_by_itself(old: Old) -> None:
    old.machine.write("a.md")
    cache = old.machine.home / ".cache" / "rclone" / "bisync"
    Old(old.machine, cache).bisync("--resync")
    assert old.learn().listings[0].parent == cache


def test_listings_of_other_paths_are_not_taken(old: Old, tmp_path: Path) -> None:
    other = Old(replace(old.machine, home=tmp_path / "other"), old.workdir)
    other.machine.write("a.md")
    other.bisync("--resync", *MEMORY)
    old.machine.write("b.md")
    with pytest.raises(UsageError, match="no bisync listings of project notes"):
        old.learn()


def test_a_project_with_a_memory_keeps_it_unless_told_otherwise(old: Old) -> None:
    old.machine.write("a.md", "one")
    old.bisync("--resync", *MEMORY)
    converged(old.machine.apply())
    with pytest.raises(UsageError, match="has a memory already"):
        old.learn()
    learnt = old.learn(replace_memory=True)
    assert learnt.replaced
    quiet(old.machine)


def test_rows_that_do_not_agree_or_are_torn_are_not_believed(old: Old) -> None:
    desk, shelf = old.machine, old.machine.remote
    assert isinstance(shelf, FolderRemote)
    for name in ("a.md", "b.md", "c.md", "d.md"):
        desk.write(name, f"text of {name}")
    old.bisync("--resync", *MEMORY)
    (listing,) = old.workdir.glob("*.path2.lst")
    lines = listing.read_text().splitlines(keepends=True)
    assert lines[1].endswith('"a.md"\n')
    lines[1] = lines[1].replace(f"{len('text of a.md')} -", "99 -", 1)
    listing.write_text("".join(lines)[:-9])
    learnt = old.learn()
    assert [file.path for file in learnt.left_out] == ["a.md"]
    assert {file.path for file in learnt.files} == {"b.md", "c.md"}
    assert learnt.damaged == 1
    converged(desk.apply())
    assert len(desk.files()) == len(files_in(shelf.root / "notes")) == 4


def test_a_file_that_is_no_listing_is_refused(old: Old) -> None:
    old.machine.write("a.md")
    old.bisync("--resync", *MEMORY)
    (listing,) = old.workdir.glob("*.path1.lst")
    listing.write_text("something else\n")
    with pytest.raises(UsageError, match="is no listing of rclone bisync"):
        old.learn()


def test_a_bisync_at_work_is_waited_for_and_a_dead_one_is_not(old: Old) -> None:
    old.machine.write("a.md")
    old.bisync("--resync", *MEMORY)
    (listing,) = old.workdir.glob("*.path1.lst")
    lock = Path(str(listing).replace(".path1.lst", ".lck"))
    lock.write_text(f'{{"Session": "x", "PID": "{os.getpid()}"}}')
    with pytest.raises(UsageError, match=f"at work \\(process {os.getpid()}\\)"):
        old.learn()
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    lock.write_text(str(ended.pid))
    assert len(old.learn().files) == 1


def test_a_failed_bisync_that_left_nothing_to_believe_is_told(old: Old) -> None:
    old.machine.write("a.md")
    old.bisync("--resync", *MEMORY)
    for listing in old.workdir.glob("*.lst"):
        listing.rename(f"{listing}-err")
    with pytest.raises(UsageError, match="the last bisync failed there") as told:
        old.learn()
    assert "a first run deletes nothing" in (told.value.hint or "")


def test_a_side_that_is_not_there_is_not_taken_for_an_emptied_one(old: Old, tmp_path: Path) -> None:
    old.machine.write("a.md")
    old.bisync("--resync", *MEMORY)
    (tmp_path / "shelf").rename(tmp_path / "unmounted")
    with pytest.raises(BmSyncError, match="the remote side of project notes is not there"):
        old.learn()


def test_a_listing_without_times_serves_by_its_hashes(
    tmp_path: Path, serve_s3: servers.Server
) -> None:
    remote = serve_s3.remote(f"{serve_s3.root}/{tmp_path.name}")
    machine = Machine(tmp_path / "desk", remote, policy=Policy("test", guards=UNGUARDED))
    old = Old(machine, machine.home / ".cache" / "rclone" / "bisync")
    machine.write("calm.md", "one")
    machine.write("gone.md", "two")
    machine.write("edited.md", "old")
    old.bisync("--resync", "--compare=size,checksum")
    (machine.folder / "gone.md").unlink()
    machine.write("edited.md", "new")
    learnt = old.learn()
    assert learnt.left_out == ()
    assert moves(machine.plan()) == {("trash", "gone.md"), ("copy", "edited.md")}
    converged(machine.apply())
    quiet(machine)
