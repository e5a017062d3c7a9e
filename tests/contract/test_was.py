"""A project that is declared otherwise than before keeps its memory, and loses nothing by it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from cli_outside import World

from bm_sync.engine.identity import project_key
from bm_sync.manifest import load
from bm_sync.state.lock import Owner, hold

HEAD = """\
version: 1
remotes: {shelf: {type: local, root: ./cloud}, desk: {type: local, root: ./desk}}
"""
MODES = ("two-way", "push", "pull", "mirror, direction: up", "mirror, direction: down")
NAMES = tuple(f"n{number}.md" for number in range(8))


@pytest.fixture
def here(tmp_path: Path) -> World:
    """Return a world where ten files were synced as project `notes`, and one was deleted since."""
    made = World(tmp_path)
    for name in (*NAMES, "keep.md", "gone.md"):
        made.write(f"notes/{name}", f"{name}\n")
        made.write(f"cloud/notes/{name}", f"{name}\n")
    declare(made, "notes: {local: ./notes, path: notes}")
    made.write("notes/keep.md", "edited\n")
    assert made.run("apply", "--yes").code == 0
    (made.root / "notes/gone.md").unlink()
    return made


def declare(here: World, *projects: str, mode: str = "two-way") -> None:
    text = f"{HEAD}defaults: {{remote: shelf, policy: {{mode: {mode}}}}}\nprojects:\n"
    here.write("sync.yaml", text + "".join(f"  {project}\n" for project in projects))


def everything(here: World) -> dict[str, str]:
    return {
        f"{side}/{path}": text
        for side in ("notes", "diary", "cloud", "desk")
        for path, text in here.files(side).items()
    }


def actions(here: World, name: str = "diary") -> list[tuple[str, str]]:
    plan = here.run("plan", "--json").json["data"]
    (project,) = (p for p in plan["projects"] if p["project"] == name)
    return [(a["kind"], a["path"]) for a in project["actions"] if a["kind"] != "adopt"]


def local_is_other(here: World) -> str:
    (here.root / "notes").rename(here.root / "diary")
    return "notes: {local: ./diary, path: notes, was: {local: ./notes}}"


def local_was_copied(here: World) -> str:
    shutil.copytree(here.root / "notes", here.root / "diary", copy_function=shutil.copyfile)
    return "notes: {local: ./diary, path: notes, was: {local: ./notes}}"


def name_is_other(here: World) -> str:
    (here.root / "cloud/notes").rename(here.root / "cloud/diary")
    return "diary: {local: ./notes, was: notes}"


def name_alone_is_other(here: World) -> str:
    assert (here.root / "cloud/notes").is_dir()
    return "diary: {local: ./notes, path: notes, was: notes}"


def path_is_other(here: World) -> str:
    (here.root / "cloud/deep").mkdir()
    (here.root / "cloud/notes").rename(here.root / "cloud/deep/notes")
    return "notes: {local: ./notes, path: deep/notes, was: {path: notes}}"


def remote_is_other(here: World) -> str:
    (here.root / "desk").mkdir()
    (here.root / "cloud/notes").rename(here.root / "desk/notes")
    return "notes: {local: ./notes, remote: desk, was: {remote: shelf}}"


def all_is_other(here: World) -> str:
    (here.root / "notes").rename(here.root / "diary")
    (here.root / "desk").mkdir()
    (here.root / "cloud/notes").rename(here.root / "desk/new")
    was = "{name: notes, local: ./notes, remote: shelf, path: notes}"
    return f"diary: {{local: ./diary, remote: desk, path: new, was: {was}}}"


RENAMES = (
    local_is_other,
    local_was_copied,
    name_is_other,
    name_alone_is_other,
    path_is_other,
    remote_is_other,
    all_is_other,
)


@pytest.mark.parametrize("rename", RENAMES, ids=lambda r: r.__name__)
def test_what_was_deleted_before_a_rename_is_deleted_after_it(here: World, rename: object) -> None:
    declared = rename(here)  # type: ignore[operator]
    name = declared.partition(":")[0]
    declare(here, declared)
    moved_here = "diary" in declared.partition("was")[0].partition("local: ")[2][:9]
    planned = here.run("plan")
    assert actions(here, name) == [("trash", "gone.md")], planned.out
    # the side that was moved lacks the file, so it is asked for
    assert planned.code == (3 if moved_here else 0), planned.out
    accept = ("--accept", "delete=1") if moved_here else ()
    assert here.run("apply", "--yes", *accept).code == 0
    assert not [path for path in everything(here) if path.endswith("cloud/gone.md")]
    assert here.run("plan").out.count("(was") == 0
    again = here.run("plan", "--exit-code")
    assert (again.code, "not declared" in again.out) == (0, False), again.out


def test_history_trash_and_conflicts_come_along(here: World) -> None:
    declare(here, "notes: {local: ./notes, path: notes}")
    assert here.run("apply", "--yes").code == 0
    here.write("notes/n1.md", "mine\n")
    here.write("cloud/notes/n1.md", "theirs, longer\n")
    assert here.run("apply", "--yes").code == 0
    before = here.run("history", "--json").json["data"]
    declare(here, name_is_other(here))
    assert "n1.md" in here.run("conflicts").out
    kept = here.run("versions", "diary:gone.md", "--json").json["data"]
    assert [version["run"] for version in kept] == [before[1]["id"]]
    assert here.run("apply", "--yes").code == 0
    assert "n1.md" in here.run("conflicts").out
    assert here.run("versions", "diary:gone.md", "--json").json["data"] == kept
    undone = here.run("undo", before[1]["id"], "--yes")
    assert undone.code == 0, undone
    assert "gone.md" in here.files("notes")
    assert "gone.md" in here.files("cloud/diary")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("others", [False, True])
def test_nothing_is_deleted_because_the_remote_folder_was_not_renamed(
    here: World, mode: str, *, others: bool
) -> None:
    if others:
        here.write("cloud/diary/of somebody.md")
        here.write("cloud/diary/n3.md", "n3.md\n")
    declare(here, "diary: {local: ./notes, was: notes}", mode=mode)
    before = everything(here)
    done = here.run("apply", "--yes")
    after = everything(here)
    assert before.items() <= after.items(), done.out
    if done.code == 3:
        assert after == before
        assert "it was notes: rename it there as well" in done.out
    else:
        assert done.code == 0
        assert mode in {"push", "mirror, direction: up"} or others, done.out


def test_a_refused_rename_keeps_the_memory_where_it_was(here: World) -> None:
    declare(here, "diary: {local: ./notes, was: notes}")
    assert here.run("apply", "--yes").code == 3
    (row,) = here.run("status", "--json").json["data"]
    assert (row["project"], row["result"]) == ("diary", "side-missing")
    declare(here, "diary: {local: ./notes, path: notes}")
    assert actions(here) == [("trash", "gone.md")]


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_deleted_because_the_folder_did_not_move(here: World, mode: str) -> None:
    declare(here, "notes: {local: ./diary, path: notes, was: {local: ./notes}}", mode=mode)
    before = everything(here)
    done = here.run("apply", "--yes")
    assert before.items() <= everything(here).items()
    if mode in {"pull", "mirror, direction: down"}:
        assert done.code == 0  # the folder is filled anew
    else:
        assert done.code == 3, done.out


@pytest.mark.parametrize("swapped", [True, False])
def test_two_projects_that_swap_their_names_lose_nothing(here: World, *, swapped: bool) -> None:
    for name in ("x.md", "y.md", "z.md"):
        here.write(f"diary/{name}", f"diary {name}\n")
    declare(here, "notes: {local: ./notes}", "diary: {local: ./diary}")
    assert here.run("apply", "--yes").code == 0
    if swapped:
        cloud = here.root / "cloud"
        (cloud / "notes").rename(cloud / "aside")
        (cloud / "diary").rename(cloud / "notes")
        (cloud / "aside").rename(cloud / "diary")
    before = everything(here)
    declare(here, "diary: {local: ./notes, was: notes}", "notes: {local: ./diary, was: diary}")
    done = here.run("apply", "--yes")
    assert (done.code, everything(here)) == (0 if swapped else 3, before)
    if swapped:
        (here.root / "notes/n1.md").unlink()
        assert here.run("apply", "--yes").code == 0
        assert "cloud/diary/n1.md" not in everything(here)


def test_a_chain_of_names_hands_each_memory_on(here: World) -> None:
    here.write("diary/d.md")
    declare(here, "notes: {local: ./notes}", "diary: {local: ./diary}")
    assert here.run("apply", "--yes").code == 0
    cloud = here.root / "cloud"
    (cloud / "diary").rename(cloud / "third")
    (cloud / "notes").rename(cloud / "diary")
    declare(here, "third: {local: ./diary, was: diary}", "diary: {local: ./notes, was: notes}")
    planned = here.run("plan", "--exit-code")
    assert planned.code == 0, planned
    assert "third (was diary)" in planned.out
    assert "diary (was notes)" in planned.out
    assert here.run("apply", "--yes").code == 0


def test_a_memory_of_its_own_is_never_replaced(here: World) -> None:
    declare(here, name_is_other(here).replace(", was: notes", ""))
    assert here.run("apply", "--yes").code == 0
    here.write("notes/later.md")
    assert here.run("apply", "--yes").code == 0
    (here.root / "notes/later.md").unlink()
    declare(here, "diary: {local: ./notes, was: notes}")
    planned = here.run("plan")
    assert "(was" not in planned.out
    assert actions(here) == [("trash", "later.md")]
    assert "project notes is in the state but no longer in the manifest" in planned.out


def test_validate_says_when_was_has_done_its_work(here: World) -> None:
    declare(here, name_is_other(here))
    assert "was has done its work" not in here.run("validate").out
    assert here.run("apply", "--yes").code == 0
    said = here.run("validate")
    assert said.code == 0
    assert "sync.yaml:5:27: warning BMS071: the project 'diary' has its memory" in said.out
    assert here.run("plan", "--exit-code").code == 0
    declare(here, "diary: {local: ./notes}")
    assert here.run("plan", "--exit-code").code == 0
    assert here.run("validate").out == "sync.yaml: 1 project, 2 remotes, no error\n"


def test_a_run_by_the_former_declaration_holds_the_memory(here: World) -> None:
    old = here.root / "old.yaml"
    shutil.copyfile(here.root / "sync.yaml", old)
    state = here.root / ".local/state/bm-sync"
    (project,) = load(old, here.env, state_dir=state).manifest.projects
    declare(here, name_is_other(here))
    with hold(state, project_key(project), Owner(os.getpid(), "desk", "now", "apply", "notes")):
        done = here.run("apply", "--yes")
        assert (done.code, "diary" in done.out) == (5, True), done
    assert here.run("apply", "--yes").code == 0


def test_what_a_killed_run_left_goes_after_a_rename(here: World) -> None:
    state = here.root / ".local/state/bm-sync"
    (project,) = load(here.root / "sync.yaml", here.env, state_dir=state).manifest.projects
    left = (
        f".bm-sync/staging/{project_key(project)[:12]}-20260101T000000Z-0000abcdef/arrivals/half.md"
    )
    here.write(f"notes/{left}", "half")
    declare(here, local_is_other(here))
    here.write("cloud/notes/new.md", "to be brought here\n")
    assert here.run("apply", "--yes", "--accept", "delete=1").code == 0
    assert not (here.root / "diary" / left).exists()


def test_a_saved_plan_of_a_renamed_project_is_applied_once(here: World) -> None:
    declare(here, name_is_other(here))
    assert here.run("plan", "--out", "today.plan").code == 0
    assert "diary (was notes)" in here.run("show", "today.plan").out
    assert here.run("apply", "today.plan", "--yes").code == 0
    assert "gone.md" not in here.files("cloud/diary")


def test_a_removed_project_stands_in_every_form_of_the_plan(here: World) -> None:
    here.write("other/o.md")
    declare(here, "notes: {local: ./notes, path: notes}", "other: {local: ./other}")
    assert here.run("apply", "--yes").code == 0
    declare(here, "other: {local: ./other}")
    said = here.run("plan")
    assert "project notes is in the state but no longer in the manifest: " in said.out
    assert "nothing to do: 1 project in sync; 1 project not declared any more" in said.out
    (gone,) = here.run("plan", "--json").json["data"]["undeclared"]
    assert (gone["name"], gone["local"], gone["remote"]) == ("notes", "~/notes", "shelf:notes")
    markdown = here.run("plan", "--format", "markdown").out
    assert "project notes is in the state but no longer in the manifest" in markdown
    assert "undeclared" in here.run("status").out
    (command,) = re.findall(r"forget it: +(bm-sync .*)$", said.out, re.MULTILINE)
    assert here.paste(command).code == 0
    assert here.run("plan", "--json").json["data"]["undeclared"] == []
    assert here.run("plan").out.endswith("nothing to do: 1 project in sync\n")
    assert (here.root / "notes/keep.md").exists()


@pytest.mark.parametrize(
    ("rename", "without"),
    [
        (name_is_other, "diary: {local: ./notes}"),
        (local_is_other, "notes: {local: ./diary, path: notes}"),
        (path_is_other, "notes: {local: ./notes, path: deep/notes}"),
    ],
)
def test_the_plan_of_a_new_project_says_which_was_takes_the_memory(
    here: World, rename: object, without: str
) -> None:
    rename(here)  # type: ignore[operator]
    declare(here, without)
    said = here.run("plan").out
    (was,) = re.findall(r"add to it: was: (.*)$", said, re.MULTILINE)
    (name,) = yaml.safe_load(f"{{{without}}}")
    whole = yaml.safe_load((here.root / "sync.yaml").read_text())
    whole["projects"][name]["was"] = yaml.safe_load(was)
    here.write("sync.yaml", yaml.safe_dump(whole))
    assert actions(here, name) == [("trash", "gone.md")]


def test_a_project_of_another_manifest_is_left_in_peace(here: World) -> None:
    here.write("second/sync.yaml", HEAD + "projects: {mine: {local: ./m, remote: shelf}}\n")
    here.write("second/m/m.md")
    assert here.run("-f", "second/sync.yaml", "apply", "--yes").code == 0
    assert "mine" not in here.run("plan").out
    assert "mine" not in here.run("status").out
    rows = here.run("-f", "second/sync.yaml", "status", "--json").json["data"]
    assert [row["project"] for row in rows] == ["mine"]
    refused = here.run("reset", "--key", rows[0]["key"][:8], "--yes")
    assert refused.code == 2
    assert "of another manifest" in refused.err
    (here.root / "second/sync.yaml").unlink()
    assert "mine" in here.run("status").out
    assert here.run("reset", "--key", rows[0]["key"][:8], "--yes").code == 0
