"""What happens to folders when a run is taken back, and what must leave a name early for it.

Folders that the run made go when nothing is left in them; those that it removed come again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from bm_sync.model.past import Effect, EffectKind
from bm_sync.model.plan import (
    Action,
    AdoptDir,
    MakeDir,
    Move,
    Reason,
    RemoveDir,
    Restore,
    Trash,
)
from bm_sync.model.tree import Observation, Problem, ProblemKind, Side
from bm_sync.plan.barrier import ancestors, folders_of
from bm_sync.structs import replace


def settle(
    actions: list[Action],
    problems: list[Problem],
    observation: Observation,
    effects: Sequence[Effect],
    sides: tuple[Side, ...],
) -> None:
    """Add the actions on folders, and take out what a folder or a file keeps from coming back."""
    while blocked := _blocked(actions, observation, effects, sides):
        paths = {problem.path for problem in blocked}
        actions[:] = [a for a in actions if a.path not in paths]
        problems += blocked
    coming = _coming(actions)
    back = {e.path for e in effects if e.kind is EffectKind.REMOVED_DIR}
    folders = folders_of(iter(coming | back)) | back
    actions[:] = [_early(action, coming, folders) for action in actions]
    for side in sides:
        if observation.tree(side).has_folders:
            gone = _leaving_folders(actions, observation, effects, side)
            actions += [
                RemoveDir(f, side, Reason.TAKEN_BACK, early=_needed(f, coming)) for f in gone
            ]
            actions += _made(actions, observation, effects, side)
    if len(sides) > 1 and all(observation.tree(side).has_folders for side in Side):
        learnt = folders_of(iter(coming)) - observation.baseline.dirs
        actions += [AdoptDir(folder) for folder in sorted(learnt)]


def _needed(folder: str, coming: set[str]) -> bool:
    """Return whether a file comes back to the name of a folder, or of one above it."""
    return folder in coming or any(up in coming for up in ancestors(folder))


def _coming(actions: Iterable[Action]) -> set[str]:
    return {a.path for a in actions if isinstance(a, Restore | Move)}


def _leaving(actions: Iterable[Action], side: Side) -> set[str]:
    gone = {a.path for a in actions if isinstance(a, Trash) and a.side is side}
    return gone | {a.old_path for a in actions if isinstance(a, Move) and a.side is side}


def _early(action: Action, coming: set[str], folders: set[str]) -> Action:
    """Return a removal so that it is done first when its name is needed by what comes back."""
    if not isinstance(action, Trash):
        return action
    early = action.path in folders or any(up in coming for up in ancestors(action.path))
    return replace(action, early=early)


def _blocked(
    actions: list[Action],
    observation: Observation,
    effects: Sequence[Effect],
    sides: tuple[Side, ...],
) -> list[Problem]:
    """Return what cannot come back because a file or a folder stands in its way."""
    found = []
    for side in sides:
        tree = observation.tree(side)
        staying = tree.files.keys() - _leaving(actions, side)
        removable = set(_leaving_folders(actions, observation, effects, side))
        folders = (set(tree.dirs) | folders_of(iter(staying))) - removable
        for path in sorted(_coming(actions)):
            if path in folders:
                what = "a folder that is not empty has taken its name"
            elif any(up in staying for up in ancestors(path)):
                what = "a file has taken the name of its folder"
            else:
                continue
            found.append(Problem(path, side, ProblemKind.CHANGED, what))
    return list({problem.path: problem for problem in found}.values())


def _leaving_folders(
    actions: Sequence[Action], observation: Observation, effects: Sequence[Effect], side: Side
) -> list[str]:
    """Return the folders in which nothing is left and that the run made, the deepest first."""
    tree = observation.tree(side)
    coming = _coming(actions)
    needed = folders_of(iter(coming))
    staying = folders_of(iter(tree.files.keys() - _leaving(actions, side)))
    there = set(tree.dirs) | folders_of(iter(tree.files))
    made = {e.path for e in effects if e.kind is EffectKind.MADE_DIR}
    made |= {folder for folder in there if _needed(folder, coming)}
    stay = {f for f in there if f not in made or tree.dirs.get(f, False)} | staying | needed
    stay |= {up for folder in stay for up in ancestors(folder)}
    return sorted((made & there) - stay, key=lambda folder: (-folder.count("/"), folder))


def _made(
    actions: Sequence[Action], observation: Observation, effects: Sequence[Effect], side: Side
) -> list[Action]:
    tree = observation.tree(side)
    there = set(tree.dirs) | folders_of(iter(tree.files))
    coming = _coming(actions)
    staying = tree.files.keys() - _leaving(actions, side)
    removed = {e.path for e in effects if e.kind is EffectKind.REMOVED_DIR}
    wanted = removed - there - folders_of(iter(coming)) - coming - staying
    return [MakeDir(folder, side, Reason.TAKEN_BACK) for folder in sorted(wanted)]


def fits(path: str, glob: str) -> bool:
    """Return whether a path fits a glob; `*` does not go beyond a slash, `**` does."""
    return _pattern(glob).fullmatch(path) is not None


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    said = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(said.get(part, re.escape(part)) for part in parts), re.DOTALL)
