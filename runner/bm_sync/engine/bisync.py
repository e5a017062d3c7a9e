"""Carries a two-way plan out by `rclone bisync` (`engine: bisync`).

bisync compares both sides with the prior listings it is given, copies and deletes, and moves what
it replaces into the run's trash. What it cannot do is done by our own hands: folders, and a losing
version's conflict copy on its own side. It sees the paths of the plan and no other. Whatever it
says, both sides are looked at afterwards; what did not come about is tried again or told.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bm_sync import access
from bm_sync.engine.bisync_ground import Ground, grounds
from bm_sync.engine.bisync_settle import Settling
from bm_sync.engine.bisync_work import (
    Carry,
    Removal,
    Work,
    carry_of,
    carry_of_copy,
    chosen,
    work_of,
)
from bm_sync.engine.execute import Hands
from bm_sync.engine.observe import Seen
from bm_sync.engine.scope import Scope, salvage
from bm_sync.model.plan import Action, Copy, KeepBoth, MakeDir, RemoveDir, Trash
from bm_sync.model.run import Outcome
from bm_sync.model.tree import Side
from bm_sync.rclone.bisync import Ended, Order
from bm_sync.rclone.faults import RcloneError
from bm_sync.state.place import private_folder

_LEFT = "rclone bisync left it as it was"


async def carry_out(actions: Sequence[Action], seen: Seen, hands: Hands, scope: Scope) -> None:
    """Do every action that moves something; see `execute.carry_out`, whose order this is."""
    both = grounds(seen, {Side.LOCAL: hands.local, Side.REMOTE: hands.remote}, scope)
    runner = _Runner(both, scope)
    trash, removed = chosen(actions, Trash), chosen(actions, RemoveDir)
    made = chosen(actions, MakeDir)
    await runner.recover()
    if not actions:
        return
    for hand in hands.both:
        await hand.prepare()
    async with runner.anchored():
        await runner.run((), (a for a in trash if a.early))
        for hand in hands.both:
            await hand.remove_dirs([a for a in removed if a.early and a.side is hand.side])
        kept = await _keep_losers(chosen(actions, KeepBoth), hands, scope)
        for hand in hands.both:
            await hand.make_dirs([a for a in made if a.side is hand.side])
        copies = _copies(chosen(actions, Copy), kept, scope)
        await runner.run([*kept, *copies], (a for a in trash if not a.early))
        for hand in hands.both:
            await hand.remove_dirs([a for a in removed if not a.early and a.side is hand.side])


async def _keep_losers(items: Sequence[KeepBoth], hands: Hands, scope: Scope) -> list[Carry]:
    """Keep losing versions beside the winners; return what bisync brings to the other side."""
    carries = []
    for loser in hands.both:
        mine = [a for a in items if a.loser is loser.side]
        stamps = await loser.duplicate(mine)
        for action in mine:
            if action.copy_path in stamps:
                carries.append(carry_of_copy(action, stamps[action.copy_path]))
                if action.gives_way:
                    scope.ledger.forget(action.path)
    return carries


def _copies(items: Sequence[Copy], kept: Sequence[Carry], scope: Scope) -> list[Carry]:
    """Return the copies that may be made: where the losing version is kept, if one is."""
    standing = {carry.path for carry in kept}
    ready = []
    for item in items:
        if item.kept_as is None or item.kept_as in standing:
            ready.append(carry_of(item))
        else:
            scope.ledger.settle(item, Outcome.DROPPED, "its other version could not be kept")
    return ready


class _Runner:
    """Runs bisyncs of one project, one after the other."""

    def __init__(self, both: Mapping[Side, Ground], scope: Scope) -> None:
        self._both = both
        self._scope = scope
        self._settling = Settling(both, scope)
        self._ended = Ended(None)

    @property
    def _workdir(self) -> Path:
        return self._scope.site.setup.state_dir / "bisync" / self._scope.key

    async def recover(self) -> None:
        """Clear what a killed run left; the working directory tells that there was one."""
        killed = access.standing(self._workdir) is not None
        for ground in self._both.values():
            await ground.recover(killed=killed)
        shutil.rmtree(self._workdir, ignore_errors=True)

    @asynccontextmanager
    async def anchored(self) -> AsyncIterator[None]:
        """Hold an anchor on both sides, and a fresh working directory."""
        self._fresh_workdir()
        try:
            for ground in self._both.values():
                await ground.drop_anchor(self._workdir)
            yield
        finally:
            for ground in self._both.values():
                await salvage(ground.weigh_anchor())
            shutil.rmtree(self._workdir, ignore_errors=True)

    async def run(self, carries: Iterable[Carry], trash: Iterable[Trash]) -> None:
        """Have everything done and settle it; raises RcloneError never for single files."""
        work = work_of(carries, (Removal(a) for a in trash))

        async def attempt() -> None:
            self._ended = await self._bisync(work)
            await self._settling.look(work, well=self._ended.fault is None)
            if work.tasks and self._ended.fault is not None:
                raise self._ended.fault

        while work.tasks:
            try:
                await self._scope.persist(attempt)
            except RcloneError as e:
                self._refuse(work, e)
            else:
                for path in work.paths:
                    self._settling.give_up(work, path, Outcome.DROPPED, _LEFT)

    def _refuse(self, work: Work, fault: RcloneError) -> None:
        """Settle the files that failed by themselves, or all when there is none such."""
        failed = {p: e for p, e in self._ended.failed.items() if p in work.tasks}
        for path in work.paths:
            if not failed or path in failed:
                cause = failed.get(path, fault)
                self._settling.give_up(work, path, Outcome.FAILED, cause.what)

    async def _bisync(self, work: Work) -> Ended:
        self._fresh_workdir()
        order = await self._order(work)
        running = self._scope.rclone.bisync(order, self._scope.progress)
        try:
            return await running
        except asyncio.CancelledError:
            await salvage(self._settling.look(work, well=False))
            raise

    async def _order(self, work: Work) -> Order:
        local, remote = self._both[Side.LOCAL], self._both[Side.REMOTE]
        rows = work.rows(local.anchor)
        site, limits = self._scope.site, self._scope.policy.limits
        return Order(
            local=local.shore(rows[Side.LOCAL]),
            remote=remote.shore(rows[Side.REMOTE]),
            paths=(local.anchor, *work.paths),
            workdir=self._workdir,
            partial_suffix=site.partial_suffix,
            late=f"conflict-{site.clock():%Y%m%dT%H%M}-{_plain(site.setup.host)}-",
            transfers=limits.transfers,
            checkers=limits.checkers,
        )

    def _fresh_workdir(self) -> None:
        shutil.rmtree(self._workdir, ignore_errors=True)
        private_folder(self._workdir.parent)
        private_folder(self._workdir)


def _plain(host: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in host)[:40]
