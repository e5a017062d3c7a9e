"""Runs, projects and conflicts as they are remembered, and their JSON form."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from bm_sync.errors import UsageError
from bm_sync.model.config import Loser, Origin
from bm_sync.model.plan import Clash, Guard, Stop, Totals
from bm_sync.model.report import OpenConflict
from bm_sync.model.run import (
    ActionEnded,
    Done,
    Event,
    Outcome,
    ProjectEnded,
    ProjectRun,
    ProjectStarted,
    Retrying,
    Run,
    Status,
    Transferring,
    Waiting,
)
from bm_sync.model.tree import FileStamp, ObjectStamp, Problem, ProblemKind, Side
from bm_sync.paths import schema_file
from bm_sync.state.store import State
from bm_sync.state.values import Change
from bm_sync.state.wire import event_to_json, run_from_json, run_to_json
from bm_sync.structs import replace

KEY = "a" * 64
ODD = os.fsdecode(b"caf\xe9 \n.md")

DONE = Done("copy", ODD, Side.LOCAL, 5, "new", Outcome.DONE, None, f"/x/.bm-sync/trash/{ODD}")
PROJECT = ProjectRun(
    project="notes",
    key=KEY,
    status=Status.PARTIAL,
    started="2026-11-22T07:15:01Z",
    seconds=1.5,
    totals=Totals(up=1, bytes_up=5),
    actions=(DONE, Done("adopt", "b.md", None, 0, "equal on both sides", Outcome.FAILED, "why")),
    clashes=(
        Clash("c.md", None, None, None, FileStamp(1, 2, 3, 4), ObjectStamp(1, None, 2), "edited"),
        Clash("d.md", Side.LOCAL, Loser.COPY, "d.conflict.md", None, None, ODD),
    ),
    problems=(Problem(ODD, Side.REMOTE, ProblemKind.NAME, "too long", silent_alone=True),),
    stops=(Stop(Guard.MAX_DELETE, Side.LOCAL, "many", ("x",), "delete=1", Origin("s.yaml", 3)),),
    retries=2,
    message=f"about {ODD}",
    hint="look",
    exit=1,
    files=10,
    bytes=1000,
)
QUIET = ProjectRun("work", "b" * 64, Status.IN_SYNC, "2026-11-22T07:15:02Z", 0.1, files=3)
RUN = Run(
    id="20261122T071500Z-3f9a",
    command="bm-sync apply",
    started="2026-11-22T07:15:00Z",
    ended="2026-11-22T07:15:09Z",
    host="laptop",
    manifest=f"/home/{ODD}/sync.yaml",
    plan_digest="d" * 64,
    exit=1,
    projects=(PROJECT, QUIET),
    log="/log",
)


def begun(run: Run = RUN) -> Run:
    return replace(run, ended="", exit=-1, projects=(), log=None)


def write(state: State, run: Run = RUN) -> None:
    state.begin_run(run)
    for project in run.projects:
        state.end_project(run.id, project, local=f"~/{project.project}", remote="cloud:x")
    state.end_run(run)


def test_a_run_comes_back_with_every_action(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        write(state)
    with State.peek(tmp_path / "state") as state:
        assert state.run(RUN.id) == RUN
        assert state.run("20261122") == RUN
        assert state.run("2027") is None
        assert state.run("") is None


def test_the_list_of_runs_is_newest_first_and_without_actions(tmp_path: Path) -> None:
    later = replace(RUN, id="20261123T071500Z-0000", projects=(QUIET,))
    with State.open(tmp_path / "state") as state:
        write(state)
        write(state, later)
        assert [run.id for run in state.runs()] == [later.id, RUN.id]
        assert state.runs(limit=1) == (later,)
        (of_notes,) = state.runs(project="notes")
        assert of_notes.projects == (replace(PROJECT, actions=()),)
        assert state.runs(project="unknown") == ()


def test_a_prefix_that_several_runs_have_is_refused_with_the_newest(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        write(state)
        write(state, replace(RUN, id=RUN.id + "b"))
        assert state.run(RUN.id) == RUN
        with pytest.raises(UsageError, match="2 runs") as refused:
            state.run("2026")
    assert RUN.id + "b" in (refused.value.hint or "")


def test_a_run_that_did_not_end_is_told_apart(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        state.begin_run(RUN)
        state.end_project(RUN.id, PROJECT)
        with State.peek(tmp_path / "state") as other:
            assert other.run(RUN.id) == replace(begun(), projects=(PROJECT,))


def test_quiet_projects_are_written_together_at_the_end(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        state.begin_run(RUN)
        before = (tmp_path / "state" / "state.db").stat().st_mtime_ns
        for n in range(50):
            state.end_project(RUN.id, replace(QUIET, project=f"p{n}", key=f"{n:064}"))
        assert (tmp_path / "state" / "state.db").stat().st_mtime_ns == before
        state.end_run(replace(RUN, projects=()))
        assert len(state.runs()[0].projects) == 50


def test_quiet_projects_are_written_when_the_state_is_closed_early(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        state.begin_run(RUN)
        state.end_project(RUN.id, QUIET)
    with State.peek(tmp_path / "state") as state:
        assert state.run(RUN.id) == replace(begun(), projects=(QUIET,))


def test_the_end_of_a_run_writes_projects_that_were_not_written(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        state.begin_run(RUN)
        state.end_run(RUN)
        assert state.run(RUN.id) == RUN


def test_projects_are_listed_with_their_last_run(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        state.record(KEY, Change("notes", device=1))
        write(state)
        notes, work = state.projects()
    assert (notes.name, notes.local, notes.remote) == ("notes", "~/notes", "cloud:x")
    assert (notes.status, notes.converged, notes.last_run) == ("partial", None, RUN.id)
    assert (notes.files, notes.bytes, notes.message) == (10, 1000, f"about {ODD}")
    assert (work.status, work.converged) == ("in-sync", QUIET.started)


def test_the_time_of_the_last_good_run_survives_a_bad_one(tmp_path: Path) -> None:
    bad = replace(QUIET, status=Status.FAILED, started="2026-11-23T00:00:00Z")
    with State.open(tmp_path / "state") as state:
        write(state, replace(RUN, projects=(QUIET,)))
        write(state, replace(RUN, id="20261123T000000Z-0000", projects=(bad,)))
        (work,) = state.projects()
    assert (work.converged, work.last_time) == (QUIET.started, bad.started)


def test_a_run_that_could_not_look_leaves_the_figures_of_the_one_before(tmp_path: Path) -> None:
    offline = replace(QUIET, status=Status.FAILED, files=0, bytes=0, exit=1)
    emptied = replace(QUIET, files=0, bytes=0)
    with State.open(tmp_path / "state") as state:
        write(state, replace(RUN, projects=(QUIET,)))
        write(state, replace(RUN, id="20261123T000000Z-00", projects=(offline,)))
        assert [seen.files for seen in state.projects()] == [QUIET.files]
        write(state, replace(RUN, id="20261124T000000Z-00", projects=(emptied,)))
        assert [seen.files for seen in state.projects()] == [0]


@pytest.mark.parametrize("number", [3, 60])
def test_what_monitors_are_told_costs_as_many_statements_for_many_projects(
    tmp_path: Path, number: int
) -> None:
    projects = tuple(
        replace(QUIET, project=f"p{n}", key=f"{n:032x}", exit=n % 2) for n in range(number)
    )
    statements: list[str] = []
    with State.open(tmp_path / "state") as state:
        write(state, replace(RUN, projects=projects))
        state.put_conflicts(projects[1].key, (conflict("a.md"), conflict("b.md")))
        state._db._connection.set_trace_callback(statements.append)
        assert state.last_exits() == {p.key: p.exit for p in projects}
        assert state.conflict_counts() == {projects[1].key: 2}
        state._db._connection.set_trace_callback(None)
    assert len(statements) == 7, statements


def test_a_renamed_project_keeps_its_memory_and_shows_its_new_name(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        state.record(KEY, Change("old", device=1))
        write(state, replace(RUN, projects=(replace(PROJECT, project="new"),)))
        assert [seen.name for seen in state.projects()] == ["new"]
        assert state.project(KEY).baseline.known


def test_a_forgotten_project_is_gone_but_for_its_runs(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        write(state)
        state.put_conflicts(KEY, (conflict("a.md"),))
        state.forget(KEY)
        assert [seen.name for seen in state.projects()] == ["work"]
        assert state.conflicts(KEY) == ()
        assert state.run(RUN.id) == RUN


R1, R2 = "20261122T071500Z-aa", "20261123T071500Z-aa"


def conflict(path: str, kept: str | None = None, run: str = R1) -> OpenConflict:
    since = f"2026-11-{run[6:8]}T07:15:00Z"
    return OpenConflict("notes", path, kept, Side.LOCAL, run, since, "edited twice")


def test_conflicts_are_replaced_and_keep_when_they_were_first_met(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        state.put_conflicts(KEY, (conflict(ODD), conflict("b.md"), conflict("c.md", "c2")))
        now = (conflict("b.md", run=R2), conflict(ODD, run=R2), conflict("c.md", "c3", R2))
        state.put_conflicts(KEY, now)
        assert state.conflicts("b" * 64) == ()
        found = {c.path: c for c in state.conflicts(KEY)}
    assert set(found) == {ODD, "b.md", "c.md"}
    assert found["b.md"].since == "2026-11-22T07:15:00Z"
    assert found[ODD].run == R1
    assert found["c.md"].run == R2
    with State.open(tmp_path / "state") as state:
        state.put_conflicts(KEY, ())
        assert state.conflicts(KEY) == ()


def test_conflicts_without_news_write_nothing(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        state.put_conflicts(KEY, (conflict("a.md"),))
        before = (tmp_path / "state" / "state.db").stat().st_mtime_ns
        state.put_conflicts(KEY, (conflict("a.md", run=R2),))
        assert (tmp_path / "state" / "state.db").stat().st_mtime_ns == before


def validator(name: str) -> Draft7Validator:
    schema = json.loads(schema_file(name).read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


EVENTS: list[Event] = [
    ProjectStarted("notes", 1, 2),
    Transferring("notes", 1, 2, 3.5),
    ActionEnded("notes", DONE),
    Retrying("notes", 1, 5, 0.5, "timeout"),
    Waiting("notes", "project notes is held by process 4711 on laptop"),
    ProjectEnded(PROJECT),
]


@pytest.mark.parametrize("run", [RUN, begun()])
def test_a_run_in_json_fits_its_schema_and_comes_back(run: Run) -> None:
    text = json.dumps(run_to_json(run))
    assert text.isascii()
    validator("run").validate(json.loads(text))
    assert run_from_json(json.loads(text)) == run


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_in_json_fits_its_schema(event: Event) -> None:
    validator("event").validate(json.loads(json.dumps(event_to_json(event))))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: run.pop("id"),
        lambda run: run.update(version=2),
        lambda run: run.update(kind="plan"),
        lambda run: run.update(exit="1"),
        lambda run: run.update(projects={}),
        lambda run: run["projects"][0].update(status="fine"),
        lambda run: run["projects"][0]["actions"][0].update(side="middle"),
        lambda run: run["projects"][0]["clashes"][0].update(local={"size": 1}),
        lambda run: run["projects"][0]["problems"].append("x"),
    ],
)
def test_json_that_is_no_run_is_refused(spoil: object) -> None:
    value = json.loads(json.dumps(run_to_json(RUN)))
    assert callable(spoil)
    spoil(value)
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is said, it is one class
        run_from_json(value)
    assert not validator("run").is_valid(value)


def test_both_schemas_describe_a_project_alike() -> None:
    run, event = (json.loads(schema_file(name).read_text()) for name in ("run", "event"))
    assert event["definitions"] == run["definitions"]


def test_the_schemas_name_every_word_of_the_model() -> None:
    defs = json.loads(schema_file("run").read_text())["definitions"]
    assert defs["project"]["properties"]["status"]["enum"] == [s.value for s in Status]
    assert defs["done"]["properties"]["outcome"]["enum"] == [o.value for o in Outcome]
    assert defs["stop"]["properties"]["guard"]["enum"] == [g.value for g in Guard]
    assert defs["problem"]["properties"]["kind"]["enum"] == [k.value for k in ProblemKind]


@pytest.mark.parametrize("name", ["run", "event", "envelope"])
def test_every_key_of_a_schema_is_described(name: str) -> None:
    schema = json.loads(schema_file(name).read_text())
    plain = [schema, *schema.get("definitions", {}).values()]
    plain += [branch for one in list(plain) for branch in one.get("oneOf", [])]
    for described in plain:
        for key, value in described.get("properties", {}).items():
            assert value.get("description") or "$ref" in value or "const" in value, key
