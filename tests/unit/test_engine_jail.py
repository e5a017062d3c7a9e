"""The jail: nothing outside the root is reached, whatever the path says."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from bm_sync.engine.jail import BlockedError, Jail, enter, identity, movable, others_write
from bm_sync.errors import BmSyncError
from bm_sync.model.config import Links


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    return folder


@pytest.mark.parametrize("path", ["../outside/secret", "a/../../outside/secret", "/etc/passwd"])
def test_a_path_that_leads_outside_is_refused(root: Path, path: str) -> None:
    (root / "a").mkdir()
    with pytest.raises(BlockedError):
        Jail(root).open(path)


def test_a_link_to_a_folder_outside_is_not_followed(root: Path, tmp_path: Path) -> None:
    (root / "ln").symlink_to(tmp_path / "outside")
    jail = Jail(root)
    with pytest.raises(BlockedError):
        jail.open("ln/secret")
    with pytest.raises(BlockedError), jail.parent("ln/new", make=True):
        pass
    assert sorted(p.name for p in (tmp_path / "outside").iterdir()) == ["secret"]


def test_a_link_in_the_place_of_a_file_is_not_opened(root: Path, tmp_path: Path) -> None:
    (root / "note").symlink_to(tmp_path / "outside" / "secret")
    with pytest.raises(OSError, match="symbolic"):
        Jail(root).open("note")
    with pytest.raises(BlockedError):
        Jail(root).look("note")


def test_a_link_is_followed_inside_the_project_only(root: Path, tmp_path: Path) -> None:
    (root / "real").mkdir()
    (root / "real" / "note").write_text("note")
    (root / "in").symlink_to("real")
    (root / "out").symlink_to(tmp_path / "outside")
    jail = Jail(root, links=Links.FOLLOW)
    with os.fdopen(jail.open("in/note")) as file:
        assert file.read() == "note"
    with pytest.raises(BlockedError):
        jail.open("out/secret")


def test_a_file_on_the_way_blocks_and_stays(root: Path) -> None:
    (root / "a").write_text("a file")
    with pytest.raises(BlockedError), Jail(root).parent("a/b", make=True):
        pass
    assert (root / "a").read_text() == "a file"


def test_a_pipe_is_neither_a_file_nor_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(BlockedError):
        Jail(root).look("pipe")
    os.close(Jail(root).open("pipe"))


def test_only_an_empty_folder_is_removed(root: Path) -> None:
    jail = Jail(root)
    jail.make_dir("a/b")
    (root / "a" / "note").write_text("note")
    assert not jail.remove_dir("a")
    assert jail.remove_dir("a/b")
    assert jail.remove_dir("a/b"), "one that is gone is removed"
    assert not jail.remove_dir("a/note")
    assert (root / "a" / "note").read_text() == "note"


def test_nothing_is_there_when_a_folder_above_is_missing(root: Path) -> None:
    jail = Jail(root)
    assert jail.look("no/such/file") is None
    assert not jail.exists("no/such/file")


def test_a_jail_that_holds_its_root_stays_in_it_wherever_it_is_moved(
    root: Path, tmp_path: Path
) -> None:
    jail = Jail(root)
    jail.hold()
    with jail.parent("a.md"):
        pass
    root.rename(tmp_path / "away")
    root.symlink_to(tmp_path / "outside")
    assert not jail.stands()
    with jail.parent("sub/b.md", make=True) as (folder, name):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    assert (tmp_path / "away/sub/b.md").exists()
    assert sorted(p.name for p in (tmp_path / "outside").iterdir()) == ["secret"]


def test_another_folder_than_the_one_that_was_looked_at_is_not_entered(
    root: Path, tmp_path: Path
) -> None:
    jail = Jail(root, expected=identity(root.stat()))
    root.rename(tmp_path / "away")
    root.symlink_to(tmp_path / "outside")
    with pytest.raises(BmSyncError, match="was replaced by another one"):
        jail.open("secret")
    with pytest.raises(BmSyncError, match="was replaced by another one"):
        jail.make_root()


def test_a_root_that_is_missing_is_made_without_following_a_link_that_has_appeared(
    tmp_path: Path,
) -> None:
    (tmp_path / "outside").mkdir()
    jail = Jail(tmp_path / "new" / "notes")
    (tmp_path / "new").symlink_to(tmp_path / "outside")
    with pytest.raises(BlockedError):
        jail.make_root()
    assert list((tmp_path / "outside").iterdir()) == []
    made = Jail(tmp_path / "fresh" / "notes")
    made.make_root()
    assert (tmp_path / "fresh" / "notes").is_dir()
    assert made.stands()


def test_a_folder_below_a_jail_is_made_with_its_first_file_and_stays_the_same(root: Path) -> None:
    jail = Jail(root)
    below = jail.below("own/in", 0o700)
    assert list(root.iterdir()) == []
    below.make_root()
    assert stat.S_IMODE((root / "own/in").stat().st_mode) == 0o700
    (root / "own").rename(root / "away")
    with below.parent("a.md") as (folder, name):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    assert (root / "away/in/a.md").exists()


def test_the_way_to_a_folder_is_resolved_as_the_system_does(root: Path, tmp_path: Path) -> None:
    (tmp_path / "ln").symlink_to("root")
    (root / "real").mkdir()
    (root / "up").symlink_to("../ln/real")
    (tmp_path / "circle").symlink_to("circle")
    for name, via_link in (("ln", True), ("ln/real", False), ("ln/up", True), ("root", False)):
        entered = enter(tmp_path / name)
        try:
            assert str(entered.real) == os.path.realpath(tmp_path / name)
            assert identity(os.fstat(entered.folder)) == identity((tmp_path / name).stat())
            assert entered.via_link is via_link
        finally:
            os.close(entered.folder)
    with pytest.raises(OSError, match="symbolic"):
        enter(tmp_path / "circle")
    with pytest.raises(NotADirectoryError):
        enter(tmp_path / "outside" / "secret")
    with pytest.raises(FileNotFoundError):
        enter(tmp_path / "none" / "there")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make links of other users")
def test_a_link_of_another_user_on_the_way_to_a_folder_is_refused(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "ln").symlink_to(root)
    os.chown(tmp_path / "ln", 20012, 20012, follow_symlinks=False)
    with pytest.raises(BmSyncError, match=r"'ln' on the way to .* is a symbolic link of another"):
        enter(tmp_path / "ln")


@pytest.mark.parametrize(
    ("mode", "exposed"), [(0o700, False), (0o755, False), (0o777, True), (0o1777, True)]
)
def test_who_may_write_a_folder_is_told_by_its_mode(root: Path, mode: int, exposed: bool) -> None:  # noqa: FBT001
    root.chmod(mode)
    with Jail(root).held() as folder:
        assert others_write(folder) is exposed


def test_a_folder_can_be_moved_by_those_who_write_a_folder_above_it(root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    assert not movable(root / "a" / "b")
    root.chmod(0o1777)
    assert not movable(root / "a" / "b"), "the sticky bit keeps others from moving it"
    root.chmod(0o777)
    assert movable(root / "a" / "b")


def test_a_named_user_of_an_access_list_may_write(root: Path) -> None:
    done = subprocess.run(["setfacl", "-m", "u:20012:rwx", root], check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip("there are no access lists here")
    with Jail(root).held() as folder:
        assert others_write(folder)
