"""Faults on demand, and the record of what was asked.

A fault names the requests it strikes (server, method, beginning of the path), how many it lets
pass first and how many it strikes, and what happens to them.
"""

from __future__ import annotations

import email.utils
import threading
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass

from standin.wire import Answer, Reset

_REMEMBERED = 50_000
_HTML = b"<!doctype html><html><body><h1>Something went wrong</h1></body></html>"


@dataclass
class Fault:
    """What strikes a request.

    `path` is a beginning, `within` is any part of it. `kind` is `status`, `html` (the status with a
    page for a body), `stall` (waits `seconds` or until it is released, then goes on) or `reset`.
    `padding` makes the body that long. `retry_after` is a header's text; `retry_after_date_s` makes
    it an HTTP date so far ahead.
    """

    server: str = "control"
    path: str = "/"
    within: str = ""
    method: str = ""
    kind: str = "status"
    status: int = 503
    body: str = ""
    padding: int = 0
    content_type: str = "application/json"
    retry_after: str = ""
    retry_after_date_s: float | None = None
    location: str = ""
    after: int = 0
    times: int = 1
    seconds: float = 600.0


@dataclass(frozen=True)
class Seen:
    """One request as it is remembered: never a credential, never a body.

    `server` is oauth, control, webdav or storage; `consistent` tells of a storage request whether
    `X-Tigris-Consistent: true` came with it; `workspace` is the X-Workspace-ID header.
    """

    server: str
    kind: str
    method: str
    path: str
    query: str
    status: int
    workspace: str
    bearer: str
    consistent: bool
    headers: tuple[str, ...]


class Faults:
    """The faults that wait, struck in the order they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self._released = threading.Event()

    def add(self, fault: Fault) -> None:
        """Let a fault wait for its requests."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget every fault and let go of what is stalled."""
        with self._lock:
            self._waiting.clear()
        self.release()

    def release(self) -> None:
        """Let go of every request that is stalled."""
        self._released.set()
        self._released = threading.Event()

    def waiting(self) -> list[dict[str, object]]:
        """Return the faults that have not struck as often as they should."""
        with self._lock:
            return [asdict(fault) for fault in self._waiting]

    def strike(self, server: str, method: str, path: str) -> Answer | None:
        """Return the answer that a fault gives in the place of the service, if one does.

        Raises Reset for a broken connection. A stall returns None after its time.
        """
        released = self._released
        fault = self._take(server, method, path)
        if fault is None:
            return None
        if fault.kind == "reset":
            raise Reset
        if fault.kind == "stall":
            released.wait(fault.seconds)
            return None
        return _answer(fault)

    def _take(self, server: str, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._waiting:
                if not _fits(fault, server, method, path):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
                return fault
        return None


def _fits(fault: Fault, server: str, method: str, path: str) -> bool:
    return (
        fault.server == server
        and fault.method in {"", method}
        and path.startswith(fault.path)
        and fault.within in path
    )


def _answer(fault: Fault) -> Answer:
    headers: list[tuple[str, str]] = []
    if fault.retry_after:
        headers.append(("Retry-After", fault.retry_after))
    if fault.retry_after_date_s is not None:
        until = email.utils.formatdate(time.time() + fault.retry_after_date_s, usegmt=True)
        headers.append(("Retry-After", until))
    if fault.location:
        headers.append(("Location", fault.location))
    html = fault.kind == "html"
    headers.append(("Content-Type", "text/html" if html else fault.content_type))
    body = _HTML if html else (fault.body or '{"detail":"a fault on demand"}').encode()
    body = body.ljust(fault.padding)
    return Answer(fault.status, tuple(headers), body)


class Record:
    """What was asked, the newest 50,000 requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: deque[Seen] = deque(maxlen=_REMEMBERED)

    def add(self, seen: Seen) -> None:
        """Remember a request."""
        with self._lock:
            self._seen.append(seen)

    def reset(self) -> None:
        """Forget all."""
        with self._lock:
            self._seen.clear()

    def entries(self) -> list[dict[str, object]]:
        """Return every request, oldest first."""
        with self._lock:
            return [asdict(seen) for seen in self._seen]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how often each kind was asked, by server."""
        with self._lock:
            seen = list(self._seen)
        found: dict[str, Counter[str]] = {}
        for one in seen:
            found.setdefault(one.server, Counter())[one.kind] += 1
        inconsistent = Counter(s.kind for s in seen if s.server == "storage" and not s.consistent)
        answer = {server: dict(kinds) for server, kinds in found.items()}
        return answer | {"storage_without_consistency": dict(inconsistent)}
