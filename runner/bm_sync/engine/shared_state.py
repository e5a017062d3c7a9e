"""The state of projects that lies on a remote: leased and fetched for a run, pushed as each ends.

The state directory holds a copy to work with. What is pushed says which version it replaces, so a
run that was paused beyond its lease never overwrites the state of another. Nothing is lost by that:
the next run begins from the newer state and finds what the older one moved equal on both sides.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import ClassVar, Self

from msgspec import Struct

from bm_sync.engine.identity import keys, project_key
from bm_sync.engine.lease import Lease
from bm_sync.engine.lease_claim import UNSURE_S, claim
from bm_sync.engine.lease_note import Note
from bm_sync.engine.lease_place import Found, LeasePlace
from bm_sync.engine.leases import Holder, Preparing
from bm_sync.engine.patience import Patience
from bm_sync.engine.prepare import Prepared, failed
from bm_sync.engine.shared_place import SharedPlace, former_taken, taken, wanted
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, Exit, LockedError
from bm_sync.model.config import Project
from bm_sync.model.run import ProjectRun, Status
from bm_sync.model.state_home import StateHome
from bm_sync.state.leases import LeaseMemory
from bm_sync.state.portable import MAX_BYTES
from bm_sync.structs import replace

_STEP_S = 2.0
_AT_ONCE = 8
_PUSH_WITHIN_S = 60.0


class _Held(Struct):
    """A project of this run: its lease, where its state lies, the version that is there.

    `former` is the lease on the state that it had when it was declared otherwise.
    """

    lease: Lease
    vault: LeasePlace
    found: Found | None = None
    former: Lease | None = None

    async def release(self) -> None:
        """Give the leases back."""
        for lease in (self.lease, self.former):
            if lease is not None:
                await lease.release()


class SharedState:
    """The remote state of the projects of one run; all leases end with it."""

    when_interrupted: ClassVar[bool] = True

    def __init__(
        self, home: StateHome, site: Site, holder: Holder, names: Collection[str] = ()
    ) -> None:
        self._names = names
        self._site = site
        self._holder = holder
        self._lease_s = home.lease_s
        self._place = SharedPlace(home, site)
        self._held: dict[str, _Held] = {}
        self._failed: dict[str, BmSyncError] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._said: list[str] = []
        self.refused: dict[str, LockedError] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._give_back()

    @property
    def said(self) -> str | None:
        """Return what was damaged or is only advisory, as sentences for the user."""
        return "; ".join(self._said) or None

    async def begun(self, projects: Sequence[Project], patience: Patience) -> tuple[Project, ...]:
        """Return the projects that this run has now, their state fetched; the others are `refused`.

        While it waits it holds none, so that two runs never wait for each other.
        """
        await self._each(projects, self._take)
        while self.refused and not patience.over:
            await self._give_back()
            name, error = next(iter(self.refused.items()))
            await patience.goes_on(name, error.what, min(_STEP_S, self._lease_s / 10))
            self.refused.clear()
            self._failed.clear()
            await self._each(projects, self._take)
        mine = tuple(p for p in projects if p.name not in self.refused)
        await self._each([p for p in mine if p.name in self._held], self._fetch)
        return mine

    def preparing(self, prepare: Preparing) -> Preparing:
        """Return what plans projects, those included whose state could not be fetched."""

        async def every(projects: Sequence[Project], site: Site) -> tuple[Prepared, ...]:
            sound = [p for p in projects if p.name not in self._failed]
            done = {p.project.name: p for p in await prepare(sound, site)}
            for project in projects:
                error = self._failed.get(project.name)
                if error is not None:
                    done[project.name] = Prepared(project, failed(project, site, error))
            return tuple(done[p.name] for p in projects)

        return every

    def leased(self, prepared: Sequence[Prepared]) -> tuple[Prepared, ...]:
        """Return the projects with the lease that has to be held while they are carried out."""
        return tuple(
            p if p.lease is not None or held is None else replace(p, lease=held.lease)
            for p in prepared
            for held in (self._held.get(p.project.name),)
        )

    async def project_ended(
        self, project: Project, ended: ProjectRun, record: Callable[[ProjectRun], None]
    ) -> ProjectRun:
        """Push the state of a project that has ended; return its record, which tells if not."""
        held = self._held.pop(project.name, None)
        if held is None:
            return ended
        if project.name in self._failed:  # what lies there was never read, so it stays
            await held.release()
            return ended
        try:
            async with asyncio.timeout(_PUSH_WITHIN_S):
                await self._push(project, held)
            if ended.actions and not self._place.exact:
                self._tell_advisory()
        except TimeoutError:
            what = f"no answer within {_PUSH_WITHIN_S:.0f} s"
            ended = _unpushed(project, ended, BmSyncError(what))
            record(ended)
        except BmSyncError as e:
            ended = _unpushed(project, ended, e)
            record(ended)
        finally:
            await held.release()
        return ended

    async def _each(
        self, projects: Sequence[Project], act: Callable[[Project], Awaitable[None]]
    ) -> None:
        async def one(project: Project) -> None:
            async with self._gate:
                try:
                    await act(project)
                except LockedError as e:
                    self.refused[project.name] = e
                except BmSyncError as e:
                    self._failed[project.name] = e

        async with asyncio.TaskGroup() as group:
            for project in projects:
                group.create_task(one(project))

    async def _take(self, project: Project) -> None:
        """Take the lease on a project's state, and on the one that it had as it was before."""
        own, *before = keys(project)
        held = _Held(await self._claim(project, own), await self._place.vault_of(own))
        self._held[project.name] = held
        try:
            for key in before:
                held.former = await self._claim(project, key)
        except BmSyncError:
            del self._held[project.name]
            await held.release()
            raise

    async def _claim(self, project: Project, key: str) -> Lease:
        setup, holder = self._site.setup, self._holder
        note = Note(
            run=holder.run,
            project=project.name,
            host=setup.host,
            pid=os.getpid(),
            since=holder.since,
            keep_s=self._lease_s,
        )
        spot = await self._place.lease_of(key)
        memory = LeaseMemory(setup.state_dir, f"{key}.state")
        try:
            lease = await self._site.patiently(
                project.policy.retry, lambda: claim(spot, note, memory)
            )
        except LockedError as e:
            dead_s = self._lease_s + UNSURE_S
            hint = f"if it was killed, that ends within {dead_s:.0f} s; or add --wait"
            raise LockedError(e.what, hint=hint) from e
        lease.outlives = True
        return lease

    async def _fetch(self, project: Project) -> None:
        """Put the state that lies on the remote in the place of what is known here.

        Where none lies there, nothing is known: what this machine remembers may be older.
        """
        held, state, key = self._held[project.name], self._site.state, project_key(project)
        held.found = await self._site.patiently(project.policy.retry, held.vault.read)
        if held.found is None:
            state.forget(key)
        if held.found is None or taken(
            self._site, project, self._place.label, held.found, self._names
        ):
            if project.was is not None:
                await former_taken(self._site, project, self._place)
            return
        aside = await self._place.vault_of(key, aside=self._holder.run)
        await aside.create(held.found.data)
        state.forget(key)
        self._said.append(
            f"the state of project {project.name} on {self._place.label} was damaged and is kept "
            f"beside it; both sides are observed anew, nothing is deleted"
        )

    async def _push(self, project: Project, held: _Held) -> None:
        await held.lease.check()
        data = await asyncio.to_thread(self._site.state.export, wanted(project))
        if len(data) > MAX_BYTES:
            raise BmSyncError(f"the state is larger than {MAX_BYTES >> 20} MB")
        old = held.found

        async def put() -> Found | None:
            return await (held.vault.create(data) if old is None else held.vault.replace(old, data))

        if await self._site.patiently(project.policy.retry, put) is None:
            raise LockedError(
                f"another run has pushed a newer state of project {project.name} to "
                f"{self._place.label}",
                hint="nothing is lost: the next apply begins from the newer state",
            )

    def _tell_advisory(self) -> None:
        advisory = (
            f"the leases on {self._place.label} are advisory: it has no conditional writes, so of "
            "two runs that push one project's state at once the later stays"
        )
        if advisory not in self._said:
            self._said.append(advisory)

    async def _give_back(self) -> None:
        held = [self._held.pop(name) for name in tuple(self._held)]
        await asyncio.gather(*(each.release() for each in held))


def _unpushed(project: Project, ended: ProjectRun, error: BmSyncError) -> ProjectRun:
    """Return the record of a project whose state stays as it was; a worse end of its own stands."""
    if ended.exit != Exit.OK:
        return ended
    locked = isinstance(error, LockedError)
    return replace(
        ended,
        status=Status.LOCKED if locked else Status.FAILED,
        exit=int(Exit.LOCKED if locked else Exit.FAILED),
        message=f"what was done stands, but it could not be remembered: {error.what}",
        hint=error.hint or f"run it again: bm-sync apply {project.name}",
    )
