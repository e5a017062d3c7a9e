"""What the WebDAV of a workspace can do, found out by trying it on scratch names of our own.

The open client uses PROPFIND, GET and PUT with `If-None-Match` only, so nobody outside knows about
the rest (DELETE, MKCOL, MOVE, COPY, If-Match). An answer is believed when a look afterwards shows
what it claims. The caller remembers the answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import asdict

from bm_sync import layout
from bm_sync.cloud.dav import ANYHOW, Dav, Only, Upload
from bm_sync.cloud.dav_wire import DavError, DavFault

_DOUBTED = "doubted"
_AGAIN = "again"  # one name for all times, for a server may keep it for ever
_OTHER = Only(if_match='"0123456789abcdef0123456789abcdef"')
_NO = frozenset(
    {DavFault.UNSUPPORTED, DavFault.FORBIDDEN, DavFault.CONFLICT, DavFault.INVALID}
    | {DavFault.CHANGED, DavFault.MISSING}
)


class Powers(Struct, frozen=True):
    """What works; conditions count only where they are really judged."""

    delete: bool
    mkcol: bool
    move: bool
    copy: bool
    if_match: bool
    if_none_match: bool

    def as_facts(self) -> dict[str, bool]:
        """Return the answers as they are remembered."""
        return {**asdict(self), _DOUBTED: False}


DOUBTED: Mapping[str, bool] = {_DOUBTED: True}
"""What is remembered when a server does not do what it did before: everything is tried again."""


def known(facts: Mapping[str, bool]) -> Powers | None:
    """Return what is remembered; None unless everything is, and nothing is doubted."""
    names = Powers.__struct_fields__
    if facts.get(_DOUBTED, False):
        return None
    return Powers(*(facts[n] for n in names)) if facts.keys() >= set(names) else None


async def tried(dav: Dav, name: str) -> Powers:
    """Try everything on scratch files `name`; what can be removed is removed.

    Raises DavError when not even a file can be written, or the service fails: nothing is known.
    """
    first, second, third = (f"{layout.PROBES}/{name}{tail}" for tail in ("", "-copy", "-moved"))
    etag = await dav.put(first, _scratch(name))
    if_none_match = await _refused(dav.put(first, _scratch(name), Only(if_none=True)))
    if_match = await _refused(dav.put(first, _scratch(name), _OTHER))
    if if_match:
        tag = Only(if_match=etag) if etag and not etag.startswith("W/") else ANYHOW
        if_match = tag is not ANYHOW and await _done(dav.put(first, _scratch(name), tag))
    copy = await _done(dav.copy(first, second, replace=True)) and await _there(dav, second)
    move = await _done(dav.move(first, third, replace=True)) and await _there(dav, third)
    left = [path for path in (first, second, third) if await _there(dav, path)]
    delete = bool(left)
    for path in left:
        delete = await _done(dav.delete(path)) and not await _there(dav, path) and delete
    mkcol = await _folders(dav, f"{layout.PROBES}/{name}-folder", delete=delete)
    return Powers(delete, mkcol, move, copy, if_match, if_none_match)


async def deletes(dav: Dav) -> bool:
    """Return whether a scratch file can be removed by now; raises DavError as `tried` does."""
    path = f"{layout.PROBES}/{_AGAIN}"
    await dav.put(path, _scratch(_AGAIN))
    return await _done(dav.delete(path)) and not await _there(dav, path)


async def _folders(dav: Dav, path: str, *, delete: bool) -> bool:
    """Return whether a folder can be made; it stays where nothing can be removed.

    The folders above stay, too: a removal takes all that is below along, others' things as well.
    """
    made = await _done(dav.make_folder(path)) and await dav.is_folder(path)
    if made and delete:
        with suppress(DavError):
            await dav.delete(path)
    return made


async def _there(dav: Dav, path: str) -> bool:
    return await dav.look(path) is not None


async def _done(act: Awaitable[object]) -> bool:
    """Return whether the service says that it did something; raises for passing failures."""
    try:
        await act
    except DavError as e:
        if e.fault in _NO:
            return False
        raise
    return True


async def _refused(act: Awaitable[object]) -> bool:
    """Return whether the service says that a condition does not hold."""
    try:
        await act
    except DavError as e:
        if e.fault is DavFault.CHANGED:
            return True
        raise
    return False


def _scratch(text: str) -> Upload:
    data = text.encode()

    async def body() -> AsyncIterator[bytes]:
        yield data

    return Upload(len(data), None, body)
