"""Makes the actions of one path out of its diff.

Nothing is decided here.
"""

from __future__ import annotations

from bm_sync import layout
from bm_sync.model.plan import Adopt, Copy, Forget, Move, Reason, Restore, Trash
from bm_sync.model.tree import Agreed, File, Merged, Side, Stamp
from bm_sync.plan.change import PathDiff
from bm_sync.plan.content import same


def stamp(file: File | None) -> Stamp | None:
    """Return the stamp of a file, None where none is."""
    return None if file is None else file.stamp


def present(diff: PathDiff, side: Side) -> File:
    """Return the file of a side that must be there."""
    file = diff.file(side)
    assert file is not None  # noqa: S101 - an invariant of the verdicts
    return file


def copy(diff: PathDiff, to: Side, reason: Reason, *, kept_as: str | None = None) -> Copy:
    """Return the copy of the other side's version to `to`."""
    return Copy(
        path=diff.path,
        to=to,
        size=present(diff, to.other).size,
        reason=reason,
        local=stamp(diff.local),
        remote=stamp(diff.remote),
        content=diff.content(to.other),
        kept_as=kept_as,
    )


def merge(diff: PathDiff, merged: Merged) -> list[Restore]:
    """Return what brings a merged text to the sides that do not hold it already."""
    sides = [side for side in Side if same(diff.content(side), merged.content) is not True]
    return [
        Restore(
            path=diff.path,
            side=side,
            keeper=Side.LOCAL,
            kept=f"{layout.NEW}/{diff.path}",
            size=merged.size,
            reason=Reason.MERGED,
            local=stamp(diff.local),
            remote=stamp(diff.remote),
            content=merged.content,
        )
        for side in sides
    ]


def trash(diff: PathDiff, side: Side, reason: Reason, *, early: bool = False) -> Trash:
    """Return the removal of a side's file into the trash."""
    return Trash(
        path=diff.path,
        side=side,
        size=present(diff, side).size,
        reason=reason,
        local=stamp(diff.local),
        remote=stamp(diff.remote),
        early=early,
    )


def move(old: PathDiff, new: PathDiff, side: Side) -> Move:
    """Return the rename on `side` that follows the one on the other side."""
    local, remote = (old.local, new.remote) if side is Side.LOCAL else (new.local, old.remote)
    return Move(
        path=new.path,
        old_path=old.path,
        side=side,
        size=present(new, side.other).size,
        reason=Reason.RENAMED,
        local=stamp(local),
        remote=stamp(remote),
        content=new.content(side.other),
    )


def adopt(diff: PathDiff) -> Adopt | None:
    """Return what the baseline learns of two equal versions; None when it knows it all."""
    here, there = present(diff, Side.LOCAL), present(diff, Side.REMOTE)
    learnt = Agreed(diff.agreed_content, here.stamp, there.stamp)
    if learnt == diff.row:
        return None
    return Adopt(diff.path, here.size, Reason.EQUAL, here.stamp, there.stamp, learnt.content)


def forget(path: str, *, folder: bool = False) -> Forget:
    """Return that the baseline drops a path which is gone from both sides."""
    return Forget(path, Reason.GONE, folder=folder)
