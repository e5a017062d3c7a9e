"""The exit code and the envelope's errors of a plan, a run and a check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bm_sync.cli.answer import Failure
from bm_sync.cli.render.view import View
from bm_sync.errors import Exit, worst
from bm_sync.model.plan import Plan, ProjectPlan, Stop
from bm_sync.model.report import ProjectCheck
from bm_sync.model.run import Outcome, Run
from bm_sync.model.tree import Problem


def plan_exit(plan: Plan, *, pending: bool) -> Exit:
    """Return the code of a plan; with `pending` (`--exit-code`) 10 when all that is wrong is work.

    Without it the code is the one that an apply would end with, as far as it can be known before.
    """
    to_do = pending and any(not project.in_sync for project in plan.projects)
    return worst([plan.exit, *([Exit.PENDING] if to_do else [])])


def plan_failures(plan: Plan, view: View) -> tuple[Failure, ...]:
    """Return what keeps projects of a plan from being synced."""
    return tuple(failure for project in plan.projects for failure in _plan_failures(project, view))


def _plan_failures(project: ProjectPlan, view: View) -> Iterator[Failure]:
    if project.failure:
        yield Failure(project.failure, project.failure_hint, project=project.project)
    yield from _stops(project.project, project.stops, view)
    yield from _problems(project.project, project.problems)


def _problems(project: str, problems: Sequence[Problem]) -> Iterator[Failure]:
    for problem in problems:
        yield Failure(f"{problem.path}: {problem.what}", project=project)


def _stops(project: str, stops: Sequence[Stop], view: View) -> Iterator[Failure]:
    for stop in stops:
        accept = view.again(project, "--accept", stop.accept) if stop.accept else None
        yield Failure(stop.what, stop.hint or accept, project=project)


def run_failures(run: Run, view: View) -> tuple[Failure, ...]:
    """Return everything a run did not do."""
    return tuple(_run_failures(run, view))


def _run_failures(run: Run, view: View) -> Iterator[Failure]:
    for project in run.projects:
        name = project.project
        if project.message and project.exit:
            yield Failure(project.message, project.hint, project=name)
        yield from _stops(name, project.stops, view)
        yield from _problems(name, project.problems)
        for done in project.actions:
            if done.outcome is not Outcome.DONE:
                cause = done.detail or done.outcome.value
                yield Failure(f"{done.path}: {cause}", project=name)


def check_exit(checks: Sequence[ProjectCheck]) -> Exit:
    """Return 1 when anything differs, the code of a failure when it is more serious."""
    return worst([_check_code(check) for check in checks])


def _check_code(check: ProjectCheck) -> Exit:
    if check.failure:
        return Exit(check.exit or Exit.FAILED)
    loud = any(not problem.silent_alone for problem in check.problems)
    return Exit.FAILED if check.differences or loud else Exit.OK


def check_failures(checks: Sequence[ProjectCheck]) -> tuple[Failure, ...]:
    """Return the projects that could not be compared."""
    return tuple(
        Failure(check.failure, check.hint, project=check.project)
        for check in checks
        if check.failure
    )
