"""What of a project no run moves: finds what only the files themselves tell, and says it.

What runs take their orders from is known when the manifest is read (`FilterSet.orders`); saved
plans and git directories are recognised by what they are. Reads names and the heads of few files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from bm_sync.engine import contents
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.engine.ledger import Ledger, side_of
from bm_sync.errors import StateError, UsageError
from bm_sync.filters.closed import Met
from bm_sync.filters.matcher import Matcher
from bm_sync.model.config import BUILT_IN, OrderPath
from bm_sync.model.past import Effect, EffectKind
from bm_sync.model.plan import Action, KeepBoth, Move, ProjectPlan
from bm_sync.model.run import Outcome
from bm_sync.model.setup import Setup
from bm_sync.model.tree import Observation, Problem, ProblemKind, Side
from bm_sync.paths import home_dir
from bm_sync.plan import guard
from bm_sync.plan.intent import Intent
from bm_sync.plan.wire import HEAD_BYTES, looks_saved
from bm_sync.structs import replace

_FIRST = 3
_NAMED = 5
_MOST_COUNTED = 1_000_000
_PLAN_NAME = ".plan"
_HOW = "with git: sync in its filters they would be synced"


class LeftAlone(Struct, frozen=True):
    """What is said about it: `notes` with a plan, `warnings` also at the end of a run."""

    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def close_saved_plans(
    root: Path, private: Iterable[str], agreed: Mapping[str, object], matcher: Matcher
) -> bool:
    """Close the saved plans among the files that their owner alone may read.

    A file that is in `agreed`, which both sides hold already, is looked into only when its name
    says that it is a plan. Returns whether there are any.
    """
    asked = [path for path in private if path not in agreed or path.endswith(_PLAN_NAME)]
    found = [path for path in asked if _is_saved(Jail(root), path)]
    for path in found:
        matcher.close(OrderPath(path, "a saved plan", BUILT_IN))
    return bool(found)


def _is_saved(jail: Jail, path: str) -> bool:
    try:
        with os.fdopen(jail.open(path), "rb") as file:
            return looks_saved(file.read(HEAD_BYTES))
    except (OSError, BlockedError):
        return False


def refuse_brought(files: Sequence[Path], setup: Setup) -> None:
    """Raise UsageError when one of a manifest's files stands as a run brought it here.

    Whoever may write to that project's remote wrote it. What a manifest depends on is left alone in
    its own projects; a file in a folder of another manifest's project is not. The manifest itself
    is the first of `files`.
    """
    from bm_sync.state.store import State

    with suppress(StateError), State.peek(setup.state_dir) as state:
        roots = [(known, _root(known.local, setup)) for known in state.projects()]
        for file in files:
            place = Path(os.path.realpath(file))
            for known, root in roots:
                if not place.is_relative_to(root):
                    continue
                effect = state.past.last_here(known.key, place.relative_to(root).as_posix())
                if effect is not None and _stands(place, effect):
                    what = f"{file} was brought here by a run of project {known.name}"
                    trust = f"to take it as it stands: bm-sync -f {files[0]} validate"
                    raise UsageError(
                        f"{what}, so whoever writes to its remote wrote it",
                        hint=f"read it; {trust}",
                    )


def _root(label: str, setup: Setup) -> str:
    """Return the real folder that a local label names."""
    plain = f"{home_dir(setup.env)}{label[1:]}" if label.startswith("~/") else label
    return os.path.realpath(plain)


def _stands(file: Path, effect: Effect) -> bool:
    """Whether a file is still what a run put there; when that cannot be told, it is."""
    if effect.kind not in (EffectKind.PUT, EffectKind.MOVED):
        return False
    algorithm, _, digest = (effect.content or "").partition(":")
    if not contents.computable(algorithm):
        return True
    try:
        data = file.read_bytes()
    except OSError:
        return True
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() == digest


def screened(
    plan: ProjectPlan, matcher: Matcher, observation: Observation, intent: Intent
) -> ProjectPlan:
    """Return a plan without the actions on closed paths; each of these is a problem instead.

    What is planned from trees has none. What is planned from records of earlier runs may. What is
    left is judged by the guards.
    """
    refused = {
        action: closed
        for action in plan.moves
        if (closed := closed_by(action, matcher)) is not None
    }
    if not refused:
        return plan
    actions = tuple(action for action in plan.actions if action not in refused)
    problems = {
        (action.path, side_of(action) or Side.LOCAL): closed for action, closed in refused.items()
    }
    more = (Problem(path, side, ProblemKind.CHANGED, why) for (path, side), why in problems.items())
    plan = replace(plan, actions=actions, problems=(*plan.problems, *more))
    return guard.judged(plan, observation, intent)


def allowed(actions: Iterable[Action], matcher: Matcher, ledger: Ledger) -> tuple[Action, ...]:
    """Return what may be done of a plan, wherever it comes from; the others are settled."""
    found = []
    for action in actions:
        closed = closed_by(action, matcher)
        if closed is None:
            found.append(action)
        else:
            ledger.settle(action, Outcome.FAILED, closed)
    return tuple(found)


def closed_by(action: Action, matcher: Matcher) -> str | None:
    """Return why no run carries out an action, None when nothing speaks against it."""
    paths = [action.path]
    match action:
        case Move(old_path=other) | KeepBoth(copy_path=other):
            paths.append(other)
        case _:
            pass
    for verdict in map(matcher.closed.at, paths):
        if verdict is not None:
            what = verdict.order.what if verdict.order else "git's own" if verdict.git else "ours"
            return f"no run touches it: it is {what}"
    return None


def told(near: Met, far: Met, local: Path | None, remote: str) -> LeftAlone:
    """Return what is said about what was met on either side; `local` is the near side's folder."""
    both = tuple(path for path in near.orders if path in far.orders)
    only = tuple(path for path in far.orders if path not in near.orders)
    notes = [*_of_orders(near.orders, both, remote)]
    warnings = [_not_brought(far.orders[path], path, remote) for path in only]
    return LeftAlone((*notes, *warnings, *_of_git(near, far, local, remote)), tuple(warnings))


