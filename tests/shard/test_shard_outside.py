"""`--shard` from outside: the shards of a manifest do together what one run would do."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_outside import World

from bm_sync.model.shard import owner

NAMES = tuple(f"project-{n}" for n in range(9))
COUNT = 3
DECLARED = "\n".join(f"  {name}: {{local: ./{name}}}" for name in NAMES)
MANIFEST = f"""\
version: 1
remotes: {{shelf: {{type: local, root: ./cloud}}}}
defaults: {{remote: shelf}}
projects:
{DECLARED}
"""


@pytest.fixture
def here(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write("sync.yaml", MANIFEST)
    for name in NAMES:
        made.write(f"{name}/a.md", name)
    return made


def owned(index: int) -> set[str]:
    return {name for name in NAMES if owner(name, COUNT) == index}


def reached(world: World) -> set[str]:
    return {path.split("/")[0] for path in world.files("cloud")}


def test_each_shard_syncs_its_projects_and_all_of_them_sync_all(here: World) -> None:
    done: set[str] = set()
    for index in range(COUNT):
        said = here.run("apply", "--yes", "--shard", f"{index}/{COUNT}", "--json")
        assert said.code == 0
        assert {p["project"] for p in said.json["data"]["projects"]} == owned(index)
        done |= owned(index)
        assert reached(here) == done
    assert done == set(NAMES)
    assert here.run("plan", "--exit-code").code == 0


@pytest.mark.parametrize("command", ["plan", "check", "status"])
def test_commands_that_look_are_about_the_shard_too(command: str, here: World) -> None:
    here.run("apply", "--yes")
    data = here.run(command, "--shard", f"1/{COUNT}", "--json").json["data"]
    rows = data["projects"] if command == "plan" else data
    told = {row["project"] for row in rows if not row.get("elsewhere")}
    assert told == owned(1)


def test_a_job_system_names_the_shard_and_the_option_is_stronger(here: World) -> None:
    job = {"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": str(COUNT)}
    assert here.run("apply", "--yes", **job).code == 0
    assert reached(here) == owned(2)
    assert here.run("apply", "--yes", "--shard", f"0/{COUNT}", **job).code == 0
    assert reached(here) == owned(2) | owned(0)


def test_a_count_alone_names_no_shard(here: World) -> None:
    assert here.run("apply", "--yes", JOB_COMPLETIONS="3").code == 0
    assert reached(here) == set(NAMES)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"JOB_COMPLETION_INDEX": "1"}, ("of how many?", "set JOB_COMPLETIONS to")),
        ({"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "3"}, ("no shard 3 of 3", "0 to 2")),
        ({"JOB_COMPLETION_INDEX": "x", "JOB_COMPLETIONS": "3"}, ("'x/3' is no shard",)),
    ],
)
def test_a_job_that_names_no_shard_touches_nothing(
    job: dict[str, str], words: tuple[str, ...], here: World
) -> None:
    said = here.run("apply", "--yes", **job)
    assert said.code == 2
    assert all(word in said.err for word in words), said.err
    assert reached(here) == set()


def test_a_slip_in_the_option_is_a_usage_error(here: World) -> None:
    said = here.run("apply", "--yes", "--shard", "3/3")
    assert said.code == 2
    assert "there is no shard 3 of 3: they are 0 to 2" in said.err


def test_a_named_project_of_another_shard_is_told_and_not_touched(here: World) -> None:
    index = (owner(NAMES[0], COUNT) + 1) % COUNT
    said = here.run("apply", "--yes", NAMES[0], "--shard", f"{index}/{COUNT}")
    assert said.code == 0
    assert f"it belongs to shard {owner(NAMES[0], COUNT)}/{COUNT}" in said.err
    assert reached(here) == set()


def test_a_shard_without_projects_is_in_sync(here: World) -> None:
    empty = next(i for i in range(99) if all(owner(name, 99) != i for name in NAMES))
    assert here.run("apply", "--yes", "--shard", f"{empty}/99").code == 0


def test_a_plan_of_a_shard_is_saved_and_applied_whole_wherever(here: World) -> None:
    saved = here.run("plan", "--shard", f"1/{COUNT}")
    assert f"--shard 1/{COUNT} --out" in saved.out
    assert here.run("plan", "--shard", f"1/{COUNT}", "--out", "one.plan").code == 0
    job = {"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": str(COUNT)}
    assert here.run("apply", "--yes", "one.plan", **job).code == 0
    assert reached(here) == owned(1)
    assert here.run("apply", "--yes", "one.plan", "--shard", "0/3").code == 2
