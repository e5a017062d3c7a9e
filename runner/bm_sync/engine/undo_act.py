"""Carries out what only a plan that brings versions back has, and tells what is agreed then."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from bm_sync import layout
from bm_sync.engine.keepers import Keeper
from bm_sync.engine.ledger import Ledger
from bm_sync.engine.scope import Errand, Hand
from bm_sync.model.config import Mode
from bm_sync.model.plan import Action, Move, ProjectPlan, Reason, Restore, Trash
from bm_sync.model.run import Outcome
from bm_sync.model.tree import Agreed, Side, Stamp
from bm_sync.rclone.faults import RcloneError
from bm_sync.rclone.remotes import Fs

Keepers = Callable[[], Mapping[Side, Keeper]]

_FETCHED = "fetched"
_BACK = (Reason.TAKEN_BACK, Reason.BROUGHT_BACK, Reason.SETTLED, Reason.MERGED)


class _Given:
    """Kept versions as the other side receives them: a folder in the trash, which never changes."""

    def __init__(self, keeper: Keeper, folder: str) -> None:
        self._keeper = keeper
        self._folder = folder
        self.here = keeper.here

    async def portions(self, errands: Sequence[Errand]) -> list[list[Errand]]:
        """Return the errands in portions, each of which can be lent at once."""
        return await self._keeper.portions(self._folder, errands)

    def lend(self, paths: Sequence[str]) -> AbstractAsyncContextManager[Fs]:
        """Lend a root below which rclone finds these files."""
        return self._keeper.lend(self._folder, paths)

    async def content(self, path: str, algorithm: str) -> str | None:
        """Return the digest of a kept version."""
        return await self._keeper.content(f"{self._folder}/{path}", algorithm)

    async def vouch(self, errands: Sequence[Errand]) -> set[str]:
        """Return all paths: what is kept does not change."""
        return {errand.path for errand in errands}


async def restore(
    items: Sequence[Restore],
    hand: Hand,
    keepers: Mapping[Side, Keeper],
    ledger: Ledger,
) -> None:
    """Bring versions back to one side: first what it keeps itself, then what the other keeps."""
    try:
        intact = await _intact(items, keepers, ledger)
        await hand.put_back([i for i in intact if i.keeper is hand.side])
        others = [i for i in intact if i.keeper is not hand.side]
        keeper = keepers[hand.side.other]
        by_folder: dict[str, list[Restore]] = defaultdict(list)
        for item in others:
            if item.kept.endswith(f"/{item.path}"):
                by_folder[item.kept.removesuffix(f"/{item.path}")].append(item)
        for folder, group in by_folder.items():
            await _receive(group, _Given(keeper, folder), hand, keeper, ledger)
        renamed = [i for i in others if not i.kept.endswith(f"/{i.path}")]
        await _receive_fetched(renamed, hand, keeper, ledger)
    finally:
        for item in items:
            ledger.land(item.path, hand.side)


async def _intact(
    items: Sequence[Restore], keepers: Mapping[Side, Keeper], ledger: Ledger
) -> list[Restore]:
    """Return those whose kept version is what was recorded of it; settle the others."""
    good: list[Restore] = []
    for item in items:
        if item.in_trash and item.content is not None:
            algorithm = item.content.partition(":")[0]
            keeper = keepers[item.keeper]
            there = await keeper.recorded(item.kept, algorithm)
            if there not in (None, item.content):
                what = f"{keeper.label}/{item.kept} was changed after it was kept"
                ledger.settle(item, Outcome.FAILED, what)
                continue
        good.append(item)
    return good


async def _receive_fetched(
    items: Sequence[Restore], hand: Hand, keeper: Keeper, ledger: Ledger
) -> None:
    """Bring versions that the other side keeps under another name, by way of a private folder."""
    if not items:
        return
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        top = _real(scratch)
        good = []
        for item in items:
            target = top / _FETCHED / item.path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                await keeper.fetch(item.kept, target)
            except (RcloneError, OSError) as e:
                ledger.settle(item, Outcome.FAILED, str(e))
            else:
                good.append(item)
        await _receive(good, _Given(keeper.beside(top), _FETCHED), hand, keeper, ledger)


def _real(folder: str) -> Path:
    return Path(os.path.realpath(folder))


async def _receive(
    items: Sequence[Restore], given: _Given, hand: Hand, keeper: Keeper, ledger: Ledger
) -> None:
    kept = await keeper.look([item.kept for item in items])
    errands = []
    for item in items:
        stamp = kept.get(item.kept)
        if stamp is None:
            ledger.settle(item, Outcome.DROPPED, "the version is not kept any more")
        else:
            errands.append(Errand(item.path, stamp, item.target, item.content, None, item))
    await hand.receive(errands, given)


@asynccontextmanager
async def laid_out(fresh: Mapping[str, bytes], keeper: Keeper) -> AsyncIterator[None]:
    """Lay new versions, by path, where they are brought from, while the context lasts."""
    if not fresh:
        yield
        return
    try:
        await keeper.clear_new()
        for path, data in fresh.items():
            await keeper.lay(f"{layout.NEW}/{path}", data)
        yield
    finally:
        await keeper.clear_new()


def learn(plan: ProjectPlan, ledger: Ledger) -> None:
    """Note what both sides agree on where a path went back on both; else the memory stays.

    Then the next run sees what one side has, and brings the other after it.
    """
    for path, actions in _by_path(plan.actions).items():
        old = {a.old_path for a in actions if isinstance(a, Move)}
        if any(ledger.outcome(action) is not Outcome.DONE for action in actions):
            ledger.put.pop(path, None)
            ledger.drop -= {path, *old}
        elif plan.mode is not Mode.TWO_WAY:
            ledger.forget(path)
            for name in old:
                ledger.forget(name)
        elif any(isinstance(action, Restore) for action in actions):
            _agree(path, [a for a in actions if isinstance(a, Restore)], ledger)


def _by_path(actions: Sequence[Action]) -> dict[str, list[Restore | Trash | Move]]:
    found: dict[str, list[Restore | Trash | Move]] = defaultdict(list)
    for action in actions:
        if isinstance(action, Restore | Trash | Move) and action.reason in _BACK:
            found[action.path].append(action)
    return found


def _agree(path: str, actions: Sequence[Restore], ledger: Ledger) -> None:
    first = actions[0]
    stamps: dict[Side, Stamp | None] = {Side.LOCAL: first.local, Side.REMOTE: first.remote}
    content = first.content
    for action in actions:
        landed = ledger.landed.get((action.side, path))
        if landed is not None:
            content = content or landed[0]
            stamps[action.side] = landed[1]
    local, remote = stamps[Side.LOCAL], stamps[Side.REMOTE]
    if local is not None and remote is not None:
        ledger.agree(path, Agreed(content, local, remote))