def _of_orders(
    orders: Mapping[str, OrderPath], both: Collection[str], remote: str
) -> Iterator[str]:
    if len(orders) == 1:
        ((path, order),) = orders.items()
        there = f", and so does that on {remote}" if both else ""
        yield f"{path} stays as it is{there}: runs depend on it ({order.what})"
    elif orders:
        shown = [f"{path} ({order.what})" for path, order in list(orders.items())[:_NAMED]]
        more = len(orders) - len(shown)
        listed = ", ".join([*shown, *([f"{more:,} more"] if more else [])])
        there = f"; {remote} has {len(both):,} of them, too" if both else ""
        yield f"{len(orders):,} files stay as they are, as runs depend on them: {listed}{there}"


def _not_brought(order: OrderPath, path: str, remote: str) -> str:
    return (
        f"{remote} holds {path} ({order.what}): it is not brought here, as runs depend on it;"
        " copy it yourself if you trust it"
    )


def _of_git(near: Met, far: Met, local: Path | None, remote: str) -> Iterator[str]:
    here, there = near.git, far.git
    if here and local is not None:
        number = sum(_count(local / path) for path in here)
        files = f"{number:,} file{'' if number == 1 else 's'} under {_some(here)}"
        yield f"{files} left out{f', as on {remote}' if there else ''}; {_HOW}"
    elif here or there:
        yield f"{_some(here or there)}{'' if here else f' on {remote}'} left out; {_HOW}"


def _some(paths: Collection[str]) -> str:
    shown = sorted(paths)[:_FIRST]
    more = len(paths) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _count(top: Path) -> int:
    """Return how many files lie in a folder, links counted as files; 1 for a file."""
    number, todo = 0, [str(top)]
    while todo and number < _MOST_COUNTED:
        try:
            with os.scandir(todo.pop()) as listing:
                for entry in listing:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    else:
                        number += 1
        except NotADirectoryError:
            number += 1
        except OSError:
            continue
    return number
