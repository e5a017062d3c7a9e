"""Manifests of several files from outside: --set, status, saved plans, show --origins, init."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from cli_outside import World, world

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/layers.md"
TEAM = """\
locked: [guards]
vars: {top: here}
remotes: {shelf: {type: local, root: cloud}}
filters: {common: {exclude: ["*.tmp"]}}
policies: {careful: {guards: {max_delete: 2}}}
defaults: {remote: shelf, policy: careful, filters: [common]}
"""
OWN = """\
version: 1
include: [team/base.yaml]
projects:
  notes: {local: "${top}/notes"}
  far: {local: far, hosts: [nobody-*], tags: [remote]}
"""


@pytest.fixture
def here(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write("team/base.yaml", TEAM)
    made.write("sync.yaml", OWN)
    made.write("here/notes/a.md")
    made.write("there/notes/b.md")
    made.write("far/c.md")
    return made


def test_the_team_s_remote_lies_beside_its_file_and_the_project_beside_its_own(here: World) -> None:
    assert here.run("apply", "--yes").code == 0
    assert here.files("team/cloud") == {"notes/a.md": "text\n"}


def test_a_variable_is_set_before_or_after_the_command_and_pasted_commands_repeat_it(
    here: World,
) -> None:
    said = here.run("--set", "unused=1", "plan")
    assert (said.code, said.err.splitlines()[0]) == (
        2,
        "error: --set: the manifest has no variable 'unused'",
    )
    for words in (("--set", "top=there", "plan"), ("plan", "--set", "top=there")):
        said = here.run(*words)
        assert said.code == 0
        assert "there/notes" in said.out
        assert re.search(r"bm-sync plan .*--set top=there.* && bm-sync apply", said.out)
    both = here.run("--set", "top=nowhere", "show", "--set", "top=there", "--json")
    assert both.json["data"]["projects"]["notes"]["local"].endswith("/there/notes")
    assert "there/notes" in here.run("plan", BM_SYNC_VAR_top="there").out


@pytest.mark.parametrize("word", ["top", "=x", "1x=y", "a b=c"])
def test_what_sets_no_variable_is_a_usage_error(word: str, here: World) -> None:
    said = here.run("validate", "--set", word)
    assert said.code == 2
    assert "sets no variable" in said.err
    assert "write --set NAME=VALUE" in said.err


def test_a_project_of_another_machine_is_listed_and_never_touched(here: World) -> None:
    said = here.run("status")
    assert re.search(r"^far +elsewhere ", said.out, re.MULTILINE)
    name = socket.gethostname()
    assert f"far: not for this machine: it is for host nobody-*; this one is {name}" in said.out
    rows = {row["project"]: row for row in here.run("status", "--json").json["data"]}
    assert rows["far"]["elsewhere"].startswith("it is for host nobody-*")
    assert rows["notes"]["elsewhere"] is None
    named = here.run("apply", "far", "--yes")
    assert named.code == 0
    assert "far is not for this machine: it is for host nobody-*" in named.err
    assert here.run("plan", "--tag", "remote").code == 0
    assert here.run("apply", "--yes").code == 0
    assert here.files("team/cloud") == {"notes/a.md": "text\n"}
    assert here.files("far") == {"c.md": "text\n"}
    one = here.run("ls", "far")
    assert one.code == 2
    assert "project 'far' is not for this machine" in one.err
    assert here.run("apply", "fare").code == 2


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("team/base.yaml", TEAM.replace("max_delete: 2", "max_delete: 1")),
        ("sync.local.yaml", "policies: {careful: {mode: push}}\n"),
    ],
)
def test_a_saved_plan_is_stale_when_any_file_has_changed(path: str, text: str, here: World) -> None:
    assert here.run("plan", "--out", "today.plan").code == 0
    here.write(path, text)
    said = here.run("apply", "today.plan", "--yes")
    assert said.code == 8
    assert "has changed since the plan was made" in said.err
    assert here.files("team/cloud") == {}


def test_a_saved_plan_is_applied_with_the_variables_it_was_made_with(here: World) -> None:
    made = here.run("plan", "--set", "top=there", "--out", "today.plan")
    paste = re.findall(r"bm-sync apply .*", made.out)[-1]
    assert here.run("apply", "today.plan", "--yes").code == 8
    assert here.paste(f"{paste} --yes").code == 0
    assert here.files("team/cloud") == {"notes/b.md": "text\n"}


def test_origins_are_told_as_text_and_as_json(here: World) -> None:
    said = here.run("show", "--origins", "--set", "top=there")
    assert re.search(r"max_delete:\n +count: 2 +# team/base.yaml:5$", said.out, re.MULTILINE)
    assert re.search(r"local: .*there/notes\" +# sync.yaml:4$", said.out, re.MULTILINE)
    found = here.run("show", "--origins", "--json").json["data"]["origins"]
    assert found["/projects/notes/policy/guards/max_delete/count"] == "team/base.yaml:5"
    here.run("plan", "--out", "today.plan")
    assert here.run("show", "--origins", "today.plan").code == 2


def test_loosening_is_refused_and_explained(here: World) -> None:
    here.write("sync.local.yaml", "policies: {careful: {guards: {max_delete: 3}}}\n")
    said = here.run("plan")
    assert said.code == 2
    assert "sync.local.yaml:1:31: error BMS044" in said.err
    assert here.run("explain", "BMS044").code == 0


def test_what_was_accepted_is_judged_anew_when_an_included_file_changes(here: World) -> None:
    assert here.run("validate").code == 0
    assert here.run("validate").code == 0
    here.write("team/base.yaml", TEAM + "polices: {}\n")
    said = here.run("validate")
    assert said.code == 2
    assert "team/base.yaml:7:1: error BMS004: unknown key 'polices'" in said.out


def test_init_keeps_the_file_of_this_machine_out_of_git(tmp_path: Path) -> None:
    here = World(tmp_path)
    assert ".gitignore" not in here.run("init").out
    assert not (tmp_path / ".gitignore").exists()
    here.write("repo/.git/HEAD", "ref: refs/heads/main\n")
    here.write("repo/sub/.gitignore", "*.tmp")
    said = here.run("init", "repo/sub")
    assert "sync.local.yaml is for this machine alone: added to repo/sub/.gitignore" in said.out
    assert (tmp_path / "repo/sub/.gitignore").read_text() == "*.tmp\n/sync.local.yaml\n"
    assert here.run("init", "repo/sub/other.yaml", "--json").json["data"]["gitignore"] is not None
    assert (tmp_path / "repo/sub/.gitignore").read_text().endswith("/other.local.yaml\n")
    (tmp_path / "repo/sub/sync.yaml").unlink()
    assert here.run("init", "repo/sub", "--json").json["data"]["gitignore"] is None


def test_init_follows_no_link_and_says_what_it_could_not_write(tmp_path: Path) -> None:
    here = World(tmp_path)
    here.write("repo/.git/HEAD", "ref: refs/heads/main\n")
    here.write("outside", "mine\n")
    (tmp_path / "repo/.gitignore").symlink_to(tmp_path / "outside")
    said = here.run("init", "repo")
    assert said.code == 0
    assert "add sync.local.yaml to repo/.gitignore yourself" in said.out
    assert (tmp_path / "outside").read_text() == "mine\n"
    assert (tmp_path / "repo/sync.yaml").exists()


def guide_files() -> dict[str, str]:
    """Return the files that the guide shows: blocks of YAML whose first line names a file."""
    blocks = re.findall(
        r"^```yaml\n# (\S+\.yaml)[^\n]*\n(.*?)^```",
        GUIDE.read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return dict(blocks)


def test_the_files_of_the_guide_are_one_valid_manifest(tmp_path: Path) -> None:
    made = World(tmp_path)
    found = guide_files()
    assert {"sync.yaml", "team/base.yaml", "sync.local.yaml"} <= set(found)
    for path, text in found.items():
        made.write(path, text)
    said = made.run("validate")
    assert (said.code, said.err) == (0, ""), said.out
    assert said.out.endswith("no error\n")
    assert "warning" not in said.out


def test_a_plain_world_is_as_before(tmp_path: Path) -> None:
    made = world(tmp_path)
    assert made.run("apply", "--yes").code == 0
    assert made.run("plan", "--exit-code").code == 0


def test_warnings_are_told_by_plan_each_time_and_by_others_while_the_manifest_is_new(
    here: World,
) -> None:
    own = OWN + "filters: {mine: {ignore_files: [~/.basic-memory/.bmignore]}}\n"
    here.write("sync.yaml", own)
    told = [
        "BMS028" in here.run(*words).err
        for words in (("apply",), ("apply",), ("status",), ("plan",), ("apply", "--set", "top=b"))
    ]
    assert told == [True, False, False, True, True]
    here.write("sync.yaml", own.replace("{mine:", "{ours:"))
    assert "BMS028" in here.run("status").err
    assert "BMS028" in here.run("validate").out
