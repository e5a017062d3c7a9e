"""What is written where somebody says replaces a file of its own kind, and no other."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cli_outside import World, world

WORDS = "my own words, the only copy\n"
OPTIONS = {
    "--metrics": ("apply", "--yes", "--metrics"),
    "--out": ("plan", "--out"),
    "--html": ("report", "--html"),
}
PLANNED = """\
version: 1
include: [team/base.yaml]
remotes:
  far: {type: sftp, options: {host: far.example.org}}
  shelf: {type: sftp, options: {host: shelf.example.org}}
defaults: {schedule: {every: 15m}}
projects: {notes: {from: "far:notes", remote: shelf, policy: {mode: mirror}}}
"""


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def foreign(here: World, path: str, kind: str) -> Path:
    """Make something that is there and is not ours."""
    file = here.root / path
    match kind:
        case "text":
            here.write(path, WORDS)
        case "empty":
            here.write(path, "")
        case "link":
            here.write("diary.md", WORDS)
            file.symlink_to("diary.md")
        case "fifo":
            os.mkfifo(file)
        case "device":
            file.symlink_to("/dev/null")
        case _:
            file.mkdir()
            here.write(f"{path}/inside", WORDS)
    return file


def looks(file: Path) -> object:
    """Return what a place holds, as far as replacing it would change that."""
    found = file.lstat()
    text = file.read_text() if stat.S_ISREG(found.st_mode) else None
    return (found.st_ino, found.st_mode, found.st_mtime_ns, text)


@pytest.mark.parametrize("kind", ["text", "empty", "link", "fifo", "device", "folder"])
@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_not_ours_is_refused_and_left_as_it_was(
    here: World, option: str, kind: str
) -> None:
    file = foreign(here, "taken", kind)
    before = looks(file)
    said = here.run(*OPTIONS[option], "taken")
    assert (said.code, "taken" in said.err) == (2, True), said
    assert looks(file) == before
    assert not (here.root / "cloud").exists()


@pytest.mark.parametrize("option", OPTIONS)
def test_a_file_of_its_own_kind_is_replaced_and_of_another_of_ours_not(
    here: World, option: str
) -> None:
    for name, words in OPTIONS.items():
        assert here.run(*words, name.strip("-")).code == 0
    for name in OPTIONS:
        before = looks(here.root / name.strip("-"))
        said = here.run(*OPTIONS[option], name.strip("-"))
        if name == option:
            assert (said.code, looks(here.root / name.strip("-")) != before) == (0, True)
        else:
            assert (said.code, "it is not replaced" in said.err) == (2, True)
            assert looks(here.root / name.strip("-")) == before


@pytest.mark.parametrize("kind", ["text", "link", "fifo"])
def test_a_manifest_cannot_name_a_file_of_the_users_for_its_metrics(here: World, kind: str) -> None:
    file = foreign(here, ".bashrc", kind)
    before = looks(file)
    text = (here.root / "sync.yaml").read_text()
    here.write("sync.yaml", f"metrics: ~/.bashrc\n{text}")
    said = here.run("apply", "--yes")
    assert said.code == 2
    assert f"{file} is " in said.err
    assert "name another file: --metrics FILE, or metrics: in the manifest" in said.err
    assert not (here.root / "cloud").exists()
    assert looks(file) == before
    other = here.run("apply", "--yes", "--metrics", "mine.prom")
    assert (other.code, looks(file)) == (0, before)


def test_the_state_of_monitors_in_a_folder_of_the_users_is_not_replaced(here: World) -> None:
    file = foreign(here, "mine/status.json", "text")
    (here.root / "mine").chmod(0o700)
    said = here.run("apply", "--yes", "--state-dir", "mine")
    assert f"{file} is there and is not a status of bm-sync; it is not replaced" in said.err
    assert file.read_text() == WORDS


@pytest.mark.parametrize(
    ("target", "file"),
    [
        ("kubernetes", "bm-sync-manifest.yaml"),
        ("nomad", "bm-sync-every-15m-*.nomad.json"),
        ("ansible", "bm_sync/tasks/main.yml"),
        ("ansible", "bm_sync/files/manifest/team/base.yaml"),
    ],
)
def test_texts_for_others_replace_only_what_was_rendered_before(
    here: World, target: str, file: str
) -> None:
    here.write("team/base.yaml", "")
    here.write("sync.yaml", PLANNED)
    image = ("--image", "registry.example.org/bm-sync:1") if target == "kubernetes" else ()
    words = ("schedule", "show", "--target", target, *image, "--out")
    assert here.run(*words, "first").code == 0
    (name,) = (here.root / "first").glob(file)
    path = name.relative_to(here.root / "first").as_posix()
    here.write(f"second/{path}", WORDS)
    said = here.run(*words, "second")
    assert (said.code, "it is not replaced" in said.err) == (2, True)
    assert here.files("second") == {path: WORDS}
    here.write("sync.yaml", PLANNED.replace("15m", "20m"))
    here.write("team/base.yaml", "vars: {other: text}\n")
    assert here.run(*words, "first").code == 0
