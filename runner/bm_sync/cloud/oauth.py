"""Signing in and staying so: the device grant (RFC 8628) with PKCE (RFC 7636), and the refresh.

Nothing is kept here. A refresh retires the token that was sent; a retired one may be sent again
within a short grace and brings the same new pair, so timeouts, 429 and 5xx are tried again with the
same token (https://workos.com/docs/authkit/session-resilience). `invalid_grant` alone is final.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import assert_never
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from bm_sync.cloud.calls import (
    PATIENT,
    AnswerTooLargeError,
    Call,
    Reply,
    RetryPace,
    Sleep,
    persistent,
    send,
)
from bm_sync.cloud.faults import CloudError, CloudFault, SignInError, login_command, one_line
from bm_sync.cloud.places import Host, on_this_machine
from bm_sync.cloud.tokens import Tokens, granted, number
from bm_sync.cloud.unanswered import unanswered
from bm_sync.secret import Secret

SCOPE = "openid profile email offline_access"
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER_S = 5.0  # RFC 8628, 3.5
_INTERVAL_S = 5.0
_LONGEST_INTERVAL_S = 60.0
_LASTS_S = 600.0  # of a code whose answer does not say
_LONGEST_S = 1800.0
_SHOWN_CODE = 64

_OK = 200
_TOO_MANY = 429
_SERVER_ERROR = 500


class EndedError(Exception):
    """The session is over: the service does not know the refresh token any more."""


class Device(Struct, frozen=True):
    """A sign-in that waits for a person: what is shown, and what is sent while waiting."""

    user_code: str
    uri: str
    uri_complete: str | None
    interval_s: float
    lasts_s: float
    code: Secret
    verifier: Secret


class Timing(Struct, frozen=True):
    """The clock of a wait, and how it waits."""

    clock: Callable[[], float] = time.monotonic
    sleep: Sleep = asyncio.sleep


class Granted(Struct, frozen=True):
    """The person agreed."""

    tokens: Tokens


class Pending(Struct, frozen=True):
    """The person has not answered yet; ask again, `slower_s` later from now on."""

    slower_s: float = 0.0


class Refused(Struct, frozen=True):
    """The sign-in will not happen."""

    error: CloudError


async def begin(http: httpx.AsyncClient, host: Host, pace: RetryPace = PATIENT) -> Device:
    """Ask for a code that a person confirms in a browser; raises CloudError."""
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    form = {
        "client_id": host.client_id,
        "scope": SCOPE,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    call = Call("POST", f"{host.domain}/oauth2/device_authorization", form=form)
    reply = await _asked(http, host, call, pace)
    if reply.status != _OK:
        raise _unhelpful(host, reply, "does not begin a sign-in")
    try:
        return _device(reply.object(), Secret(verifier))
    except ValueError as e:
        raise _garbled(host, str(e)) from e


async def finish(
    http: httpx.AsyncClient, host: Host, device: Device, timing: Timing | None = None
) -> Tokens:
    """Wait until the person has answered, up to the end of the code; raises CloudError.

    What is lost on the way is asked again.
    """
    timing = timing or Timing()
    deadline = timing.clock() + device.lasts_s
    interval_s = device.interval_s
    while True:
        match await _poll(http, host, device):
            case Granted(tokens):
                return tokens
            case Refused(error):
                raise error
            case Pending(slower_s):
                interval_s = min(interval_s + slower_s, _LONGEST_INTERVAL_S)
            case other:
                assert_never(other)
        if timing.clock() + interval_s >= deadline:
            raise _expired(host)
        await timing.sleep(interval_s)


async def refresh(
    http: httpx.AsyncClient, host: Host, before: Tokens, pace: RetryPace = PATIENT
) -> Tokens:
    """Return new tokens for old ones; raises EndedError, and CloudError when that may pass."""
    if before.refresh is None:
        raise EndedError
    form = {
        "client_id": host.client_id,
        "grant_type": "refresh_token",
        "refresh_token": before.refresh.reveal(),
    }
    call = Call("POST", f"{host.domain}/oauth2/token", form=form)
    reply = await _asked(http, host, call, pace)
    if reply.status == _OK:
        try:
            return granted(reply.object(), time.time(), before)
        except ValueError as e:
            raise _garbled(host, str(e)) from e
    if reply.object().get("error") == "invalid_grant":
        raise EndedError
    raise _unhelpful(host, reply, "does not renew the sign-in")


def verdict(host: Host, reply: Reply) -> Granted | Pending | Refused:
    """Return what an answer to a poll means."""
    said = reply.object()
    if reply.status == _OK:
        try:
            return Granted(granted(said, time.time()))
        except ValueError as e:
            return Refused(_garbled(host, str(e)))
    error = said.get("error")
    if isinstance(error, str) and error:
        return _answered(host, error)
    if reply.status == _TOO_MANY:
        return Pending(_SLOWER_S)
    if reply.status >= _SERVER_ERROR:
        return Pending()
    return Refused(_unhelpful(host, reply, "refused the sign-in"))


def _answered(host: Host, error: str) -> Pending | Refused:
    match error:
        case "authorization_pending":
            return Pending()
        case "slow_down":
            return Pending(_SLOWER_S)
        case "access_denied":
            return Refused(_not_signed_in(host, "the sign-in was refused in the browser"))
        case "expired_token":
            return Refused(_expired(host))
        case _:
            why = f"the service refused the sign-in: {one_line(error)}"
            return Refused(_not_signed_in(host, why))


async def _poll(http: httpx.AsyncClient, host: Host, device: Device) -> Granted | Pending | Refused:
    form = {
        "client_id": host.client_id,
        "device_code": device.code.reveal(),
        "grant_type": _DEVICE_GRANT,
        "code_verifier": device.verifier.reveal(),
    }
    try:
        reply = await send(http, Call("POST", f"{host.domain}/oauth2/token", form=form))
    except httpx.TransportError:
        return Pending()
    except AnswerTooLargeError:
        return Refused(_garbled(host, "it is larger than 1 MiB"))
    return verdict(host, reply)


async def _asked(http: httpx.AsyncClient, host: Host, call: Call, pace: RetryPace) -> Reply:
    try:
        return await persistent(http, call, pace)
    except (httpx.TransportError, AnswerTooLargeError) as e:
        raise unanswered(_auth(host), e) from e


def _device(said: dict[str, object], verifier: Secret) -> Device:
    """Return the device of an answer; raises ValueError."""
    texts = {}
    for key in ("device_code", "user_code", "verification_uri"):
        value = said.get(key)
        if not isinstance(value, str) or not value:
            raise ValueError(f"there is no {key}")
        texts[key] = value
    complete = said.get("verification_uri_complete")
    interval_s = number(said.get("interval"), _INTERVAL_S)
    lasts_s = number(said.get("expires_in"), _LASTS_S)
    return Device(
        user_code=one_line(texts["user_code"])[:_SHOWN_CODE],
        uri=_page(texts["verification_uri"]),
        uri_complete=_page(complete) if isinstance(complete, str) and complete else None,
        interval_s=min(max(interval_s, 0.0), _LONGEST_INTERVAL_S) or _INTERVAL_S,
        lasts_s=min(max(lasts_s, 0.0), _LONGEST_S),
        code=Secret(texts["device_code"]),
        verifier=verifier,
    )


def _page(uri: str) -> str:
    """Return the address of a page for a browser; raises ValueError for anything else."""
    try:
        parts = urlsplit(uri)
        name = parts.hostname or ""
    except ValueError:
        name, parts = "", urlsplit("")
    safe = parts.scheme == "https" or (parts.scheme == "http" and on_this_machine(name))
    if not (name and safe and uri.isascii() and uri.isprintable() and " " not in uri):
        raise ValueError("the page for the browser is no https address")
    return uri


def _auth(host: Host) -> str:
    return f"the sign-in service {host.domain.removeprefix('https://')}"


def _expired(host: Host) -> CloudError:
    return _not_signed_in(host, "the code expired before it was confirmed")


def _not_signed_in(host: Host, why: str) -> CloudError:
    return SignInError(why, fault=CloudFault.SIGNED_OUT, hint=f"try again: {login_command(host)}")


def _garbled(host: Host, why: str) -> CloudError:
    return CloudError(
        f"{_auth(host)} gives an answer that makes no sense: {why}",
        fault=CloudFault.GARBLED,
        hint=f"look at the address: {host.domain}",
    )


def _unhelpful(host: Host, reply: Reply, what: str) -> CloudError:
    said = reply.object()
    words = said.get("error_description") or said.get("error") or said.get("message")
    tail = f": {one_line(words)}" if isinstance(words, str) else ""
    down = reply.status >= _SERVER_ERROR or reply.status == _TOO_MANY
    return CloudError(
        f"{_auth(host)} {what} (HTTP {reply.status}){tail}",
        fault=CloudFault.DOWN if down else CloudFault.INVALID,
        hint="try again in a few minutes" if down else f"look at the address: {host.domain}",
    )
