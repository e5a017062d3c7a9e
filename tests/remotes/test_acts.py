"""The same acts on every kind of remote: what one machine does the other one has, and no loss."""

from __future__ import annotations

import asyncio
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
import standin_server
from remotes.kinds import ALL, CRYPT_NAME, Kind, kind_of
from two_machines import Machine, converged, folders_in, quiet

from bm_sync import past_api
from bm_sync.model.config import KeepVersions
from bm_sync.model.past import Undo
from bm_sync.model.run import Outcome, ProjectRun
from bm_sync.structs import replace


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[standin_server.Standin]:
    with standin_server.running(tmp_path_factory.mktemp("standin")) as one:
        yield one


@pytest.fixture(scope="session")
def serve_webdav(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.serve_webdav(tmp_path_factory.mktemp("webdav"), *servers.FORGETFUL) as one:
        yield one


@pytest.fixture(scope="session")
def serve_sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.serve_sftp(tmp_path_factory.mktemp("sftp"), *servers.FORGETFUL) as one:
        yield one


@pytest.fixture(params=ALL)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    with kind_of(request.param, tmp_path, request) as made:
        yield made


def together(one: Machine, kind: Kind) -> ProjectRun:
    """Apply; both sides are then the same, and a second run has no work."""
    run = converged(one.apply())
    assert kind.far.files() == one.files()
    quiet(one)
    return run


def undone(machine: Machine) -> ProjectRun:
    applied = asyncio.run(past_api.undo(machine.manifest, Undo(), machine.setup))
    assert applied.run is not None
    return converged(applied.run.projects[0])


ODD = ("d/ö ä%20 #&+.md", "sp ace/né.md", "d/deep/er/émoji \N{SNOWMAN}.md", "-dash.md", "a'b.md")


def test_what_is_made_edited_moved_and_deleted_here_is_so_there(kind: Kind) -> None:
    one = kind.new("one")
    for path in (*ODD, "edited.md", "same.md", "gone.md", "old name.md", "d/deep/gone.md"):
        one.write(path, f"first of {path}")
    (one.folder / "empty").mkdir()
    together(one, kind)
    one.write("edited.md", "second, and longer than the first")
    for number in range(kind.rounds):
        one.write(ODD[0], f"first of {number} {ODD[0]}")
        one.write("same.md", f"fi{number}st of same.md")
        together(one, kind)
    (one.folder / "gone.md").unlink()
    (one.folder / "d/deep/gone.md").unlink()
    (one.folder / "old name.md").rename(one.folder / "d/new name.md")
    together(one, kind)
    two = kind.new("two")
    converged(two.apply())
    assert two.files() == one.files()
    if kind.has_folders:
        assert folders_in(two.folder) == folders_in(one.folder)


def test_what_others_change_there_comes_here_and_a_conflict_keeps_both(kind: Kind) -> None:
    one = kind.new("one")
    for path in ("a.md", "b.md", "c.md", "d/e.md"):
        one.write(path, f"first of {path}")
    together(one, kind)
    kind.far.put("a.md", b"second there, longer")
    kind.far.put("new/n.md", b"new there")
    kind.far.drop("b.md")
    one.write("d/e.md", "second here")
    together(one, kind)
    assert one.files() == {
        "a.md": b"second there, longer",
        "c.md": b"first of c.md",
        "d/e.md": b"second here",
        "new/n.md": b"new there",
    }
    one.write("c.md", "mine")
    kind.far.put("c.md", b"theirs, and longer")
    converged(one.apply())
    both = {content for path, content in one.files().items() if path.startswith("c.")}
    assert both == {b"mine", b"theirs, and longer"}
    assert kind.far.files() == one.files()
    quiet(one)


def test_names_that_differ_by_case_alone_are_two_files_and_a_case_can_change(kind: Kind) -> None:
    """No kind here takes two cases of a name for one."""
    one = kind.new("one")
    for path in ("note.md", "Note.md", "d/case.md", "other.md"):
        one.write(path, f"first of {path}")
    together(one, kind)
    one.write("Note.md", "second of Note.md")
    (one.folder / "d/case.md").rename(one.folder / "d/Case.md")
    (one.folder / "other.md").rename(one.folder / "Other.md")
    together(one, kind)
    assert one.files() == {
        "note.md": b"first of note.md",
        "Note.md": b"second of Note.md",
        "d/Case.md": b"first of d/case.md",
        "Other.md": b"first of other.md",
    }
    kind.far.drop("note.md")
    together(one, kind)
    assert "note.md" not in one.files()
    assert one.files()["Note.md"] == b"second of Note.md"


def test_what_is_kept_there_goes_after_the_next_run_when_its_time_is_over(kind: Kind) -> None:
    one = kind.new("one")
    one.write("a.md", "first")
    one.write("b.md", "b")
    together(one, kind)
    one.write("a.md", "second")
    (one.folder / "b.md").unlink()
    together(one, kind)
    project = one.manifest.projects[0]
    for path in ("a.md", "b.md"):
        assert asyncio.run(past_api.versions(project, path, one.setup))
    for_no_time = KeepVersions(for_s=-3600.0)
    strict = replace(one.policy, keep_versions=for_no_time)
    together(replace(one, policy=strict), kind)
    for path in ("a.md", "b.md"):
        assert asyncio.run(past_api.versions(project, path, one.setup)) == ()
    assert one.files() == {"a.md": b"second"}


def test_a_run_is_taken_back_and_a_version_brought_back(kind: Kind) -> None:
    one = kind.new("one")
    for path in ("a.md", "b.md", "old.md"):
        one.write(path, f"first of {path}")
    together(one, kind)
    before = one.files()
    one.write("a.md", "second")
    one.write("new.md", "new")
    (one.folder / "b.md").unlink()
    (one.folder / "old.md").rename(one.folder / "other.md")
    together(one, kind)
    undone(one)
    assert one.files() == before
    assert kind.far.files() == before
    quiet(one)
    project = one.manifest.projects[0]
    found = asyncio.run(past_api.versions(project, "a.md", one.setup))
    assert found
    brought = asyncio.run(past_api.restore(one.manifest, project, found[0], one.setup))
    assert brought.run is not None
    converged(brought.run.projects[0])
    assert kind.far.files() == one.files()
    quiet(one)


def test_the_longest_name_that_goes_there_can_be_replaced_deleted_and_lose(kind: Kind) -> None:
    one = kind.new("one")
    name = "n" * (kind.longest - 3) + ".md"
    for path in (name, "x.md", "q.md"):
        one.write(path, f"first of {path}")
    together(one, kind)
    one.write(name, "second")
    one.write("x.md", "second of x")
    together(one, kind)
    one.write(name, "mine")
    kind.far.put(name, b"theirs, and longer")
    kind.far.put("z.md", b"new there")
    kind.far.drop("q.md")
    one.write("y.md", "new here")
    converged(one.apply())
    assert kind.far.files() == one.files()
    assert {b"mine", b"theirs, and longer"} <= set(one.files().values())
    assert {"x.md", "y.md", "z.md"} <= one.files().keys()
    quiet(one)
    (one.folder / name).unlink()
    together(one, kind)
    assert name not in one.files()


def test_a_name_that_does_not_fit_there_holds_up_no_other(kind: Kind) -> None:
    if kind.longest != CRYPT_NAME or not kind.has_folders:
        pytest.skip("such a name may fit there")
    one = kind.new("one")
    one.write("a.md", "first")
    together(one, kind)
    name = "n" * (CRYPT_NAME - 2) + ".md"
    one.write(name, "too long")
    one.write("a.md", "second")
    one.write("b.md", "new")
    kind.far.put("c.md", b"theirs")
    run = one.apply()
    failed = {done.path for done in run.actions if done.outcome is Outcome.FAILED}
    assert (run.exit, failed) == (1, {name})
    assert one.files()[name] == b"too long"
    assert kind.far.files() == {"a.md": b"second", "b.md": b"new", "c.md": b"theirs"}
    (one.folder / name).unlink()
    together(one, kind)


KILLED = """
import asyncio, os, pickle, signal, sys
sys.path[:0] = {path!r}
from bm_sync import api
from bm_sync.model.report import Selection
from bm_sync.model.run import ActionEnded
machine, left = pickle.loads({machine!r}), [{after}]

def watch(event):
    left[0] -= isinstance(event, ActionEnded)
    if left[0] == 0:
        os.killpg(0, signal.SIGKILL)

asyncio.run(api.apply(machine.manifest, Selection(), machine.setup, on_event=watch))
"""


@pytest.mark.parametrize("after", [1, 14])
def test_a_killed_run_is_finished_by_the_next_one(kind: Kind, after: int) -> None:
    one = kind.new("one")
    for number in range(6):
        one.write(f"d/{number}.md", f"first of {number}")
    together(one, kind)
    for number in range(5):
        one.write(f"d/{number}.md", f"second of {number}")
        one.write(f"new/{number}.md", f"new {number}")
        kind.far.put(f"theirs/{number}.md", b"new there")
    (one.folder / "d/5.md").unlink()
    killed(one, after)
    together(one, kind)


def killed(machine: Machine, after: int, *, surely: bool = True) -> None:
    """Apply in a process that is killed with all it started when some actions have ended.

    Where there may be fewer it is not `surely` killed.
    """
    path = [p for p in sys.path if p]
    text = KILLED.format(path=path, machine=pickle.dumps(machine), after=after)
    done = subprocess.run(
        [sys.executable, "-c", text],
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL or not (surely or done.returncode), done.stderr
