"""Shows the targets of notices. Who knows an address can often send there: its host is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never
from urllib.parse import urlsplit

from bm_sync.manifest.shown import escaped
from bm_sync.masking import MASK
from bm_sync.model.config import OptionValue, SecretRef
from bm_sync.model.notices import NAMES, Desktop, Email, Ntfy, Ping, Slack, Target, Webhook

if TYPE_CHECKING:
    from bm_sync.manifest.show import Json


def shown(target: Target) -> dict[str, Json]:
    """Return a target as JSON knows it."""
    audience = target.audience
    wants: dict[str, Json] = {}
    if not isinstance(target, Ping):
        wants = {"on": [n.value for n in audience.news], "stale_after": audience.stale_after_s}
    return {
        "type": NAMES[type(target)],
        **_own(target),
        **wants,
        "tags": list(audience.tags),
        "timeout": audience.timeout_s,
        "declared": escaped(str(audience.origin)),
    }


def _own(target: Target) -> dict[str, Json]:
    match target:
        case Desktop():
            return {}
        case Email(to=to, sender=sender):
            return {"to": [escaped(each) for each in to], "from": sender and escaped(sender)}
        case Slack(url=url) | Ping(url=url):
            return {"url": _address(url)}
        case Ntfy(url=url, token=token):
            return {"url": _address(url), "token": None if token is None else _secret(token)}
        case Webhook():
            return {
                "url": _address(target.url),
                "method": target.method,
                "headers": {name: _secret(value) for name, value in target.headers},
                "content_type": escaped(target.content_type),
                "body": None if target.body is None else escaped(target.body),
            }
        case _:
            assert_never(target)


def _address(url: OptionValue) -> Json:
    if isinstance(url, SecretRef):
        return _secret(url)
    parts = urlsplit(url)
    return f"{parts.scheme}://{escaped(parts.hostname or '')}/{MASK}"


def _secret(value: OptionValue) -> Json:
    return {value.kind: escaped(value.value)} if isinstance(value, SecretRef) else MASK
