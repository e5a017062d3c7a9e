from __future__ import annotations

from cli_samples import ARCHIVE, FAILED, NOTES, PROBLEMS, RESEARCH, RUN, VIEW, plan

from bm_sync.cli.verdict import check_exit, plan_exit, plan_failures, run_failures
from bm_sync.errors import Exit
from bm_sync.model.plan import Clash
from bm_sync.model.report import Difference, ProjectCheck
from bm_sync.model.tree import Problem, ProblemKind, Side
from bm_sync.structs import replace


def test_a_plan_exits_0_or_with_exit_code_10_when_there_is_something_to_do() -> None:
    assert plan_exit(plan(NOTES, RESEARCH), pending=False) is Exit.OK
    assert plan_exit(plan(NOTES, RESEARCH), pending=True) is Exit.PENDING
    assert plan_exit(plan(RESEARCH), pending=True) is Exit.OK
    assert plan_exit(plan(PROBLEMS), pending=True) is Exit.FAILED


def test_a_stop_or_a_waiting_conflict_exits_3_and_a_failure_with_its_own_code() -> None:
    waits = replace(RESEARCH, clashes=(Clash("a", None, None, None, None, None, "waits"),))
    assert plan_exit(plan(RESEARCH, ARCHIVE), pending=True) is Exit.STOPPED
    assert plan_exit(plan(waits), pending=False) is Exit.STOPPED
    assert plan_exit(plan(ARCHIVE, FAILED), pending=False) is Exit.FAILED
    lost = replace(FAILED, failure_exit=int(Exit.RCLONE))
    assert plan_exit(plan(ARCHIVE, FAILED, lost), pending=False) is Exit.RCLONE


def test_the_errors_of_a_plan_name_the_project_and_the_command() -> None:
    stop, failure = plan_failures(plan(RESEARCH, ARCHIVE, FAILED), VIEW)
    assert stop.project == "archive"
    assert stop.hint == "bm-sync apply archive --accept delete=148"
    assert (failure.project, failure.what) == ("far", FAILED.failure)


def test_everything_a_run_did_not_do_is_an_error() -> None:
    said = [(failure.project, failure.what) for failure in run_failures(RUN, VIEW)]
    assert said == [
        ("notes", "a b.md: 403 Forbidden: no write access"),
        ("notes", "busy.md: dropped"),
        ("archive", ARCHIVE.stops[0].what),
        ("far", "another run holds far: process 4711 on laptop since 07:10"),
    ]


def test_check_exits_1_when_anything_differs_or_cannot_be_read() -> None:
    equal = ProjectCheck("a", 1, 1, 1, ())
    skipped = Problem("link", Side.LOCAL, ProblemKind.SYMLINK, "a link", silent_alone=True)
    assert check_exit([equal, replace(equal, problems=(skipped,))]) is Exit.OK
    assert check_exit([replace(equal, problems=PROBLEMS.problems)]) is Exit.FAILED
    assert check_exit([equal, replace(equal, differences=(Difference("a", "x"),))]) is Exit.FAILED
    assert check_exit([replace(equal, failure="gone", exit=6)]) is Exit.RCLONE
