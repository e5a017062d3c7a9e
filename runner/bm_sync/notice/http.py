"""Sends one request, again when its failure may pass. Redirects are not followed."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import httpx
import tenacity

from bm_sync import __version__
from bm_sync.notice.faults import NoticeError
from bm_sync.notice.requests import Request

_ATTEMPTS = 4
_FIRST_WAIT_S = 0.5
_MAX_WAIT_S = 5.0
_TOO_MANY = 429
_SERVER_ERROR = 500
_REDIRECT = 300
_CONNECT_S = 10.0


async def post(request: Request, timeout_s: float) -> None:
    """Send a request until it is taken; the caller bounds the whole. Raises NoticeError.

    A message may arrive twice when the answer to the first one was lost.
    """
    timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S))
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(_PassingError),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_MAX_WAIT_S),
        reraise=True,
    )
    async with httpx.AsyncClient(
        timeout=timeout,
        follow_redirects=False,
        trust_env=not _is_here(request.url),
        headers={"User-Agent": f"bm-sync/{__version__}"},
    ) as http:
        await retrying(_once, http, request)


class _PassingError(NoticeError):
    """A failure that may pass by itself."""


async def _once(http: httpx.AsyncClient, request: Request) -> None:
    try:
        sending = http.stream(
            request.method,
            request.url,
            headers=list(request.headers),
            content=request.body.encode("utf-8", "backslashreplace") or None,
        )
        async with sending as answer:
            status = answer.status_code
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, ValueError) as e:
        raise NoticeError("the address or a header cannot be used") from e
    except httpx.HTTPError as e:
        # not its text, which may name the address, and that can be a secret
        raise _PassingError(f"no answer ({type(e).__name__})") from e
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        raise _PassingError(f"it answered {status}")
    if status >= _REDIRECT:
        raise NoticeError(f"it answered {status}")


def _is_here(url: str) -> bool:
    """Whether a proxy would be no use: the address is one of this machine."""
    name = urlsplit(url).hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
