"""A plan as the answer of a command."""

from __future__ import annotations

from functools import partial

from bm_sync.cli.answer import Answer
from bm_sync.cli.render.plan import plan_text
from bm_sync.cli.render.view import View
from bm_sync.cli.verdict import plan_exit, plan_failures
from bm_sync.model.plan import Plan
from bm_sync.plan.wire import to_json


def plan_answer(
    plan: Plan, view: View, *, exit_code: bool = False, following: str | None = None
) -> Answer:
    """Return a plan; `exit_code` answers 10 when there is something to do."""
    return Answer(
        text=partial(plan_text, plan, view, following=following),
        data=partial(to_json, plan),
        exit=plan_exit(plan, pending=exit_code),
        errors=plan_failures(plan, view),
        quiet=all(project.in_sync for project in plan.projects),
    )
