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
SCREENS = (("plan",), ("apply", "--yes"), ("status",))
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
    ways = named(here, SCREENS + ((("check",),) if situation is differences else ()))
    assert ways or situation in {a_pipe, nothing_anywhere}, "screens that name no way on"
    for number, (command, label) in enumerate(ways.items()):
        if label in LOOKS or "apply exactly" in label:
            done = here.paste(command)
            assert done.code in {0, 1, 3}, (label, command, done)
            assert "error:" not in done.err, (label, command, done)
            continue
        assert label in ACTS | AGAIN or label.startswith("forget what was"), f"who judges {label}?"
        again = world(tmp_path / f"{number}")
        situation(again)
        act(again, label, command)


def act(here: World, label: str, command: str) -> None:
    """Paste a command that changes something after an apply, and see that it helped."""
    before = here.run("apply", "--yes").code
    if label.startswith("forget"):  # it names a key, which is another here
        now = {each: found for found, each in named(here, (("plan",), ("status",))).items()}
        command = now[label]
    done = here.paste(command)
    assert "error:" not in done.err, (label, command, done)
    if label in AGAIN:
        assert done.code == before, (label, command, done)
        return
    assert done.code == 0, (label, command, done)
    # a source that has nothing to give goes on being told
    stays = "--accept empty_side" in command or (
        "--keep-deleted" in command and "mode: mirror" in (here.root / "sync.yaml").read_text()
    )
    assert stays or command not in named(here, (("plan",), ("status",))), (label, command)
