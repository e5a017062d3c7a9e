"""The one question of `apply`: shows the plan and asks, when a person sits at a terminal."""

from __future__ import annotations

from argparse import Namespace

from bm_sync.cli.answer import Io
from bm_sync.cli.asking import Asker
from bm_sync.cli.render.plan import plan_text
from bm_sync.cli.render.view import View
from bm_sync.model.plan import Plan


class Question:
    """Says whether a plan may be applied; asks at most once, and only when something moves."""

    def __init__(self, args: Namespace, io: Io, view: View) -> None:
        self.asker = Asker(io)
        self._asks = io.asks() and not args.yes
        self._view = view

    def __call__(self, plan: Plan) -> bool:
        """Return whether to go on."""
        moving = any(
            project.moves and not (project.stops or project.failure) for project in plan.projects
        )
        if not (self._asks and moving):
            return True
        return self.asker.agreed("Apply these changes?", plan_text(plan, self._view) + "\n")
