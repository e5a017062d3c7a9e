"""The files: one folder for each bucket, written through a real S3 server so that it sees it all.

Reading goes to the folder itself, which the S3 server keeps nothing back from.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from standin.wire import BLOCK

_OWN = re.compile(r"\.rclone_temp_|.*\.[0-9a-z]{8}\.partial$")  # an upload that is under way


@dataclass(frozen=True)
class Stored:
    """An object: its key in the bucket, and what a listing tells."""

    key: str
    size: int
    mtime_s: float
    md5: str


class LocalConnection(http.client.HTTPConnection):
    """A connection to the S3 server's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket in the place of a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


class Objects:
    """The buckets; `s3` is the socket of the S3 server that serves the same folder."""

    def __init__(self, folder: Path, s3: Path) -> None:
        self.folder = folder
        self.s3 = s3
        self._guard = threading.Lock()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._sums: dict[str, tuple[tuple[int, int, int], str]] = {}

    @contextlib.contextmanager
    def alone(self, bucket: str, key: str) -> Iterator[None]:
        """Hold one object, so that a condition is true until the write that asked for it."""
        with self._guard:
            lock = self._locks.setdefault((bucket, key), threading.Lock())
        with lock:
            yield

    def path(self, bucket: str, key: str) -> Path:
        """Return where an object lies."""
        return self.folder / bucket / os.fsdecode(os.fsencode(key))

    def find(self, bucket: str, key: str) -> Stored | None:
        """Return an object, None when there is none."""
        path = self.path(bucket, key)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if path.is_file():
                return self._stored(path, key)
        return None

    def below(self, bucket: str, prefix: str) -> Iterator[Stored]:
        """Yield every object below a folder, sorted; nothing when there is no such folder."""
        top = self.path(bucket, prefix)
        for folder, names, files in os.walk(top):
            names.sort()
            for name in sorted(files):
                path = Path(folder, name)
                inside = path.relative_to(top).as_posix()
                with contextlib.suppress(FileNotFoundError):
                    if self.is_shown(name):
                        yield self._stored(path, f"{prefix}/{inside}" if prefix else inside)

    def is_shown(self, name: str) -> bool:
        """Return whether a file is an object, and not an upload of the S3 server under way."""
        return not _OWN.match(name)

    def _stored(self, path: Path, key: str) -> Stored:
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        known = self._sums.get(str(path))
        if known is None or known[0] != stamp:
            known = (stamp, _md5(path))
            self._sums[str(path)] = known
        return Stored(key, found.st_size, found.st_mtime, known[1])

    def put(self, bucket: str, key: str, source: Path, mtime_s: float | None) -> None:
        """Store the bytes of a file, with a time that S3 clients see as the file's own."""
        headers = {"Content-Length": str(source.stat().st_size)}
        if mtime_s is not None:
            headers["X-Amz-Meta-Mtime"] = f"{mtime_s:.9f}"
        with source.open("rb") as stream:
            self._ask("PUT", bucket, key, headers, stream.fileno())

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object, and the folders that it leaves empty."""
        self._ask("DELETE", bucket, key, {})

    def copy(self, bucket: str, key: str, to: str) -> None:
        """Copy an object within a bucket."""
        source = quote(f"/{bucket}/{key}", errors="surrogateescape")
        self._ask("PUT", bucket, to, {"X-Amz-Copy-Source": source})

    def _ask(
        self, method: str, bucket: str, key: str, headers: dict[str, str], body: int | None = None
    ) -> None:
        link = LocalConnection(self.s3)
        target = quote(f"/{bucket}/{key}", errors="surrogateescape")
        try:
            link.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers.items():
                link.putheader(name, value)
            link.endheaders()
            while body is not None and (block := os.read(body, BLOCK)):
                link.send(block)
            answer = link.getresponse()
            said = answer.read()
        finally:
            link.close()
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise OSError(f"the S3 server answered {answer.status}: {said[:200]!r}")


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
