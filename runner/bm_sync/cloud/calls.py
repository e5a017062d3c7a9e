"""One HTTP call: sent within bounds, tried again when that may help, read no further than 1 MiB.

Redirects are not followed, so a credential never travels to another host. The proxies of the
environment are used (HTTPS_PROXY, NO_PROXY), except for an address of this machine.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import urlsplit

import httpx
import tenacity
from msgspec import Struct, field

from bm_sync import __version__
from bm_sync.cloud.places import Host, on_this_machine

MAX_BODY = 1 << 20  # bytes; no answer that is read here comes near
_WHOLE_CALL_S = 60.0  # from the first byte sent to the last one read
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_LONGEST_AFTER_S = 60.0  # of a Retry-After, as upstream has it
_JITTER_S = 0.25

_TOO_MANY = 429
_UNAVAILABLE = 503
_SERVER_ERROR = 500

Sleep = Callable[[float], Awaitable[None]]


class Repeat(StrEnum):
    """When a call may be sent again: always, or only when it surely was not carried out."""

    ALWAYS = "always"
    UNSENT = "unsent"


class RetryPace(Struct, frozen=True):
    """How often and how fast a call is tried again."""

    attempts: int = 4
    first_wait_s: float = 0.4
    max_wait_s: float = 20.0
    total_s: float = 60.0
    sleep: Sleep = asyncio.sleep


PATIENT = RetryPace()


class Call(Struct, frozen=True):
    """What is asked of the service; `form` and `body` (JSON) exclude each other."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    body: Mapping[str, object] | None = None
    repeat: Repeat = Repeat.ALWAYS


class Reply(Struct, frozen=True):
    """What the service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Return the body as JSON; raises ValueError when it is none."""
        try:
            said: object = json.loads(self.body)
        except RecursionError as e:
            raise ValueError("nested too deeply") from e
        return said

    def object(self) -> dict[str, object]:
        """Return the body as a JSON object; empty when it is none."""
        try:
            said = self.json()
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}


class AnswerTooLargeError(Exception):
    """An answer has more than `MAX_BODY` bytes."""


def open_http(host: Host) -> httpx.AsyncClient:
    """Return a client for a service; the caller closes it."""
    here = {urlsplit(url).hostname or "" for url in (host.url, host.domain)}
    direct = {f"all://{_bracketed(name)}": None for name in here if on_this_machine(name)}
    return httpx.AsyncClient(
        timeout=_TIMEOUT,
        follow_redirects=False,
        headers={"User-Agent": f"bm-sync/{__version__}", "Accept-Encoding": "identity"},
        mounts=direct,
    )


async def send(http: httpx.AsyncClient, call: Call) -> Reply:
    """Send a call once; raises httpx.TransportError or TooLargeError."""
    request = http.build_request(
        call.method, call.url, headers=dict(call.headers), data=call.form, json=call.body
    )
    try:
        async with asyncio.timeout(_WHOLE_CALL_S):
            response = await http.send(request, stream=True)
            try:
                return Reply(response.status_code, response.headers, await _body(response))
            finally:
                await response.aclose()
    except TimeoutError as e:
        raise httpx.ReadTimeout(f"no whole answer in {_WHOLE_CALL_S:.0f} s") from e


async def persistent(http: httpx.AsyncClient, call: Call, pace: RetryPace = PATIENT) -> Reply:
    """Send a call until its answer is worth having, and return it or the last one there was.

    Waits as long as a `Retry-After` asks for, up to a minute. Raises the last httpx.TransportError.
    """
    retrying = tenacity.AsyncRetrying(
        sleep=pace.sleep,
        retry=tenacity.retry_if_exception(lambda e: _passes(e, call.repeat))
        | tenacity.retry_if_result(lambda reply: _again(reply, call.repeat)),
        stop=tenacity.stop_after_attempt(pace.attempts) | tenacity.stop_after_delay(pace.total_s),
        wait=lambda state: _wait_s(state, pace),
        retry_error_callback=_last,
    )
    reply: Reply = await retrying(send, http, call)
    return reply


def refuses_certificate(error: BaseException | None) -> bool:
    """Return whether a call failed because the certificate of the server is not trusted."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def retry_after_s(reply: Reply, now: datetime | None = None) -> float | None:
    """Return the seconds that `Retry-After` asks for (RFC 9110, 10.2.3), from 1 to 60."""
    said = reply.headers.get("retry-after", "").strip()
    if not said:
        return None
    if said.isascii() and said.isdigit():
        seconds = float(said[:9])
    else:
        try:
            moment = parsedate_to_datetime(said)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 1.0), _LONGEST_AFTER_S)


def _passes(error: BaseException, repeat: Repeat) -> bool:
    if not isinstance(error, httpx.TransportError) or refuses_certificate(error):
        return False
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return False
    unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
    return repeat is Repeat.ALWAYS or isinstance(error, unsent)


def _again(reply: Reply, repeat: Repeat) -> bool:
    if reply.status in {_TOO_MANY, _UNAVAILABLE}:
        return True
    return repeat is Repeat.ALWAYS and reply.status >= _SERVER_ERROR


def _wait_s(state: tenacity.RetryCallState, pace: RetryPace) -> float:
    reply = None
    if state.outcome is not None and not state.outcome.failed:
        reply = state.outcome.result()
    asked = retry_after_s(reply) if isinstance(reply, Reply) else None
    if asked is not None:
        return asked
    wait = tenacity.wait_exponential(multiplier=pace.first_wait_s, max=pace.max_wait_s)
    return float((wait + tenacity.wait_random(0, _JITTER_S))(state))


def _last(state: tenacity.RetryCallState) -> Reply:
    """Return the last answer, or raise the last error."""
    assert state.outcome is not None  # noqa: S101 - tenacity calls this after an attempt
    reply: Reply = state.outcome.result()
    return reply


async def _body(response: httpx.Response) -> bytes:
    parts = []
    size = 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > MAX_BODY:
            raise AnswerTooLargeError
        parts.append(part)
    return b"".join(parts)


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name
