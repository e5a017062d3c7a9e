"""The guards: whether a plan may be carried out at all (I6).

Judged on the whole plan before the first byte moves. Nothing is taken out of a plan here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

from bm_sync.model.config import Limit, Mode
from bm_sync.model.plan import (
    Action,
    Copy,
    Forget,
    Guard,
    KeepBoth,
    ProjectPlan,
    Restore,
    Stop,
    Trash,
)
from bm_sync.model.tree import Observation, Root, Side
from bm_sync.plan import barrier, disks, undeletable
from bm_sync.plan.change import rows
from bm_sync.plan.intent import Intent, source_side
from bm_sync.plan.totals import totals
from bm_sync.structs import replace

EMPTY_SIDE = "empty_side"  # what `--accept` says of a side that may be missing or empty

# Whoever deletes the only file of a project means it; below this an empty side is no accident.
_SEVERAL = 2


class _Case(Struct, frozen=True):
    """The plan that is judged."""

    actions: Sequence[Action]
    observation: Observation
    intent: Intent
    withheld: Mapping[Side, tuple[str, ...]] = field(default_factory=dict)
    reconciling: bool = False

    def deletes(self, side: Side) -> tuple[str, ...]:
        return tuple(a.path for a in self.actions if isinstance(a, Trash) and a.side is side)

    def given_up(self, side: Side) -> tuple[str, ...]:
        """Return what should go from a side, deletions that it cannot carry out included."""
        return self.deletes(side) + self.withheld.get(side, ())

    def overwrites(self, side: Side) -> tuple[str, ...]:
        return tuple(a.path for a in self.actions if _overwrites(a, side))

    def files(self, side: Side) -> int:
        """Return how many files the side has or should have."""
        there = self.observation.tree(side).files
        return len(there) + sum(path not in there for path in rows(self.observation))

    @property
    def all_deletes(self) -> int:
        return sum(len(self.deletes(side)) for side in Side)

    @property
    def all_given_up(self) -> int:
        return sum(len(self.given_up(side)) for side in Side)

    @property
    def all_overwrites(self) -> int:
        return sum(len(self.overwrites(side)) for side in Side)


def judged(
    plan: ProjectPlan, observation: Observation, intent: Intent, *, reconciling: bool = False
) -> ProjectPlan:
    """Return a plan with its totals counted and every guard that refuses it.

    This is the last step of making any plan: what is added to its actions later is not judged. A
    plan that is `reconciling` brings both sides together: a side that it reads from has to be
    there. Taking a run back, say, needs no source.
    """
    withheld = undeletable.withheld(plan.problems)
    case = _Case(plan.actions, observation, intent, withheld, reconciling=reconciling)
    found = [stop for side in Side for stop in _side_stops(case, side)]
    return replace(
        plan,
        totals=totals(plan.actions, conflicts=len(plan.clashes)),
        stops=(*found, *_max_bytes(case), *(s for side in Side for s in _device(case, side))),
    )


def _side_stops(case: _Case, side: Side) -> Iterator[Stop]:
    yield from _root(case, side)
    yield from _listing(case, side)
    yield from _empty_side(case, side)
    yield from _max_delete(case, side)
    yield from _max_overwrite(case, side)


def _overwrites(action: Action, side: Side) -> bool:
    match action:
        case Copy(to=to, target=target):
            return to is side and target is not None
        case Restore(side=place, target=target):
            return place is side and target is not None
        case KeepBoth(gives_way=True, loser=loser):
            return loser is side
        case _:
            return False


def _root(case: _Case, side: Side) -> Iterator[Stop]:
    label = case.intent.label(side)
    match case.observation.tree(side).root:
        case Root.FOLDER | Root.MISSING:
            return
        case Root.NOT_A_FOLDER:
            what = f"{label} is not a folder any more"
            yield Stop(Guard.ROOT, side, what, hint="put the folder back, or change the manifest")
        case Root.SYMLINK:
            what = f"{label} is a symbolic link"
            yield Stop(Guard.ROOT, side, what, hint="name the folder itself in the manifest")
        case Root.STORE_MISSING:
            what = f"the bucket of {label} does not exist"
            name = case.intent.remote_name if side is Side.REMOTE else label.partition(":")[0]
            hint = f"make it: bm-sync doctor --create-bucket {name}; or correct its name"
            yield Stop(Guard.STORE, side, what, hint=hint)


def _listing(case: _Case, side: Side) -> Iterator[Stop]:
    """Judge a side of which less was listed than stands there, or may stand there."""
    missed = case.observation.tree(side).unlisted
    total = sum(len(case.observation.tree(each).unlisted) for each in Side)
    if not missed or case.intent.accept.listing == total:
        return
    label, standing = case.intent.label(side), sum(missed.values())
    if standing:
        what = f"the listing of {label} is not whole: {_left_out(standing)}"
    else:
        what = f"{_files(len(missed))} missing from the listing of {label} could not be looked for"
    hint = "run it again later: nothing is deleted for what a listing leaves out"
    paths = tuple(sorted(missed))
    yield Stop(Guard.LISTING, side, what, paths, accept=f"listing={total}", hint=hint)


def _left_out(standing: int) -> str:
    one = standing == 1
    return f"it leaves out {_files(standing)} that {'stands' if one else 'stand'} there"


def _empty_side(case: _Case, side: Side) -> Iterator[Stop]:
    guards = case.intent.policy.guards
    total = case.all_given_up
    if guards.empty_side == "allow" or case.intent.accept.delete == total:
        return
    tree = case.observation.tree(side)
    state = "is missing" if tree.root is not Root.FOLDER else "is empty"
    keeping = case.intent.keep_deleted or not _gives_deletions(case, side)
    lost = _lost(case, side) if total and not keeping else None
    paths: tuple[str, ...] = ()
    if lost:
        what = f"{case.intent.label(side)} {state}, and {lost} would go from the other side"
        paths, accept = case.given_up(side.other), f"delete={total}"
    else:
        why = _silent(case, side)
        if why is None:
            return
        what, accept = f"{case.intent.label(side)} {state}{why}", EMPTY_SIDE
    yield Stop(
        Guard.EMPTY_SIDE,
        side,
        what,
        paths,
        accept=accept,
        origin=guards.empty_side_origin,
        hint=_hint(case, side),
    )


def _silent(case: _Case, side: Side) -> str | None:
    """Return how a sentence ends about a missing or empty source from which nothing is deleted.

    It must never pass for being in sync: a disk that is not mounted, a misspelt folder.
    """
    observation, intent = case.observation, case.intent
    reads = source_side(intent.policy) in (None, side)
    if not case.reconciling or not reads or observation.tree(side).files:
        return None
    additive = intent.policy.mode in (Mode.PUSH, Mode.PULL)
    if intent.accept.empty_side or (intent.keep_deleted and not additive):
        return None
    blocked = barrier.of(observation)
    return _unlike(case, side, sum(not blocked.file(path) for path in rows(observation)))


def _unlike(case: _Case, side: Side, agreed: int) -> str | None:
    """Return the same of a side without files, of which `agreed` are remembered."""
    observation, intent = case.observation, case.intent
    source = source_side(intent.policy)
    tree, other, known = observation.tree(side), observation.tree(side.other), observation.baseline
    if tree.root is Root.MISSING:
        if source is side or agreed or (side is Side.LOCAL and known.device is not None):
            return f"; {_synced(agreed)}" if agreed else ""
        nowhere = side is Side.LOCAL and not (known.known or other.files or intent.makes_roots)
        return f", and {intent.label(side.other)} holds no files" if nowhere else None
    if agreed >= _SEVERAL:
        return f"; {_synced(agreed)}"
    if source is side and not known.known and other.files:
        return f", and {intent.label(side.other)} holds {_files(len(other.files))}"
    return None


def _synced(count: int) -> str:
    return f"{_files(count)} {'was' if count == 1 else 'were'} synced with it"


def _gives_deletions(case: _Case, side: Side) -> bool:
    policy = case.intent.policy
    if policy.mode in (Mode.PUSH, Mode.PULL):
        return False
    return source_side(policy) in (None, side)


def _lost(case: _Case, side: Side) -> str | None:
    """Return what an empty side seems to have lost; None when it is as it may be."""
    tree = case.observation.tree(side)
    if tree.files:
        return None
    blocked = barrier.of(case.observation)
    agreed = sum(not blocked.file(path) for path in rows(case.observation))
    deletes = len(case.given_up(side.other))
    if tree.root is Root.MISSING and agreed and (deletes or _forgets(case)):
        return _files(agreed)
    if agreed >= _SEVERAL and deletes:
        return _files(agreed)
    alone_may_go = 1 if case.observation.baseline.known else 0
    if case.intent.policy.mode is Mode.MIRROR and deletes > alone_may_go:
        return _files(deletes)
    return None


def _forgets(case: _Case) -> bool:
    return any(isinstance(action, Forget) for action in case.actions)


def _max_delete(case: _Case, side: Side) -> Iterator[Stop]:
    paths, total = case.deletes(side), case.all_deletes
    limit, accepted = case.intent.policy.guards.max_delete, case.intent.accept.delete
    if accepted == total:
        return
    unasked = _by_moving(case, side, paths) if case.reconciling else ()
    if unasked:
        yield _moved(case, side, unasked, f"delete={total}")
    else:
        yield from _limit(case, side, (Guard.MAX_DELETE, limit, f"delete={total}"), paths)


def _by_moving(case: _Case, side: Side, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return what would go because a side lies elsewhere than in the run before.

    What is missing in a folder that should have been renamed was not deleted, and what else stands
    in a new one was never synced: nothing of it goes unasked. What the guard on missing and empty
    sides stops already is not told twice.
    """
    moved = case.intent.moved
    if side.other in moved:
        return () if any(_empty_side(case, side.other)) else paths
    agreed = rows(case.observation)
    return tuple(path for path in paths if path not in agreed) if side in moved else ()


