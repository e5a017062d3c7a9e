"""Builds the targets of notices: who is told what of a run, and where."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Broken, Mapping, Node, Scalar, Sequence
from bm_sync.manifest.options import secret_ref
from bm_sync.manifest.shown import did_you_mean, listed, quoted
from bm_sync.manifest.values import Surroundings, duration_s, group, text, words
from bm_sync.masking import looks_secret
from bm_sync.model.config import OptionValue
from bm_sync.model.notices import (
    TEMPLATE_FACTS,
    Audience,
    Desktop,
    Email,
    News,
    Ntfy,
    Ping,
    Slack,
    Target,
    Webhook,
)

_USE = re.compile(r"\$(?:\$|\{([^}]*)\}?)")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ADDRESS = re.compile(r"[^\s@<>,;:\"\x00-\x1f-][^\s@<>,;:\"\x00-\x1f]*@[^\s@<>,;:\"\x00-\x1f]+")
_UNSEEN = re.compile("[\x00-\x20\x7f-\x9f]")


def targets(node: Node | None, tags: frozenset[str], around: Surroundings) -> tuple[Target, ...]:
    """Return the targets in the order written; `tags` are those that projects have."""
    items = node.items if isinstance(node, Sequence) else ()
    built = [_target(item, tags, around) for item in items if isinstance(item, Mapping)]
    return tuple(target for target in built if target is not None)


def _target(node: Mapping, tags: frozenset[str], around: Surroundings) -> Target | None:
    audience = _audience(node, tags, around)
    match text(node, "type"):
        case "desktop":
            return Desktop(audience)
        case "email":
            return _email(node, audience, around)
        case kind:
            url = _url(node, around)
            if url is None or kind is None:
                return None
            return _by_http(kind, url, node, audience, around)


def _by_http(
    kind: str, url: OptionValue, node: Mapping, audience: Audience, around: Surroundings
) -> Target | None:
    match kind:
        case "ntfy":
            return Ntfy(url, _secret(node.get("token"), around), audience)
        case "slack":
            _warn_plain(url, node, around)
            return Slack(url, audience)
        case "ping":
            return Ping(url, audience)
        case _:
            return _webhook(url, node, audience, around)


def _audience(node: Mapping, tags: frozenset[str], around: Surroundings) -> Audience:
    plain = Audience(origin=around.origin(node.spot))
    named = words(node, "tags")
    for said in named:
        if said.value not in tags:
            what = f"no project has the tag {quoted(said.value)}"
            hint = did_you_mean(str(said.value), tags)
            around.report.error(Code.UNKNOWN_NAME, said.spot, what, hint)
    stale, limit = text(node, "stale_after"), text(node, "timeout")
    return Audience(
        news=tuple(News(str(said.value)) for said in words(node, "on")) or plain.news,
        tags=tuple(str(said.value) for said in named),
        stale_after_s=plain.stale_after_s if stale is None else duration_s(stale),
        timeout_s=plain.timeout_s if limit is None else duration_s(limit),
        origin=plain.origin,
    )


def _url(node: Mapping, around: Surroundings) -> OptionValue | None:
    said = node.get("url")
    if isinstance(said, Mapping):
        return secret_ref(said, around, "the secret of url")
    if not isinstance(said, Scalar):
        return None
    around.report.mask_spot(said.spot)  # whoever knows it can send there, too
    url = str(said.value)
    wrong = wrong_url(url)
    if wrong is not None:
        around.report.error(Code.NOTICE, said.spot, f"this is no address to send to: {wrong}")
        return None
    return url


def wrong_url(url: str) -> str | None:
    """Return why nothing can be sent to an address, None when it can; the address is not shown."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it cannot be read"
    checks = (
        (_UNSEEN.search(url) is not None, "it has a blank or a control character"),
        (parts.scheme not in {"https", "http"}, "it does not begin with https:// or http://"),
        (not parts.hostname, "it names no host"),
        (port == 0, "its port is 0"),
        (parts.password is not None, "it has a password in it; use a token or a header"),
    )
    return next((sentence for found, sentence in checks if found), None)


