"""An HTTP server on loopback that keeps what it is told, and answers as it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Heard:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """Return the body."""
        return json.loads(self.body)


@dataclass
class NoticeServer:
    """What was heard; `answers` are the next status codes, then it is 200."""

    port: int
    heard: list[Heard] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    silent: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self.port}"

    def take(self) -> list[Heard]:
        """Return what was heard since the last time."""
        found = list(self.heard)
        self.heard.clear()
        return found


@contextmanager
def listening() -> Iterator[NoticeServer]:
    """Listen until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            said.heard.append(Heard(self.command, self.path, headers, body))
            if said.silent:
                said.ended.wait()
                return
            self.send_response(said.answers.pop(0) if said.answers else 200)
            self.send_header("Content-Length", "0")
            self.send_header("Location", f"{said.url}/elsewhere")
            self.end_headers()

        do_GET = do_PUT = do_POST  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    said = NoticeServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield said
    finally:
        said.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
