"""Projects that are remembered and not declared any more are forgotten by their key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_outside import World, world


@pytest.fixture
def moved(tmp_path: Path) -> World:
    """Sync, then move the local folder of a project and say so in the manifest."""
    here = world(tmp_path)
    assert here.run("apply", "--yes").code == 0
    (here.root / "notes").rename(here.root / "papers")
    text = (here.root / "sync.yaml").read_text()
    here.write("sync.yaml", text.replace("local: ./notes", "local: ./papers"))
    assert here.run("apply", "--yes").code == 0
    return here


def known(here: World) -> dict[str, str | None]:
    """Return the time of the last run of every project that is remembered, by key."""
    rows = here.run("status", "--json").json["data"]
    return {row["key"]: row["placement"] for row in rows if row["last_run"] is not None}


def test_the_command_that_forgets_never_hits_the_declared_project(moved: World) -> None:
    before = known(moved)
    said = moved.run("status").out
    (command,) = re.findall(r"^forget what was notes: +(bm-sync .*)$", said, re.MULTILINE)
    assert "notes" not in command
    done = moved.paste(command)
    assert done.code == 0, done
    left = known(moved)
    assert len(before) - len(left) == 1
    assert None not in left.values()
    assert "forget" not in moved.run("status").out
    (moved.root / "papers/a.md").unlink()
    assert moved.run("apply", "--yes").code == 0
    assert "a.md" not in moved.files("papers"), "the memory of the declared project was kept"
    assert "a.md" not in moved.files("cloud/notes")


def test_a_key_of_a_declared_project_is_refused(moved: World) -> None:
    rows = {row["project"]: row for row in moved.run("status", "--json").json["data"]}
    before = known(moved)
    said = moved.run("reset", "--key", rows["work log"]["key"][:8], "--yes")
    assert said.code == 2
    assert "is the key of project 'work log', which is declared" in said.err
    assert known(moved) == before


@pytest.mark.parametrize("words", [(), ("notes", "--key", "a"), ("--key", ""), ("--key", "zz")])
def test_a_reset_of_nothing_in_particular_is_refused(moved: World, words: tuple[str, ...]) -> None:
    before = known(moved)
    assert moved.run("reset", *words, "--yes").code == 2
    assert known(moved) == before


def test_two_that_had_the_same_name_are_told_apart_by_their_keys(moved: World) -> None:
    text = (moved.root / "sync.yaml").read_text()
    (line,) = re.findall(r"  notes: .*\n", text)
    moved.write("sync.yaml", text.replace(line, ""))
    said = moved.run("reset", "notes", "--yes")
    assert said.code == 2
    assert "2 projects that are not declared were 'notes'" in said.err
    for key in re.findall(r"\b[0-9a-f]{8}\b", said.err):
        assert moved.run("reset", "--key", key, "--yes").code == 0
    assert "undeclared" not in moved.run("status").out
