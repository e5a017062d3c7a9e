"""A lease that this run holds: renewed while the run lasts, looked at before every write phase.

Time is taken from a clock that goes on while the machine sleeps. After a sleep the lease is renewed
on the condition that it is unchanged, so either nobody else wrote meanwhile, or the project stops.
No promise to lose no version rests on a lease: files are looked at and kept with or without one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from msgspec import Struct

from bm_sync.engine.lease_note import Note, decode, encode
from bm_sync.engine.lease_place import Found, LeasePlace
from bm_sync.errors import BmSyncError, LockedError
from bm_sync.state.leases import LeaseMemory
from bm_sync.structs import replace

_RELEASE_WITHIN_S = 10.0
_TICKS = 10  # looks at the clock between two renewals


def awake_s() -> float:
    """Return seconds of a clock that only goes on, also while the machine sleeps.

    CLOCK_BOOTTIME is Linux (clock_gettime(2)); macOS counts sleep in CLOCK_MONOTONIC.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Terms(Struct, frozen=True):
    """How long a lease holds, how often it is renewed, and for how long a renewal is trusted.

    `margin_s` is left for what is on its way when the trust ends.
    """

    keep_s: float
    margin_s: float
    exact: bool

    @property
    def trust_s(self) -> float:
        """Return for how long nothing is asked; an advisory lease is read again often."""
        return self.keep_s - self.margin_s if self.exact else (self.keep_s - self.margin_s) / 6

    @property
    def renew_s(self) -> float:
        """Return the time between two renewals."""
        return self.trust_s / 3


class Lease:
    """One lease of one project; `check` before every write phase, `release` at the end."""

    def __init__(
        self,
        place: LeasePlace,
        held: tuple[Note, Found, float],
        memory: LeaseMemory,
        clock: Callable[[], float] = awake_s,
    ) -> None:
        self._place = place
        self._note, self._found, self._renewed = held
        self._memory = memory
        self._clock = clock
        self._terms = Terms(self._note.keep_s, self._note.keep_s / 6, place.exact)
        self._turn = asyncio.Lock()
        self._lost: LockedError | None = None
        self._limits: set[asyncio.Timeout] = set()
        self._released = False
        self.outlives = False
        self._beating = asyncio.create_task(self._beat())

    async def check(self) -> None:
        """Make sure that the lease is ours for long enough; raises LockedError when it is not."""
        if self._lost is not None:
            raise self._lost
        if self._clock() - self._renewed > self._terms.trust_s:
            await self._renew()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Stop the block when the lease is lost (LockedError); give the lease back at its end.

        One that `outlives` the block is given back by whoever took it.
        """
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except TimeoutError:
            if limit.expired() and self._lost is not None:
                raise self._lost from None
            raise
        finally:
            if not self.outlives:
                await self.release()

    async def release(self) -> None:
        """Give the lease back; what cannot be removed now ends by itself."""
        if self._released:
            return
        self._released = True
        self._beating.cancel()
        await asyncio.wait([self._beating])
        if not self._beating.cancelled():
            self._beating.result()
        with suppress(BmSyncError, TimeoutError):
            async with asyncio.timeout(_RELEASE_WITHIN_S):
                await self.check()
                await self._place.remove()
                self._memory.given_back(self._note.run)

    async def _renew(self) -> None:
        async with self._turn:
            if self._lost is not None:
                raise self._lost
            asked = self._clock()
            note = replace(self._note, beat=self._note.beat + 1)
            found = await self._place.replace(self._found, encode(note))
            if found is None:
                self._lose(await self._taker())
                assert self._lost is not None  # noqa: S101 - just set
                raise self._lost
            self._note, self._found, self._renewed = note, found, asked

    async def _taker(self) -> str:
        """Return what became of the lease."""
        other = await self._place.read()
        if other is None:
            return "somebody removed it"
        note = decode(other.data)
        return f"{note.owner} took it" if note is not None else "something else stands there"

    async def _beat(self) -> None:
        """Renew in time; a renewal that fails is tried again until the lease has ended."""
        due = self._renewed + self._terms.renew_s
        while self._lost is None:
            await asyncio.sleep(self._terms.renew_s / _TICKS)
            if self._clock() < due:
                continue
            try:
                await self._renew()
            except BmSyncError as e:
                if self._clock() - self._renewed > self._terms.keep_s - self._terms.margin_s:
                    self._lose(f"it could not be renewed: {e.what}")
            else:
                due = self._renewed + self._terms.renew_s

    def _lose(self, cause: str) -> None:
        if self._lost is not None:
            return
        self._lost = LockedError(
            f"the lease on {self._place.label} is lost: {cause}; the project stops here",
            hint="the next apply goes on from what is there",
        )
        now = asyncio.get_running_loop().time()
        for limit in self._limits:
            limit.reschedule(now)
