"""Gets new keys for a remote when its store refuses the old ones, for all that wait at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Definition, Fs

Renew = Callable[[RcloneError], Awaitable[Definition | None]]
"""Returns the remote with new keys after a refusal, None when there will be none any more."""

_CLOCK = "RequestTimeTooSkewed"  # no key helps against a wrong clock

Ages = tuple[int, ...]


class Told(Protocol):
    """How something with many files ended."""

    @property
    def fault(self) -> RcloneError | None:
        """Return the first fault."""

    @property
    def failed(self) -> Mapping[str, RcloneError]:
        """Return what single files failed of."""


class _Watched(Struct):
    """A remote whose keys can be renewed; `age` counts how often the daemon learned them.

    `unsettled` has its new keys until they were refused once: an operation that was under way when
    they came can leave the daemon with a connection made with the old ones.
    """

    renew: Renew
    top: Fs
    age: int = 0
    unsettled: Definition | None = None
    spent: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Renewals:
    """The remotes of one rclone whose keys can be renewed."""

    def __init__(
        self,
        define: Callable[[Definition], Awaitable[None]],
        ask: Callable[[Fs], Awaitable[None]],
    ) -> None:
        self._define = define
        self._ask = ask
        self._watched: dict[str, _Watched] = {}

    def watch(self, top: Fs, renew: Renew) -> None:
        """Renew the keys of the remote whose root is `top` by `renew`."""
        self._watched[_remote(top)] = _Watched(renew, top)

    def ages(self, places: Sequence[Fs]) -> Ages:
        """Return how old the keys are that an operation on `places` begins with."""
        return tuple(w.age for w in self._of(places))

    async def helped(self, error: RcloneError, places: Sequence[Fs], begun: Ages) -> bool:
        """Return whether an operation that was refused may go on with new keys.

        `begun` are the ages when it began. Raises what `renew` raises.
        """
        if not _may_be_keys(error):
            return False
        found = [
            await self._renewed(watched, age, error)
            for watched, age in zip(self._of(places), begun, strict=True)
        ]
        return any(found)

    async def _renewed(self, watched: _Watched, begun: int, error: RcloneError) -> bool:
        async with watched.lock:
            if watched.age != begun:
                return True
            if watched.unsettled is not None:
                await self._learn(watched, watched.unsettled)
                watched.unsettled = None
                return True
            refusal = await self._told(watched, error)
            definition = await watched.renew(refusal) if refusal is not None else None
            watched.spent = refusal is not None and definition is None
            if definition is None:
                return False
            await self._learn(watched, definition)
            watched.unsettled = definition
            return True

    async def _learn(self, watched: _Watched, definition: Definition) -> None:
        await self._define(definition)
        watched.age += 1

    async def _told(self, watched: _Watched, error: RcloneError) -> RcloneError | None:
        """Return how the store refuses everybody with these keys, None when it does not.

        The answer to a HEAD has no body to tell it by; that to a listing has.
        """
        if watched.spent:
            return None
        if error.fault is Fault.AUTH:
            return error
        try:
            await self._ask(watched.top)
        except RcloneError as e:
            return e if _may_be_keys(e) else None
        return None

    def _of(self, places: Sequence[Fs]) -> list[_Watched]:
        names = dict.fromkeys(_remote(fs) for fs in places)
        return [self._watched[name] for name in names if name in self._watched]


def refusals(result: Told) -> list[RcloneError]:
    """Return for each kind of refusal by the store one fault, the clearer kind first."""
    told = [e for e in (result.fault, *result.failed.values()) if e is not None]
    kinds = ([e for e in told if e.fault is kind] for kind in (Fault.AUTH, Fault.FORBIDDEN))
    return [found[0] for found in kinds if found]


def _may_be_keys(error: RcloneError) -> bool:
    return error.fault in (Fault.AUTH, Fault.FORBIDDEN) and _CLOCK not in error.raw


def _remote(fs: Fs) -> str:
    """Return the name under which the daemon knows the remote of `fs`."""
    return fs.root.partition(":")[0]
