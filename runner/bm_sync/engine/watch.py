"""Reconciles again and again in one process, by one warm rclone: the loop behind `bm-sync watch`.

What is due is decided in `watch_clock`; a round is an ordinary run (`reconcile.apply`). A round
that fails is tried again later and never ends the loop; one that is cancelled stops as any run.

Keeps two watches of one manifest from running at the same time.

Keeps one rclone for many runs, so that none waits for a start or for new connections.

The manifest that a watch goes by: read anew when a file of it changes, kept when that is wrong.

Changes are told by the stamps of all its files and of the folders they lie in. They count once two
looks find the same, so that half a file, which may well be valid, is not taken for the whole.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from bm_sync.engine import reconcile
from bm_sync.engine.identity import digest_of
from bm_sync.engine.opening import bandwidth, drop_if_empty, make_rclone, wake
from bm_sync.engine.prepare import Prepared, prepare_all
from bm_sync.engine.record import iso
from bm_sync.engine.routed import Routed
from bm_sync.engine.selecting import select
from bm_sync.engine.site import Site, utc_now
from bm_sync.engine.watch_clock import Ending, Instant, ending, troubles
from bm_sync.engine.watch_local import Happening, LocalFolders
from bm_sync.engine.watch_roster import Roster
from bm_sync.errors import BmSyncError, Exit, LockedError
from bm_sync.manifest import load
from bm_sync.manifest.diagnostic import ManifestError
from bm_sync.manifest.source import local_of
from bm_sync.model.config import Manifest, Placement, Project
from bm_sync.model.plan import Wants
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
from bm_sync.state.lock import Owner, hold, owner_of
from bm_sync.state.place import prepare

_Stamps = Mapping[str, tuple[int, ...]]


class InForce(Struct, frozen=True):
    """A valid manifest, with the projects of it that are watched on this machine."""

    manifest: Manifest
    projects: tuple[Project, ...]


class InPlace:
    """The manifest in force (`now`), and what was last found in its place.

    Making one raises BmSyncError when there is no valid manifest to begin with.
    """

    def __init__(self, file: Path, selection: Selection, setup: Setup) -> None:
        self._file = file
        self._selection = selection
        self._setup = setup
        self._files: tuple[Path, ...] = ()
        self._refused: Kept | None = None
        self._taken = self._seen = self._stamps()
        self.now = self._load()

    def look(self) -> InForce | Kept | None:
        """Return another manifest that is in force from now on, or why it cannot be.

        None is said while nothing changed, while it still changes, and of what was refused before.
        """
        found = self._stamps()
        settled, self._seen = found == self._seen, found
        if not settled or found == self._taken:
            return None
        self._taken = found
        return self.again()

    def again(self) -> InForce | Kept | None:
        """Read the manifest again, unless it is being changed; return what `look` does.

        What it says of this machine (`hosts`, `when`) and the files that it names count anew.
        """
        if self._stamps() != self._taken:
            return None
        try:
            fresh = self._load()
        except BmSyncError as e:
            return self._keep(e)
        self._refused = None
        if fresh == self.now:
            return None
        self.now = fresh
        return fresh

    def anew(self) -> InForce | Kept | None:
        """Read the manifest as it is this moment; return what `look` does."""
        self._taken = self._seen = self._stamps()
        return self.again()

    def _keep(self, error: BmSyncError) -> Kept | None:
        slips = error.diagnostics if isinstance(error, ManifestError) else ()
        self._know(Path(slip.file) for slip in slips)
        kept = Kept(error.what, slips)
        if kept == self._refused:
            return None
        self._refused = kept
        return kept

    def _load(self) -> InForce:
        """Load the manifest; raises BmSyncError."""
        setup = self._setup
        machine = setup.machine(sys.platform)
        loaded = load(self._file, setup.env, state_dir=setup.state_dir, machine=machine)
        chosen = select(loaded.manifest, self._selection)
        self._files = ()
        self._know(f / Path(name).name for name, f in loaded.around.folders.items() if name)
        here = tuple(p for p in chosen if p.placement is not Placement.LOCAL_ONLY)
        return InForce(loaded.manifest, here)

    def _know(self, files: Iterable[Path]) -> None:
        """Look after more files; those looked after before stay as they were seen."""
        self._files = tuple(dict.fromkeys((*self._files, *files)))
        self._taken = self._seen = {**self._stamps(), **self._taken}

    def _stamps(self) -> _Stamps:
        """Return the stamps of all files and, for files that may come, of their folders."""
        files = dict.fromkeys((self._file, local_of(self._file), *self._files))
        found = {}
        for file in (*files, *dict.fromkeys(each.parent for each in files)):
            try:
                at = file.stat()
            except OSError:
                continue
            owner = (at.st_uid, at.st_gid, at.st_mode)  # who may give orders
            found[str(file)] = (at.st_ino, at.st_size, at.st_mtime_ns, *owner)
        return found


_MOST_AGE_S = 86_400.0  # then a fresh one has a log of its own


class WarmRclone:
    """An rclone that outlives the runs it is lent to; one run at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rclone: Routed | None = None
        self._log: Path | None = None
        self._limit: int | None = None
        self._since = 0.0
        self._wanted: int | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id of the rclone that runs."""
        return None if self._rclone is None else self._rclone.pid

    def settle(self, projects: Sequence[Project]) -> None:
        """Take over what all projects that are watched allow together."""
        self._wanted = bandwidth(projects)

    @asynccontextmanager
    async def opening(
        self, setup: Setup, projects: Sequence[Project], log: Path | None = None
    ) -> AsyncIterator[Routed]:
        """Lend the rclone; it is made anew where another bandwidth is allowed, or after a day."""
        rclone = await self._fit(setup, log)
        try:
            wake(rclone, projects)
            yield rclone
        finally:
            await rclone.rest()

    async def stop(self) -> None:
        """End the rclone; the next run makes another."""
        rclone, self._rclone = self._rclone, None
        if rclone is not None:
            await rclone.stop()
            drop_if_empty(self._log)

    async def _fit(self, setup: Setup, log: Path | None) -> Routed:
        old = self._clock() - self._since > _MOST_AGE_S
        if self._rclone is not None and not old and self._limit == self._wanted:
            return self._rclone
        await self.stop()
        self._rclone = make_rclone(setup, self._wanted, log)
        self._log, self._limit, self._since = log, self._wanted, self._clock()
        return self._rclone


@contextmanager
def alone(file: Path, setup: Setup, command: str) -> Iterator[None]:
    """Be the only watch of a manifest; raises LockedError that names the other one."""
    prepare(setup.state_dir)
    key = f"watch-{digest_of([os.path.realpath(file)])}"
    owner = Owner(os.getpid(), setup.host, iso(utc_now()), command)
    with ExitStack() as held:
        try:
            held.enter_context(hold(setup.state_dir, key, owner))
        except LockedError as e:
            raise _refusal(file, owner_of(setup.state_dir, key)) from e
        yield


def _refusal(file: Path, other: Owner | None) -> LockedError:
    what = f"another watch of {file} runs"
    if other is not None:
        what += f": process {other.pid} on {other.host} since {other.since}"
    return LockedError(what, hint="one is enough: it takes a changed manifest by itself")


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
