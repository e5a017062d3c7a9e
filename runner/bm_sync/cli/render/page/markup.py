"""Builds HTML. What is not markup already is escaped, so no name can become markup."""

from __future__ import annotations

from html import escape as html_escape

from bm_sync.cli.render.text import escape

_VOID = frozenset({"meta"})
_LONGEST = 300


class Html(str):
    """Markup. Made by `element` and `joined` alone; every other text is escaped by them."""

    __slots__ = ()


def element(tag: str, *inside: str, **attributes: str | int | None) -> Html:
    """Return an element; an attribute's underscores become hyphens, `None` leaves it out.

    A trailing underscore (`class_`) is dropped.
    """
    said = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_plain(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Html(f"<{tag}{said}>")
    return Html(f"<{tag}{said}>{joined(*inside)}</{tag}>")


def joined(*parts: str) -> Html:
    """Return the parts one after the other, escaped where they are no markup."""
    return Html("".join(part if isinstance(part, Html) else _plain(part) for part in parts))


def name(text: str, longest: int = _LONGEST) -> Html:
    """Return a name that somebody chose: isolated, so that it turns no reading order around it."""
    return element("bdi", clipped(text, longest))


def clipped(text: str, longest: int = _LONGEST) -> str:
    """Return a text that is not too long to be read."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _plain(text: str) -> str:
    return html_escape(escape(text), quote=True)
