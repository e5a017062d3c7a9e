"""The one question of `apply`: shows the plan and asks, when a person sits at a terminal."""

from __future__ import annotations

from argparse import Namespace

from bm_sync.cli.answer import Io
from bm_sync.cli.loop import interruptible
from bm_sync.cli.render.plan import plan_text
from bm_sync.cli.render.view import View
from bm_sync.model.plan import Plan


class Question:
    """Says whether a plan may be applied; asks at most once, and only when something moves."""

    def __init__(self, args: Namespace, io: Io, view: View) -> None:
        self._asks = io.asks() and not args.yes
        self._io = io
        self._view = view
        self._interrupted = False

    def __call__(self, plan: Plan) -> bool:
        """Return whether to go on."""
        moving = any(
            project.moves and not (project.stops or project.failure) for project in plan.projects
        )
        if not (self._asks and moving):
            return True
        self._io.err.write(plan_text(plan, self._view) + "\n")
        try:
            with interruptible():
                return self._io.ask("Apply these changes?")
        except KeyboardInterrupt:
            self._io.err.write("\n")
            self._interrupted = True
            return False

    def raise_if_interrupted(self) -> None:
        """Raise `KeyboardInterrupt` when the question was answered by Ctrl-C."""
        if self._interrupted:
            raise KeyboardInterrupt
