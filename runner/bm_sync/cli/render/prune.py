"""What `prune --ignored` would remove, and what it removed, as a person reads it."""

from __future__ import annotations

from bm_sync.cli.render.files import action_row, capped
from bm_sync.cli.render.groups import commands, labelled
from bm_sync.cli.render.text import count, escape, lines, size
from bm_sync.cli.render.view import View
from bm_sync.model.plan import Plan, ProjectPlan, Trash
from bm_sync.model.run import Outcome, ProjectRun, Run

_MOST = 20


def number_of_files(plan: Plan) -> int:
    """Return how many files a list holds: the figure that `--accept` names."""
    return sum(project.totals.delete_remote for project in plan.projects)


def list_text(plan: Plan, view: View, *, following: str | None = None) -> str:
    """Return every file that would go; `following` is the command that removes exactly these."""
    blocks = [_project(project, view) for project in plan.projects]
    last = [_total(plan)]
    if following is not None:
        last += commands([("remove exactly these", following)])
    return lines(*(block for block in blocks if block), last)


def _project(project: ProjectPlan, view: View) -> list[str]:
    name = view.paint(f"{project.project}:", "bold")
    if project.failure:
        said = [escape(text) for text in (project.failure, project.failure_hint) if text]
        return labelled([(project.project, said)])
    if not project.moves:
        return [f"{name} {escape(note)}" for note in project.notes]
    number = count(project.totals.delete_remote, "file")
    head = f"{name} {number} on {escape(project.remote)}, excluded by the filters"
    rules = [f"  {escape(note)}" for note in project.notes]
    return [head, *capped([action_row(action) for action in project.moves], view.cap), *rules]


def _total(plan: Plan) -> str:
    files = [
        action for project in plan.projects for action in project.moves if isinstance(action, Trash)
    ]
    if not files:
        return "nothing that the filters exclude lies on a remote"
    there = size(sum(action.size for action in files))
    return f"{count(len(files), 'file')}, {there}, would go into the trash on the remote"


def gone_text(run: Run, view: View) -> str:
    """Return what was removed, and each path that was left alone with its reason."""
    gone = sum(project.totals.delete_remote for project in run.projects)
    total = f"{count(gone, 'file')} moved into the trash on the remote"
    blocks = [(project.project, said) for project in run.projects if (said := _words(project))]
    return lines(labelled(blocks), [total, f"every file: {view.command('history', run.id)}"])


def _words(project: ProjectRun) -> list[str]:
    said = [escape(text) for text in (project.message, project.hint) if text]
    left = [done for done in project.actions if done.outcome is not Outcome.DONE]
    said += [
        f"left alone: {escape(done.path)}: {escape(done.detail or 'not reached')}"
        for done in left[:_MOST]
    ]
    rest = len(left) - _MOST
    return said + ([f"… and {rest:,} more left alone"] if rest > 0 else [])
