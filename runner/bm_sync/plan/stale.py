"""Whether a saved plan still fits what is there (I13).

Says so per action; what to do about it is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from bm_sync.model.plan import (
    Action,
    Adopt,
    AdoptDir,
    Copy,
    Forget,
    KeepBoth,
    MakeDir,
    Move,
    ProjectPlan,
    Reason,
    RemoveDir,
    Restore,
    Trash,
)
from bm_sync.model.tree import Observation, Side, Stamp
from bm_sync.plan import steps


def misfits(saved: ProjectPlan, observation: Observation) -> tuple[str, ...]:
    """Return a sentence for each action whose stamps no longer fit the observation."""
    leaving = frozenset(action.path for action in saved.actions if _leaves(action))
    return tuple(
        what
        for action in saved.actions
        if not (isinstance(action, MakeDir | AdoptDir) and action.path in leaving)
        for what in _misfit(action, observation)
    )


def _leaves(action: Action) -> bool:
    """Return whether a file makes room for a folder in this very plan."""
    match action:
        case Trash(early=leaves) | KeepBoth(gives_way=leaves):
            return leaves
        case _:
            return False


def _misfit(action: Action, observation: Observation) -> list[str]:
    """Return at most one sentence."""
    match action:
        case Forget(folder=True):
            found = _folder_back(action.path, observation)
        case Copy() | Trash() | Restore() | Adopt() | Forget():
            found = _moved(observation, action.path, action.local, action.remote)
        case KeepBoth():
            found = _moved(observation, action.path, action.local, action.remote)
            found = [*found, *_taken(observation, action.copy_path)]
        case Move():
            found = _move_misfit(action, observation)
        case MakeDir() | AdoptDir():
            found = _file_there(observation, action.path)
        case RemoveDir():
            found = _no_folder(action, observation)
        case _:
            assert_never(action)
    return found[:1]


def _stamp(observation: Observation, side: Side, path: str) -> Stamp | None:
    return steps.stamp(observation.tree(side).files.get(path))


def _moved(
    observation: Observation, path: str, local: Stamp | None, remote: Stamp | None
) -> list[str]:
    return [
        *_one_moved(observation, Side.LOCAL, path, local),
        *_one_moved(observation, Side.REMOTE, path, remote),
    ]


def _one_moved(
    observation: Observation, side: Side, path: str, saved: Stamp | None
) -> Iterator[str]:
    now = _stamp(observation, side, path)
    if now != saved:
        yield f"{path}: {_how(saved, now)} on the {side} side since the plan was made"


def _how(saved: Stamp | None, now: Stamp | None) -> str:
    if saved is None:
        return "came"
    return "was deleted" if now is None else "changed"


def _move_misfit(action: Move, observation: Observation) -> list[str]:
    if action.reason is Reason.TAKEN_BACK:
        return [
            *_moved(observation, action.old_path, action.local, action.remote),
            *_one_moved(observation, action.side, action.path, None),
        ]
    old, new = (action.local, action.remote)
    if action.side is Side.REMOTE:
        old, new = new, old
    return [
        *_one_moved(observation, action.side, action.old_path, old),
        *_one_moved(observation, action.side.other, action.path, new),
        *_one_moved(observation, action.side.other, action.old_path, None),
        *_one_moved(observation, action.side, action.path, None),
    ]


def _taken(observation: Observation, path: str) -> list[str]:
    sides = (side for side in Side if _stamp(observation, side, path) is not None)
    return [f"{path}: came on the {side} side since the plan was made" for side in sides]


def _file_there(observation: Observation, path: str) -> list[str]:
    sides = (side for side in Side if _stamp(observation, side, path) is not None)
    return [f"{path}: became a file on the {side} side since the plan was made" for side in sides]


def _folder_back(path: str, observation: Observation) -> list[str]:
    sides = (side for side in Side if path in observation.tree(side).dirs)
    return [f"{path}: folder came on the {side} side since the plan was made" for side in sides]


def _no_folder(action: RemoveDir, observation: Observation) -> list[str]:
    tree = observation.tree(action.side)
    if action.path not in tree.dirs:
        return [f"{action.path}: folder left the {action.side} side since the plan was made"]
    if tree.dirs[action.path]:
        return [f"{action.path}: folder holds files outside the set since the plan was made"]
    return []
