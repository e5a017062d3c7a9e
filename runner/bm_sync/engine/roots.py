"""Makes the two roots of a project on Basic Memory Cloud part of its plan. Pure.

Declaring such a project is enough: it is made on the cloud, and its folder here.
"""

from __future__ import annotations

from dataclasses import replace

from bm_sync.engine.observe import Seen
from bm_sync.model.config import CloudRemote
from bm_sync.model.plan import Copy, MakeDir, ProjectPlan, Reason
from bm_sync.model.tree import Root, Side

CREATED = "the project will be made on the cloud"


def with_roots(plan: ProjectPlan, seen: Seen) -> ProjectPlan:
    """Return a plan that begins with making the roots that are missing."""
    sides = [side for side in Side if _is_to_be_made(side, plan, seen)]
    if not sides:
        return plan
    made = tuple(MakeDir("", side, Reason.FOLDER) for side in sides)
    totals = replace(plan.totals, folders=plan.totals.folders + len(made))
    notes = (*plan.notes, CREATED) if Side.REMOTE in sides else plan.notes
    return replace(plan, actions=(*made, *plan.actions), totals=totals, notes=notes)


def _is_to_be_made(side: Side, plan: ProjectPlan, seen: Seen) -> bool:
    if side is Side.REMOTE:
        return seen.absent
    if not isinstance(seen.project.remote, CloudRemote) or seen.observation.baseline.known:
        return False
    comes = any(isinstance(action, Copy) and action.to is side for action in plan.actions)
    return seen.observation.local.root is Root.MISSING and not comes
