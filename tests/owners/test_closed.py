"""What may not be looked at is not missing: every command names it, its owner and what opens it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_outside import Said
from two_users import ANNA, ROOT, Machine

_MANIFEST = """\
version: 1
remotes: {shelf: {type: local, root: ./shelf}}
filters: {own: {gitignore: true}}
projects:
  notes: {local: ./notes, remote: shelf, filters: [own]}
  work: {local: ./work, remote: shelf}
"""
READERS = ("status", "plan", "history", "conflicts", "report", "doctor", "versions notes:a.md")
STATE = ".local/state/bm-sync"
_SUDO = re.compile(r"sudo (chown -R [^\n;]+?)(?:, or|$)", re.MULTILINE)


@dataclass(frozen=True)
class Home:
    """Anna's home, in which two projects have been synced; root closes some of it."""

    machine: Machine
    path: Path

    def run(self, words: str) -> Said:
        """Run a command line as Anna."""
        return self.machine.run(ANNA, *words.split())

    def close(self, name: str) -> Path:
        """Let a file or folder be root's alone, as after one run with sudo."""
        place = self.path / name
        os.chown(place, 0, 0)
        place.chmod(0o700 if place.is_dir() else 0o600)
        return place

    def mend(self, said: Said) -> None:
        """Run the command that the answer names, as root."""
        found = _SUDO.search(said.out + said.err)
        assert found is not None, said
        assert self.machine.shell(ROOT, found[1], cwd=self.path).code == 0

    def files(self) -> dict[str, bytes]:
        """Return every file of both sides."""
        sides = (*self.path.glob("notes/**/*"), *self.path.glob("shelf/**/*"))
        return {str(f): f.read_bytes() for f in sides if f.is_file()}


@pytest.fixture
def home(machine: Machine) -> Iterator[Home]:
    made = Home(machine, machine.home(ANNA))
    machine.write(ANNA, made.path / "sync.yaml", _MANIFEST)
    for name in ("a.md", "b.md", "sub/c.md"):
        machine.write(ANNA, made.path / "notes" / name, f"{name}\n")
    machine.write(ANNA, made.path / "work/d.md")
    assert made.run("apply --yes").code == 0
    machine.write(ANNA, made.path / "notes/a.md", "newer\n")
    assert made.run("apply --yes").code == 0
    yield made
    shutil.rmtree(made.path, ignore_errors=True)


def told(said: Said, place: Path) -> None:
    """Assert that the answer names a closed place and its owner, and that nothing failed oddly."""
    text = said.out + said.err
    assert said.code == 1, text
    assert "bug" not in text
    assert str(place) in text
    assert "root" in text
    assert "never" not in text


@pytest.mark.parametrize("name", ["", "state.db"])
def test_a_state_that_belongs_to_root_is_no_state_that_is_missing(home: Home, name: str) -> None:
    place = home.close(f"{STATE}/{name}")
    (home.path / "notes/b.md").unlink()  # without the memory it would come back
    before = home.files()
    for words in (*READERS, "apply --yes", "undo --dry-run", "reset notes", "unlock notes"):
        told(home.run(words), place)
    assert home.files() == before
    home.mend(home.run("status"))
    assert home.run("apply --yes").code == 0
    assert not list((home.path / "shelf").rglob("b.md"))[1:], "in the trash alone"


def test_one_run_with_sudo_in_a_new_home_is_told_by_every_command(machine: Machine) -> None:
    home = Home(machine, machine.home(ANNA))
    machine.write(ANNA, home.path / "sync.yaml", _MANIFEST)
    machine.write(ANNA, home.path / "notes/a.md")
    machine.write(ANNA, home.path / "work/d.md")
    with_sudo = {"HOME": str(home.path), "SUDO_UID": str(ANNA.uid)}
    assert machine.run(ROOT, "apply", "--yes", cwd=home.path, **with_sudo).code == 0
    for words in READERS:
        told(home.run(words), home.path / STATE)


@pytest.mark.parametrize("name", ["locks", "locks/*.lock", "logs"])
def test_what_a_run_needs_in_the_state_directory_is_named(home: Home, name: str) -> None:
    (place, *_) = sorted((home.path / STATE).glob(name))
    home.close(str(place.relative_to(home.path)))
    (home.path / "notes/new.md").write_text("new\n")
    said = home.run("apply --yes")
    assert said.code == 1
    assert str(place) in said.out + said.err
    home.mend(said)
    assert home.run("apply --yes").code == 0


@pytest.mark.parametrize("root", ["notes", "shelf"])
def test_a_root_that_is_closed_is_not_missing_or_empty(home: Home, root: str) -> None:
    place = home.close(root)
    (home.path / "work/e.md").write_text("more\n")
    for words in ("plan", "apply --yes"):
        said = home.run(words)
        told(said, place)
        assert "delete" not in said.out
    assert "deleted" not in home.run("check notes").out
    home.mend(home.run("plan"))
    said = home.run("apply --yes")
    assert said.code == 0, said
    assert "deleted" not in said.out


