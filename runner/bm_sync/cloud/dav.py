"""The files of one project over WebDAV: looked at, listed, written, moved, removed.

One method is one thing asked of the service, with whatever requests that takes. Paths are below the
project, slash-separated, valid UTF-8. Every method raises DavError, or SignInError.

The address is that of the open client (basic-memory 0.24): `{host}/webdav/<project>/<path>`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import quote, urlsplit

import httpx
from msgspec import Struct

from bm_sync import layout
from bm_sync.cloud import dav_places
from bm_sync.cloud.dav_answer import DavAnswer, DavResponse, GarbledAnswerError
from bm_sync.cloud.dav_places import DavFile, DavListing
from bm_sync.cloud.dav_wire import Ask, Body, DavError, DavFault, Wire
from bm_sync.parallel import at_once

_ALL = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>'
)
_AT_ONCE = 8
_SILENCE_S, _WHOLE_S = 60.0, 300.0  # a whole project may take the service long to collect


class Upload(Struct, frozen=True):
    """What is written: `body` gives exactly `size` bytes; `mtime_s` is advice to the service."""

    size: int
    mtime_s: int | None
    body: Body


class Only(Struct, frozen=True):
    """What must hold where something is written: an exact version, or nothing at all."""

    if_match: str | None = None
    if_none: bool = False

    def headers(self) -> dict[str, str]:
        """Return the headers that say so."""
        if self.if_none:
            return {"If-None-Match": "*"}
        if self.if_match is None:
            return {}
        weak = self.if_match.startswith("W/")
        quoted = self.if_match if weak or self.if_match.startswith('"') else f'"{self.if_match}"'
        return {"If-Match": quoted}


ANYHOW = Only()


class Dav:
    """One project behind a `Wire`."""

    def __init__(self, wire: Wire, project: str) -> None:
        self.wire = wire
        self.project = project
        self.base = f"{wire.host.url}/webdav/{quote(project, safe='')}"
        self._made: set[str] = set()

    async def look(self, path: str) -> DavFile | None:
        """Return the file at `path`; None when there is none."""
        try:
            told = await self._told(path, "0")
        except DavError as e:
            if e.fault is DavFault.MISSING:
                return None
            raise
        with self._understanding():
            return dav_places.single(told, path)

    async def is_folder(self, path: str) -> bool:
        """Return whether a folder stands at `path`."""
        try:
            told = await self._told(path, "0")
        except DavError as e:
            if e.fault is DavFault.MISSING:
                return False
            raise
        return bool(told) and told[0].is_folder

    async def list_all(self, folder: str) -> DavListing:
        """Return everything below `folder` by one request; DavFault.FINITE when it may not."""
        return await self._listed(folder, "infinity")

    async def list_by_folder(self, folder: str) -> DavListing:
        """Return everything below `folder`, asked folder by folder."""
        found: list[DavListing] = []
        todo, seen = [""], {""}
        while todo:
            level = await at_once(_AT_ONCE, todo, lambda below: self._inside(folder, below))
            found += level
            inside = {f for listing in level for f in listing.folders}
            todo = sorted(f for f in inside - seen if (folder, f) != ("", layout.HOME))
            seen |= inside
        return DavListing(
            tuple(f for one in found for f in one.files),
            tuple(f for one in found for f in one.folders),
            tuple(n for one in found for n in one.unusable),
            tuple(n for one in found for n in one.closed),
        )

    async def list_level(self, folder: str) -> DavListing:
        """Return what lies directly in a folder."""
        return await self._listed(folder, "1")

    async def put(self, path: str, upload: Upload, only: Only = ANYHOW) -> str | None:
        """Write a file, with the folders above it where those are needed; return its new ETag."""
        headers = {"Content-Length": str(upload.size), "Content-Type": "application/octet-stream"}
        if upload.mtime_s is not None:
            headers["X-OC-Mtime"] = str(upload.mtime_s)
        ask = Ask("PUT", self._url(path), {**headers, **only.headers()}, upload.body)
        answered = await self._below_folders(ask, path)
        etag: str | None = answered.get("ETag")
        return etag

    @asynccontextmanager
    async def reading(self, path: str) -> AsyncIterator[httpx.Response]:
        """Yield the answer that brings a file, before its bytes are read."""
        async with self.wire.asked(Ask("GET", self._url(path))) as response:
            yield response

    async def copy(self, source: str, target: str, *, replace: bool) -> None:
        """Copy a file on the server; without `replace` a file that is there is DavFault.CHANGED."""
        await self._carry("COPY", source, target, replace=replace)

    async def move(self, source: str, target: str, *, replace: bool) -> None:
        """Move a file on the server; without `replace` a file that is there is DavFault.CHANGED."""
        await self._carry("MOVE", source, target, replace=replace)

    async def delete(self, path: str, only: Only = ANYHOW) -> None:
        """Remove a file, or a folder with all it holds; DavFault.MISSING when it is not there."""
        await self.wire.do(Ask("DELETE", self._url(path), only.headers()))
        self._made = {f for f in self._made if f != path and not f.startswith(f"{path}/")}

    async def make_folder(self, path: str) -> None:
        """Make a folder and those above it; nothing happens where they are."""
        names = path.split("/")
        for depth in range(1, len(names) + 1):
            folder = "/".join(names[:depth])
            if folder in self._made:
                continue
            try:
                await self.wire.do(Ask("MKCOL", f"{self._url(folder)}/"))
            except DavError as e:
                # 405 is what RFC 4918 has for a folder that is there, and what refuses the method
                if e.fault is not DavFault.UNSUPPORTED or not await self.is_folder(folder):
                    raise
            self._made.add(folder)

    async def _carry(self, method: str, source: str, target: str, *, replace: bool) -> None:
        headers = {"Destination": self._url(target), "Overwrite": "T" if replace else "F"}
        await self._below_folders(Ask(method, self._url(source), headers), target)

    async def _below_folders(self, ask: Ask, path: str) -> httpx.Headers:
        """Send what makes a file; where the service wants its folder first, make that."""
        try:
            return await self.wire.do(ask)
        except DavError as e:
            folder = path.rpartition("/")[0]
            # RFC 4918 has 409 for a missing folder; some servers say 404
            wanted = e.fault in (DavFault.CONFLICT, DavFault.MISSING)
            if not wanted or not folder or await self.is_folder(folder):
                raise
            self._made = {f for f in self._made if not f"{folder}/".startswith(f"{f}/")}
            await self.make_folder(folder)
            return await self.wire.do(ask)

    async def _inside(self, folder: str, below: str) -> DavListing:
        """Return what lies directly in a folder, as seen from the one that is listed."""
        place = "/".join(part for part in (folder, below) if part)
        try:
            found = await self._listed(place, "1")
        except DavError as e:
            if not below or e.fault not in (DavFault.FORBIDDEN, DavFault.MISSING):
                raise
            closed = (below,) if e.fault is DavFault.FORBIDDEN else ()
            return DavListing((), (), closed=closed)  # one that is missing was removed meanwhile
        above = f"{below}/" if below else ""
        return DavListing(
            tuple(f._replace(path=above + f.path) for f in found.files),
            tuple(above + f for f in found.folders),
            tuple(above + n for n in found.unusable),
            tuple(above + n for n in found.closed),
        )

    async def _listed(self, folder: str, depth: str) -> DavListing:
        told = await self._told(folder, depth)
        path = urlsplit(self._url(folder)).path
        with self._understanding():
            return dav_places.listed(told, path)

    async def _told(self, path: str, depth: str) -> tuple[DavResponse, ...]:
        headers = {"Depth": depth, "Content-Type": "application/xml"}
        answer = DavAnswer()
        silence_s = _WHOLE_S if depth == "infinity" else _SILENCE_S
        ask = Ask("PROPFIND", self._url(path), headers, _ALL, silence_s)
        async with self.wire.asked(ask) as response:
            with self._understanding():
                async for part in response.aiter_bytes():
                    answer.feed(part)
                return answer.told()

    @contextmanager
    def _understanding(self) -> Iterator[None]:
        try:
            yield
        except GarbledAnswerError as e:
            what = f"the listing of {self.wire.host.name} makes no sense: {e}"
            raise DavError(what, fault=DavFault.GARBLED) from e

    def _url(self, path: str) -> str:
        return dav_places.address(self.base, path)