def _moved(case: _Case, side: Side, paths: tuple[str, ...], accept: str) -> Stop:
    them = "it" if len(paths) == 1 else "them"
    share = f"{len(paths)} of {_files(case.files(side))} on {case.intent.label(side)}"
    what = f"{share} would go, because {case.intent.label(side.other)} does not hold {them}"
    hint = _hint(case, side.other) or _hint(case, side)
    origin = case.intent.policy.guards.max_delete.origin
    return Stop(Guard.MAX_DELETE, side, what, paths, accept=accept, origin=origin, hint=hint)


def _hint(case: _Case, side: Side) -> str | None:
    """Return what to look at in the first run after a side was moved."""
    if side not in case.intent.moved:
        return None
    return (
        f"it was {case.intent.was}: rename it there as well, or let the manifest name where it is"
    )


def _max_overwrite(case: _Case, side: Side) -> Iterator[Stop]:
    paths, total = case.overwrites(side), case.all_overwrites
    limit, accepted = case.intent.policy.guards.max_overwrite, case.intent.accept.overwrite
    if accepted != total:
        yield from _limit(case, side, (Guard.MAX_OVERWRITE, limit, f"overwrite={total}"), paths)


def _limit(
    case: _Case, side: Side, rule: tuple[Guard, Limit, str], paths: tuple[str, ...]
) -> Iterator[Stop]:
    guard, limit, accept = rule
    if not paths:
        return
    files = case.files(side)
    allowed = limit.allows(files)
    if allowed is None or len(paths) <= allowed:
        return
    verb = "go" if guard is Guard.MAX_DELETE else "be replaced"
    label = case.intent.label(side)
    what = f"{len(paths)} of {_files(files)} on {label} would {verb}, {_said(limit, files)}"
    yield Stop(guard, side, what, paths, accept=accept, origin=limit.origin)


