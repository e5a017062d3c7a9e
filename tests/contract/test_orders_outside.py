"""From outside: what runs depend on is left alone; a manifest that a run brought is not taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_outside import World

from bm_sync.manifest.starter import text

HOSTILE = """\
version: 1
hooks: {before: ["touch PWNED"]}
remotes: {s: {type: local, root: ./x}}
projects: {taken: {local: ./y, remote: s}}
"""
LAYER = "hooks: {before: [touch PWNED]}\n"
OUTER = """\
version: 1
remotes: {shelf: {type: local, root: ./cloud}}
projects: {notes: {local: ./notes, remote: shelf}}
"""


@pytest.fixture
def here(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write("sync.yaml", OUTER)
    made.write("notes/a.md")
    made.write("cloud/notes/daily/sync.yaml", HOSTILE)
    made.write("notes/daily/y/b.md")
    assert made.run("apply", "-q").code == 0
    assert (tmp_path / "notes/daily/sync.yaml").exists()
    return made


def inside(here: World) -> World:
    """Return the same user in the folder that the hostile manifest came to."""
    return World(here.root / "notes/daily")


@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("status",), ("validate",)])
def test_a_manifest_that_a_run_brought_is_not_taken_unasked(
    here: World, command: tuple[str, ...]
) -> None:
    said = inside(here).run(*command, HOME=str(here.root))
    assert said.code == 2
    assert "sync.yaml was brought here by a run of project notes" in said.err
    assert "bm-sync -f sync.yaml validate" in said.err
    assert not list(here.root.rglob("PWNED"))
    again = inside(here).run(*command, HOME=str(here.root))
    assert again.code == 2, "that it was refused does not make it known"


def test_a_manifest_that_a_run_brought_is_taken_once_its_user_named_it(here: World) -> None:
    user = inside(here)
    assert user.run("-f", "sync.yaml", "validate", HOME=str(here.root)).code == 0
    assert user.run("plan", HOME=str(here.root)).code == 0


def test_the_text_of_a_known_manifest_is_not_known_in_another_folder(here: World) -> None:
    here.write("notes/daily/sync.yaml", "version: 1\n")
    for folder in ("known", "notes/daily"):
        here.write(f"{folder}/note.md")
    here.write("known/sync.yaml", HOSTILE)
    assert World(here.root / "known").run("validate", HOME=str(here.root)).code == 0
    here.write("notes/daily/sync.yaml", HOSTILE)  # as it was brought
    done = inside(here).run("plan", HOME=str(here.root))
    assert (done.code, "was brought here by a run" in done.err) == (2, True), done


def test_a_manifest_that_its_user_edited_is_taken(here: World) -> None:
    here.write("notes/daily/sync.yaml", OUTER.replace("./notes", "./y"))
    assert inside(here).run("plan", HOME=str(here.root)).code == 0


def test_a_layer_that_an_older_version_brought_is_not_taken_unasked(tmp_path: Path) -> None:
    made = World(tmp_path)
    made.write("conf/outer.yaml", OUTER.replace("./", "../"))
    made.write("cloud/notes/sync.local.yaml", LAYER)
    assert made.run("-f", "conf/outer.yaml", "apply", "-q").code == 0
    made.write("notes/sync.yaml", OUTER.replace("./cloud", "../shelf").replace("./notes", "."))
    said = World(tmp_path / "notes").run("apply", "--yes", HOME=str(tmp_path))
    assert said.code == 2
    assert "sync.local.yaml was brought here by a run of project notes" in said.err
    assert not list(tmp_path.rglob("PWNED"))


def test_what_the_program_of_a_hook_reads_where_it_runs_is_not_brought(tmp_path: Path) -> None:
    made = World(tmp_path)
    hooked = "notes, hooks: {before: ['make -C ${local} || true', 'cd notes && tox || true']}"
    made.write("sync.yaml", OUTER.replace("local: ./notes", f"local: ./{hooked}"))
    made.write("notes/a.md")
    made.write("cloud/notes/Makefile", "all:\n\ttouch PWNED\n")
    made.write("cloud/notes/tox.ini", "[testenv]\ncommands = touch PWNED\n")
    made.write("cloud/notes/b.md")
    for _ in range(2):
        said = made.run("apply", "--yes")
        assert said.code == 0, said
        assert "holds Makefile (a program that a hook runs): it is not brought here" in said.out
    assert sorted(path.name for path in (tmp_path / "notes").iterdir()) == ["a.md", "b.md"]
    assert not list(tmp_path.rglob("PWNED"))
    assert (
        "'make' may take orders from any file in the folder of 'notes'" in made.run("validate").out
    )


def test_why_and_show_say_what_is_closed(tmp_path: Path) -> None:
    made = World(tmp_path / "notes")
    made.write("sync.yaml", OUTER.replace("./cloud", "../cloud").replace("./notes", "."))
    home = {"HOME": str(tmp_path)}
    said = made.run("why", "notes", "sync.yaml", **home).out
    assert "excluded: runs depend on it (the manifest)" in said
    assert "excluded: it is git's own" in made.run("why", "notes", ".git/config", **home).out
    assert "this machine's part of the manifest" in made.run("show", **home).out
    planned = made.run("plan", **home).out
    assert "sync.yaml stays as it is: runs depend on it (the manifest)" in planned


def test_a_run_without_a_terminal_says_what_it_did_not_bring(tmp_path: Path) -> None:
    made = World(tmp_path / "notes")
    made.write("sync.yaml", OUTER.replace("./cloud", "../cloud").replace("./notes", "."))
    World(tmp_path).write("cloud/notes/sync.local.yaml", HOSTILE)
    for _ in range(2):
        said = made.run("apply", "--yes", HOME=str(tmp_path))
        assert said.code == 0
        assert "holds sync.local.yaml (this machine's part of the manifest)" in said.out
    assert made.run("apply", "--yes", "-q", HOME=str(tmp_path)).out == ""
    assert not (tmp_path / "notes/sync.local.yaml").exists()


def test_a_first_manifest_says_that_gitignore_counts() -> None:
    assert "gitignore: true" in text()
