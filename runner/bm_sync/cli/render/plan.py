"""A plan as a person reads it.

A line for each project, what needs a word, the files, the total, the next command.
"""

from __future__ import annotations

from collections.abc import Sequence

from bm_sync.cli.render.counts import cells, in_words, moved_bytes, packed, together
from bm_sync.cli.render.files import action_row, capped
from bm_sync.cli.render.groups import (
    Block,
    clash_lines,
    commands,
    filter_lines,
    labelled,
    problem_lines,
    several,
    some,
    stop_lines,
    together_by_cause,
)
from bm_sync.cli.render.run import status_words
from bm_sync.cli.render.text import age, columns, count, escape, lines
from bm_sync.cli.render.view import View
from bm_sync.errors import Exit
from bm_sync.model.config import Direction, Mode
from bm_sync.model.plan import Plan, ProjectPlan, Wants
from bm_sync.model.run import Status, stopped_status

_GONE = 3  # projects that are not declared any more, each with its own lines


def plan_text(plan: Plan, view: View, *, following: str | None = None) -> str:
    """Return the whole plan; `following` is the last line, the command that comes next."""
    moving = not view.quiet or any(project.moves for project in plan.projects)
    last = ([total_line(plan)] if moving else []) + ([following] if following else [])
    shown = [p for p in plan.projects if not (view.quiet and p.in_sync)]
    lined = [p for p in shown if not (view.quiet and p.failure)]  # their block says it all
    return lines(
        summary(lined, view),
        labelled(_blocks(shown, view)),
        [line for project in plan.projects for line in _files(project, view)],
        gone_lines(plan, view),
        last,
    )


def gone_lines(plan: Plan, view: View) -> list[str]:
    """Return what is said of projects that the manifest does not declare any more."""
    if view.quiet:
        return []
    said: list[str] = []
    for each in plan.undeclared[:_GONE]:
        where = f"{escape(each.local)} and {escape(each.remote)} are left as they are"
        said.append(
            f"project {escape(each.name)} is in the state but no longer in the manifest: {where}"
        )
        forget = view.command("reset", "--key", each.key)
        said += [f"  {line}" for line in commands([("forget it", forget)])]
    rest = len(plan.undeclared) - _GONE
    if rest > 0:
        more = count(rest, "more project is", "more projects are")
        said.append(f"{more} not in the manifest any more: {view.command('status')} lists them")
    return said


def saved_text(plan: Plan, view: View, file: str) -> str:
    """Return a plan that was read from `file`: who made it for which manifest, then the plan.

    All of it is what the file says; only applying it, or a dry run, holds it to a manifest.
    """
    made = f"{plan.author.user or 'somebody'} on {plan.author.host or 'some machine'}"
    head = [
        f"plan for {escape(plan.manifest)}",
        f"made by {escape(made)}, {age(plan.created, view.now)} ({plan.created})",
    ]
    asked = _asked(plan.wants)
    head += [f"made with {asked}"] if asked else []
    now = view.command("apply", file, "--dry-run")
    return f"{lines(head)}\n{plan_text(plan, view, following=f'what it would do now: {now}')}"


def _asked(wants: Wants) -> str:
    words = []
    for name in wants.accept.__struct_fields__:
        match getattr(wants.accept, name):
            case None | False:
                pass
            case True:
                words.append(name)
            case tuple() as folders:
                words += [f"device={escape(folder)}" for folder in folders]
            case figure:
                words.append(f"{name}={figure}")
    said = [f"--accept {','.join(words)}"] if words else []
    return " ".join(said + (["--keep-deleted"] if wants.keep_deleted else []))


def summary(projects: Sequence[ProjectPlan], view: View) -> list[str]:
    """Return one aligned line for each project."""
    counts = packed([cells(project.totals) for project in projects])
    rows = [
        (
            name_words(project),
            project.mode.value,
            escape(project.local),
            arrow(project.mode, project.direction),
            escape(project.remote),
            shown or _without_moves(project),
            moved_bytes(project.totals),
        )
        for project, shown in zip(projects, counts, strict=True)
    ]
    aligned = columns(rows, "<<<<<<>")
    edge = max((len(line) for line in aligned), default=0)
    return [
        f"{line.ljust(edge)}   {view.paint(mark, 'red')}" if (mark := flag(project)) else line
        for line, project in zip(aligned, projects, strict=True)
    ]


