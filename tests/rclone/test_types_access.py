"""Files and folders that may not be read or written: theirs is the trouble, nobody else's."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from two_machines import Machine, converged, done, files_in, quiet

from bm_sync.model.config import BUILT_IN, BackendRemote, FolderRemote, Mode, Remote
from bm_sync.model.report import Setup
from bm_sync.rclone.binary import find
from bm_sync.structs import replace

NOBODY = 65534


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Run as a user whom modes bind; root's own files are another user's then."""
    if os.geteuid() != 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@pytest.fixture(scope="module")
def all_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import everything that a run needs, while the interpreter's own files may be read."""
    "localhost".encode("idna")
    machine = Machine(tmp_path_factory.mktemp("first"), FolderRemote("shelf", Path("nowhere")))
    machine = replace(machine, remote=FolderRemote("shelf", machine.home / "shelf"))
    machine.write("file", "file")
    converged(machine.apply())


@pytest.fixture
def place(all_imported: None) -> Iterator[Path]:  # noqa: ARG001 - only its effect is wanted
    """Return a folder that an unprivileged user reaches, with an rclone in it, and become one."""
    with tempfile.TemporaryDirectory(prefix="bm-sync-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        shutil.copy2(find(None, os.environ).path, folder / "rclone")
        with unprivileged():
            yield folder
        for base, folders, _ in os.walk(folder):
            for below in folders:
                Path(base, below).chmod(0o777)


@dataclass(frozen=True)
class Limited(Machine):
    """A machine whose rclone lies where anybody may run it."""

    @property
    def setup(self) -> Setup:
        """Return the surroundings of the machine."""
        return replace(super().setup, rclone=self.home.parent / "rclone")


def machines(place: Path, remote: Remote | None = None) -> tuple[Limited, Limited]:
    """Return two machines with one remote, a folder unless another is given."""
    remote = remote or FolderRemote("shelf", place / "shelf")
    return Limited(place / "here", remote), Limited(place / "there", remote)


def test_what_may_not_be_read_here_is_no_deletion_and_all_else_converges(place: Path) -> None:
    here, there = machines(place)
    for path in ("known", "dark/known", "good", "gone"):
        here.write(path, path)
    converged(here.apply())
    converged(there.apply())
    here.write("new", "new").chmod(0)
    (here.folder / "known").chmod(0)
    (here.folder / "dark").chmod(0)
    here.write("good", "edited")
    (here.folder / "gone").unlink()
    there.write("dark/from-there", "new there")
    there.write("known", "edited there")
    converged(there.apply())
    for edited in (True, False):
        run = here.apply()
        assert (run.exit, [p.path for p in run.problems]) == (1, ["dark", "known", "new"])
        assert bool(run.actions) is edited
    converged(there.apply())
    assert there.files() == {
        "known": b"edited there",
        "dark/known": b"dark/known",
        "good": b"edited",
        "dark/from-there": b"new there",
    }

    (here.folder / "dark").chmod(0o755)
    for path in ("known", "new"):
        (here.folder / path).chmod(0o644)
    converged(here.apply())
    converged(there.apply())
    assert here.files() == there.files()
    assert len(here.files()) == 5


def test_what_may_not_be_read_on_a_folder_remote_is_no_deletion_either(place: Path) -> None:
    here, _ = machines(place)
    for path in ("known", "dark/known", "good"):
        here.write(path, path)
    converged(here.apply())
    shelf = place / "shelf/notes"
    (shelf / "known").chmod(0)
    (shelf / "dark").chmod(0)
    here.write("good", "edited")
    here.write("dark/new", "new")
    run = here.apply()
    assert (run.exit, [p.path for p in run.problems]) == (1, ["dark", "known"])
    assert [a.path for a in done(run, "copy")] == ["good"]
    assert len(here.files()) == 4
    (shelf / "known").chmod(0o644)
    (shelf / "dark").chmod(0o755)
    converged(here.apply())
    assert files_in(shelf) == here.files()


@pytest.mark.parametrize("side", ["local", "remote"])
def test_where_nothing_may_be_written_the_file_fails_and_is_done_when_it_may(
    place: Path, side: str
) -> None:
    here, there = machines(place)
    for path in ("fixed/old", "fixed/edited", "good"):
        here.write(path, path)
    converged(here.apply())
    converged(there.apply())
    locked = (here.folder if side == "local" else place / "shelf/notes") / "fixed"
    editor, other = (there, here) if side == "local" else (here, there)
    (editor.folder / "fixed/old").unlink()
    editor.write("fixed/edited", "edited")
    editor.write("fixed/new", "new")
    editor.write("good", "good edited")
    if side == "local":
        converged(there.apply())
    locked.chmod(0o555)
    for number in (4, 3):
        run = here.apply()
        failed = sorted(a.path for a in run.actions if a.outcome == "failed")
        assert (run.exit, len(run.actions)) == (1, number)
        assert failed == ["fixed/edited", "fixed/new", "fixed/old"]
    locked.chmod(0o755)
    converged(here.apply())
    converged(other.apply())
    assert here.files() == there.files()
    assert here.files().keys() == {"fixed/edited", "fixed/new", "good"}
    quiet(here)


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.PUSH])
def test_a_folder_that_may_only_be_read_can_be_the_source(place: Path, mode: Mode) -> None:
    whole, there = machines(place)
    here = whole.having(mode)
    here.write("sub/file", "file")
    for folder in (here.folder / "sub", here.folder):
        folder.chmod(0o555)
    converged(here.apply())
    quiet(here)
    converged(there.apply())
    assert there.files() == here.files()


def test_a_root_that_may_not_be_written_fails_with_its_reason(place: Path) -> None:
    here, there = machines(place)
    there.write("file", "file")
    converged(there.apply())
    here.folder.mkdir(parents=True)
    here.folder.chmod(0o555)
    run = here.apply()
    assert run.exit == 1
    assert "bug" not in (run.message or "")
    assert "Permission denied" in " ".join(
        [run.message or "", *(a.detail or "" for a in run.actions)]
    )
    here.folder.chmod(0o755)
    converged(here.apply())
    assert here.files() == there.files()


def test_what_may_not_be_listed_behind_rclone_is_no_deletion_either(place: Path) -> None:
    """`alias` is a folder behind rclone, with the errors of a real file server."""
    served = place / "served"
    option = ("remote", str(served))
    here, there = machines(place, BackendRemote("store", "alias", (option,), "root", BUILT_IN))
    for path in ("known", "dark/known", "dark/er/known", "good", "gone"):
        here.write(path, path)
    converged(here.apply())
    before = here.files()
    (served / "root/notes/dark").chmod(0)
    here.write("good", "edited")
    here.write("dark/new", "new")
    (here.folder / "gone").unlink()
    run = here.apply()
    assert (run.exit, [p.path for p in run.problems]) == (1, ["dark"])
    assert sorted(a.path for a in run.actions) == ["gone", "good"]
    assert here.files().keys() == before.keys() - {"gone"} | {"dark/new"}
    (served / "root/notes/dark").chmod(0o755)
    converged(here.apply())
    converged(there.apply())
    assert there.files() == here.files()
