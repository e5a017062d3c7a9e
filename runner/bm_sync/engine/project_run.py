"""Runs one planned project from its first action to its record, however it ends."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from pathlib import Path

from bm_sync import layout
from bm_sync.engine import undo_act
from bm_sync.engine.deadline import within
from bm_sync.engine.distant_hand import DistantHand
from bm_sync.engine.effects import effects
from bm_sync.engine.execute import Hands, carry_out, learn
from bm_sync.engine.folder_hand import FolderHand
from bm_sync.engine.identity import keys
from bm_sync.engine.jail import BlockedError
from bm_sync.engine.journal import bug, cannot_prune
from bm_sync.engine.keepers import keepers_of, near_keeper
from bm_sync.engine.ledger import Ledger
from bm_sync.engine.left_alone import allowed
from bm_sync.engine.observe import Seen
from bm_sync.engine.prepare import Prepared
from bm_sync.engine.record import iso, record, record_part
from bm_sync.engine.retention_edge import may_be_due
from bm_sync.engine.scope import Hand, Scope
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, Exit, LockedError
from bm_sync.masking import veiled
from bm_sync.model.config import CloudRemote, Engine, FolderRemote
from bm_sync.model.plan import LEFT, MakeDir
from bm_sync.model.run import (
    Event,
    Outcome,
    ProjectEnded,
    ProjectRun,
    ProjectStarted,
    Status,
    stopped_status,
)
from bm_sync.model.tree import Side
from bm_sync.state.leases import LeaseMemory


class ProjectRunner:
    """One project in one run."""

    def __init__(
        self, prepared: Prepared, site: Site, run: str, emit: Callable[[Event], None]
    ) -> None:
        self._prepared = prepared
        self._plan = prepared.plan
        self._lease = prepared.lease
        self._site = site
        self._run = run
        self._emit = emit
        self._ledger = Ledger(prepared.plan, emit)
        self._started = site.clock()
        self._clock = time.monotonic()
        self._error: BmSyncError | None = None
        self._interrupted = False

    async def run(self) -> ProjectRun:
        """Carry the plan out and record it; on cancellation record what was done, then end."""
        self._started, self._clock = self._site.clock(), time.monotonic()
        if self._plan.failure is None and not self._plan.stops:
            self._take_memory()
            await self._act()
            await self._prune()
        ended = self._ended()
        self._site.state.end_project(
            self._run,
            ended,
            local=self._plan.local,
            remote=self._plan.remote,
            converging=not (self._prepared.partial or self._prepared.behind),
        )
        record = partial(self._site.state.end_project, self._run)
        for each in self._site.participants:
            if each.when_interrupted or not self._interrupted:
                ended = await each.project_ended(self._prepared.project, ended, record)
        self._emit(ProjectEnded(ended))
        return ended

    def _take_memory(self) -> None:
        """Make the memory its own that the project had when it was declared otherwise."""
        state = self._site.state
        former = state.former(self._plan.key)
        if former is not None:
            state.take_over(self._plan.key)
            LeaseMemory(self._site.setup.state_dir, self._plan.key).take_over(former.key)

    @property
    def project(self) -> str:
        """Return the project's name."""
        return self._plan.project

    def not_begun(self) -> ProjectRun:
        """Return the record of a project that a cancelled run never came to."""
        self._interrupted = True
        return self._ended()

    async def _act(self) -> None:
        totals = self._plan.totals
        if self._plan.moves:
            files, size = totals.up + totals.down, totals.bytes_up + totals.bytes_down
            self._emit(ProjectStarted(self._plan.project, files, size))
        try:
            async with self._in_time(), self._lease.held() if self._lease else nullcontext():
                await self._move()
        except asyncio.CancelledError:
            self._interrupted = True
        except BmSyncError as e:
            self._error = e
        except OSError as e:
            self._error = BmSyncError(
                f"a folder of this machine cannot be used: {e.strerror or e}",
                hint="check the permissions of the folders of this project, and the room on disk",
            )
        except BlockedError as e:
            self._error = BmSyncError(
                f"a folder of this machine cannot be used: {e}",
                hint=f"bm-sync keeps its trash in {layout.HOME}; move away what stands there",
            )
        except Exception as e:  # noqa: BLE001 - the project task: others go on, this one says so
            bug(self._plan.project)
            self._error = BmSyncError(
                f"a bug in bm-sync: {type(e).__name__}: {e}", hint="please report it with the log"
            )
        self._record()

    def _in_time(self) -> AbstractAsyncContextManager[None]:
        """Return what stops a block when the project has used up its time."""
        spent_s = self._spent_s()
        return within(self._prepared.project.policy.limits.timeout_s, spent_s=spent_s)

    def _record(self) -> None:
        seen = self._prepared.seen
        if seen is None:
            return
        self._site.keep_facts()
        self._ledger.close()
        undo_act.learn(self._plan, self._ledger)
        if self._prepared.partial:
            learn(self._plan.actions, self._ledger)
            record_part(seen, self._plan, self._ledger, self._site.state)
        else:
            learn(self._plan.actions, self._ledger)
            record(seen, self._plan, self._ledger, self._site.state, self._run)
        done = effects(seen, self._plan, self._ledger, self._run)
        self._site.state.past.put(self._run, self._plan.key, self._plan.project, done)

    async def _prune(self) -> None:
        """Remove kept versions that the policy does not keep; that it cannot is no failure."""
        seen, state = self._prepared.seen, self._site.state
        troubled = self._error is not None or self._interrupted or self._prepared.partial
        if seen is None or troubled or not seen.remembered.baseline.known:
            return
        keep, now = seen.project.policy.keep_versions, self._site.clock()
        if not may_be_due(state.past, self._plan.key, keep, now):
            return
        from bm_sync.engine import retention

        try:
            async with self._in_time():
                await retention.after_run(seen, self._run, self._site)
        except (BmSyncError, OSError) as e:
            cannot_prune(self._plan.project, e)
        except asyncio.CancelledError:
            self._interrupted = True

    async def _move(self) -> None:
        seen = self._prepared.seen
        if seen is None:
            await self._make_remote()
            return
        if seen.observation.absent and self._plan.moves:
            await self._make_project()
        moves = allowed(self._plan.moves, seen.matcher, self._ledger)
        scope = self._scope(seen)
        hands = self._hands(seen, scope)
        try:
            if self._by_bisync():
                from bm_sync.engine import bisync

                await bisync.carry_out(moves, seen, hands, scope)
            else:
                await carry_out(moves, hands, self._ledger)
            for hand in hands.both:
                await hand.recheck()
        finally:
            for hand in hands.both:
                await hand.finish()

    async def _make_remote(self) -> None:
        """Make the remote folder of a cloud-only project."""
        project = self._prepared.project
        if not self._plan.moves:
            return
        match project.remote:
            case None:
                return
            case FolderRemote(root=root):
                (root / project.path).mkdir(parents=True, exist_ok=True)
            case CloudRemote():
                await self._site.cloud.create(project)
            case _:
                place = await self._site.place(project)
                await self._site.rclone.mkdir(place.fs, "")
        for action in self._plan.moves:
            self._ledger.settle(action, Outcome.DONE)

    async def _make_project(self) -> None:
        """Make the cloud's project before anything is sent there; the plan has said so."""
        made = [a for a in self._plan.moves if isinstance(a, MakeDir) and not a.path]
        if not any(a.side is Side.REMOTE for a in made):
            raise BmSyncError(
                "the project is not on the cloud any more",
                hint="plan again: bm-sync plan shows what would be made anew",
            )
        await self._site.cloud.create(self._prepared.project)

    def _by_bisync(self) -> bool:
        """Return whether rclone bisync does it; taking a run back and pruning it cannot."""
        whole = not self._prepared.partial
        return whole and self._prepared.project.policy.engine is Engine.BISYNC

    def _scope(self, seen: Seen) -> Scope:
        scope = Scope(
            project=self._prepared.project.name,
            key=self._plan.key,
            run=self._run,
            policy=self._prepared.project.policy,
            site=self._site,
            ledger=self._ledger,
            emit=self._emit,
        )
        scope.algorithm = seen.algorithm
        scope.former = keys(self._prepared.project)[1:]
        scope.fence = self._lease.check if self._lease else None
        return scope

    def _hands(self, seen: Seen, scope: Scope) -> Hands:
        local, remote = _hand(Side.LOCAL, seen, scope), _hand(Side.REMOTE, seen, scope)
        if self._lease is not None:
            from bm_sync.engine.lease_hand import LeasedHand

            remote = LeasedHand(remote, self._lease)
            if seen.near is not None:
                local = LeasedHand(local, self._lease)
        fresh = undo_act.laid_out(seen.fresh, near_keeper(seen, self._site))
        return Hands(local, remote, lambda: keepers_of(seen, self._site), fresh)

    def _ended(self) -> ProjectRun:
        plan, ledger = self._plan, self._ledger
        refused = plan.failure is not None or bool(plan.stops)
        actions = () if refused else ledger.actions()
        status, code = self._verdict([a.outcome for a in actions])
        sizes = self._sizes()
        return ProjectRun(
            project=plan.project,
            key=plan.key,
            status=status,
            started=iso(self._started),
            seconds=round(self._spent_s(), 3),
            totals=ledger.totals(),
            actions=actions,
            clashes=plan.clashes,
            problems=plan.problems,
            stops=plan.stops,
            retries=ledger.retries,
            message=plan.failure or self._trouble() or self._left(status),
            hint=plan.failure_hint or (self._veiled(self._error.hint) if self._error else None),
            exit=int(code),
            files=len(sizes),
            bytes=sum(sizes.values()),
        )

    def _trouble(self) -> str | None:
        return self._veiled(self._error.what) if self._error else None

    def _left(self, status: Status) -> str | None:
        """Return what a push or a pull that went well left as it is, in words."""
        return next((note for note in self._plan.notes if LEFT in note and status.good), None)

    def _spent_s(self) -> float:
        """Return how long the project took, the look at both sides included."""
        return self._prepared.looked_s + time.monotonic() - self._clock

    def _veiled(self, text: str | None) -> str | None:
        return None if text is None else veiled(text, self._prepared.project.veil)

    def _sizes(self) -> dict[str, int]:
        """Return the size of every local file as it is after the run."""
        seen, ledger = self._prepared.seen, self._ledger
        if seen is None:
            return {}
        sizes = {p: f.size for p, f in seen.observation.local.files.items() if p not in ledger.drop}
        return sizes | {p: row.local.size for p, row in ledger.put.items()}

    def _missed(self, outcomes: list[Outcome]) -> Status:
        """Return how a project ended that did not do all: none of it is a failure, not a part."""
        nothing = Outcome.FAILED in outcomes and Outcome.DONE not in outcomes
        return Status.FAILED if nothing else Status.PARTIAL

    def _verdict(self, outcomes: list[Outcome]) -> tuple[Status, Exit]:
        """Return how the project ended, the most serious cause first."""
        planned = self._plan.exit
        missed = bool(self._plan.broken) or self._ledger.missed()
        waits = planned is Exit.STOPPED or bool(self._ledger.waiting)
        causes = (
            (self._plan.failure is not None, Status.FAILED, planned),
            (bool(self._plan.stops), stopped_status(self._plan.stops), planned),
            (self._interrupted, Status.INTERRUPTED, Exit.INTERRUPTED),
            (isinstance(self._error, LockedError), Status.LOCKED, Exit.LOCKED),
            (self._error is not None, Status.FAILED, self._error.exit if self._error else planned),
            (missed, self._missed(outcomes), Exit.FAILED),
            (waits, Status.WAITING, Exit.STOPPED),
            (bool(outcomes), Status.CHANGED, Exit.OK),
        )
        return next(((s, c) for holds, s, c in causes if holds), (Status.IN_SYNC, Exit.OK))


def _hand(side: Side, seen: Seen, scope: Scope) -> Hand:
    store = seen.store_on(side)
    if store is not None:
        return DistantHand(store, scope, side)
    folder, remote = seen.folder_on(side), seen.project.remote
    assert folder is not None  # noqa: S101 - see `observe`
    far = side is Side.REMOTE and isinstance(remote, FolderRemote)
    jail = seen.jail(folder, links=seen.project.filters.links)
    base = remote.root if far and isinstance(remote, FolderRemote) else folder
    if base not in seen.roots:
        base = Path(os.path.realpath(base))  # it is made without following links
    return FolderHand(side, jail, jail if base == folder else seen.jail(base), scope)
