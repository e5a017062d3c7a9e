"""A file where the other side has a folder, and an object beside a folder of its own name.

Decides who keeps the name and what leaves early. What lies below a name that nobody disputes is
decided in `policy`.
"""

from __future__ import annotations

from bm_sync.model.config import Mode, Winner
from bm_sync.model.plan import Reason, RemoveDir
from bm_sync.model.tree import Problem, ProblemKind, Side
from bm_sync.plan import conflict, steps
from bm_sync.plan.change import Change, PathDiff
from bm_sync.plan.scene import Draft, Scene

_BESIDE = "an object and a folder of the same name cannot both be files here"
_HIDDEN = "a file on the other side, a folder here that holds files outside the set"
_KEPT = "a file on one side, a folder on the other, and deletions are not carried out"
_ADDITIVE = "a file on one side, a folder on the other, and nothing is removed in this mode"
_WAITS = "a file on one side, a folder on the other; waits for a person"


def settle(scene: Scene, draft: Draft, names: conflict.Names) -> None:
    """Add what happens at every name that is a file and a folder."""
    for path in _roots(scene):
        if draft.barrier.file(path):
            continue
        files = [side for side in Side if path in scene.observation.tree(side).files]
        both = [side for side in files if path in scene.folders(side)]
        draft.zones.add(path)
        if both:
            _beside(scene, draft, path, both[0])
        else:
            _against(scene, draft, path, files[0], names)


def _roots(scene: Scene) -> list[str]:
    local, remote = scene.observation.local.files, scene.observation.remote.files
    folders = (folder for side in Side for folder in scene.folders(side))
    return sorted({folder for folder in folders if folder in local or folder in remote})


def _beside(scene: Scene, draft: Draft, path: str, side: Side) -> None:
    """Leave either the object `path` or what lies below it: a bucket may hold both, we cannot."""
    if path not in scene.observation.tree(side.other).files:
        draft.barrier.alone.add(path)
        draft.problems.append(Problem(path, side, ProblemKind.CLASH, _BESIDE))
        return
    draft.barrier.below.add(path)
    below = scene.below(side, path)
    children = {path + "/" + name[len(path) + 1 :].partition("/")[0] for name in below}
    for child in sorted(children):
        draft.problems.append(Problem(child, side, ProblemKind.CLASH, _BESIDE))


def _against(scene: Scene, draft: Draft, path: str, file_side: Side, names: conflict.Names) -> None:
    match scene.mode:
        case Mode.TWO_WAY:
            _two_way(scene, draft, scene.diffs[path], file_side, names)
        case Mode.MIRROR:
            _mirror(scene, draft, scene.diffs[path], file_side)
        case Mode.PUSH | Mode.PULL:
            _additive(scene, draft, scene.diffs[path], file_side)


def _two_way(scene: Scene, draft: Draft, diff: PathDiff, side: Side, names: conflict.Names) -> None:
    carried_out = not scene.intent.keep_deleted
    if diff.change(side) is Change.UNCHANGED and carried_out:
        _file_leaves(draft, diff, side, Reason.DELETED)
    elif _may_go(scene, diff.path, side.other):
        _folder_leaves(scene, draft, diff.path, side.other, Reason.DELETED)
    elif scene.intent.policy.conflict.winner is Winner.STOP:
        draft.barrier.whole.add(diff.path)
        conflict.wait(draft, diff, _WAITS)
    else:
        draft.barrier.alone.add(diff.path)
        conflict.give_way(draft, diff, side, names)


def _may_go(scene: Scene, path: str, side: Side) -> bool:
    """Return whether a folder has no file, or only files that the other side gave up."""
    inside = list(scene.below(side, path))
    if not inside:
        return True
    if scene.intent.keep_deleted:
        return False
    changes = (scene.diffs[name].change(side) for name in inside)
    return all(change is Change.UNCHANGED for change in changes)


def _mirror(scene: Scene, draft: Draft, diff: PathDiff, side: Side) -> None:
    if scene.intent.keep_deleted and (side is not scene.source or _holds(scene, diff.path, side)):
        draft.block(diff.path, side, ProblemKind.CLASH, _KEPT)
    elif side is scene.source:
        _folder_leaves(scene, draft, diff.path, side.other, Reason.NOT_AT_SOURCE)
    else:
        _file_leaves(draft, diff, side, Reason.NOT_AT_SOURCE)


def _holds(scene: Scene, path: str, side: Side) -> bool:
    return any(True for _ in scene.below(side.other, path))


def _additive(scene: Scene, draft: Draft, diff: PathDiff, side: Side) -> None:
    if side is scene.source:
        nothing_new = diff.change(side) is Change.UNCHANGED
    else:
        nothing_new = not _holds(scene, diff.path, side)
    if nothing_new:
        draft.barrier.whole.add(diff.path)
    else:
        draft.block(diff.path, side, ProblemKind.CLASH, _ADDITIVE)


def _file_leaves(draft: Draft, diff: PathDiff, side: Side, reason: Reason) -> None:
    draft.barrier.alone.add(diff.path)
    draft.actions.append(steps.trash(diff, side, reason, early=True))


def _folder_leaves(scene: Scene, draft: Draft, path: str, side: Side, reason: Reason) -> None:
    """Clear the folder at `path` so that a file takes its name, unless it holds hidden things."""
    tree = scene.observation.tree(side)
    if tree.dirs.get(path, False) or _blocked_below(draft, path):
        draft.block(path, side, ProblemKind.CLASH, _HIDDEN)
        return
    draft.barrier.below.add(path)
    for diff in scene.diffs_below(path):
        if diff.file(side) is not None:
            draft.actions.append(steps.trash(diff, side, reason, early=True))
        elif diff.row is not None:
            draft.actions.append(steps.forget(diff.path))
    folders = {path, *scene.folders_below(side, path)}
    if tree.has_folders:
        draft.actions.extend(
            RemoveDir(folder, side, Reason.CLASH, early=True) for folder in sorted(folders)
        )
    gone = (d for d in scene.known_folders() if d.startswith(path + "/") and d not in folders)
    draft.actions.extend(steps.forget(folder, folder=True) for folder in sorted(gone))


def _blocked_below(draft: Draft, path: str) -> bool:
    return any(name.startswith(path + "/") for name in draft.barrier.whole)
