"""What a listing tells of one project: paths decoded and checked, ETags and times understood.

Pure. A path comes from `href` alone, because only that says where something lies; `displayname` is
for people. A place outside of the folder that was asked for makes the whole listing worthless:
taking such a listing for true could delete files elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit

from msgspec import Struct

from bm_sync import layout
from bm_sync.cloud.dav_answer import DavResponse, GarbledAnswerError

_MD5 = re.compile(r'"?([0-9a-fA-F]{32})"?')
_MISSING = 404
_FIRST_BAD = 400
_NO_ROOM = 507  # RFC 5689 and others: the listing was cut short


class DavFile(NamedTuple):
    """A file as a listing tells it.

    `md5` only where the ETag is a plain MD5 (contract: single-part objects); `etag` is the ETag as
    it was written; `mtime_s` is in unix seconds.
    """

    path: str
    size: int
    md5: str | None
    etag: str | None
    mtime_s: int | None


class DavListing(Struct, frozen=True):
    """What lies below a folder.

    `unusable`: names that no file of this machine can have, as they may be shown. `closed`: places
    that may not be looked at.
    """

    files: tuple[DavFile, ...]
    folders: tuple[str, ...]
    unusable: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()

    @property
    def hollow(self) -> tuple[str, ...]:
        """Return the folders of which nothing inside is told, ordered; our own is none of them."""
        places = (*(f.path for f in self.files), *self.folders, *self.unusable, *self.closed)
        inside = {place.rpartition("/")[0] for place in places} | {*self.closed}
        found = (f for f in self.folders if f not in inside)
        return tuple(sorted(f for f in found if not layout.is_home(f"{f}/")))


def address(base: str, path: str) -> str:
    """Return the URL of `path` below `base`; every character keeps its meaning."""
    return f"{base}/{quote(path, safe='/')}" if path else base


def listed(told: Iterable[DavResponse], asked: str) -> DavListing:
    """Return what a listing of the URL path `asked` (escaped) tells, the folder itself left out.

    Raises GarbledAnswerError when it does not hold the folder, or anything outside of it.
    """
    entries = [(one, _parts(one.href)) for one in told]
    if not entries:
        raise GarbledAnswerError("it is empty")
    base = _base([parts for _, parts in entries], _parts(asked))
    found = _Sorted()
    for one, parts in entries:
        if parts[: len(base)] != base:
            raise GarbledAnswerError("it tells of places outside of the folder")
        if len(parts) == len(base):
            if one.status >= _FIRST_BAD:
                raise GarbledAnswerError(f"it ends with status {one.status}")
            continue
        found.add(one, parts[len(base) :])
    return found.listing()


def single(told: Iterable[DavResponse], path: str) -> DavFile | None:
    """Return the file that a look at one place tells; None when it is a folder, or gone.

    Raises GarbledAnswerError when it tells of no file in a way that can be understood.
    """
    first = next(iter(told), None)
    if first is None:
        raise GarbledAnswerError("it is empty")
    if first.is_folder or first.status == _MISSING:
        return None
    file = _file(first, path)
    if first.status >= _FIRST_BAD or file is None:
        raise GarbledAnswerError("it tells no size")
    return file


def md5_of(etag: str | None) -> str | None:
    """Return the MD5 that a strong ETag is; anything else says nothing about the content."""
    match = _MD5.fullmatch(etag) if etag else None
    return match[1].lower() if match else None


class _Sorted:
    """A listing while it is sorted."""

    def __init__(self) -> None:
        self._files: dict[str, DavFile] = {}
        self._folders: set[str] = set()
        self._unusable: set[str] = set()
        self._closed: set[str] = set()

    def add(self, one: DavResponse, parts: list[bytes]) -> None:
        if one.status == _MISSING:
            return
        if one.status == _NO_ROOM:
            raise GarbledAnswerError("it was cut short")
        path = _path(parts)
        if path is None:
            self._unusable.add(_shown(parts))
        elif one.status >= _FIRST_BAD:
            self._closed.add(path)
        elif one.is_folder:
            self._folders.add(path)
        else:
            file = _file(one, path)
            if file is None or path in self._files:
                self._unusable.add(path)
            else:
                self._files[path] = file

    def listing(self) -> DavListing:
        files = (f for p, f in self._files.items() if p not in self._unusable)
        return DavListing(
            tuple(files),
            tuple(sorted(self._folders)),
            tuple(sorted(self._unusable)),
            tuple(sorted(self._closed)),
        )


def _base(all_parts: list[list[bytes]], asked: list[bytes]) -> list[bytes]:
    """Return the folder's own path as the server writes it: ours, or else its first entry.

    A proxy before the service may show it under another path than the one that was asked for.
    """
    return asked if asked in all_parts else all_parts[0]


def _parts(href: str) -> list[bytes]:
    """Return the decoded names of a path; decoded after it was cut, so that %2F stays in a name."""
    path = urlsplit(href).path if "://" in href else href
    if not path.startswith("/"):
        raise GarbledAnswerError("a path in it is not absolute")
    return [unquote_to_bytes(name) for name in path.strip("/").split("/")]


def _path(parts: list[bytes]) -> str | None:
    """Return a path below a root, None when it cannot be one here."""
    try:
        names = [part.decode() for part in parts]
    except UnicodeDecodeError:
        return None
    usable = all(n not in {"", ".", ".."} and "/" not in n and "\0" not in n for n in names)
    return "/".join(names) if usable else None


def _shown(parts: list[bytes]) -> str:
    return "/".join(part.decode(errors="backslashreplace") for part in parts)


def _file(one: DavResponse, path: str) -> DavFile | None:
    size = one.size or ""
    if not (size.isascii() and size.isdigit()) or len(size) > len(str(1 << 63)):
        return None
    return DavFile(path, int(size), md5_of(one.etag), one.etag, _seconds(one.modified))


def _seconds(text: str | None) -> int | None:
    """Return an HTTP date, or an ISO 8601 one, as unix seconds; None for anything else."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())
