"""The leases of a run: taken together before the last look at both sides, given back one by one.

Only projects that say `lease: remote` and whose plan writes to the remote need one, so a quiet run
writes nothing. They are planned again once they hold it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from msgspec import Struct

from bm_sync.engine.identity import remote_label
from bm_sync.engine.lease import Lease
from bm_sync.engine.lease_claim import claim
from bm_sync.engine.lease_note import KEEP_S, Note
from bm_sync.engine.lease_place import DistantPlace, FolderPlace, LeasePlace
from bm_sync.engine.ledger import side_of
from bm_sync.engine.patience import Patience
from bm_sync.engine.prepare import Prepared, failed
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, LockedError
from bm_sync.model.config import Lease as Terms
from bm_sync.model.config import Project
from bm_sync.model.plan import KeepBoth
from bm_sync.model.tree import Side
from bm_sync.state.leases import LeaseMemory
from bm_sync.structs import replace

_STEP_S = 2.0

Preparing = Callable[[Sequence[Project], Site], Awaitable[tuple[Prepared, ...]]]


class Holder(Struct, frozen=True):
    """The run that asks: its id and when it began, ISO 8601 in UTC."""

    run: str
    since: str


def needs_lease(prepared: Prepared) -> bool:
    """Return whether a project may be carried out only under a lease."""
    plan, seen = prepared.plan, prepared.seen
    if prepared.project.policy.lease is Terms.NONE or seen is None or seen.observation.absent:
        return False
    if plan.failure is not None or plan.stops:
        return False
    if seen.near is not None:  # nothing else keeps two machines apart on the near side
        return bool(plan.moves)
    return any(isinstance(a, KeepBoth) or side_of(a) is Side.REMOTE for a in plan.moves)


async def place_of(prepared: Prepared, site: Site) -> LeasePlace:
    """Return where the lease of a project lies that was looked at."""
    project, seen = prepared.project, prepared.seen
    assert seen is not None  # noqa: S101 - see `needs_lease`
    if seen.remote_folder is not None:
        return FolderPlace(seen.remote_folder, remote_label(project))
    assert seen.store is not None  # noqa: S101 - one of both is set
    store = seen.store
    exact = await store.conditions()
    return DistantPlace(site.rclone, store.fs, store.features, conditions=exact)


class Leases:
    """The leases of one run; all that are left are given back at the end."""

    def __init__(self, site: Site, holder: Holder) -> None:
        self._site = site
        self._holder = holder
        self._held: dict[str, Lease] = {}
        self._failed: dict[str, Prepared] = {}
        self.refused: dict[str, LockedError] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._give_back()

    async def secured(
        self, prepared: Sequence[Prepared], prepare: Preparing, patience: Patience
    ) -> tuple[Prepared, ...]:
        """Return the projects that may be carried out; those that others hold are in `refused`.

        While it waits for one it holds none, so that two machines never wait for each other.
        """
        needing = [p for p in prepared if needs_lease(p)]
        await self._take(needing)
        while self.refused and not patience.over:
            await self._give_back()
            name, error = next(iter(self.refused.items()))
            await patience.goes_on(name, error.what, min(_STEP_S, KEEP_S / 10))
            await self._take(needing)
        held = [p.project for p in needing if p.project.name in self._held]
        fresh = {p.project.name: p for p in (await prepare(held, self._site) if held else ())}
        fresh |= self._failed
        return tuple(
            replace(fresh.get(name, p), lease=self._held.get(name))
            for p in prepared
            if (name := p.project.name) not in self.refused
        )

    async def _take(self, needing: Sequence[Prepared]) -> None:
        self.refused.clear()
        self._failed.clear()
        for one in needing:
            name = one.project.name
            try:
                self._held[name] = await self._claimed(one)
            except LockedError as e:
                self.refused[name] = e
            except BmSyncError as e:
                self._failed[name] = Prepared(one.project, failed(one.project, self._site, e))

    async def _claimed(self, one: Prepared) -> Lease:
        setup, holder = self._site.setup, self._holder
        note = Note(
            run=holder.run,
            project=one.project.name,
            host=setup.host,
            pid=os.getpid(),
            since=holder.since,
            keep_s=KEEP_S,
        )
        memory = LeaseMemory(setup.state_dir, one.plan.key)
        place = await place_of(one, self._site)
        return await self._site.patiently(
            one.project.policy.retry, lambda: claim(place, note, memory)
        )

    async def _give_back(self) -> None:
        while self._held:
            _, lease = self._held.popitem()
            await lease.release()
