"""Sends one WebDAV request with the account's credential, and waits where the service asks for it.

A refused token is renewed once for each request. 429 and `Retry-After` are obeyed by every request
of the run, not only by the one that was told. Other failures are told as they are: the engine has
one place that tries again, and it knows what may be done twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum

import httpx
from msgspec import Struct, field

from bm_sync.cloud import wire
from bm_sync.cloud.calls import Reply, Sleep, retry_after_s
from bm_sync.cloud.client import Cloud
from bm_sync.cloud.faults import SignInError
from bm_sync.cloud.places import Host
from bm_sync.cloud.unanswered import unanswered
from bm_sync.errors import BmSyncError

ATTEMPTS = 7  # upstream sends a request once and up to six times again
_UNTOLD_WAIT_S = 5.0  # where 429 does not say how long, as upstream has it
_CONNECT_S = 10.0
_READ_AT_MOST = 64 << 10  # of the body of a refusal
_FINITE = b"propfind-finite-depth"  # RFC 4918, 9.1

_UNAUTHORIZED, _FORBIDDEN, _SERVER_ERROR = 401, 403, 500
_VERBS = {
    "PROPFIND": "list the files",
    "GET": "read the file",
    "PUT": "write the file",
    "DELETE": "delete the file",
    "MKCOL": "make the folder",
    "MOVE": "move the file",
    "COPY": "copy the file",
}


class DavFault(StrEnum):
    """What a refusal means for the caller."""

    CHANGED = "changed"
    MISSING = "missing"
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"
    FINITE = "finite-depth"
    UNSUPPORTED = "unsupported"
    FULL = "full"
    INVALID = "invalid"
    BUSY = "busy"
    DOWN = "down"
    GARBLED = "garbled"


class DavError(BmSyncError):
    """A refusal of the service, or of the way to it."""

    def __init__(self, what: str, *, fault: DavFault, hint: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.fault = fault


_FAULTS: Mapping[int, DavFault] = {
    400: DavFault.INVALID,
    403: DavFault.FORBIDDEN,
    404: DavFault.MISSING,
    405: DavFault.UNSUPPORTED,
    408: DavFault.BUSY,
    409: DavFault.CONFLICT,
    410: DavFault.MISSING,
    412: DavFault.CHANGED,
    413: DavFault.FULL,
    414: DavFault.INVALID,
    422: DavFault.INVALID,
    423: DavFault.BUSY,
    425: DavFault.BUSY,
    429: DavFault.BUSY,
    501: DavFault.UNSUPPORTED,
    507: DavFault.FULL,
}

Body = Callable[[], AsyncIterator[bytes]]


class Ask(Struct, frozen=True):
    """One request; `body` is made anew each time it is sent.

    `silence_s` is how long the service may say nothing.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | bytes | None = None
    silence_s: float = 60.0


class Wire:
    """The way to the files of one workspace, its id given, through an open `Cloud`."""

    def __init__(
        self,
        cloud: Cloud,
        tenant: str,
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cloud = cloud
        self.host = cloud.host
        self.tenant = tenant
        self._sleep = sleep
        self._clock = clock
        self._closed_until = 0.0

    @asynccontextmanager
    async def asked(self, ask: Ask) -> AsyncIterator[httpx.Response]:
        """Yield the answer to a request before its body is read.

        Raises DavError for what is no success, SignInError for a person who has to act.
        """
        try:
            response = await self._answer(ask)
            try:
                if not response.is_success:
                    raise self._refusal(ask, response, await _head(response))
                yield response
            finally:
                await response.aclose()
        except httpx.TransportError as e:
            raise _down(self.host, e) from e

    async def do(self, ask: Ask) -> httpx.Headers:
        """Send a request whose answer has no body worth reading; return the answer's headers."""
        async with self.asked(ask) as response:
            return response.headers

    async def _answer(self, ask: Ask) -> httpx.Response:
        renewed = False
        for attempt in range(1, ATTEMPTS + 1):
            await self._calm()
            bearer = await self.cloud.bearer()
            request = self._request(ask, bearer.reveal())
            response = await self.cloud.http.send(request, stream=True)
            if response.status_code == _UNAUTHORIZED and not renewed:
                await response.aclose()
                await self.cloud.renewed(bearer)
                renewed = True
                continue
            wait_s = _asked_to_wait_s(response)
            if wait_s is None or attempt == ATTEMPTS:
                return response
            await response.aclose()
            self._closed_until = max(self._closed_until, self._clock() + wait_s)
        raise AssertionError  # the last attempt returns

    def _request(self, ask: Ask, bearer: str) -> httpx.Request:
        mine = {"Authorization": f"Bearer {bearer}", "X-Workspace-ID": self.tenant}
        content = ask.body() if callable(ask.body) else ask.body
        headers = {**ask.headers, **mine}
        timeout = httpx.Timeout(ask.silence_s, connect=_CONNECT_S)
        http = self.cloud.http
        return http.build_request(
            ask.method, ask.url, headers=headers, content=content, timeout=timeout
        )

    async def _calm(self) -> None:
        """Wait until the service takes requests again."""
        while (left_s := self._closed_until - self._clock()) > 0:
            await self._sleep(left_s)

    def _refusal(self, ask: Ask, response: httpx.Response, body: bytes) -> BmSyncError:
        status = response.status_code
        told = wire.refusal(self.host, Reply(status, response.headers, body), _VERBS[ask.method])
        assert told is not None  # noqa: S101 - only asked for what is no success
        if isinstance(told, SignInError):
            return told
        if status == _FORBIDDEN and _FINITE in body:
            return DavError(told.what, fault=DavFault.FINITE)
        fault = _FAULTS.get(status, DavFault.DOWN if status >= _SERVER_ERROR else DavFault.GARBLED)
        # only of rights does the control plane tell more than this answer
        return DavError(told.what, fault=fault, hint=told.hint if status == _FORBIDDEN else None)


def _asked_to_wait_s(response: httpx.Response) -> float | None:
    """Return how long to wait before the request is sent again; None when that is not asked."""
    asked = retry_after_s(Reply(response.status_code, response.headers, b""))
    match response.status_code:
        case 429:
            return asked or _UNTOLD_WAIT_S
        case 503:
            return asked
        case _:
            return None


async def _head(response: httpx.Response) -> bytes:
    """Return the beginning of a body."""
    found = b""
    async for part in response.aiter_raw():
        found += part
        if len(found) >= _READ_AT_MOST:
            break
    return found[:_READ_AT_MOST]


def _down(host: Host, error: httpx.TransportError) -> DavError:
    told = unanswered(host.name, error)
    return DavError(told.what, fault=DavFault.DOWN, hint=told.hint)
