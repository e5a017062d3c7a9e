"""Plans to bring one kept version of a file back to its path.

On both sides of a two-way project, so that they stay equal; elsewhere here only. What stands at the
path goes to the trash.
"""

from __future__ import annotations

from msgspec import Struct

from bm_sync.model.past import Effect
from bm_sync.model.plan import Action, ProjectPlan, Reason, Restore
from bm_sync.model.tree import Observation, Problem, ProblemKind, Side, Stamp
from bm_sync.plan import barrier, guard, steps, undo_folders
from bm_sync.plan.intent import Intent, source_side
from bm_sync.plan.order import ordered


class Wanted(Struct, frozen=True):
    """A version that is to come back: `kept` on `side`, None when it is not there any more.

    `recorded` is what was noted when it was kept, None where nothing was.
    """

    path: str
    side: Side
    place: str
    kept: Stamp | None
    recorded: Effect | None = None


def make(
    project: str, key: str, observation: Observation, intent: Intent, wanted: Wanted
) -> ProjectPlan:
    """Return the plan that brings a version back."""
    two_way = source_side(intent.policy) is None
    sides = tuple(Side) if two_way else (Side.LOCAL,)
    actions: list[Action] = []
    problems: list[Problem] = []
    if wanted.kept is None:
        problems.append(_left(wanted, "the version is not kept any more"))
    elif wanted.recorded is not None and wanted.recorded.kept_size != wanted.kept.size:
        problems.append(_left(wanted, f"{wanted.place} was changed after it was kept"))
    elif barrier.of(observation).file(wanted.path):
        problems.append(_left(wanted, "it cannot be synced now"))
    else:
        actions += [_restore(wanted, side, wanted.kept, observation) for side in sides]
    undo_folders.settle(actions, problems, observation, (), sides)
    plan = ProjectPlan(
        project=project,
        key=key,
        mode=intent.policy.mode,
        direction=intent.policy.direction,
        local=intent.local_label,
        remote=intent.remote_label,
        actions=ordered(actions),
        problems=tuple(problems),
        files_local=len(observation.local.files),
        files_remote=len(observation.remote.files),
        notes=() if two_way else ("it comes back here only: the next apply goes on from that",),
    )
    return guard.judged(plan, observation, intent)


def _left(wanted: Wanted, what: str) -> Problem:
    return Problem(wanted.path, wanted.side, ProblemKind.CHANGED, what)


def _restore(wanted: Wanted, side: Side, kept: Stamp, observation: Observation) -> Restore:
    return Restore(
        path=wanted.path,
        side=side,
        keeper=wanted.side,
        kept=wanted.place,
        size=kept.size,
        reason=Reason.BROUGHT_BACK,
        local=steps.stamp(observation.local.files.get(wanted.path)),
        remote=steps.stamp(observation.remote.files.get(wanted.path)),
        content=wanted.recorded.kept_content if wanted.recorded is not None else None,
    )
