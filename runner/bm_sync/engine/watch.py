"""Reconciles again and again in one process, by one warm rclone: the loop behind `bm-sync watch`.

What is due is decided in `watch_clock`; a round is an ordinary run (`reconcile.apply`). A round
that fails is tried again later and never ends the loop; one that is cancelled stops as any run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from bm_sync.engine import reconcile
from bm_sync.engine.prepare import Prepared, Wants, prepare_all
from bm_sync.engine.site import Site
from bm_sync.engine.warm import WarmRclone
from bm_sync.engine.watch_alone import alone
from bm_sync.engine.watch_clock import Ending, Instant
from bm_sync.engine.watch_local import LocalFolders
from bm_sync.engine.watch_manifest import InForce, InPlace
from bm_sync.engine.watch_news import Happening
from bm_sync.engine.watch_roster import Roster
from bm_sync.engine.watch_told import ending, troubles
from bm_sync.errors import BmSyncError, Exit
from bm_sync.model.config import Project
from bm_sync.model.setup import Selection, Setup
from bm_sync.model.watch import (
    Began,
    Blind,
    Kept,
    Pace,
    Reason,
    Reloaded,
    Round,
    RoundFailed,
    Watched,
    WatchEvent,
)
from bm_sync.schedule.notify import Notifier

_TICK_S = 2.0
_LOOK_S = 1.0  # between two looks at the manifest and the folders
_JUDGE_S = 60.0  # how often what a manifest says of this machine is judged anew


class Order(Struct, frozen=True):
    """What is to be watched, and how; `command` is what was typed."""

    file: Path
    selection: Selection
    setup: Setup
    command: str
    pace: Pace = Pace()
    poll: bool = False


def instant() -> Instant:
    """Return this moment by both clocks."""
    return Instant(time.monotonic(), datetime.now().astimezone().replace(tzinfo=None))


class Watch:
    """One watch of one manifest; `hears` is told what happens.

    Making one raises ManifestError when there is no valid manifest to begin with.
    """

    def __init__(
        self,
        order: Order,
        hears: Callable[[WatchEvent], None],
        service: Notifier,
        clock: Callable[[], Instant] = instant,
    ) -> None:
        self._order = order
        self._hears = hears
        self._service = service
        self._clock = clock
        self._manifest = InPlace(order.file, order.selection, order.setup)
        self._roster = Roster(order.setup, order.pace)
        self._local = LocalFolders(self._hear, poll=order.poll)
        self._warm = WarmRclone()
        self._awake = asyncio.Event()
        self._nudged = False
        self._arrived: dict[str, list[Happening]] = {}
        self._before = self._looked = self._judged = clock()
        self._blind: str | None = None
        self._rounds = 0
        self._running = False

    def nudge(self) -> None:
        """Read the manifest anew and sync everything at once."""
        self._nudged = True
        self._awake.set()

    async def run(self) -> Watched:
        """Go on until the task is cancelled; raises LockedError when another watch runs."""
        with alone(self._order.file, self._order.setup, self._order.command):
            beating = asyncio.create_task(self._beat())
            try:
                with suppress(asyncio.CancelledError):
                    await self._go_on()
            finally:
                self._service.stopping()
                beating.cancel()
                await self._local.stop()
                await self._warm.stop()
        return Watched(self._rounds, interrupted=self._running)

    async def _go_on(self) -> None:
        self._take(self._manifest.now)
        await self._local.follow(self._roster.roots())
        self._blind = self._local.blind
        self._hears(Began(self._roster.names, self._blind))
        self._service.ready(self._roster.status())
        while True:
            await self._tick()
            reasons = await self._roster.due(self._clock())
            if not reasons:
                await self._pause()
            elif await self._round(reasons):
                return

    async def _beat(self) -> None:
        every_s = self._service.watchdog_s
        while every_s is not None:
            self._service.alive()
            await asyncio.sleep(every_s / 2)

    async def _pause(self) -> None:
        soon = self._roster.wait_s(self._clock())
        with suppress(TimeoutError):
            async with asyncio.timeout(_TICK_S if soon is None else min(soon, _TICK_S)):
                await self._awake.wait()
        self._awake.clear()

    async def _tick(self) -> None:
        """Take in what happened since the last one: time, the manifest, folders, files."""
        now = self._clock()
        self._roster.tick(self._before, now)
        self._before = now
        if self._nudged:
            self._nudged = False
            self._reload()
        if now.steady - self._looked.steady >= _LOOK_S:
            self._looked = now
            self._heed(self._manifest.look())
            self._roster.ask(await self._local.follow(self._roster.roots()), Reason.CHANGE)
            self._tell_blindness()
        if now.steady - self._judged.steady >= _JUDGE_S:
            self._judged = now
            self._heed(self._manifest.again())
        arrived, self._arrived = self._arrived, {}
        self._roster.hear(arrived, now)

    def _reload(self) -> None:
        self._service.reloading()
        self._heed(self._manifest.anew())
        self._roster.ask(self._roster.names, Reason.ASKED)
        self._service.ready(self._roster.status())

    def _tell_blindness(self) -> None:
        """Tell why nothing is seen, once; it is tried again now and then."""
        why = self._local.blind
        if why is not None and why != self._blind:
            self._blind = why
            self._hears(Blind(why))

    def _hear(self, name: str, happened: Iterable[Happening]) -> None:
        self._arrived.setdefault(name, []).extend(happened)
        self._awake.set()

    def _heed(self, found: InForce | Kept | None) -> None:
        match found:
            case InForce():
                self._take(found)
                self._hears(Reloaded(self._roster.names))
            case Kept():
                self._hears(found)
            case None:
                return

    def _take(self, fresh: InForce) -> None:
        self._roster.take(fresh.projects, self._clock())
        self._warm.settle(fresh.projects)

    async def _round(self, reasons: Mapping[str, Reason]) -> bool:
        """Sync what is due; return whether the run was interrupted."""
        self._heed(self._manifest.again())
        began, projects = self._clock(), self._roster.begin(reasons)
        if not projects:
            return False
        self._rounds += 1
        self._running = True
        try:
            told, ends = await self._carried_out(projects, reasons)
        except (BmSyncError, OSError) as e:
            told, ends = _failed(projects, e), {}
        self._running = isinstance(told, Round) and told.run.exit == Exit.INTERRUPTED
        whole = {p.name: ends.get(p.name, Ending.FAILED) for p in projects}
        self._roster.end(whole, began, self._clock())
        self._hears(told)
        self._service.status(self._roster.status())
        return self._running

    async def _carried_out(
        self, projects: Sequence[Project], reasons: Mapping[str, Reason]
    ) -> tuple[WatchEvent, dict[str, Ending]]:
        watch = reconcile.Watch(
            confirm=lambda _: True,
            on_event=lambda _: None,
            command=self._order.command,
            attended=True,
            opening=self._warm.opening,
        )
        manifest, setup = self._manifest.now.manifest, self._order.setup
        done = await reconcile.apply(manifest, projects, setup, _prepared, watch)
        assert done.run is not None  # noqa: S101 - the plan is always confirmed
        told = Round(done.run, {p.name: reasons[p.name] for p in projects}, troubles(done))
        return told, {each.project: ending(each) for each in done.run.projects}


def _failed(projects: Sequence[Project], error: BmSyncError | OSError) -> RoundFailed:
    told = error if isinstance(error, BmSyncError) else BmSyncError(str(error))
    return RoundFailed(tuple(p.name for p in projects), told.what, told.hint, int(told.exit))


async def _prepared(projects: Sequence[Project], site: Site) -> tuple[Prepared, ...]:
    return await prepare_all(projects, site, Wants())
