"""Does things with the running daemon, again with new keys where a store refused the old ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from bm_sync.rclone.faults import Fault, RcloneError, advice
from bm_sync.rclone.remotes import Definition, Fs
from bm_sync.rclone.renewal import Renew, Renewals, Told, refusals
from bm_sync.rclone.session import Live, Session

_TRIES = 3  # with the keys at hand, with new ones, and once more on a new connection
_ABOUT_ONE_FILE = frozenset({Fault.CHANGED, Fault.NAME, Fault.SOURCE_CHANGED, Fault.MISSING})

T = TypeVar("T")
R = TypeVar("R", bound=Told)


class Calls:
    """What is done through one session; `places` are the roots that an operation touches."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._renewals = Renewals(session.redefine, self._ask)
        self.origins: dict[str, object] = {}  # where remotes are declared, by name

    async def make_known(self, definition: Definition, top: Fs, renew: Renew) -> None:
        """Make a remote known whose root is `top` and whose keys `renew` can renew."""
        await self._session.define(definition)
        self.watch(top, renew)

    def watch(self, top: Fs, renew: Renew) -> None:
        """Renew the keys of a remote that is known, whose root is `top`, by `renew`."""
        self._renewals.watch(top, renew)

    async def make(self, act: Callable[[Live], Awaitable[T]], *places: Fs) -> T:
        """Do something, again when the keys could be renewed; raises RcloneError."""
        try:
            return await self._made(act, places)
        except RcloneError as e:
            placed = self._placed(e, places)
            if placed is e:
                raise
            raise placed from e

    async def _made(self, act: Callable[[Live], Awaitable[T]], places: Sequence[Fs]) -> T:
        for _ in range(_TRIES - 1):
            begun = self._renewals.ages(places)
            try:
                return await act(await self._session.live())
            except RcloneError as e:
                if not await self._renewals.helped(e, places, begun):
                    raise
        return await act(await self._session.live())

    def _placed(self, error: RcloneError, places: Sequence[Fs]) -> RcloneError:
        """Return an error with the remote that it is about, and what to do about it."""
        name = next((fs.name for fs in places if fs.name in self.origins), None)
        if name is None:
            return error
        hint = error.hint or advice(error, name, self.origins[name])
        named = error.said and error.fault not in _ABOUT_ONE_FILE
        what = f"remote {name}: {error.what}" if named else error.what
        return RcloneError(what, fault=error.fault, hint=hint, said=error.said)

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
