"""Does things with the running daemon, again with new keys where a store refused the old ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Definition, Fs
from bm_sync.rclone.renewal import Renew, Renewals, Told, refusals
from bm_sync.rclone.session import Live, Session

_TRIES = 3  # with the keys at hand, with new ones, and once more on a new connection

T = TypeVar("T")
R = TypeVar("R", bound=Told)


class Calls:
    """What is done through one session; `places` are the roots that an operation touches."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._renewals = Renewals(session.redefine, self._ask)

    async def make_known(self, definition: Definition, top: Fs, renew: Renew) -> None:
        """Make a remote known whose root is `top` and whose keys `renew` can renew."""
        await self._session.define(definition)
        self.watch(top, renew)

    def watch(self, top: Fs, renew: Renew) -> None:
        """Renew the keys of a remote that is known, whose root is `top`, by `renew`."""
        self._renewals.watch(top, renew)

    async def make(self, act: Callable[[Live], Awaitable[T]], *places: Fs) -> T:
        """Do something, again when the keys could be renewed; raises RcloneError."""
        for _ in range(_TRIES - 1):
            begun = self._renewals.ages(places)
            try:
                return await act(await self._session.live())
            except RcloneError as e:
                if not await self._renewals.helped(e, places, begun):
                    raise
        return await act(await self._session.live())

    async def tried(
        self, act: Callable[[Live], Awaitable[R]], *places: Fs
    ) -> tuple[R, RcloneError | None]:
        """Do something with many files once.

        Return how it ended, and when keys were renewed meanwhile a fault that says so: what did not
        arrive is worth another try.
        """
        begun = self._renewals.ages(places)
        result = await act(await self._session.live())
        for refused in refusals(result):
            if await self._renewals.helped(refused, places, begun):
                return result, RcloneError(refused.what, fault=Fault.TRANSIENT)
        return result, None

    async def _ask(self, fs: Fs) -> None:
        await (await self._session.live()).listings.ping(fs)
