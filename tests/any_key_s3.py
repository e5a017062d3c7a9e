"""An object store on loopback that takes any key at all, as real ones do; it checks no signature.

Stores that keep their objects in folders change or refuse the keys that are of interest here. Its
habits are those of real stores: ETags that are no MD5, uploads in parts, conditions, a longest key,
versions, pages.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote_to_bytes, urlsplit
from xml.sax.saxutils import unescape

from servers import BUCKET, Server, s3_options

_HEAD = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
_WRITTEN = 1_795_331_700


@dataclass(frozen=True)
class Habits:
    """How the store behaves.

    `opaque`: ETags look like an MD5 and are none, as with SSE-KMS by default. `conditions`: it
    honours If-Match and If-None-Match. `longest_key` in bytes. `page`: keys of one listing.
    """

    opaque: bool = False
    conditions: bool = False
    longest_key: int = 1024
    page: int = 1000


class Upload(NamedTuple):
    """An upload in parts that is not complete."""

    key: bytes
    meta: dict[str, str]
    parts: dict[int, bytes]


@dataclass
class Store:
    """The objects by their keys, and the server that tells of them.

    `asked` are all requests: what S3 calls the operation, and the key. `versions` holds every
    object that was ever written, as a bucket with versioning does. `refuse` are the requests that
    are forbidden, `on_ask` hears of each request before it is answered.
    """

    habits: Habits = field(default_factory=Habits)
    server: Server = field(default_factory=lambda: Server("s3", (), 0, None))
    objects: dict[bytes, bytes] = field(default_factory=dict)
    tags: dict[bytes, str] = field(default_factory=dict)
    meta: dict[bytes, dict[str, str]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    versions: dict[bytes, list[bytes]] = field(default_factory=dict)
    turn: threading.RLock = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    refuse: set[tuple[str, bytes]] = field(default_factory=set)
    on_ask: Callable[[str, bytes], None] | None = None

    def ask(self, operation: str, key: bytes) -> bool:
        """Note a request; return whether it is allowed."""
        self.asked.append((operation, key))
        if self.on_ask is not None:
            self.on_ask(operation, key)
        return (operation, key) not in self.refuse

    def put(self, key: bytes, data: bytes, meta: dict[str, str], parts: int = 0) -> str:
        """Write an object as its own server does, and return its ETag."""
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if self.habits.opaque:
            seed = f"{next(self.numbers)} {digest}".encode()
            digest = hashlib.md5(seed, usedforsecurity=False).hexdigest()
        self.objects[key], self.meta[key] = data, meta
        self.versions.setdefault(key, []).append(data)
        self.tags[key] = f'"{digest}-{parts}"' if parts else f'"{digest}"'
        return self.tags[key]

    def tag(self, key: bytes) -> str:
        """Return the ETag of an object, also of one that a test has planted."""
        data = self.objects[key]
        plain = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return self.tags.get(key) or f'"{plain}"'

    def kept(self) -> list[bytes]:
        """Return the keys in the trash."""
        return sorted(key for key in self.objects if b".bm-sync/trash/" in key)


@contextlib.contextmanager
def running(habits: Habits | None = None) -> Iterator[Store]:
    """Run the store until the block ends."""
    made = Store(habits or Habits())

    class Handler(_Handler):
        store = made

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            port = http.server_address[1]
            options = (*s3_options("Other", port), ("list_url_encode", "true"))
            made.server = Server("s3", options, port, None, 0, BUCKET)
            yield made
        finally:
            http.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def do_GET(self) -> None:
        query = self._query()
        if "list-type" in query or not self._key():
            self._list(query)
        else:
            self._object("GetObject")

    def do_HEAD(self) -> None:
        self._object("HeadObject")

    def do_PUT(self) -> None:
        key, query, data = self._key(), self._query(), self._body()
        source = self.headers.get("x-amz-copy-source")
        with self.store.turn:
            if "partNumber" in query:
                self.store.uploads[query["uploadId"]].parts[int(query["partNumber"])] = data
                digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
                self._answer(200, more={"ETag": f'"{digest}"'})
            elif source is not None:
                self._copy(key, unquote_to_bytes(source).lstrip(b"/").partition(b"/")[2])
            elif not self._refused(key, "PutObject"):
                self._answer(200, more={"ETag": self.store.put(key, data, self._meta())})

    def do_POST(self) -> None:
        key, query, data = self._key(), self._query(), self._body()
        with self.store.turn:
            if "uploads" in query:
                if len(key) > self.store.habits.longest_key:
                    self._fail(400, "KeyTooLongError")
                    return
                name = f"upload-{next(self.store.numbers)}"
                self.store.uploads[name] = Upload(key, self._meta(), {})
                self._tell("InitiateMultipartUploadResult", f"<UploadId>{name}</UploadId>")
            elif "uploadId" in query:
                self._complete(key, query["uploadId"])
            elif "delete" in query:
                for found in re.findall(rb"<Key>(.*?)</Key>", data, re.DOTALL):
                    self.store.objects.pop(unescape(found.decode()).encode(), None)
                self._answer(200, b"<DeleteResult></DeleteResult>")

    def do_DELETE(self) -> None:
        with self.store.turn:
            if "uploadId" in self._query():
                self.store.uploads.pop(self._query()["uploadId"], None)
            else:
                if not self.store.ask("DeleteObject", self._key()):
                    self._fail(403, "AccessDenied")
                    return
                self.store.objects.pop(self._key(), None)
        self._answer(204)

    def _complete(self, key: bytes, name: str) -> None:
        if self._refused(key, "CompleteMultipartUpload"):
            return
        _, meta, parts = self.store.uploads.pop(name)
        data = b"".join(parts[number] for number in sorted(parts))
        tag = self.store.put(key, data, meta, len(parts))
        self._tell("CompleteMultipartUploadResult", f"<ETag>{tag}</ETag>")

    def _copy(self, key: bytes, source: bytes) -> None:
        if source not in self.store.objects:
            self._fail(404, "NoSuchKey")
        elif not self._refused(key, "CopyObject"):
            meta = self.store.meta.get(source, {})
            if self.headers.get("x-amz-metadata-directive") == "REPLACE":
                meta = self._meta()
            tag = self.store.put(key, self.store.objects[source], meta)
            self._tell("CopyObjectResult", f"<ETag>{tag}</ETag>")

    def _refused(self, key: bytes, operation: str) -> bool:
        """Note a write; refuse it when the store has to."""
        allowed = self.store.ask(operation, key)
        match, none = self.headers.get("If-Match"), self.headers.get("If-None-Match")
        there = key in self.store.objects
        if not allowed:
            self._fail(403, "AccessDenied")
        elif len(key) > self.store.habits.longest_key:
            self._fail(400, "KeyTooLongError")
        elif self.store.habits.conditions and (
            (none == "*" and there) or (match and not (there and self.store.tag(key) == match))
        ):
            self._fail(412, "PreconditionFailed")
        else:
            return False
        return True

    def _query(self) -> dict[str, str]:
        query = urlsplit(self.path).query
        found = parse_qs(query, keep_blank_values=True, errors="surrogateescape")
        return {key: values[0] for key, values in found.items()}

    def _key(self) -> bytes:
        path = unquote_to_bytes(urlsplit(self.path).path)
        return path.lstrip(b"/").partition(b"/")[2]

    def _meta(self) -> dict[str, str]:
        return {k.lower(): v for k, v in self.headers.items() if k.lower().startswith("x-amz-meta")}

    def _body(self) -> bytes:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" not in (self.headers.get("Content-Encoding") or ""):
            return data
        whole = b""
        while data:
            head, _, data = data.partition(b"\r\n")
            size = int(head.partition(b";")[0] or b"0", 16)
            if not size:
                break
            whole, data = whole + data[:size], data[size + 2 :]
        return whole

    def _object(self, operation: str) -> None:
        with self.store.turn:
            key = self._key()
            self.store.ask(operation, key)
            data = self.store.objects.get(key)
            if data is None:
                self._fail(404, "NoSuchKey")
                return
            more = {"ETag": self.store.tag(key), **self.store.meta.get(key, {})}
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if found and self.command == "GET":
            first, last = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
            more["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self._answer(206, data[first : last + 1], more)
        else:
            self._answer(200, data, more)

    def _list(self, asked: dict[str, str]) -> None:
        prefix = asked.get("prefix", "").encode("utf-8", "surrogateescape")
        delimiter = asked.get("delimiter", "").encode()
        begun = asked.get("continuation-token") or asked.get("start-after") or ""
        after = begun.encode("utf-8", "surrogateescape")
        keys: list[bytes] = []
        folders: list[bytes] = []
        more = b""
        with self.store.turn:
            self.store.ask("ListObjects", prefix)
            for key in sorted(k for k in self.store.objects if k.startswith(prefix) and k > after):
                inside = key[len(prefix) :]
                head, cut, _ = inside.partition(delimiter) if delimiter else (key, b"", b"")
                folder = prefix + head + cut
                if cut and (folder in folders or after.startswith(folder)):
                    continue
                if len(keys) + len(folders) == self.store.habits.page:
                    more = max([*keys, *(f + b"\xff" for f in folders)])
                    break
                (folders if cut else keys).append(folder if cut else key)
            body = "".join(map(self._row, keys))
        body += "".join(
            f"<CommonPrefixes><Prefix>{quote(f)}</Prefix></CommonPrefixes>" for f in folders
        )
        token = f"<NextContinuationToken>{quote(more)}</NextContinuationToken>" if more else ""
        told = f"<KeyCount>{len(keys)}</KeyCount><IsTruncated>{str(bool(more)).lower()}"
        end = f"{told}</IsTruncated>{token}</ListBucketResult>"
        self._answer(200, f"{_HEAD}<EncodingType>url</EncodingType>{body}{end}".encode())

    def _row(self, key: bytes) -> str:
        return (
            f"<Contents><Key>{quote(key)}</Key><Size>{len(self.store.objects[key])}</Size>"
            f"<ETag>{self.store.tag(key)}</ETag>"
            "<LastModified>2026-11-22T07:15:00.000Z</LastModified></Contents>"
        )

    def _tell(self, name: str, body: str) -> None:
        self._answer(200, f"<{name}>{body}</{name}>".encode())

    def _fail(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    def _answer(self, status: int, body: bytes = b"", more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"Last-Modified": formatdate(_WRITTEN, usegmt=True), **(more or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