def name_words(project: ProjectPlan) -> str:
    """Return the name of a project, and what it was when it takes the memory of that."""
    was = f" (was {escape(project.was)})" if project.was else ""
    return f"{escape(project.project)}{was}"


def arrow(mode: Mode, direction: Direction) -> str:
    """Return which way files go, in three cells."""
    if mode is Mode.TWO_WAY:
        return "<->"
    up = mode is Mode.PUSH or (mode is Mode.MIRROR and direction is Direction.UP)
    return " ->" if up else "<- "


def _without_moves(project: ProjectPlan) -> str:
    if project.in_sync:
        return "in sync"
    return "" if project.stops or project.failure else "nothing to move"


def flag(project: ProjectPlan) -> str:
    """Return the word that stands out behind a project, or nothing."""
    if project.failure:
        return "FAILED"
    return status_words(stopped_status(project.stops)) if project.stops else ""


def _blocks(projects: Sequence[ProjectPlan], view: View) -> list[Block]:
    """Return what needs a word about the projects; a failure that several share is told once."""
    causes = [(p.project, (p.failure, p.failure_hint) if p.failure else None) for p in projects]
    shared = together_by_cause(causes)
    blocks: list[Block] = []
    for project in projects:
        names = shared.get(project.project)
        if names is None or names[0] == project.project:
            block = project_words(project, view)
            if block is not None:
                more = [some(names)] if names else []
                blocks.append((several(names) if names else block[0], [*block[1], *more]))
    return blocks


def project_words(project: ProjectPlan, view: View) -> Block | None:
    """Return what needs a word about a project, None when its counts say all."""
    said: list[str] = []
    if project.failure:
        said.append(f"{view.paint('no plan', 'red')}: {escape(project.failure)}")
    if project.failure_hint:
        said.append(escape(project.failure_hint))
    if project.stops:
        said += stop_lines(project.project, project.stops, view)
    said += clash_lines(project.project, project.clashes, view, recorded=False)
    said += problem_lines(project.project, project.problems, view)
    said += filter_lines(project.project, project.filter_change, view)
    said += [escape(note) for note in project.notes]
    return (project.project, said) if said else None


def _files(project: ProjectPlan, view: View) -> list[str]:
    if not project.moves:
        return []
    head = view.paint(f"{escape(project.project)}:", "bold")
    return [head, *capped([action_row(action) for action in project.moves], view.cap)]


def total_line(plan: Plan) -> str:
    """Return the last figures: what would move in how many projects, and what would not."""
    projects = plan.projects
    if not projects:
        return "nothing to do: none of the projects is for this machine"
    moving = in_words(together([project.totals for project in projects]), done=False)
    quiet = sum(1 for project in projects if project.in_sync)
    said = f"{', '.join(moving)} in {count(len(projects), 'project')}"
    if not moving:
        word = "nothing to do" if plan.exit is Exit.OK else "nothing to move"
        said = f"{word}: {count(quiet, 'project')} in sync" if quiet else word
    problems = sum(len(project.problems) for project in projects)
    failed = sum(1 for project in projects if project.failure)
    stops = [stopped_status(p.stops) for p in projects if p.stops and not p.failure]
    stopped, missing = stops.count(Status.STOPPED), stops.count(Status.SIDE_MISSING)
    extra = [
        (problems, count(problems, "path") + " left alone"),
        (stopped, count(stopped, "project") + " stopped"),
        (missing, count(missing, "project") + " with a missing or empty side"),
        (failed, count(failed, "project") + " without a plan"),
        (len(plan.undeclared), count(len(plan.undeclared), "project") + " not declared any more"),
    ]
    return "; ".join([said] + [text for number, text in extra if number])
