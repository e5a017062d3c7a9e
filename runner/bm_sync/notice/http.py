"""What each kind of target is sent over HTTP, and how: again when a failure may pass.

Redirects are not followed. Secrets are revealed to it, and named in no error.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never
from urllib.parse import urlsplit, urlunsplit

import httpx
import tenacity

from bm_sync import __version__
from bm_sync.errors import NoticeError
from bm_sync.model.config import OptionValue
from bm_sync.model.notices import Beat, Message, News, Ntfy, Ping, Slack, Webhook
from bm_sync.notice import words

Reveal = Callable[[OptionValue], str]

_PRIORITIES = {News.ERROR: 4, News.STALE: 4, News.STOP: 4, News.RECOVERED: 3, News.CHANGE: 2}
_JSON = (("Content-Type", "application/json"),)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; it does not show itself, for it holds secrets."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: str = field(default="", repr=False)


def request(target: Ntfy | Slack | Webhook, message: Message, reveal: Reveal) -> Request:
    """Return the request that tells a target of a message."""
    match target:
        case Ntfy():
            return _ntfy(target, message, reveal)
        case Slack(url=url):
            return Request("POST", reveal(url), _JSON, json.dumps({"text": _slack(message)}))
        case Webhook():
            return _webhook(target, message, reveal)
        case _:
            assert_never(target)


def ping(target: Ping, beat: Beat, said: str, reveal: Reveal) -> Request:
    """Return the request that tells a check of a run (healthchecks.io, "Pinging API").

    /start and /fail go behind the path, so that a query of the address stays one.
    """
    parts = urlsplit(reveal(target.url))
    tail = "" if beat is Beat.SUCCESS else f"/{beat.value}"
    url = urlunsplit(parts._replace(path=parts.path.rstrip("/") + tail))
    return Request("POST", url, (("Content-Type", "text/plain; charset=utf-8"),), said)


def _ntfy(target: Ntfy, message: Message, reveal: Reveal) -> Request:
    """Publish as JSON to the address above the topic: headers hold no letters beyond ASCII."""
    parts = urlsplit(reveal(target.url))
    above, _, topic = parts.path.rstrip("/").rpartition("/")
    token = () if target.token is None else (("Authorization", f"Bearer {reveal(target.token)}"),)
    body = {
        "topic": topic,
        "title": words.title(message),
        "message": words.text(message),
        "priority": _PRIORITIES[words.event(message)],
    }
    url = urlunsplit(parts._replace(path=f"{above}/"))
    return Request("POST", url, (*_JSON, *token), json.dumps(body))


def _slack(message: Message) -> str:
    """Slack reads &, < and > as its own signs (docs, "Formatting text for app surfaces")."""
    said = f"*{words.title(message)}*\n{words.text(message)}"
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _webhook(target: Webhook, message: Message, reveal: Reveal) -> Request:
    if target.body is None:
        body = words.whole(message)
    else:
        body = words.filled(target.body, words.facts(message), target.content_type)
    own = tuple((name, reveal(value)) for name, value in target.headers)
    kind = () if target.method == "GET" else (("Content-Type", target.content_type),)
    return Request(
        target.method, reveal(target.url), (*kind, *own), "" if target.method == "GET" else body
    )


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
