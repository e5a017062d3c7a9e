"""Whether a saved plan still is what today's plan would do, and how much of it (I13).

A saved plan is data: nothing in it is believed. Today's plan is made anew from what is there and
from today's manifest; the saved one only chooses among its actions, and whatever today's plan does
not do makes it stale. What it leaves out of today's plan has to be independent of what it takes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct, field

from bm_sync.model.plan import (
    MEMORY_ONLY,
    Action,
    AdoptDir,
    Copy,
    KeepBoth,
    MakeDir,
    Move,
    ProjectPlan,
    RemoveDir,
    Restore,
    Trash,
)
from bm_sync.model.tree import Observation, Side, Stamp
from bm_sync.plan import guard, steps
from bm_sync.plan.barrier import ancestors
from bm_sync.plan.intent import Intent
from bm_sync.plan.spellings import fold
from bm_sync.structs import replace


class Fit(Struct, frozen=True):
    """What a saved plan takes of today's: the actions in today's order, and those it leaves out.

    `misfits` are sentences that say why it is stale, none when it fits.
    """

    taken: tuple[Action, ...] = ()
    left: tuple[Action, ...] = ()
    misfits: tuple[str, ...] = ()


def fit(saved: ProjectPlan, today: ProjectPlan, observation: Observation) -> Fit:
    """Hold a saved plan to today's, action by action; `observation` only words the reasons.

    What only the memory learns is today's, whatever the saved plan says of it.
    """
    wanted = [_bare(action) for action in saved.moves]
    chosen = set(wanted)
    found = {_bare(action) for action in today.moves}
    foreign = [action for action in wanted if action not in found]
    taken = [a for a in today.moves if _bare(a) in chosen]
    left = [a for a in today.moves if _bare(a) not in chosen]
    misfits = [_why(action, observation) for action in foreign]
    if len(chosen) != len(wanted):
        misfits.append("an action stands in it twice")
    if not misfits:
        misfits += _torn(taken, left)
    return Fit(tuple(_with_memory(today, set(taken), left)), tuple(left), tuple(misfits))


def narrowed(
    today: ProjectPlan, found: Fit, observation: Observation, intent: Intent
) -> ProjectPlan:
    """Return today's plan with what a saved plan takes of it, judged by the guards.

    What stops the whole of it stops a part of it, too.
    """
    if not found.left:
        return today
    names = {name for action in found.taken for name in _names(action)}
    clashes = tuple(c for c in today.clashes if c.winner is None or fold(c.path) in names)
    more = len(found.left)
    note = f"{more} more {'change' if more == 1 else 'changes'} came since the plan was made"
    notes = (*today.notes, f"{note} and {'is' if more == 1 else 'are'} not part of it")
    part = replace(today, actions=found.taken, clashes=clashes, notes=notes)
    part = guard.judged(part, observation, intent, reconciling=True)
    stops = {stop.what: stop for stop in (*part.stops, *today.stops)}
    return replace(part, stops=tuple(stops.values()))


def _with_memory(
    today: ProjectPlan, taken: Collection[Action], left: Sequence[Action]
) -> Iterator[Action]:
    """Yield the actions taken and what the memory learns, but folders that are yet to be made."""
    above = {up for action in left for name in _names(action) for up in _above(name)}
    for action in today.actions:
        if isinstance(action, AdoptDir) and fold(action.path) in above:
            continue
        if isinstance(action, MEMORY_ONLY) or action in taken:
            yield action


def _bare(action: Action) -> Action:
    """Return an action without the digest of its content: who looked closer knows more of it."""
    match action:
        case Copy() | Move() | Restore():
            return replace(action, content=None)
        case _:
            return action


def _torn(taken: Sequence[Action], left: Sequence[Action]) -> Iterator[str]:
    """Say which of the actions that are left out belong to one that is taken."""
    if not left:
        return
    reach = _Reach()
    for action in taken:
        reach.add(action)
    for action in left:
        if reach.touches(action):
            yield f"{action.path}: today's plan has to {_verb(action)}, too"


class _Reach(Struct):
    """The names that actions are about, spelt so that twins of a name are one.

    A wide action is about everything below its name and the folders above it, too.
    """

    names: set[str] = field(default_factory=set)
    above: set[str] = field(default_factory=set)
    wide: set[str] = field(default_factory=set)
    above_wide: set[str] = field(default_factory=set)

    def add(self, action: Action) -> None:
        for name in _names(action):
            self.names.add(name)
            self.above |= _above(name)
            if _is_wide(action):
                self.wide.add(name)
                self.above_wide |= _above(name)

    def touches(self, action: Action) -> bool:
        for name in _names(action):
            up = _above(name)
            if name in self.names or name in self.above_wide or up & self.wide:
                return True
            if _is_wide(action) and (name in self.above or up & self.names):
                return True
        return False


def _names(action: Action) -> Iterator[str]:
    for field_name in ("path", "old_path", "copy_path", "kept_as"):
        name = getattr(action, field_name, None)
        if name is not None:
            yield fold(name)


def _above(name: str) -> set[str]:
    """Return the folders above a name, the root (the empty name) included."""
    return {*ancestors(name), ""} if name else set()


def _is_wide(action: Action) -> bool:
    """Return whether an action needs what lies below or above its name to be as planned."""
    match action:
        case RemoveDir() | MakeDir(path=""):
            return True
        case Trash(early=wide) | KeepBoth(gives_way=wide):
            return wide
        case _:
            return False


def _why(action: Action, observation: Observation) -> str:
    """Say why an action is not one of today's: what it was decided on has changed, or never was."""
    for path, side, before in _decided_on(action):
        now = steps.stamp(observation.tree(side).files.get(path))
        if now != before:
            return f"{path}: {_how(before, now)} on the {side} side since the plan was made"
    return f"{action.path}: today's plan would not {_verb(action)}"


def _how(before: Stamp | None, now: Stamp | None) -> str:
    if before is None:
        return "came"
    return "was deleted" if now is None else "changed"


def _decided_on(action: Action) -> Iterator[tuple[str, Side, Stamp | None]]:
    """Yield what an action saw: at which path of which side which version stood."""
    stamps = {Side.LOCAL: action.local, Side.REMOTE: action.remote}
    match action:
        case Move(side=side):
            yield action.old_path, side, stamps[side]
            yield action.path, side.other, stamps[side.other]
            yield action.old_path, side.other, None
            yield action.path, side, None
        case MakeDir() | RemoveDir():
            return
        case _:
            for side in Side:
                yield action.path, side, stamps[side]
    if isinstance(action, KeepBoth):
        for side in Side:
            yield action.copy_path, side, None


def _verb(action: Action) -> str:  # noqa: PLR0911 - a table
    match action:
        case Copy(to=side):
            return f"copy it to the {side} side"
        case Trash(side=side):
            return f"delete it on the {side} side"
        case Move(side=side):
            return f"rename {action.old_path} to it on the {side} side"
        case KeepBoth():
            return f"keep the other version as {action.copy_path}"
        case Restore(side=side):
            return f"bring a version of it back to the {side} side"
        case MakeDir(side=side):
            return f"make this folder on the {side} side"
        case RemoveDir(side=side):
            return f"remove this folder on the {side} side"
        case _:
            return "learn of it"