def _said(limit: Limit, files: int) -> str:
    """Return the limit as a person said it, with the figure it comes to."""
    allowed = limit.allows(files)
    if limit.percent is None or allowed == limit.count:
        return f"the limit is {allowed}"
    if allowed == limit.at_least and int(files * limit.percent / 100) < limit.at_least:
        return f"the limit is {limit.percent:g} % but at least {limit.at_least}"
    return f"the limit is {limit.percent:g} % ({allowed})"


def _max_bytes(case: _Case) -> Iterator[Stop]:
    guards = case.intent.policy.guards
    figures = totals(case.actions, conflicts=0)
    size = figures.bytes_up + figures.bytes_down
    if guards.max_bytes is None or size <= guards.max_bytes or case.intent.accept.bytes == size:
        return
    side = Side.REMOTE if figures.bytes_up >= figures.bytes_down else Side.LOCAL
    what = f"{size} bytes would move, the limit is {guards.max_bytes}"
    paths = tuple(a.path for a in case.actions if isinstance(a, Copy | KeepBoth | Restore))
    origin = guards.max_bytes_origin
    yield Stop(Guard.MAX_BYTES, side, what, paths, accept=f"bytes={size}", origin=origin)


def _device(case: _Case, side: Side) -> Iterator[Stop]:
    if not case.intent.accept.device and disks.is_other(case.observation, side):
        what = f"{case.intent.label(side)} is on another file system than last time"
        hint = "is a disk not mounted?"
        yield Stop(Guard.DEVICE, side, what, accept="device", hint=hint)


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