def _secret(node: Node | None, around: Surroundings) -> OptionValue | None:
    """Return a reference to a secret; one that is said as text is taken with a warning."""
    match node:
        case Mapping():
            return secret_ref(node, around, "the secret of a notice")
        case Scalar(value=str() as value):
            what = "the secret is written in plain text"
            hint = "write {env: NAME}, {file: PATH} or {command: TEXT}"
            around.report.warning(Code.PLAIN_SECRET, node.spot, what, hint)
            return value
        case _:
            return None


def _warn_plain(url: OptionValue, node: Mapping, around: Surroundings) -> None:
    """Whoever knows the address of such a webhook can post there."""
    said = node.get("url")
    if isinstance(url, str) and isinstance(said, Scalar):
        what = "the address of the webhook is a secret, and stands here in plain text"
        hint = "write {env: NAME}, {file: PATH} or {command: TEXT}"
        around.report.warning(Code.PLAIN_SECRET, said.spot, what, hint)


def _webhook(
    url: OptionValue, node: Mapping, audience: Audience, around: Surroundings
) -> Webhook | None:
    headers: list[tuple[str, OptionValue]] = []
    for name, entry in group(node, "headers").entries.items():
        value = _header(name, entry.key, entry.value, around)
        if value is not None:
            headers.append((name, value))
    said = node.get("body")
    if isinstance(said, Scalar):
        _check_template(said, around)
    body = text(node, "body")
    method = text(node, "method") or "POST"
    kind = text(node, "content_type") or "application/json"
    if not kind.isascii() or not kind.isprintable():
        where = node.get("content_type")
        around.report.error(
            Code.NOTICE, where.spot if where else node.spot, "a content type is printable ASCII"
        )
    if isinstance(said, Scalar) and "json" in kind.casefold():
        _warn_of_no_json(said, around)
    return Webhook(url, method, tuple(headers), kind, body, audience)


def _warn_of_no_json(said: Scalar, around: Surroundings) -> None:
    """Warn of a body that is no JSON with a figure in place of each fact, quoted or not."""
    try:
        json.loads(_USE.sub(lambda use: "$" if use[1] is None else "0", str(said.value)))
    except (ValueError, RecursionError):
        what = "this body is no JSON, whatever its facts are"
        hint = "mend it, or say content_type: text/plain"
        around.report.warning(Code.NOTICE, said.spot, what, hint)


def _header(name: str, key: Scalar, node: Node, around: Surroundings) -> OptionValue | None:
    if not _HEADER_NAME.fullmatch(name):
        what = f"{quoted(name)} is no name of a header"
        around.report.error(Code.NOTICE, key.spot, what, "letters, digits and -, such as X-Token")
        return None
    match node:
        case Mapping():
            return secret_ref(node, around, f"the secret of {name}")
        case Scalar(value=str() as value) if value.isascii() and value.isprintable():
            if looks_secret(name):
                return _secret(node, around)
            return value
        case Scalar():
            what = f"the header {name} has characters that no header has"
            around.report.error(Code.NOTICE, node.spot, what, "write printable ASCII in one line")
            return None
        case Broken() | Sequence():
            return None


def _check_template(said: Scalar, around: Surroundings) -> None:
    for use in _USE.finditer(str(said.value)):
        name = use[1]
        if name is not None and name not in TEMPLATE_FACTS:
            what = f"{quoted(use[0])} is no fact of a notice"
            near = did_you_mean(name, TEMPLATE_FACTS)
            hint = near or f"facts are {listed(TEMPLATE_FACTS, 'and')}; write $$ for a dollar"
            around.report.error(Code.FACT, said.spot, what, hint)


def _email(node: Mapping, audience: Audience, around: Surroundings) -> Email | None:
    said = node.get("to")
    to = (said,) if isinstance(said, Scalar) else words(node, "to")
    sender = node.get("from")
    every = (*to, sender) if isinstance(sender, Scalar) else to
    wrong = [item for item in every if not _ADDRESS.fullmatch(str(item.value))]
    for item in wrong:
        what = f"{quoted(item.value)} is no address such as ada@example.org"
        around.report.error(Code.NOTICE, item.spot, what)
    if wrong or not to:
        return None
    addresses = tuple(str(item.value) for item in to)
    return Email(addresses, str(sender.value) if isinstance(sender, Scalar) else None, audience)
