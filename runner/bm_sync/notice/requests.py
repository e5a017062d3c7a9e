"""What is sent over HTTP for each kind of target. Pure, but that secrets are revealed to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never
from urllib.parse import urlsplit, urlunsplit

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
