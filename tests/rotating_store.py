"""A store on loopback whose sign-ins change by use: each refresh token is good for one renewal.

It speaks as much of the JSON API of Google Cloud Storage as rclone needs. A refresh token that
comes a second time ends the sign-in for good, as services do that look for stolen tokens.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LONG_AGO = WRITTEN = "2020-01-01T00:00:00Z"


@dataclass
class Store:
    """What the store holds; `life_s` is how long an access token holds, `on_renewal` is called."""

    url: str = ""
    life_s: int = 3600
    objects: dict[str, bytes] = field(default_factory=dict)
    renewals: int = 0
    revoked: bool = False
    on_renewal: Callable[[], None] = lambda: None
    ends: dict[str, float] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def renew(self, used: str) -> dict[str, Any] | None:
        """Return the next pair for a refresh token, None when it does not hold (any more)."""
        with self.lock:
            if self.revoked or used != f"r{self.renewals}":
                self.revoked = True
                return None
            self.renewals += 1
            access = f"a{self.renewals}"
            self.ends[f"Bearer {access}"] = time.monotonic() + self.life_s
            return {
                "access_token": access,
                "refresh_token": f"r{self.renewals}",
                "token_type": "Bearer",
                "expires_in": self.life_s,
            }

    def section(self, name: str) -> str:
        """Return what the user's rclone.conf says of the store: a sign-in that has ended."""
        with self.lock:
            pair = {"access_token": f"a{self.renewals}", "refresh_token": f"r{self.renewals}"}
        token = json.dumps({**pair, "token_type": "Bearer", "expiry": LONG_AGO})
        return (
            f"[{name}]\ntype = google cloud storage\nclient_id = id\nclient_secret = secret\n"
            f"auth_url = {self.url}/auth\ntoken_url = {self.url}/token\n"
            f"endpoint = {self.url}/storage/v1/\nbucket_policy_only = true\ntoken = {token}\n"
        )


def let_end(conf: Path) -> None:
    """Make every token of an rclone.conf one that has ended, as an hour does."""
    conf.write_text(re.sub(r'"expiry":"[^"]*"', f'"expiry":"{LONG_AGO}"', conf.read_text()))


@contextlib.contextmanager
def running() -> Iterator[Store]:
    """Run the store."""
    store = Store()

    class Handler(_Handler):
        pass

    Handler.store = store
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """List, describe or give an object."""
        if not self._signed_in():
            return
        url = urlsplit(self.path)
        asked = {k: v[0] for k, v in parse_qs(url.query).items()}
        if url.path.endswith("/o"):
            self._say(200, self._listed(asked.get("prefix", "")))
            return
        key = unquote(url.path.partition("/o/")[2])
        with self.store.lock:
            data = self.store.objects.get(key)
        if data is None:
            self._say(404, {"error": {"code": 404, "message": "No such object"}})
        elif asked.get("alt") == "media":
            self._say(200, data)
        else:
            self._say(200, self._item(key))

    def do_POST(self) -> None:
        """Renew a sign-in, take an object or copy one."""
        body = self._body()
        path = urlsplit(self.path).path
        if path == "/token":
            self._renewed(parse_qs(body.decode()).get("refresh_token", [""])[0])
        elif not self._signed_in():
            return
        elif path.startswith("/upload/"):
            mark = self.headers["Content-Type"].partition("boundary=")[2].strip('"').encode()
            about, data = (p.split(b"\r\n\r\n", 1)[1][:-2] for p in body.split(b"--" + mark)[1:3])
            self._put(json.loads(about)["name"], data)
        else:
            source, _, target = path.partition("/o/")[2].partition("/rewriteTo/b/bucket/o/")
            with self.store.lock:
                data = self.store.objects[unquote(source)]
            self._put(unquote(target), data, rewrite=True)

    def do_DELETE(self) -> None:
        """Delete an object."""
        if self._signed_in():
            with self.store.lock:
                self.store.objects.pop(unquote(urlsplit(self.path).path.partition("/o/")[2]), None)
            self._say(204, b"")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _renewed(self, used: str) -> None:
        pair = self.store.renew(used)
        self.store.on_renewal()
        if pair is None:
            self._say(400, {"error": "invalid_grant", "error_description": "it was used before"})
        else:
            self._say(200, pair)

    def _signed_in(self) -> bool:
        with self.store.lock:
            ends = self.store.ends.get(self.headers.get("Authorization", ""), 0.0)
        if ends > time.monotonic():
            return True
        self._say(401, {"error": {"code": 401, "message": "Invalid Credentials"}})
        return False

    def _put(self, key: str, data: bytes, *, rewrite: bool = False) -> None:
        with self.store.lock:
            self.store.objects[key] = data
        item = self._item(key)
        self._say(200, {"kind": "r", "done": True, "resource": item} if rewrite else item)

    def _listed(self, prefix: str) -> dict[str, Any]:
        with self.store.lock:
            keys = sorted(key for key in self.store.objects if key.startswith(prefix))
        return {"kind": "storage#objects", "items": [self._item(key) for key in keys]}

    def _item(self, key: str) -> dict[str, Any]:
        with self.store.lock:
            data = self.store.objects[key]
        return {
            "kind": "storage#object",
            "name": key,
            "bucket": "bucket",
            "size": str(len(data)),
            "md5Hash": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
            "updated": WRITTEN,
            "timeCreated": WRITTEN,
            "generation": "1",
            "contentType": "text/plain",
            "mediaLink": f"{self.store.url}/storage/v1/b/bucket/o/{key}?alt=media",
        }

    def _say(self, status: int, body: dict[str, Any] | bytes) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
