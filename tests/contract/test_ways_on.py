"""Every command that a screen names in a bad situation can be pasted, and makes it better."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_outside import World, world

MANIFEST = """\
version: 1
remotes:
  shelf: {type: local, root: ./cloud}
  keyless: {type: s3, options: {provider: Other, access_key_id: {env: NO_SUCH_KEY}}}
filters: {loose: {exclude: ["*.tmp"]}, tight: {exclude: ["*.tmp", daily]}}
projects:
  my notes:
    {local: ./notes, path: notes, remote: %(remote)s, filters: [%(filters)s], policy: {%(policy)s}}
"""
SCREENS = (("apply", "--yes"), ("status",), ("check",))
LABELLED = re.compile(r"^ *(?:[\w-]+(?: [\w-]+)*: +)?([\w ,'-]+): +(bm-sync .*)$", re.MULTILINE)

LOOKS = {
    "what to do",
    "what to do, after an apply",
    "what to do about conflicts",
    "what apply would do",
    "which of them lie on the remote",
    "every action",
    "one run with all its actions",
}
ACTS = {"keep them", "let these go", "let this through", "bring it back", "forget it"}
AGAIN = {"try again"}


def declared(
    here: World, policy: str = "mode: two-way", remote: str = "shelf", filters: str = "loose"
) -> None:
    said = {"policy": policy, "remote": remote, "filters": filters}
    here.write("sync.yaml", MANIFEST % said)


def synced(here: World, policy: str = "mode: two-way", filters: str = "loose") -> None:
    declared(here, policy, filters=filters)
    assert here.run("apply", "--yes").code == 0


def deletions(here: World) -> None:
    synced(here, "mode: two-way, guards: {max_delete: 0}")
    (here.root / "notes/a.md").unlink()


def replacements(here: World) -> None:
    synced(here, "mode: two-way, guards: {max_overwrite: 0}")
    here.write("notes/a.md", "edited\n")


def both_and_bytes(here: World) -> None:
    synced(here)
    declared(here, "mode: two-way, guards: {max_delete: 0, max_overwrite: 0, max_bytes: 3B}")
    here.write("notes/a.md", "edited\n")
    (here.root / "notes/b c.md").unlink()


def bytes_alone(here: World) -> None:
    declared(here, "mode: two-way, guards: {max_bytes: 3B}")


def emptied_here(here: World) -> None:
    synced(here)
    shutil.rmtree(here.root / "notes")
    (here.root / "notes").mkdir()


def missing_there(here: World) -> None:
    synced(here)
    shutil.rmtree(here.root / "cloud/notes")


def missing_source_of_a_push(here: World) -> None:
    synced(here, "mode: push")
    shutil.rmtree(here.root / "notes")


def emptied_source_of_a_pull(here: World) -> None:
    shutil.copytree(here.root / "notes", here.root / "cloud/notes")
    synced(here, "mode: pull")
    shutil.rmtree(here.root / "cloud/notes")
    (here.root / "cloud/notes").mkdir()


def missing_source_of_a_mirror(here: World) -> None:
    synced(here, "mode: mirror, direction: up")
    shutil.rmtree(here.root / "notes")


def nothing_anywhere(here: World) -> None:
    declared(here)
    shutil.rmtree(here.root / "notes")


def a_conflict_that_waits(here: World) -> None:
    synced(here, "mode: two-way, conflict: {winner: stop}")
    here.write("notes/a.md", "here\n")
    here.write("cloud/notes/a.md", "there, too\n")


def a_conflict_with_a_copy(here: World) -> None:
    synced(here)
    here.write("notes/a.md", "here\n")
    here.write("cloud/notes/a.md", "there, too\n")


def what_a_push_may_not_replace(here: World) -> None:
    synced(here, "mode: push")
    here.write("notes/a.md", "here\n")
    here.write("cloud/notes/a.md", "there, too\n")


def a_pipe(here: World) -> None:
    synced(here)
    (here.root / "notes/a.md").unlink()
    os.mkfifo(here.root / "notes/a.md")


def a_secret_that_is_missing(here: World) -> None:
    declared(here, remote="keyless")


def filters_that_got_tighter(here: World) -> None:
    synced(here)
    declared(here, filters="tight")


def a_project_that_was_removed(here: World) -> None:
    synced(here)
    here.write("sync.yaml", "version: 1\nprojects: {}\n")


def a_folder_that_moved(here: World) -> None:
    synced(here)
    (here.root / "notes").rename(here.root / "papers")
    text = (here.root / "sync.yaml").read_text().replace("./notes", "./papers")
    here.write("sync.yaml", text)


def a_remote_folder_that_was_not_renamed(here: World) -> None:
    synced(here)
    text = (here.root / "sync.yaml").read_text()
    here.write("sync.yaml", text.replace("path: notes", "path: diary, was: {path: notes}"))


def a_remote_folder_that_was_renamed_in_part(here: World) -> None:
    a_remote_folder_that_was_not_renamed(here)
    shutil.copytree(here.root / "cloud/notes", here.root / "cloud/diary")
    (here.root / "cloud/diary/a.md").unlink()


def differences(here: World) -> None:
    synced(here)
    here.write("notes/new.md")


SITUATIONS = (
    deletions,
    replacements,
    both_and_bytes,
    bytes_alone,
    emptied_here,
    missing_there,
    missing_source_of_a_push,
    emptied_source_of_a_pull,
    missing_source_of_a_mirror,
    nothing_anywhere,
    a_conflict_that_waits,
    a_conflict_with_a_copy,
    what_a_push_may_not_replace,
    a_pipe,
    a_secret_that_is_missing,
    filters_that_got_tighter,
    a_project_that_was_removed,
    a_folder_that_moved,
    a_remote_folder_that_was_not_renamed,
    a_remote_folder_that_was_renamed_in_part,
    differences,
)


def named(here: World, screens: tuple[tuple[str, ...], ...]) -> dict[str, str]:
    """Return the labels of all commands on these screens, by the command."""
    found: dict[str, str] = {}
    for words in screens:
        said = here.run(*words).out
        found |= {command: label for label, command in LABELLED.findall(said)}
    return found


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.__name__)
def test_every_way_on_makes_it_better(tmp_path: Path, situation: Callable[[World], None]) -> None:
    here = world(tmp_path / "first")
    situation(here)
    ways = named(here, (("plan",), *SCREENS))
    for number, (first, label) in enumerate(ways.items()):
        again = world(tmp_path / f"{number}")
        situation(again)
        before = again.run("apply", "--yes").code
        command = first
        if label.startswith("forget"):  # it names a key, which is another here
            keys = {each: found for found, each in named(again, (("plan",), ("status",))).items()}
            command = keys[label]
        if label in {"every action", "one run with all its actions"}:
            continue  # of a run of the other world
        done = again.paste(command)
        assert "error:" not in done.err, (label, command, done)
        if label in AGAIN:
            assert done.code == before, (label, command, done)
        elif label in ACTS or label.startswith("forget what was"):
            assert done.code == 0, (label, command, done)
            stays = "--accept empty_side" in command  # nothing to bring, and nothing will come
            later = named(again, (("plan",), ("status",)))
            assert stays or command not in later, (label, command)
        else:
            known = label in LOOKS or "apply exactly" in label
            assert known, f"nobody judges {label!r}: {command}"
            assert done.code in {0, 1, 3}, (label, command, done)
    if situation not in {a_pipe, nothing_anywhere}:
        assert ways, "a screen that names no way on"
