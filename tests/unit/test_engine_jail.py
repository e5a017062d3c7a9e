"""The jail: nothing outside the root is reached, whatever the path says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bm_sync.engine.jail import BlockedError, Jail
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
