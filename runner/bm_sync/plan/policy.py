"""What a mode does about a path: from what both sides did to a verdict.

Every mode is a table here and nowhere else. Folders, clashes of names and the naming of conflict
copies are decided in their own modules.
"""

from __future__ import annotations

from msgspec import Struct

from bm_sync.model.config import Mode, Policy, Winner
from bm_sync.model.plan import Reason
from bm_sync.model.tree import File, Side
from bm_sync.plan.change import Change, PathDiff
from bm_sync.plan.content import mtime_ns
from bm_sync.plan.intent import Intent, source_side


class Leave(Struct, frozen=True):
    """Nothing happens, and the baseline keeps its row."""


class Agree(Struct, frozen=True):
    """Both sides hold the same content; the baseline learns it if it does not know."""


class Lose(Struct, frozen=True):
    """The path is gone from both sides; the baseline drops its row."""


class Take(Struct, frozen=True):
    """The version of the other side is copied to side `to`."""

    to: Side
    reason: Reason


class Drop(Struct, frozen=True):
    """The file of `side` goes to the trash."""

    side: Side
    reason: Reason


class Contest(Struct, frozen=True):
    """Both sides hold versions the other does not know."""


Verdict = Leave | Agree | Lose | Take | Drop | Contest


def verdict(diff: PathDiff, intent: Intent) -> Verdict:
    """Return what the policy does about one path."""
    if diff.local is None and diff.remote is None:
        return Lose() if diff.row is not None else Leave()
    if diff.equal:
        return Agree()
    match intent.policy.mode:
        case Mode.TWO_WAY:
            return _two_way(diff, keep_deleted=intent.keep_deleted)
        case Mode.MIRROR:
            return _mirror(diff, _source(intent.policy), keep_deleted=intent.keep_deleted)
        case Mode.PUSH | Mode.PULL:
            return _additive(diff, intent)


def _source(policy: Policy) -> Side:
    side = source_side(policy)
    assert side is not None  # noqa: S101 - only asked for one-way modes
    return side


def _two_way(diff: PathDiff, *, keep_deleted: bool) -> Verdict:
    for side in Side:
        if diff.file(side) is None:
            return _one_sided(diff, side, keep_deleted=keep_deleted)
    for side in Side:
        if diff.change(side) is Change.UNCHANGED:
            return Take(side, Reason.CHANGED)
    return Contest()


def _one_sided(diff: PathDiff, missing: Side, *, keep_deleted: bool) -> Verdict:
    """Decide on a path that `missing` lacks: new on the other side, or deleted here."""
    match diff.change(missing.other):
        case Change.CREATED:
            return Take(missing, Reason.NEW)
        case Change.MODIFIED:
            return Take(missing, Reason.EDIT_BEATS_DELETE)
        case Change.UNCHANGED if keep_deleted:
            return Take(missing, Reason.KEPT)
        case _:
            return Drop(missing.other, Reason.DELETED)


def _mirror(diff: PathDiff, source: Side, *, keep_deleted: bool) -> Verdict:
    target = source.other
    if diff.file(source) is None:
        return Leave() if keep_deleted else Drop(target, Reason.NOT_AT_SOURCE)
    return Take(target, _one_way_reason(diff, source))


def _one_way_reason(diff: PathDiff, source: Side) -> Reason:
    if diff.row is None and diff.file(source.other) is None:
        return Reason.NEW
    known_there = diff.change(source.other) is Change.UNCHANGED
    return Reason.CHANGED if known_there else Reason.DIFFERS


def _additive(diff: PathDiff, intent: Intent) -> Verdict:
    """Decide for push and pull; a source that is accepted as empty is forgotten, path by path."""
    policy = intent.policy
    source = _source(policy)
    target = source.other
    if diff.file(source) is None:
        return Lose() if intent.accept.empty_side and diff.row is not None else Leave()
    if diff.file(target) is None:
        return Take(target, _one_way_reason(diff, source))
    if diff.change(target) is Change.UNCHANGED:
        return Take(target, Reason.CHANGED)
    if diff.change(source) is Change.UNCHANGED:
        return Leave()
    if named_side(policy.conflict.winner) is target:
        return Leave()
    return Contest()


def named_side(winner: Winner) -> Side | None:
    """Return the side that a conflict policy names outright."""
    match winner:
        case Winner.LOCAL:
            return Side.LOCAL
        case Winner.REMOTE:
            return Side.REMOTE
        case _:
            return None


def winning_side(local: File, remote: File, winner: Winner) -> Side | None:
    """Return the side whose version keeps the name; None when the policy cannot tell.

    `both` and `stop` never tell.
    """
    match winner:
        case Winner.NEWER | Winner.MERGE:
            return _greater(mtime_ns(local), mtime_ns(remote))
        case Winner.OLDER:
            return _greater(mtime_ns(remote), mtime_ns(local))
        case Winner.LARGER:
            return _greater(local.size, remote.size)
        case Winner.SMALLER:
            return _greater(remote.size, local.size)
        case Winner.LOCAL | Winner.REMOTE | Winner.BOTH | Winner.STOP:
            return named_side(winner)


def _greater(local: int | None, remote: int | None) -> Side | None:
    if local is None or remote is None or local == remote:
        return None
    return Side.LOCAL if local > remote else Side.REMOTE
