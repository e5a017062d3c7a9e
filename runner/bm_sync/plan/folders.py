"""What happens to folders, after every file has its action.

Folders are compared three-way where both sides have them. Where one side has none, only those that
this plan empties are removed. A folder is never removed while anything is left in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from bm_sync.model.config import Mode
from bm_sync.model.plan import (
    Action,
    AdoptDir,
    Copy,
    KeepBoth,
    MakeDir,
    Move,
    Reason,
    RemoveDir,
    Trash,
)
from bm_sync.model.tree import Root, Side
from bm_sync.plan import steps
from bm_sync.plan.barrier import ancestors, folders_of
from bm_sync.plan.scene import Draft, Scene

CREATED = "the project will be made on the cloud"


class _Flow(Struct, frozen=True):
    """The files that come to a side and those that leave it, and the folders the former make."""

    come: frozenset[str]
    leave: frozenset[str]
    made: frozenset[str]


def settle(scene: Scene, draft: Draft) -> None:
    """Add the actions on folders."""
    flows = {side: _flow(draft.actions, side) for side in Side}
    observation = scene.observation
    if observation.local.has_folders and observation.remote.has_folders:
        _three_way(scene, draft, flows)
        return
    for side in Side:
        if observation.tree(side).has_folders:
            emptied = folders_of(iter(flows[side].leave))
            open_ = [f for f in emptied if not draft.barrier.folder(f)]
            _remove(scene, draft, side, _removable(scene, side, open_, flows[side]))


def make_roots(scene: Scene, draft: Draft) -> None:
    """Begin with making the roots of a project on Basic Memory Cloud that are missing.

    Declaring such a project is enough: it is made on the cloud, and its folder here.
    """
    observation = scene.observation
    comes = any(isinstance(a, Copy) and a.to is Side.LOCAL for a in draft.actions)
    unknown = scene.intent.makes_roots and not observation.baseline.known
    if unknown and observation.local.root is Root.MISSING and not comes:
        draft.actions.append(MakeDir("", Side.LOCAL, Reason.FOLDER))
    if observation.absent:
        draft.actions.append(MakeDir("", Side.REMOTE, Reason.FOLDER))
        draft.notes.append(CREATED)


def _flow(actions: list[Action], side: Side) -> _Flow:
    come = frozenset(_arrivals(actions, side))
    leave = frozenset(_departures(actions, side))
    return _Flow(come, leave, frozenset(folders_of(iter(come))))


def _arrivals(actions: list[Action], side: Side) -> Iterator[str]:
    for action in actions:
        match action:
            case Copy(to=place, path=path) | Move(side=place, path=path) if place is side:
                yield path
            case KeepBoth(copy_path=path):
                yield path
            case _:
                pass


def _departures(actions: list[Action], side: Side) -> Iterator[str]:
    for action in actions:
        match action:
            case Trash(side=place, path=path) | Move(side=place, old_path=path) if place is side:
                yield path
            case KeepBoth(gives_way=True, loser=place, path=path) if place is side:
                yield path
            case _:
                pass


def _three_way(scene: Scene, draft: Draft, flows: dict[Side, _Flow]) -> None:
    local, remote = scene.folders(Side.LOCAL), scene.folders(Side.REMOTE)
    agreed = scene.known_folders()
    for folder in sorted((local & remote) - agreed):
        if not draft.barrier.folder(folder):
            draft.actions.append(AdoptDir(folder))
    for folder in sorted(agreed - local - remote):
        if not draft.barrier.folder(folder) and not _returns(folder, flows):
            draft.actions.append(steps.forget(folder, folder=True))
    for side, alone in ((Side.LOCAL, local - remote), (Side.REMOTE, remote - local)):
        open_ = {folder for folder in alone if not draft.barrier.folder(folder)}
        _one_sided(scene, draft, side, open_, flows)


def _returns(folder: str, flows: dict[Side, _Flow]) -> bool:
    return any(folder in flow.made for flow in flows.values())


def _one_sided(
    scene: Scene, draft: Draft, side: Side, alone: set[str], flows: dict[Side, _Flow]
) -> None:
    """Decide on the folders that only `side` has."""
    agreed = scene.known_folders()
    gone = _given_up(scene, side, alone)
    removed = _removable(scene, side, gone, flows[side])
    _remove(scene, draft, side, removed)
    if not _makes(scene, side.other):
        return
    fresh = alone - gone
    needed = fresh | {up for folder in fresh for up in ancestors(folder) if up in gone}
    for folder in sorted(needed):
        if folder in flows[side.other].made:
            if folder not in agreed:
                draft.actions.append(AdoptDir(folder))
        elif not _twin(draft, side.other, folder):
            kept = scene.intent.keep_deleted and folder in agreed
            reason = Reason.KEPT if kept else Reason.FOLDER
            draft.actions.append(MakeDir(folder, side.other, reason))


def _given_up(scene: Scene, side: Side, alone: set[str]) -> set[str]:
    """Return the folders that should leave `side` because the other side has them no more."""
    if scene.intent.keep_deleted:
        return set()
    match scene.mode:
        case Mode.TWO_WAY:
            return alone & scene.known_folders()
        case Mode.MIRROR:
            return alone if side is not scene.source else set()
        case Mode.PUSH | Mode.PULL:
            return set()


def _makes(scene: Scene, side: Side) -> bool:
    """Return whether folders may be made on `side`."""
    return scene.source in (None, side.other)


def _removable(scene: Scene, side: Side, folders: Iterable[str], flow: _Flow) -> list[str]:
    """Return those in which nothing is left after the plan, deepest first."""
    hidden = scene.observation.tree(side).dirs
    removed: set[str] = set()
    deepest_first = sorted(folders, key=lambda f: (-f.count("/"), f))
    for folder in deepest_first:
        if folder not in scene.folders(side) or hidden.get(folder, False):
            continue
        if folder in flow.made or any(f not in flow.leave for f in scene.below(side, folder)):
            continue
        if all(below in removed for below in scene.folders_below(side, folder)):
            removed.add(folder)
    return [folder for folder in deepest_first if folder in removed]


def _remove(scene: Scene, draft: Draft, side: Side, folders: list[str]) -> None:
    two_way = scene.mode is Mode.TWO_WAY
    reason = Reason.DELETED if two_way else Reason.NOT_AT_SOURCE
    draft.actions.extend(RemoveDir(folder, side, reason) for folder in folders)


def _twin(draft: Draft, side: Side, folder: str) -> bool:
    return any((side, name) in draft.twins for name in (folder, *ancestors(folder)))
