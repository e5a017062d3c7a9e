"""The words of a message, and where they go into a template. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote_plus

from bm_sync.model.notices import Item, Message, News

_USE = re.compile(r"\$(?:\$|\{(\w+)\})")
_MOST_ITEMS = 20
_LONGEST_ITEM = 300
_LONGEST_TITLE = 120
_WORDS = {
    News.CHANGE: "changed",
    News.RECOVERED: "recovered",
    News.STOP: "waiting for you",
    News.STALE: "not in sync for long",
    News.ERROR: "failed",
}
_SERIOUS_LAST = tuple(News)


def event(message: Message) -> News:
    """Return the most serious news of a message."""
    return max((item.news for item in message.items), key=_SERIOUS_LAST.index)


def title(message: Message) -> str:
    """Return one line: how many projects have which news, and where."""
    kinds = sorted({i.news for i in message.items}, key=_SERIOUS_LAST.index, reverse=True)
    if len(message.items) == 1:
        (item,) = message.items
        said = f"{item.project}: {_WORDS[item.news]}"
    else:
        counts = [(sum(1 for i in message.items if i.news is k), _WORDS[k]) for k in kinds]
        said = ", ".join(f"{number} {words}" for number, words in counts)
    return _cut(f"bm-sync ({printable(message.host)}): {said}", _LONGEST_TITLE)


def text(message: Message) -> str:
    """Return a line for each piece of news, the most serious first, up to a bound."""
    ordered = sorted(message.items, key=lambda i: -_SERIOUS_LAST.index(i.news))
    said = [_line(item) for item in ordered[:_MOST_ITEMS]]
    if len(ordered) > _MOST_ITEMS:
        said.append(f"… and {len(ordered) - _MOST_ITEMS} more")
    return "\n".join(said)


def facts(message: Message) -> dict[str, str]:
    """Return what a template may name."""
    return {
        "title": title(message),
        "text": text(message),
        "event": event(message).value,
        "host": printable(message.host),
        "run": message.run,
        "exit": str(message.exit),
        "projects": ", ".join(dict.fromkeys(item.project for item in message.items)),
    }


def filled(template: str, values: Mapping[str, str], content_type: str) -> str:
    """Return a template with facts put in, escaped for what the text is to be."""
    kind = content_type.partition(";")[0].strip().casefold()

    def put(use: re.Match[str]) -> str:
        return "$" if use[1] is None else _fit(values.get(use[1], ""), kind)

    return _USE.sub(put, template)


def whole(message: Message) -> str:
    """Return a message as JSON, for webhooks without a template."""
    said: dict[str, object] = {
        "version": 1,
        **facts(message),
        "exit": message.exit,
        "projects": [
            {"project": i.project, "event": i.news.value, "what": printable(i.what)}
            for i in message.items
        ],
    }
    return json.dumps(said)


def printable(said: str) -> str:
    """Return a text in which nothing acts on a terminal or breaks a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in said)


def _line(item: Item) -> str:
    return _cut(f"{item.project}: {_WORDS[item.news]}: {printable(item.what)}", _LONGEST_ITEM)


def _fit(value: str, kind: str) -> str:
    if kind == "application/json" or kind.endswith("+json"):
        return json.dumps(value)[1:-1]
    if kind == "application/x-www-form-urlencoded":
        return quote_plus(value)
    return value


def _cut(said: str, most: int) -> str:
    return said if len(said) <= most else f"{said[: most - 1]}…"
