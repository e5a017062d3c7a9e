"""An object store on loopback that takes any key at all, as real ones do; it checks no signature.

Stores that keep their objects in folders change or refuse the keys that are of interest here.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote_to_bytes, urlsplit

from servers import BUCKET, Server, s3_options

_HEAD = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'


@dataclass
class Store:
    """The objects by their keys, and the server that tells of them."""

    server: Server
    objects: dict[bytes, bytes] = field(default_factory=dict)


@contextlib.contextmanager
def running() -> Iterator[Store]:
    """Run the store until the block ends."""
    objects: dict[bytes, bytes] = {}

    class Handler(_Handler):
        store = objects

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            port = http.server_address[1]
            options = (*s3_options("Other", port), ("list_url_encode", "true"))
            yield Store(Server("s3", options, port, None, 0, BUCKET), objects)
        finally:
            http.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: dict[bytes, bytes]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if "list-type" in url.query or not self._key():
            self._list({k: v[0] for k, v in parse_qs(url.query, errors="surrogateescape").items()})
        else:
            self._object()

    def do_HEAD(self) -> None:
        self._object()

    def do_PUT(self) -> None:
        data = self._body()
        source = self.headers.get("x-amz-copy-source")
        if source is not None:
            data = self.store[unquote_to_bytes(source).lstrip(b"/").partition(b"/")[2]]
        self.store[self._key()] = data
        tag = _etag(data)
        text = f"<CopyObjectResult><ETag>{tag}</ETag></CopyObjectResult>" if source else ""
        self._answer(200, text.encode(), {"ETag": tag})

    def do_DELETE(self) -> None:
        self.store.pop(self._key(), None)
        self._answer(204)

    def _key(self) -> bytes:
        path = unquote_to_bytes(urlsplit(self.path).path)
        return path.lstrip(b"/").partition(b"/")[2]

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

    def _object(self) -> None:
        data = self.store.get(self._key())
        if data is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._answer(200, data, {"ETag": _etag(data)})

    def _list(self, asked: dict[str, str]) -> None:
        prefix = asked.get("prefix", "").encode("utf-8", "surrogateescape")
        delimiter = asked.get("delimiter", "").encode()
        keys, folders = [], set()
        for key in sorted(k for k in self.store if k.startswith(prefix)):
            head, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, b"", b"")
            if cut:
                folders.add(prefix + head + cut)
            else:
                keys.append(key)
        body = "".join(
            f"<Contents><Key>{quote(k)}</Key><Size>{len(self.store[k])}</Size>"
            f"<ETag>{_etag(self.store[k])}</ETag>"
            "<LastModified>2026-11-22T07:15:00.000Z</LastModified></Contents>"
            for k in keys
        )
        body += "".join(
            f"<CommonPrefixes><Prefix>{quote(f)}</Prefix></CommonPrefixes>" for f in sorted(folders)
        )
        end = f"<KeyCount>{len(keys)}</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
        self._answer(200, f"{_HEAD}<EncodingType>url</EncodingType>{body}{end}".encode())

    def _answer(self, status: int, body: bytes = b"", more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"Last-Modified": formatdate(1_795_331_700, usegmt=True), **(more or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
