"""`bm-sync report` from outside: real runs, then what it prints and writes."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from cli_outside import World, world
from jsonschema import Draft7Validator

from bm_sync.paths import schema_file

FAR = """\
version: 1
remotes:
  far: {type: webdav, options: {url: "http://127.0.0.1:9"}}
  shelf: {type: local, root: ./cloud}
defaults: {remote: shelf, policy: once}
policies: {once: {retry: {attempts: 1}}}
projects:
  notes: {local: ./notes, remote: far}
  work log: {local: ./work}
"""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with a run that synced, one that was quiet, one that was stopped, and drift."""
    here = world(tmp_path_factory.mktemp("lived"))
    assert [here.run("apply").code for _ in range(2)] == [0, 0]
    for name in ("a.md", "b c.md", "daily/d.md"):
        (here.root / "notes" / name).unlink()
    assert here.run("apply", "notes").code == 3
    here.write("work/new.md", "new\n")
    return here


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def slips(value: object) -> list[str]:
    schema = json.loads(schema_file("report").read_text())
    return [error.message for error in Draft7Validator(schema).iter_errors(value)]


def test_the_figures_fit_the_schema_and_are_those_of_the_history(lived: World) -> None:
    report = lived.run("report", "--json").json["data"]
    assert slips(report) == []
    assert slips({**report, "surplus": 1}) != []
    history = lived.run("history", "--json").json["data"]
    assert [run["id"] for run in report["runs"]] == [run["id"] for run in history]
    assert report["endings"] == {
        "interrupted": 0,
        "partial": 0,
        **dict.fromkeys(("skipped", "waiting", "unfinished", "failed"), 0),
        "in_sync": 1,
        "changed": 1,
        "stopped": 0,
        "side_missing": 1,
    }
    notes, work = report["projects"]
    assert "3 of 3 files on shelf:notes would go, the limit is 2" in notes["drift"]["stops"]
    assert (work["drift"]["in_sync"], work["drift"]["totals"]["up"]) == (False, 1)
    assert notes["now"] == lived.run("status", "notes", "--json").json["data"][0]
    printed = json.loads(lived.run("report", "--format", "json").out)
    assert {**printed, "until": 0, "since": 0} == {**report, "until": 0, "since": 0}


def test_names_tags_and_times_choose(lived: World) -> None:
    for words in (["work log"], ["w*"], ["sync.yaml", "work log"]):
        report = lived.run("report", *words, "--json").json["data"]
        assert [p["now"]["project"] for p in report["projects"]] == ["work log"]
        assert len(report["runs"]) == 2
    tagged = lived.run("report", "--tag", "daily", "--json").json["data"]
    assert [p["now"]["project"] for p in tagged["projects"]] == ["notes"]
    assert lived.run("report", "--since", "0s", "--json").json["data"]["runs"] == []
    assert len(lived.run("report", "--since", "999999999d", "--json").json["data"]["runs"]) == 3
    refused = lived.run("report", "--since", "lately")
    assert (refused.code, "'lately' is no time such as 2h" in refused.err) == (2, True)


def test_text_and_markdown_name_what_stops_a_project(lived: World) -> None:
    for form in ("text", "markdown"):
        said = lived.run("report", "--format", form)
        assert (said.code, said.err) == (0, "")
        assert "0 of 2 projects in sync: 1 in trouble, 1 with something to move" in said.out
        assert "would go, the limit is 2" in said.out


def test_a_report_changes_nothing(lived: World) -> None:
    state = lived.root / ".local/state/bm-sync"
    before = {file: file.read_bytes() for file in state.rglob("*") if file.is_file()}
    assert lived.run("report").code == 0
    assert {file: file.read_bytes() for file in state.rglob("*") if file.is_file()} == before


def test_without_drift_nothing_is_listed(lived: World) -> None:
    report = lived.run("report", "--no-drift", "--json").json["data"]
    assert report["no_drift"] == "no plan was asked for"
    assert [project["drift"] for project in report["projects"]] == [None, None]
    assert "no plan was asked for" in lived.run("report", "--no-drift", "--html", "-").out


def test_the_page_is_private_is_replaced_and_keeps_the_mode_it_was_given(here: World) -> None:
    said = here.run("report", "--html", "page.html")
    assert said.out.startswith("written: page.html (")
    file = here.root / "page.html"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "No run is recorded in this time" in file.read_text("utf-8")
    assert here.run("apply").code == 0
    file.chmod(0o644)
    assert here.run("report", "-q", "--html", "page.html").out == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert "No run is recorded" not in file.read_text("utf-8")
    assert [path.name for path in here.root.glob("*report*")] == []
    printed = here.run("report", "--html", "-").out
    assert printed.startswith("<!doctype html>\n<html")
    assert here.run("report", "--html", "page.html", "--json").json["data"]["kind"] == "report"


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("sync.yaml", "is there and is not a page of bm-sync; it is not replaced"),
        ("notes", "is there and is not a page of bm-sync; it is not replaced"),
        ("link.html", "is a symbolic link"),
        ("gone/page.html", "No such file or directory"),
        ("sync.yaml/page.html", "Not a directory"),
    ],
)
def test_what_is_no_page_is_never_replaced_and_no_link_is_followed(
    here: World, target: str, why: str
) -> None:
    here.write("page.html", "mine\n")
    (here.root / "link.html").symlink_to("page.html")
    manifest = (here.root / "sync.yaml").read_text()
    said = here.run("report", "--html", target)
    assert said.code == 2
    assert why in said.err
    assert (here.root / "page.html").read_text() == "mine\n"
    assert (here.root / "sync.yaml").read_text() == manifest


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link away")
def test_a_folder_that_another_user_linked_is_not_written_to(here: World) -> None:
    (here.root / "real").mkdir()
    (here.root / "out").symlink_to("real")
    assert here.run("report", "--html", "out/page.html").code == 0
    os.chown(here.root / "out", 12345, 12345, follow_symlinks=False)
    said = here.run("report", "--html", "out/other.html")
    assert (said.code, "is a symbolic link of another user" in said.err) == (2, True)
    assert not (here.root / "real/other.html").exists()


def test_forms_that_exclude_each_other_are_refused(here: World) -> None:
    for words in (("--html", "x.html", "--format", "json"), ("--html", "-", "--json")):
        assert here.run("report", *words).code == 2


def test_a_project_or_an_rclone_that_cannot_be_reached_fails_no_report(here: World) -> None:
    here.write("sync.yaml", FAR)
    said = here.run("report", "--html", "page.html", "--json")
    assert said.code == 0
    notes, work = said.json["data"]["projects"]
    assert "refuses the connection" in notes["drift"]["failure"]
    assert work["drift"]["failure"] is None
    assert "refuses the connection" in (here.root / "page.html").read_text("utf-8")
    gone = here.run("--rclone", "/nowhere/rclone", "report", "--json").json["data"]
    assert "/nowhere/rclone" in gone["no_drift"]
    assert slips(gone) == []
