"""Plans to settle one conflict as a person says, on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from bm_sync.model.config import Conflict, Loser, Mode, Winner
from bm_sync.model.plan import Action, Clash, Copy, KeepBoth, ProjectPlan, Reason, Restore, Trash
from bm_sync.model.report import OpenConflict
from bm_sync.model.tree import Observation, Problem, ProblemKind, Side, Stamp
from bm_sync.plan import guard, planner, steps
from bm_sync.plan.content import known
from bm_sync.plan.intent import Intent, source_side
from bm_sync.plan.order import ordered
from bm_sync.structs import replace


class Keep(StrEnum):
    """Which version of a conflict is to have the name."""

    LOCAL = "local"
    REMOTE = "remote"
    BOTH = "both"
    FILE = "file"  # one that a person gives


class Choice(Struct, frozen=True):
    """What is to become of a conflict; `size`, `content` and `place` are of a given version."""

    conflict: OpenConflict
    keep: Keep
    place: str = ""
    size: int = 0
    content: str | None = None


def deciding(intent: Intent, choice: Choice) -> Intent:
    """Return how to plan so that the policy decides a waiting conflict as the person does."""
    rule = Conflict(Winner.BOTH, Loser.COPY)
    if choice.keep in (Keep.LOCAL, Keep.REMOTE):
        rule = Conflict(Winner(choice.keep.value), Loser.TRASH)
    return replace(intent, policy=replace(intent.policy, conflict=rule))


def make(
    project: str, key: str, observation: Observation, intent: Intent, choice: Choice
) -> ProjectPlan:
    """Return the plan that settles a conflict."""
    planned = planner.make(project, key, observation, deciding(intent, choice))
    path = choice.conflict.path
    actions: list[Action] = []
    problems: list[Problem] = []
    clashes: tuple[Clash, ...] = ()
    refused = _refusal(observation, intent, choice)
    if refused is not None:
        problems.append(Problem(path, Side.LOCAL, ProblemKind.CHANGED, refused))
    elif choice.keep is Keep.FILE:
        actions = [*_given(observation, choice), *_without_copy(observation, choice)]
    elif choice.conflict.kept is None:
        actions = [a for a in planned.actions if _about(a, path)]
        clashes = tuple(c for c in planned.clashes if c.path == path)
    else:
        actions = _kept_beside(observation, choice)
    plan = replace(
        planned,
        actions=ordered(actions),
        clashes=clashes,
        problems=tuple(problems),
        notes=(),
    )
    return guard.judged(plan, observation, intent)


def _refusal(observation: Observation, intent: Intent, choice: Choice) -> str | None:
    """Return why a conflict cannot be settled like this, None when it can."""
    conflict, there = choice.conflict, _stamps(observation, choice.conflict.path)
    if choice.keep is Keep.FILE:
        one_way = source_side(intent.policy) is not None
        return "a one-way project takes its source's version" if one_way else None
    if conflict.kept is None:
        source = source_side(intent.policy)
        if source is not None and choice.keep.value != source.value:
            return f"a {intent.policy.mode} never writes to its source"
        planned = planner.make("", "", observation, intent)
        waits = any(c.path == conflict.path and c.winner is None for c in planned.clashes)
        return None if waits else "it is no conflict any more; an apply goes on from what is there"
    if choice.keep is Keep.BOTH:
        return None
    copies = _stamps(observation, conflict.kept)
    if None in there or None in copies:
        return "one of both versions is gone; an apply goes on from what is there"
    return None if intent.policy.mode is Mode.TWO_WAY else "only two-way projects have copies"


def _stamps(observation: Observation, path: str) -> list[Stamp | None]:
    return [steps.stamp(observation.tree(side).files.get(path)) for side in Side]


def _about(action: Action, path: str) -> bool:
    return action.path == path or (
        isinstance(action, Copy | KeepBoth) and action.path.startswith(f"{path}/")
    )


def _kept_beside(observation: Observation, choice: Choice) -> list[Action]:
    conflict = choice.conflict
    if choice.keep is Keep.BOTH:
        return []
    named = conflict.winner or Side.REMOTE
    actions: list[Action] = list(_without_copy(observation, choice))
    if choice.keep.value != named.value and conflict.kept is not None:
        copy = observation.local.files[conflict.kept]
        actions += [
            _restore(
                observation, conflict.path, side, side, (conflict.kept, copy.size, known(copy))
            )
            for side in Side
        ]
    return actions


def _given(observation: Observation, choice: Choice) -> Sequence[Action]:
    version = (choice.place, choice.size, choice.content)
    path = choice.conflict.path
    return [_restore(observation, path, side, Side.LOCAL, version) for side in Side]


def _restore(
    observation: Observation,
    path: str,
    side: Side,
    keeper: Side,
    version: tuple[str, int, str | None],
) -> Restore:
    place, size, content = version
    local, remote = _stamps(observation, path)
    reason = Reason.SETTLED
    return Restore(path, side, keeper, place, size, reason, local, remote, content)


def _without_copy(observation: Observation, choice: Choice) -> Sequence[Action]:
    """Return the removal of the conflict copy, on the sides that have it."""
    path = choice.conflict.kept
    if path is None:
        return []
    local, remote = _stamps(observation, path)
    sizes = {Side.LOCAL: local, Side.REMOTE: remote}
    return [
        Trash(path, side, stamp.size, Reason.SETTLED, local, remote)
        for side, stamp in sizes.items()
        if stamp is not None
    ]