@pytest.mark.parametrize("side", ["notes/sub", "shelf/notes/sub"])
def test_a_folder_that_is_closed_is_left_alone_with_all_below(home: Home, side: str) -> None:
    home.close(side)
    (home.path / "notes/new.md").write_text("new\n")
    said = home.run("apply --yes")
    assert said.code == 1
    assert "sub" in said.out
    assert (home.path / "shelf/notes/new.md").exists(), "all else is synced"
    for other in ("notes/sub/c.md", "shelf/notes/sub/c.md"):
        assert (home.path / other).exists()


@pytest.mark.parametrize("folder", ["", "sub/"])
def test_nothing_is_synced_where_an_ignore_file_cannot_be_read(home: Home, folder: str) -> None:
    home.machine.write(ANNA, home.path / f"notes/{folder}.gitignore", "*.key\n")
    home.machine.write(ANNA, home.path / f"notes/{folder}secret.key", "secret\n")
    place = home.close(f"notes/{folder}.gitignore")
    said = home.run("apply --yes")
    assert said.code == 1
    assert ".gitignore cannot be read: Permission denied" in said.out + said.err
    assert not list(home.path.glob("shelf/**/secret.key"))
    place.chmod(0o644)
    assert home.run("apply --yes").code == 0
    assert not list(home.path.glob("shelf/**/secret.key"))


def test_a_trash_that_is_closed_is_not_empty(home: Home) -> None:
    place = home.close("shelf/.bm-sync/trash")
    for words in ("versions notes:a.md", "undo --dry-run", "prune --dry-run"):
        said = home.run(words)
        told(said, place)
    home.mend(home.run("versions notes:a.md"))
    assert "notes:a.md" in home.run("versions notes:a.md").out


@pytest.mark.parametrize("name", ["sync.yaml", "sync.local.yaml", "more.yaml", ".bmignore"])
def test_a_file_that_gives_orders_and_is_closed_is_an_error(home: Home, name: str) -> None:
    home.machine.write(ANNA, home.path / "sync.local.yaml", "version: 1\n")
    home.machine.write(ANNA, home.path / "more.yaml", "version: 1\n")
    home.machine.write(ANNA, home.path / ".bmignore", "*.tmp\n")
    text = _MANIFEST.replace("gitignore: true", "ignore_files: [./.bmignore]")
    home.machine.write(ANNA, home.path / "sync.yaml", f"{text}include: [more.yaml]\n")
    assert home.run("plan").code == 0
    home.close(name)
    said = home.run("apply --yes")
    assert said.code in {1, 2}
    assert name in said.err
    assert "ermission denied" in said.err


def test_a_manifest_in_a_folder_that_is_closed_is_not_said_to_be_missing(home: Home) -> None:
    home.close("work")
    for words in ("plan work/sync.yaml", "plan -f work/sync.yaml", "init work"):
        said = home.run(words)
        assert said.code in {1, 2}
        assert "ermission denied" in said.err
        assert "no project" not in said.err
    inside = home.machine.run(ANNA, "plan", cwd=home.path / "work")
    assert inside.code in {1, 2}
    assert "ermission denied" in inside.err


def test_an_rclone_conf_that_is_closed_is_not_taken_for_an_empty_one(home: Home) -> None:
    conf = ".config/rclone/rclone.conf"
    home.machine.write(ANNA, home.path / conf, "[mine]\ntype = memory\n")
    text = (
        "version: 1\nremotes: {r: {rclone: mine}}\nprojects: {notes: {local: ./notes, remote: r}}\n"
    )
    home.machine.write(ANNA, home.path / "sync.yaml", text)
    home.close(conf)
    for words in ("plan", "doctor"):
        said = home.run(words)
        assert said.code not in {0, 70}
        assert "permission denied" in (said.out + said.err).lower()
        assert "it has: none" not in said.out + said.err


def test_a_sign_in_that_is_closed_is_not_signed_out(home: Home) -> None:
    home.machine.write(ANNA, home.path / f"{STATE}/cloud/logins.json", "{}", 0o600)
    place = home.close(f"{STATE}/cloud")
    for words in ("cloud status", "logout"):
        said = home.run(words)
        assert said.code not in {0, 70}
        assert str(place) in said.out + said.err


def test_who_holds_a_project_is_not_nobody_when_that_may_not_be_read(home: Home) -> None:
    (lock, *_) = sorted((home.path / STATE / "locks").glob("*.lock"))
    place = home.close(str(lock.relative_to(home.path)))
    said = home.run("unlock notes work")
    assert said.code == 1
    assert str(place.parent) in said.out + said.err
