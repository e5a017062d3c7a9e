"""Whether folders still lie on the file systems on which both sides last agreed.

A disk that is not mounted looks like deleted files. What tells the two apart is the name of the
file system; where its names do not last, what stands there: a disk that came back as another device
holds the files of before, a mount point that lies bare does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bm_sync.filters.sift import mark_above
from bm_sync.model.plan import Accept
from bm_sync.model.tree import (
    Disk,
    FileStamp,
    Observation,
    Problem,
    ProblemKind,
    Root,
    Side,
    Tree,
)
from bm_sync.plan.barrier import ancestors
from bm_sync.structs import replace

_AWAY = (
    "is on another file system than last time, and {} of its {} files are not there as they were:"
    " is a disk not mounted?"
)
_LEAST_LASTING = 1 << 32  # numbers of devices are smaller, hashes of a UUID hardly ever


def is_other(observation: Observation, side: Side) -> bool:
    """Return whether the root of a side lies on another disk than last time.

    Judged alike whether anything is to be done or not.
    """
    known = observation.baseline.disks.get(side, {}).get("")
    now = observation.tree(side).disks.get("")
    if known is None or now is None:
        return False
    one = _same(known, now)
    if one is True:
        return False
    stands, agreed = _standing(observation, side, "")
    return bool(agreed) and (one is False or stands * 2 < agreed)


def hold(observation: Observation) -> Observation:
    """Return what was seen with every folder as a problem whose disk seems to be missing.

    Such a folder and all below it is then left alone on both sides, whatever the mode.
    """
    problems = [p for side in Side for p in _held(observation, side)]
    return observation if not problems else _with(observation, problems)


def release(observation: Observation, accept: Accept) -> Observation:
    """Return what was seen as if the disks that a person accepts were those of last time."""
    if accept.device:
        known = {
            side: {**there, "": tree.disks[""].names[0]}
            for side, there in observation.baseline.disks.items()
            if "" in (tree := observation.tree(side)).disks
        }
        baseline = replace(observation.baseline, disks={**observation.baseline.disks, **known})
        observation = replace(observation, baseline=baseline)
    if not accept.devices:
        return observation

    def told(tree: Tree) -> Tree:
        kept = [p for p in tree.problems if not (_is_disk(p) and p.path in accept.devices)]
        return tree if len(kept) == len(tree.problems) else replace(tree, problems=tuple(kept))

    return replace(observation, local=told(observation.local), remote=told(observation.remote))


def to_remember(observation: Observation) -> Mapping[Side, Mapping[str, str]]:
    """Return the disks as they are agreed on now; what nobody has accepted stays as before."""
    found: dict[Side, dict[str, str]] = {}
    for side in Side:
        tree, before = observation.tree(side), observation.baseline.disks.get(side, {})
        held = {p.path for p in tree.problems if _is_disk(p)}
        old = {path: disk for path, disk in before.items() if _within(path, held)}
        new = {path: d.names[0] for path, d in tree.disks.items() if not _within(path, held)}
        if tree.root is Root.FOLDER and tree.disks and not is_other(observation, side):
            found[side] = old | new
        elif before:
            found[side] = dict(before)
    return found


def _held(observation: Observation, side: Side) -> list[Problem]:
    tree, before = observation.tree(side), observation.baseline.disks.get(side, {})
    if tree.root is not Root.FOLDER or "" not in before or before[""].isdigit():
        return []
    held: dict[str, Problem] = {}
    for folder in sorted({*before, *tree.disks} - {""}):
        if any(up in held for up in ancestors(folder)):
            continue
        one = _same(before.get(folder), tree.disks.get(folder))
        stands, agreed = _standing(observation, side, folder)
        away = stands * 2 < agreed if one is None else stands < agreed
        if one is not True and away:
            what = _AWAY.format(agreed - stands, agreed)
            held[folder] = Problem(folder, side, ProblemKind.DEVICE, what)
    return list(held.values())


def _same(known: str | None, now: Disk | None) -> bool | None:
    """Return whether a disk is the one that was known; None when its names cannot tell."""
    if known is None or now is None:
        return False
    if known in now.names:
        return True
    if known.startswith("id:") or (known.isdigit() and int(known) >= _LEAST_LASTING):
        return False  # a driver that tells it goes on doing so
    told = any(name.startswith("uuid:") for name in now.names)
    return False if known.startswith("uuid:") and told else None


def _standing(observation: Observation, side: Side, folder: str) -> tuple[int, int]:
    """Return how many agreed files below a folder stand as they were, and how many there are.

    By size and time: on some disks inode numbers are others after each mount.
    """
    prefix = f"{folder}/" if folder else ""
    files = observation.tree(side).files
    stands = agreed = 0
    for path, row in observation.baseline.files.items():
        stamp = row.local if side is Side.LOCAL else row.remote
        if path.startswith(prefix) and isinstance(stamp, FileStamp):
            agreed += 1
            file = files.get(path)
            seen = file.stamp if file is not None else None
            if isinstance(seen, FileStamp) and (seen.size, seen.mtime_ns) == (
                stamp.size,
                stamp.mtime_ns,
            ):
                stands += 1
    return stands, agreed


def _with(observation: Observation, problems: Sequence[Problem]) -> Observation:
    hidden = [problem.path for problem in problems]

    def told(tree: Tree, side: Side) -> Tree:
        mine = [p for p in problems if p.side is side]
        both = sorted((*tree.problems, *mine), key=lambda p: p.path)
        return replace(tree, problems=tuple(both), dirs=mark_above(dict(tree.dirs), hidden))

    return replace(
        observation,
        local=told(observation.local, Side.LOCAL),
        remote=told(observation.remote, Side.REMOTE),
    )


def _is_disk(problem: Problem) -> bool:
    return problem.kind is ProblemKind.DEVICE


def _within(path: str, folders: Collection[str]) -> bool:
    return path in folders or any(up in folders for up in ancestors(path))
