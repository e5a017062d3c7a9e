"""Every way to end is called the same by everything that tells of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cli_samples import VIEW

from bm_sync.cli.render.listing import history_text
from bm_sync.cli.render.report import failing, status_text
from bm_sync.cli.render.run import run_text, status_words
from bm_sync.cli.render.standing import Tone, ending_words, standing, tone
from bm_sync.engine.health import metrics_text
from bm_sync.engine.health import status_text as status_json
from bm_sync.engine.hooks_facts import moments
from bm_sync.engine.notices import Known, telling
from bm_sync.model.config import Placement
from bm_sync.model.hooks import Moment
from bm_sync.model.notices import Audience, News
from bm_sync.model.period import Endings, ProjectPeriod, RunEnding, WorkSums, ending_of
from bm_sync.model.report import ProjectStatus
from bm_sync.model.run import MEANINGS, ProjectRun, Run, Status
from bm_sync.state.wire import run_to_json
from bm_sync.structs import replace

STARTED = "2026-11-22T07:12:00Z"
EXITS = {Status.INTERRUPTED: 130, Status.LOCKED: 5, Status.SKIPPED: 75}
IN_A_SUM = {status: f"1 {meaning.counted}" for status, meaning in MEANINGS.items()}


def ended(status: Status) -> ProjectRun:
    code = EXITS.get(status, 0 if status.good else 3 if status.needs_person else 1)
    return ProjectRun("notes", "k", status, STARTED, 1.5, message="why", exit=code)


def run(status: Status) -> Run:
    project = ended(status)
    return Run(
        "20261122T071200Z-1", "apply", STARTED, STARTED, "h", "/m", "", project.exit, (project,)
    )


def row(status: Status) -> ProjectStatus:
    where = ("notes", Placement.SYNCED, "k", "~/notes", "cloud:notes", "two-way")
    return ProjectStatus(*where, "r", STARTED, status.value, None, 0, 0, 0, "why")


def period(status: Status) -> ProjectPeriod:
    return ProjectPeriod(row(status), Endings(), WorkSums(), None, ())


@pytest.mark.parametrize("status", Status)
def test_the_run_the_status_the_history_and_the_report_say_the_same(status: Status) -> None:
    words, means = status_words(status), status.means
    assert words.lower() == means.words
    assert f"notes  {words}" in run_text(run(status), VIEW)
    assert f"; {IN_A_SUM[status]}" in run_text(run(status), VIEW)
    assert f" {words} " in status_text([row(status)], VIEW)
    assert status_text([row(status)], VIEW).endswith(f"1 project: {IN_A_SUM[status]}\n")
    assert f"  {words} " in history_text([run(status)], VIEW)
    assert standing(period(status)).words == means.words
    assert f'"status": "{status.value}"' in json.dumps(run_to_json(run(status)))
    assert f'"result": "{status.value}"' in status_json(run(status), [row(status)])
    exits = {"notes": ended(status).exit}
    figures = metrics_text(run(status), [row(status)], exits)
    line = f'bm_sync_project_last_run_exit{{project="notes"}} {ended(status).exit}'
    assert line in figures.splitlines()


@pytest.mark.parametrize("status", Status)
def test_failed_means_failed_everywhere(status: Status) -> None:
    """What is bad is told as an error; what waits as a stop; the rest as neither."""
    called = moments([ended(status)])
    assert (Moment.ON_ERROR in called) is status.bad
    assert (Moment.ON_STOP in called) is status.needs_person
    audience = Audience(tuple(News))
    now = datetime(2026, 11, 22, tzinfo=UTC)
    told = telling(audience, [Known("notes", "k", (), ended(status), None)], {}, now).items
    kinds = {item.news for item in told}
    assert kinds == ({News.ERROR} if status.bad else {News.STOP} if status.needs_person else set())
    assert failing(row(status)) is not (status.good or status.idle)
    failed = {Status.FAILED, Status.REFUSED}
    assert (ending_of(status) is RunEnding.FAILED) is (status in failed)
    assert ("fail" in ending_words(ending_of(status))) is (status in failed)
    assert (tone(ending_of(status)) is Tone.GOOD) is status.good
    assert sum((status.good, status.bad, status.needs_person, status.idle)) == (
        0 if status is Status.INTERRUPTED else 1
    )


@pytest.mark.parametrize("status", Status)
def test_only_what_waits_for_a_person_is_said_to_wait(status: Status) -> None:
    waits = status is Status.WAITING
    assert ("wait" in ending_words(ending_of(status))) is waits
    assert ("wait" in status_words(status)) is waits
    assert (ending_of(status) is RunEnding.WAITING) is waits


def test_a_project_with_one_side_is_not_counted_as_never_synced() -> None:
    alone = [
        replace(row(Status.FAILED), placement=placement, result=None, last_run=None)
        for placement in Placement
    ]
    said = status_text(alone, VIEW)
    assert said.endswith("3 projects: 1 never synced, 1 cloud-only, 1 local-only\n"), said
