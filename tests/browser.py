"""Starts a real browser without a window, on a page of this machine, behind a proxy that listens.

Nothing leaves the machine: all that the browser asks for goes to the proxy, which keeps a list and
answers 404.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--disable-dev-shm-usage", "--proxy-bypass-list=<-loopback>"),
)


@dataclass
class Proxy:
    """A proxy that lets nothing through; `asked` are the addresses that were asked for."""

    port: int
    asked: list[str] = field(default_factory=list)

    def heard(self, word: str) -> bool:
        """Return whether an address with this word was asked for."""
        return any(word in address for address in self.asked)


@contextmanager
def listening() -> Iterator[Proxy]:
    """Yield a proxy on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            proxy.asked.append(self.path)
            self.send_error(404)

        do_CONNECT = do_POST = do_HEAD = do_GET  # noqa: N815 - the names that http.server asks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        proxy = Proxy(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


def look(page: Path, proxy: Proxy, *options: str) -> str:
    """Open a page, wait until it is loaded, return its document as the browser has it then."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None and shutil.which("apt-get") is None:
        pytest.skip("there is no Chromium, and no apt-get to install it with")
    assert program is not None, "install a browser: apt-get install chromium"
    data = page.parent / "browser"
    shutil.rmtree(data, ignore_errors=True)
    done = subprocess.run(
        [
            program,
            *_FLAGS,
            f"--user-data-dir={data}",
            f"--proxy-server=http://127.0.0.1:{proxy.port}",
            *options,
            "--dump-dom",
            page.as_uri(),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env={"HOME": str(page.parent), "PATH": "/usr/bin:/bin"},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
