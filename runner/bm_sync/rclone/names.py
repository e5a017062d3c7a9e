"""Translate paths between this program and rclone's own "standard" form.

rclone shows a control character as its symbol (U+2400 block), quotes such symbols by U+201B, and
so on, on every backend alike; a name that goes in untranslated names another file. The rules are
those of `lib/encoder` of rclone 1.75 with the mask Zero, Slash, Ctl, Del, Dot; the tests hold them
against the real program. Pure; reads and asks nothing.
"""

from __future__ import annotations

import re

_QUOTE = "\u201b"
_SYMBOLS = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_SYMBOL_TEXTS = "".join(chr(symbol) for symbol in _SYMBOLS.values())
_QUOTED = _QUOTE + _SYMBOL_TEXTS + "\uff0f"

_TO_STANDARD = str.maketrans(
    {code: chr(symbol) for code, symbol in _SYMBOLS.items()} | {c: _QUOTE + c for c in _QUOTED}
)
_FROM_STANDARD = {chr(symbol): chr(code) for code, symbol in _SYMBOLS.items()} | {"\uff0f": "/"}
_WHOLE_NAMES = {
    ".": "\uff0e",
    "..": "\uff0e\uff0e",
    "\uff0e": f"{_QUOTE}\uff0e",
    "\uff0e\uff0e": f"{_QUOTE}\uff0e{_QUOTE}\uff0e",
}
_WHOLE_NAMES_BACK = {standard: name for name, standard in _WHOLE_NAMES.items()}
_MAY_CHANGE = re.compile(f"[\\x00-\\x1f\\x7f\\uff0e{_QUOTED}]|(?:^|/)\\.\\.?(?:/|$)")
_ENCODED = re.compile(f"{_QUOTE}([{_QUOTED}])|([{_SYMBOL_TEXTS}\\uff0f])")


def to_standard(path: str) -> str:
    """Return the form in which rclone knows `path` (slash-separated)."""
    if not _MAY_CHANGE.search(path):
        return path
    return "/".join(_name_to_standard(name) for name in path.split("/"))


def from_standard(path: str) -> str | None:
    """Return the path that rclone calls `path`.

    None when no file of this machine can have that name: a component that is empty, `.`, `..`, or
    holds a slash or NUL. Buckets can hold such keys; nothing may follow them out of a root.
    """
    if path.isascii() and path.isprintable():  # most names; the expression costs ten times this
        framed = f"/{path}/"
        if "//" not in framed and "/." not in framed:
            return path
    if not _MAY_CHANGE.search(path) and "//" not in path and path.strip("/") == path != "":
        return path
    names = [_name_from_standard(name) for name in path.split("/")]
    return "/".join(names) if all(map(usable, names)) else None


def usable(name: str) -> bool:
    """Return whether `name` can be one component of a path."""
    return name not in {"", ".", ".."} and "/" not in name and "\0" not in name


def is_text(path: str) -> bool:
    """Return whether `path` is valid UTF-8, so that any remote can be asked for it."""
    return not any("\ud800" <= c <= "\udfff" for c in path)


def _name_to_standard(name: str) -> str:
    return _WHOLE_NAMES.get(name) or name.translate(_TO_STANDARD)


def _name_from_standard(name: str) -> str:
    if name in _WHOLE_NAMES_BACK:
        return _WHOLE_NAMES_BACK[name]
    return _ENCODED.sub(_decoded, name)


def _decoded(match: re.Match[str]) -> str:
    quoted: str | None = match[1]
    return quoted if quoted is not None else _FROM_STANDARD[match[2]]
