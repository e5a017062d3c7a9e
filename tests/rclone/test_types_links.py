"""Symbolic links, pipes and sockets in a project: skipped or followed, never out of it."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from two_machines import Machine, converged, files_in, quiet, remote_of

from bm_sync.model.config import FolderRemote

KINDS = ("folder", "seaweedfs")


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Machine, Machine]:
    """Return two machines with one remote."""
    remote = remote_of(request, request.param, tmp_path)
    return Machine(tmp_path / "here", remote), Machine(tmp_path / "there", remote)


def with_links(machine: Machine) -> Path:
    """Fill a project with links of every kind; return the folder outside it."""
    outside = machine.home / "outside"
    outside.mkdir(parents=True)
    (outside / "secret").write_text("secret")
    machine.write("file.md", "file")
    machine.write("folder/x.md", "x")
    links = {
        "to-file": "file.md",
        "to-folder": "folder",
        "to-nothing": "nowhere",
        "to-itself": "to-itself",
        "round": ".",
        "out": str(outside),
        "out-file": str(outside / "secret"),
    }
    for name, target in links.items():
        (machine.folder / name).symlink_to(target)
    return outside


def test_links_pipes_and_sockets_are_skipped_with_a_word(
    pair: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    with_links(here)
    os.mkfifo(here.folder / "pipe")
    monkeypatch.chdir(here.folder)
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind("socket")
    assert here.plan().notes == ("2 special files skipped", "7 symlinks skipped")
    converged(here.apply())
    quiet(here)
    converged(there.apply())
    assert sorted(there.files()) == ["file.md", "folder/x.md"]


def test_what_became_a_link_here_stays_on_the_remote_until_it_is_a_file_again(
    pair: tuple[Machine, Machine],
) -> None:
    here, there = pair
    for name in ("file.md", "folder/x.md", "other.md"):
        here.write(name, name)
    converged(here.apply())
    converged(there.apply())
    outside = here.home / "outside"
    outside.mkdir()
    (here.folder / "file.md").unlink()
    (here.folder / "file.md").symlink_to("other.md")
    shutil.rmtree(here.folder / "folder")
    (here.folder / "folder").symlink_to(outside)
    os.mkfifo(here.folder / "pipe")
    there.write("folder/new.md", "must not go through the link")
    there.write("pipe", "must not be written into the pipe")
    there.write("good.md", "good")
    converged(there.apply())
    for _ in range(2):
        run = here.apply()
        assert run.exit == 1
        assert [p.path for p in run.problems] == ["file.md", "folder", "pipe"]
    assert sorted(here.files()) == ["good.md", "other.md"]
    assert not list(outside.iterdir())
    converged(there.apply())
    assert there.files()["file.md"] == b"file.md"

    for name in ("file.md", "folder", "pipe"):
        (here.folder / name).unlink()
    here.write("file.md", "again")
    converged(here.apply())
    assert here.files().keys() == {"file.md", "folder/new.md", "good.md", "other.md", "pipe"}
    converged(there.apply())
    assert there.files() == here.files()


def test_followed_links_inside_the_project_carry_content_and_others_are_skipped(
    pair: tuple[Machine, Machine],
) -> None:
    here, there = (machine.following() for machine in pair)
    outside = with_links(here)
    for number in range(120):
        here.write(f"folder/{number}.md", "many")
    converged(here.apply())
    quiet(here)
    converged(there.apply())
    names = {name for name in there.files() if "/" not in name}
    assert names == {"file.md", "to-file"}
    assert there.files()["to-folder/x.md"] == b"x"
    assert len(there.files()) == 2 + 2 * 121
    assert not any(path.is_symlink() for path in there.folder.rglob("*"))

    there.write("to-file", "edited")
    there.write("to-folder/new.md", "new")
    (there.folder / "to-folder/x.md").rename(there.folder / "to-folder/y.md")
    converged(there.apply())
    converged(here.apply())
    assert here.files()["file.md"] == b"edited"
    assert here.files()["folder/new.md"] == b"new"
    assert here.files()["folder/y.md"] == b"x"
    assert (here.folder / "to-file").is_symlink()
    assert files_in(outside) == {"secret": b"secret"}


def test_a_followed_link_that_goes_elsewhere_goes_here_and_its_target_stays(
    tmp_path: Path,
) -> None:
    remote = FolderRemote("shelf", tmp_path / "shelf")
    here = Machine(tmp_path / "here", remote).following()
    there = Machine(tmp_path / "there", remote).following()
    for name in ("one.md", "two.md", "sub/file.md"):
        here.write(name, f"content of {name}")
    (here.folder / "gone").symlink_to("one.md")
    (here.folder / "sub/moved").symlink_to("../two.md")
    (here.folder / "taken").symlink_to("sub/file.md")
    converged(here.apply())
    converged(there.apply())
    (there.folder / "gone").unlink()
    (there.folder / "sub/moved").rename(there.folder / "moved")
    (there.folder / "taken").unlink()
    there.write("taken/by-a-folder.md", "folder")
    converged(there.apply())
    converged(here.apply())
    assert here.files() == there.files()
    assert not any(
        path.is_symlink() for path in here.folder.rglob("*") if ".bm-sync" not in str(path)
    )
    quiet(here)
