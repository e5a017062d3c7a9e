"""Reads a WebDAV listing (RFC 4918, 13: `multistatus`) while it arrives, within bounds.

Pure. A document type and entities are refused, so nothing expands and nothing is fetched.
"""

from __future__ import annotations

from typing import NamedTuple
from xml.parsers import expat

MAX_BYTES = 512 << 20
MAX_ENTRIES = 1_000_000
_MAX_TEXT = 16 << 10
_MAX_DEPTH = 64
_FIRST_OK, _LAST_OK = 200, 299
_TEXTS = {
    "DAV: href": "href",
    "DAV: status": "status",
    "DAV: getcontentlength": "size",
    "DAV: getetag": "etag",
    "DAV: getlastmodified": "modified",
}


class GarbledAnswerError(Exception):
    """An answer that is no listing, or none of a likely size; the text says why."""


class DavResponse(NamedTuple):
    """One `response`: what is told of one place, as it was written.

    `status` is that of the whole response, 200 where it has none of its own.
    """

    href: str
    is_folder: bool
    status: int
    size: str | None
    etag: str | None
    modified: str | None


class DavAnswer:
    """A listing that arrives piece by piece."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = _refused
        self._parser.EntityDeclHandler = _refused
        self._told: list[DavResponse] = []
        self._path: list[str] = []
        self._found: dict[str, str] = {}  # of the response
        self._props: dict[str, str] = {}  # of the propstat
        self._words: list[str] = []
        self._length = 0
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece; raises GarbledAnswerError."""
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise GarbledAnswerError(f"it has more than {MAX_BYTES >> 20} MiB")
        self._parse(data, last=False)

    def told(self) -> tuple[DavResponse, ...]:
        """Return all responses of a whole answer, in its order; raises GarbledAnswerError."""
        self._parse(b"", last=True)
        return tuple(self._told)

    def _parse(self, data: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as e:
            raise GarbledAnswerError(f"it is no XML: {expat.ErrorString(e.code)}") from e

    def _start(self, name: str, _: object) -> None:
        if not self._path and name != "DAV: multistatus":
            raise GarbledAnswerError("it is no listing")
        self._path.append(name)
        if len(self._path) > _MAX_DEPTH:
            raise GarbledAnswerError("it is nested too deeply")
        if name == "DAV: response":
            self._found = {}
        elif name == "DAV: propstat":
            self._props = {}
        elif name == "DAV: collection" and self._path[-2] == "DAV: resourcetype":
            self._props["folder"] = "yes"
        self._words, self._length = [], 0

    def _text(self, text: str) -> None:
        if self._path[-1] not in _TEXTS:
            return
        self._length += len(text)
        if self._length > _MAX_TEXT:
            raise GarbledAnswerError("a value in it is too long")
        self._words.append(text)

    def _end(self, name: str) -> None:
        self._path.pop()
        if name in _TEXTS:
            inside = self._found if self._path[-1] == "DAV: response" else self._props
            inside.setdefault(_TEXTS[name], "".join(self._words).strip())
        elif name == "DAV: propstat":
            if _code(self._props.get("status")) in range(_FIRST_OK, _LAST_OK + 1):
                self._props.pop("status", None)
                self._found = {**self._props, **self._found}
        elif name == "DAV: response":
            self._told.append(self._response())
        self._words = []

    def _response(self) -> DavResponse:
        if len(self._told) >= MAX_ENTRIES:
            raise GarbledAnswerError(f"it has more than {MAX_ENTRIES} entries")
        found = self._found
        return DavResponse(
            href=found.get("href", ""),
            is_folder="folder" in found,
            status=_code(found.get("status")),
            size=found.get("size"),
            etag=found.get("etag") or None,
            modified=found.get("modified") or None,
        )


def _code(status: str | None) -> int:
    """Return the number of a status line, `HTTP/1.1 200 OK`; one that is missing is 200."""
    if not status:
        return _FIRST_OK
    number = [*status.split(), "", ""][1]
    return int(number) if number.isascii() and number.isdigit() else 0


def _refused(*_: object) -> None:
    raise GarbledAnswerError("it declares a document type or entities")
