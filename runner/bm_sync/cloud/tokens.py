"""Credentials as values: an API key, the tokens of a sign-in, keys of a bucket; how they are read.

Pure. Basic Memory's token file has the keys `access_token`, `refresh_token` (or null), `expires_at`
(unix seconds) and `token_type` (basic-memory 0.16 to 0.24, cli/auth.py).
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from bm_sync.secret import Secret

LEEWAY_S = 60.0  # a token counts as valid until this long before its end, as upstream has it
_LIFE_S = 3600.0  # of a token that the service gives no end
_MAX_LIFE_S = 10 * 365 * 86400.0
_MAX_TOKEN = 64 * 1024


class ApiKey(Struct, frozen=True):
    """A key made in the web app; `source` says where it was found, for a person."""

    key: Secret
    source: str


class Tokens(Struct, frozen=True):
    """What a sign-in gave: `expires_at` is in unix seconds."""

    access: Secret
    refresh: Secret | None
    expires_at: float
    token_type: str = "Bearer"  # noqa: S105 - the kind of a token, not one

    def fresh(self, now: float, leeway_s: float = LEEWAY_S) -> bool:
        """Return whether the access token is good for a while."""
        return now < self.expires_at - leeway_s


@dataclass(frozen=True, slots=True)
class Keys:
    """A pair of keys of the object store, good for one whole bucket."""

    access_key: str
    secret_key: Secret = field(repr=False)


def granted(answer: Mapping[str, object], now: float, before: Tokens | None = None) -> Tokens:
    """Return the tokens of a token endpoint's answer; raises ValueError when there are none.

    The refresh token of `before` stays when the answer has none: it was not rotated.
    """
    seconds = number(answer.get("expires_in"), _LIFE_S)
    refresh = _secret(answer.get("refresh_token"))
    if refresh is None and before is not None:
        refresh = before.refresh
    kind = answer.get("token_type")
    return Tokens(
        access=_access(answer),
        refresh=refresh,
        expires_at=now + min(max(seconds, 0.0), _MAX_LIFE_S),
        token_type=kind if isinstance(kind, str) and kind.isascii() else "Bearer",
    )


def stored(file: Mapping[str, object]) -> Tokens:
    """Return the tokens that a token file holds; raises ValueError when there are none."""
    kind = file.get("token_type")
    return Tokens(
        access=_access(file),
        refresh=_secret(file.get("refresh_token")),
        expires_at=number(file.get("expires_at"), 0.0),
        token_type=kind if isinstance(kind, str) else "Bearer",
    )


def as_file(tokens: Tokens) -> dict[str, object]:
    """Return tokens in the shape of Basic Memory's token file."""
    return {
        "access_token": tokens.access.reveal(),
        "refresh_token": tokens.refresh.reveal() if tokens.refresh else None,
        "expires_at": int(tokens.expires_at),
        "token_type": tokens.token_type,
    }


def owner(access: Secret) -> str | None:
    """Return who a token speaks for, None when it does not tell.

    AuthKit's access tokens are JSON Web Tokens (RFC 7519) with `sub`, and `org_id` for an
    organization. The signature is not looked at: this only tells accounts apart.
    """
    parts = access.reveal().split(".")
    if len(parts) != 3:  # noqa: PLR2004 - head, claims, signature
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    if not isinstance(claims, dict) or not isinstance(claims.get("sub"), str):
        return None
    return json.dumps([claims.get("iss"), claims["sub"], claims.get("org_id")])


def fingerprint(*parts: str) -> str:
    """Return 16 hexadecimal digits that tell one account from another and give nothing away."""
    text = json.dumps(["account", *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sendable(text: str) -> bool:
    """Return whether a text can stand in an Authorization header (RFC 9110, 5.5)."""
    return bool(text) and len(text) <= _MAX_TOKEN and all("!" <= c <= "~" for c in text)


def number(value: object, default: float) -> float:
    """Return a number that the service gives, or `default` for whatever else it gives."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return float(value) if math.isfinite(value) else default


def _access(said: Mapping[str, object]) -> Secret:
    token = _secret(said.get("access_token"))
    if token is None:
        raise ValueError("there is no access_token")
    return token


def _secret(value: object) -> Secret | None:
    if not isinstance(value, str) or not value:
        return None
    if not sendable(value):
        raise ValueError("a token has characters that no token has")
    return Secret(value)
