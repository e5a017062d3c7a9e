"""What `import` wrote, what it left out, and what the first run would do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bm_sync.cli.render.groups import commands
from bm_sync.cli.render.plan import plan_text
from bm_sync.cli.render.text import columns, count, escape, lines
from bm_sync.cli.render.view import View
from bm_sync.errors import Exit
from bm_sync.manifest.adopt.proposal import Proposal
from bm_sync.model.config import Placement
from bm_sync.model.learnt import Learnt, Since
from bm_sync.model.plan import Plan

_MOST = 20


def learnt_text(learnt: Learnt, view: View) -> str:
    """Return the counts, what happened since, and what was not believed."""
    head = f"{learnt.project}: remembers {count(len(learnt.files), 'file')} of the last bisync"
    said = [head + (", in place of what it remembered before" if learnt.replaced else "")]
    said += [f"  from {escape(str(file))}" for file in learnt.listings]
    return lines(said, _since(learnt), _left_out(learnt), _next(learnt, view))


def _since(learnt: Learnt) -> list[str]:
    rows = [(f"{learnt.count(since):,}", since.value) for since in Since if learnt.count(since)]
    return [f"  {row}" for row in columns(rows, "><")]


def _left_out(learnt: Learnt) -> list[str]:
    if not learnt.left_out and not learnt.damaged:
        return []
    said = [f"{count(len(learnt.left_out), 'file')} of the listings not believed:"]
    said += [f"  {escape(each.path)}: {escape(each.why)}" for each in learnt.left_out[:_MOST]]
    rest = len(learnt.left_out) - _MOST
    said += [f"  … and {rest:,} more"] if rest > 0 else []
    damaged = f"{count(learnt.damaged, 'line')} of the listings could not be read"
    return said + ([damaged] if learnt.damaged else [])


def _next(learnt: Learnt, view: View) -> list[str]:
    return commands([("what apply would do now", view.command("plan", learnt.project))])


def adopted_text(file: Path, proposal: Proposal, plan: Plan | None, view: View) -> str:
    """Return the whole answer; `plan` is None when no project is declared yet."""
    left = [f"left out: {escape(each.source)}: {escape(each.why)}" for each in proposal.left_out]
    wrote = f"wrote {escape(str(file))}: {_contents(proposal)}"
    return lines([wrote, *left], *_first_run(plan, view))


def _contents(proposal: Proposal) -> str:
    manifest = proposal.loaded.manifest
    if not manifest.projects:
        return f"{count(len(manifest.remotes), 'remote')}, no project yet"
    counted = Counter(project.placement for project in manifest.projects)
    said = ", ".join(f"{counted[p]} {p.value}" for p in Placement if counted[p])
    return f"{count(len(manifest.projects), 'project')} ({said})"


def _first_run(plan: Plan | None, view: View) -> list[list[str]]:
    if plan is None:
        return []
    away = any(project.failure_exit == Exit.NOT_SIGNED_IN for project in plan.projects)
    if away:
        steps = commands(
            [("sign in", view.command("login", manifest=False)), ("then", view.command("plan"))]
        )
        return [["not signed in, so the first run cannot be shown yet", *steps]]
    if all(project.in_sync for project in plan.projects):
        return [["the first run has nothing to do"]]
    shown = plan_text(plan, view).splitlines()
    moving = any(project.moves for project in plan.projects)
    step = ("do it", view.command("apply")) if moving else ("look again", view.command("plan"))
    return [["the first run, of which nothing is done yet:"], shown, commands([step])]
