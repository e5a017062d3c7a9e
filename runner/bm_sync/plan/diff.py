"""What the planner has to be told before it can decide: contents and times that cost a read.

Nothing is read here; the caller answers by filling `File.content` and `File.mtime_ns`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from bm_sync.model.config import Compare, Conflict, Loser, Mode, Policy, Winner
from bm_sync.model.tree import Agreed, File, ObjectStamp, Observation, Side, same_version
from bm_sync.plan import barrier
from bm_sync.plan.change import PathDiff, diffs, restless, rows
from bm_sync.plan.content import hashless, known, mtime_ns, same
from bm_sync.plan.intent import source_side
from bm_sync.plan.names import looks_kept
from bm_sync.plan.policy import winning_side

_A_FEW = 3  # versions that cost a download are brought unread as long as they are no more


class Questions(Struct, frozen=True):
    """The paths whose content must be known to decide, by side."""

    local: frozenset[str]
    remote: frozenset[str]


class _Pair(Struct, frozen=True):
    """A path that is not quiet by its stamps."""

    path: str
    row: Agreed | None
    local: File | None
    remote: File | None

    def file(self, side: Side) -> File | None:
        return self.local if side is Side.LOCAL else self.remote

    def moved(self, side: Side) -> bool:
        file = self.file(side)
        if file is None or self.row is None:
            return file is not None
        known = self.row.local if side is Side.LOCAL else self.row.remote
        return not same_version(file.stamp, known)


def questions(observation: Observation, policy: Policy) -> Questions:
    """Return the paths whose content is unknown and needed, by side."""
    blocked = barrier.of(observation)
    pairs = [p for p in _pairs(observation, policy.compare) if not blocked.file(p.path)]
    asked: dict[Side, set[str]] = {Side.LOCAL: set(), Side.REMOTE: set()}
    for side, path in _moved_together(pairs):
        asked[side].add(path)
    for pair in pairs:
        for side in _sides_asked(pair, policy.compare):
            asked[side].add(pair.path)
    for side, path in _rename_candidates(pairs, policy):
        asked[side].add(path)
    if policy.mode is Mode.TWO_WAY:
        for side, path in _copies_of_losers(observation, pairs):
            asked[side].add(path)
    return Questions(
        frozenset(p for p in asked[Side.LOCAL] if _unknown(observation, Side.LOCAL, p)),
        frozenset(p for p in asked[Side.REMOTE] if _unknown(observation, Side.REMOTE, p)),
    )


def _unknown(observation: Observation, side: Side, path: str) -> bool:
    file = observation.tree(side).files.get(path)
    return file is not None and known(file) is None


def _pairs(observation: Observation, compare: Compare) -> Iterator[_Pair]:
    local, remote = observation.local.files, observation.remote.files
    agreed = rows(observation)
    for path in restless(observation, compare):
        yield _Pair(path, agreed.get(path), local.get(path), remote.get(path))


def _sides_asked(pair: _Pair, compare: Compare) -> Iterator[Side]:
    both = pair.moved(Side.LOCAL) and pair.moved(Side.REMOTE)
    twins = both and _size(pair.local) == _size(pair.remote)
    for side in Side:
        file = pair.file(side)
        if file is None:
            continue
        if compare is Compare.FULL or twins:
            yield side
        elif pair.row is not None and pair.moved(side):
            yield from _moved_asked(pair, side, compare, both=both)


def _moved_asked(pair: _Pair, side: Side, compare: Compare, *, both: bool) -> Iterator[Side]:
    if compare is Compare.CHECKSUM or _may_be_touched(pair, side, both=both):
        yield side


def _may_be_touched(pair: _Pair, side: Side, *, both: bool) -> bool:
    """Return whether the moved stamp may hide the agreed content, and asking can tell.

    A single moved version that costs a download is not asked: it is copied as changed. Against a
    deletion it is: a file that was only touched must not come back.
    """
    file = pair.file(side)
    assert file is not None and pair.row is not None  # noqa: S101, PT018 - moved means present
    old = pair.row.local if side is Side.LOCAL else pair.row.remote
    if pair.row.content is None or file.size != old.size:
        return False
    return both or pair.file(side.other) is None or not hashless(file.stamp)


def _moved_together(pairs: list[_Pair]) -> Iterator[tuple[Side, str]]:
    """Yield the files of a side that all seem changed at once, with the sizes they had.

    A server that tells versions by other names than before, or was restored from a backup, changes
    no content. To read them costs no more than to bring them.
    """
    for side in Side:
        moved = [pair.path for pair in pairs if _moved_unread(pair, side)]
        if len(moved) > _A_FEW:
            yield from ((side, path) for path in moved)


def doubtful(observation: Observation, policy: Policy) -> dict[Side, tuple[str, ...]]:
    """Return the files of each side whose listed digests all differ at once from those agreed on.

    They have the sizes they had, and are most of what is agreed on: a server that begins to list
    something else as a digest tells of no change.
    """
    blocked = barrier.of(observation)
    agreed = rows(observation)
    found: dict[Side, tuple[str, ...]] = {}
    pairs = [p for p in _pairs(observation, policy.compare) if not blocked.file(p.path)]
    for side in Side:
        paths = tuple(sorted(pair.path for pair in pairs if _lists_another(pair, side)))
        if len(paths) > _A_FEW and 2 * len(paths) > len(agreed):
            found[side] = paths
    return found


def _lists_another(pair: _Pair, side: Side) -> bool:
    file, row = pair.file(side), pair.row
    if file is None or row is None or not isinstance(file.stamp, ObjectStamp):
        return False
    old = row.local if side is Side.LOCAL else row.remote
    differs = same(file.stamp.content, row.content) is False
    return differs and pair.moved(side) and file.size == old.size


def _moved_unread(pair: _Pair, side: Side) -> bool:
    file, row = pair.file(side), pair.row
    if file is None or row is None or row.content is None or not pair.moved(side):
        return False
    old = row.local if side is Side.LOCAL else row.remote
    return hashless(file.stamp) and file.size == old.size


def _size(file: File | None) -> int | None:
    return None if file is None else file.size


def _rename_candidates(pairs: list[_Pair], policy: Policy) -> Iterator[tuple[Side, str]]:
    """Yield new files that may be an agreed file under another name."""
    if policy.mode in (Mode.PUSH, Mode.PULL):
        return
    for side in Side:
        if source_side(policy) in (None, side):
            sizes = {_left_size(pair, side) for pair in pairs} - {None, 0}
            for pair in pairs if sizes else ():
                file = pair.file(side)
                alone = pair.row is None and pair.file(side.other) is None
                if alone and file is not None and file.size in sizes:
                    yield side, pair.path


def _left_size(pair: _Pair, side: Side) -> int | None:
    """Return the size of an agreed file that left `side` while the other side may still have it."""
    kept = pair.file(side.other)
    if pair.row is None or pair.row.content is None or pair.file(side) is not None or kept is None:
        return None
    old = pair.row.remote if side is Side.LOCAL else pair.row.local
    return kept.size if kept.size == old.size else None


def _copies_of_losers(observation: Observation, pairs: list[_Pair]) -> Iterator[tuple[Side, str]]:
    """Yield what may already be a conflict copy (of a run that was cut short), and its original."""
    contested = [
        (side, pair.path, file.size)
        for pair in pairs
        for side in Side
        if (file := pair.file(side)) is not None and _contested(observation, pair, side)
    ]
    if not contested:
        return
    copies = [pair for pair in pairs if looks_kept(pair.path)]
    sizes = {_size(file) for pair in copies for file in (pair.local, pair.remote)}
    sizes |= _sizes_of_agreed_copies(observation)
    matched = {size for _, _, size in contested if size in sizes}
    for side, path, size in contested:
        if size in matched:
            yield side, path
    for pair in copies:
        for side in Side:
            if _size(pair.file(side)) in matched:
                yield side, pair.path


def _sizes_of_agreed_copies(observation: Observation) -> set[int]:
    """Return the sizes of copies that a run got to both sides before it failed at their winner."""
    there = observation.local.files
    return {there[p].size for p in observation.baseline.files if looks_kept(p) and p in there}


def _contested(observation: Observation, pair: _Pair, side: Side) -> bool:
    if pair.path in observation.tree(side.other).dirs:
        return True
    return pair.moved(side) and pair.moved(side.other)


def incomparable(observation: Observation, policy: Policy) -> frozenset[str]:
    """Return the paths that may be alike, of which both sides tell digests that cannot tell it."""
    return frozenset(
        pair.path
        for pair in _pairs(observation, policy.compare)
        if pair.local is not None
        and pair.remote is not None
        and pair.local.size == pair.remote.size
        and known(pair.local) is not None
        and known(pair.remote) is not None
        and same(known(pair.local), known(pair.remote)) is None
    )


def needs_mtime(
    observation: Observation, policy: Policy, side: Side = Side.REMOTE
) -> frozenset[str]:
    """Return the conflict paths whose time on a side is unknown and needed.

    It decides (newer, older) or names the copy of that side's version when it loses.
    """
    if policy.mode is not Mode.TWO_WAY or policy.conflict.winner is Winner.STOP:
        return frozenset()
    blocked = barrier.of(observation)
    return frozenset(
        diff.path
        for diff in diffs(observation, policy.compare)
        if (file := diff.file(side)) is not None
        and mtime_ns(file) is None
        and not blocked.file(diff.path)
        and _time_matters(observation, diff, policy.conflict, side)
    )


def _time_matters(observation: Observation, diff: PathDiff, conflict: Conflict, side: Side) -> bool:
    if diff.file(side.other) is None:
        return diff.path in observation.tree(side.other).dirs
    if not diff.contested:
        return False
    assert diff.local is not None and diff.remote is not None  # noqa: S101, PT018 - contested
    if conflict.winner in (Winner.NEWER, Winner.OLDER, Winner.MERGE):
        return True
    winner = winning_side(diff.local, diff.remote, conflict.winner) or Side.REMOTE
    return winner.other is side and conflict.loser is Loser.COPY
