"""What monitors read after a run: status.json, the figures for Prometheus, `status --max-age`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cli_outside import World, world
from jsonschema import Draft7Validator
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from bm_sync.engine.health import metrics_text
from bm_sync.model.config import Placement
from bm_sync.model.report import ProjectStatus
from bm_sync.model.run import Run
from bm_sync.paths import schema_file

STATUS = ".local/state/bm-sync/status.json"


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def figures(text: str) -> dict[tuple[str, str | None], float]:
    """Return every sample by its name and project, as both parsers read it."""
    read = [
        {
            (s.name, s.labels.get("project")): s.value
            for family in parser(text)
            for s in family.samples
        }
        for parser in (prometheus, openmetrics)
    ]
    assert read[0] == read[1]
    return read[0]


def test_every_run_leaves_how_all_projects_stand(here: World) -> None:
    assert here.run("apply", "notes").code == 0
    file = here.root / STATUS
    said = json.loads(file.read_text())
    schema = json.loads(schema_file("status").read_text())
    assert [e.message for e in Draft7Validator(schema).iter_errors(said)] == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (said["exit"], said["manifest"]) == (0, str(here.root / "sync.yaml"))
    assert said["run"] == here.run("history", "--json").json["data"][0]["id"]
    assert {p["project"]: p["result"] for p in said["projects"]} == {
        "notes": "changed",
        "work log": None,
    }
    assert said["projects"] == here.run("status", "--json").json["data"]
    (here.root / "work/w.md").unlink()
    (here.root / "work").rmdir()
    here.write("work", "no folder\n")
    code = here.run("apply").code
    again = json.loads(file.read_text())
    assert again["exit"] == code != 0
    assert again["projects"][0]["result"] == "in-sync"
    assert [path.name for path in file.parent.glob("*status*")] == ["status.json"]


def test_a_plan_leaves_nothing(here: World) -> None:
    assert here.run("plan").code == 0
    assert not (here.root / STATUS).exists()


def test_the_figures_are_those_of_the_status(here: World) -> None:
    assert here.run("apply", "notes", "--metrics", "bm.prom").code == 0
    file = here.root / "bm.prom"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    found = figures(file.read_text())
    (row, _) = here.run("status", "--json").json["data"]
    assert found["bm_sync_project_files", "notes"] == row["files"] == 3
    assert found["bm_sync_project_bytes", "notes"] == row["bytes"] > 0
    assert found["bm_sync_project_last_run_exit", "notes"] == 0
    assert found["bm_sync_project_conflicts", "notes"] == 0
    assert found["bm_sync_project_info", "work log"] == 1
    assert ("bm_sync_project_files", "work log") not in found
    begun = found["bm_sync_project_last_converged_timestamp_seconds", "notes"]
    assert begun == found["bm_sync_project_last_run_timestamp_seconds", "notes"]
    assert found["bm_sync_last_run_timestamp_seconds", None] >= begun
    assert found["bm_sync_last_run_exit", None] == 0


def test_the_manifest_names_the_file_and_other_projects_keep_their_figures(here: World) -> None:
    text = (here.root / "sync.yaml").read_text()
    here.write("sync.yaml", text.replace("projects:", "metrics: ./out/bm.prom\nprojects:"))
    (here.root / "out").mkdir()
    assert here.run("apply").code == 0
    for name in ("a.md", "b c.md", "daily/d.md"):
        (here.root / "notes" / name).unlink()
    assert here.run("apply", "notes").code == 3
    assert here.run("apply", "work log").code == 0
    found = figures((here.root / "out/bm.prom").read_text())
    assert found["bm_sync_project_last_run_exit", "notes"] == 3
    assert found["bm_sync_project_last_run_exit", "work log"] == 0
    assert found["bm_sync_last_run_exit", None] == 0


def test_figures_that_cannot_be_written_fail_no_run(here: World) -> None:
    text = (here.root / "sync.yaml").read_text()
    here.write("sync.yaml", text.replace("projects:", "metrics: ./gone/bm.prom\nprojects:"))
    said = here.run("apply", "-q")
    assert said.code == 0
    assert f"cannot write {here.root}/gone/bm.prom: No such file or directory" in said.err
    refused = here.run("apply", "--metrics", "gone/bm.prom")
    assert refused.code == 2
    assert "is no file in a folder that is there" in refused.err


def test_names_and_what_was_never_seen_make_no_figure_unreadable() -> None:
    odd = 'a "b" \\ c\nd \udce9'
    row = ProjectStatus(
        project=odd,
        placement=Placement.SYNCED,
        key="k",
        local=None,
        remote=None,
        mode="two-way",
        last_run="r",
        last_time="2026-11-22T07:15:00Z",
        result="failed",
        converged=None,
        files=1,
        bytes=2,
        conflicts=3,
    )
    run = Run("r", "apply", "2026-11-22T07:15:00Z", "2026-11-22T07:15:09Z", "h", "m", "d", 1, ())
    found = figures(metrics_text(run, (row,), {}))
    assert found["bm_sync_project_conflicts", 'a "b" \\ c\nd ?'] == 3
    assert found["bm_sync_last_run_duration_seconds", None] == 9
    assert not any("converged" in name for name, _ in found)


def test_a_project_that_was_in_sync_lately_is_not_overdue(here: World) -> None:
    assert here.run("apply").code == 0
    said = here.run("status", "--max-age", "2h", "-q")
    assert (said.code, said.out) == (0, "")
    assert "PROJECT" in here.run("status", "--max-age", "2h").out


def test_a_project_that_was_not_in_sync_for_too_long_is_told(here: World) -> None:
    assert here.run("apply", "notes").code == 0
    said = here.run("status", "--max-age", "2h", "-q")
    assert said.code == 1
    assert said.out.endswith("work log was never in sync\n")
    told = here.run("status", "--max-age", "2h", "--json").json
    assert told["errors"] == [
        {
            "what": "work log was never in sync",
            "hint": "bm-sync apply 'work log'",
            "project": "work log",
        }
    ]
    assert here.run("status", "notes", "--max-age", "2h").code == 0
    assert here.run("status", "notes", "--max-age", "0s").code == 1
    assert here.run("status", "--max-age", "soon").code == 2


def test_a_project_without_two_sides_is_never_overdue(here: World) -> None:
    here.write("sync.yaml", "version: 1\nprojects: {here: {local: ./notes, remote: null}}\n")
    assert here.run("status", "--max-age", "1s").code == 0


def test_a_project_of_another_machine_is_never_overdue(here: World) -> None:
    there = "{local: ./there, remote: shelf, hosts: [another-machine]}"
    here.write("sync.yaml", (here.root / "sync.yaml").read_text() + f"  there: {there}\n")
    assert here.run("apply").code == 0
    said = here.run("status", "--max-age", "2h")
    assert "there: not for this machine" in said.out
    assert (said.code, said.err) == (0, "")
