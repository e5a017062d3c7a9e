"""The kinds of columns of the state: how a value goes in, and how it comes out or is refused. Pure.

A value is right when its column could have been written with it: type, range, word, pattern and
size. What is right is also safe: ids and words are those of closed sets, paths stay below their
root. Free text may still hold anything; it is escaped where it is shown. A new word in a closed set
is a new version of the schema: an older bm-sync would take its rows for damaged.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from bm_sync.model.plan import Clash, Stop, Totals
from bm_sync.model.tree import Problem
from bm_sync.state import rows
from bm_sync.state.codec import build, flatten

Raw = int | float | str | bytes | None

_TEXT_AT_MOST = 1 << 20  # characters of a message, of a snapshot of filters
_PATH_AT_MOST = 64 << 10
_BODY_AT_MOST = 16 << 20
_DIGITS_AT_MOST = 40
_WORD_AT_MOST = 4 << 10  # of a digest, of what a server calls a version
_INT64 = 1 << 63
_LONGEST_S = 1e9  # of a run: 31 years
BAD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What `Kind.out` may raise for a value that is not of its kind."""

_KEY = re.compile(r"[0-9a-f]{1,64}")
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{1,32}", re.ASCII)
# years that every clock and zone can tell
_TIME = re.compile(r"(19[789]\d|2\d{3})-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_DIGEST = re.compile(r"[!-~]+")
_NUMBER = re.compile(r"-?[1-9]\d{18,38}", re.ASCII)
_NAME = re.compile(r"(?!\.{1,2}$)[^/\x00-\x1f\x7f]{1,255}")
_LINE = re.compile(r"[ -~]*")
_HEX = re.compile(r"[0-9a-f]*")


class Kind(Struct, frozen=True):
    """One kind of column: `out` raises TypeError or ValueError for what `into` never wrote.

    `spare` stands for a value that is lost where the rest of its row is still of use.
    """

    out: Callable[[Any], Any]
    into: Callable[[Any], Any]
    spare: Any = None


def same(value: Any) -> Any:  # noqa: ANN401 - whatever it is
    """Return `value`."""
    return value


def _text(most: int, pattern: re.Pattern[str] | None = None, *, empty: bool = True) -> Kind:
    def out(raw: Raw) -> str:
        if not isinstance(raw, str | bytes) or len(raw) > most:
            raise ValueError("not a text of this size")
        text = rows.text_out(raw)
        if rows.text_in(text) != raw or not (text or empty):
            raise ValueError("not a text as it is written")
        if pattern is not None and not pattern.fullmatch(text):
            raise ValueError("not a text of this form")
        return text

    return Kind(out, rows.text_in, "")


def _path_out(raw: Raw) -> str:
    path: str = _PLAIN_PATH.out(raw)
    if "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise ValueError("not a path below a root")
    return path


def _time_out(raw: Raw) -> str:
    if not isinstance(raw, str) or not _TIME.fullmatch(raw):
        raise ValueError("not a time")
    datetime.fromisoformat(raw)
    return raw


def _whole(least: int = 0, most: int = _INT64 - 1) -> Kind:
    def out(raw: Raw) -> int:
        if type(raw) is not int or not least <= raw <= most:
            raise ValueError("not a whole number of this range")
        return raw

    return Kind(out, same, 0)


def _number_out(raw: Raw) -> int:
    if type(raw) is int:
        return raw
    if isinstance(raw, str) and _NUMBER.fullmatch(raw):
        return int(raw)
    raise ValueError("not a number")


def _seconds_out(raw: Raw) -> float:
    if not isinstance(raw, int | float) or not 0 <= raw <= _LONGEST_S or not math.isfinite(raw):
        raise ValueError("not a duration")
    return float(raw)


def _flag_out(raw: Raw) -> bool:
    if type(raw) is not int or raw not in (0, 1):
        raise ValueError("neither yes nor no")
    return bool(raw)


def word(words: type[StrEnum]) -> Kind:
    """Return the kind of a column that holds one of some words."""

    def out(raw: Raw) -> StrEnum:
        if not isinstance(raw, str):
            raise TypeError("not a word")
        return words(raw)

    return Kind(out, lambda word: word.value)


def maybe(kind: Kind, nothing: str | None = None) -> Kind:
    """Return the kind of a column that may be NULL, or another word for nothing."""
    return Kind(
        lambda raw: nothing if raw == nothing else kind.out(raw),
        lambda value: nothing if value == nothing else kind.into(value),
        nothing,
    )


class Body(Struct, frozen=True):
    """The part of a project's record that no query asks for."""

    totals: Totals = Totals()
    clashes: tuple[Clash, ...] = ()
    problems: tuple[Problem, ...] = ()
    stops: tuple[Stop, ...] = ()


def _body_out(raw: Raw) -> Body:
    body = build(Body, json_out(raw))
    for figure in astuple(body.totals):
        COUNT.out(figure)
    return body


def json_out(raw: Raw) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON value of a column; it holds whole numbers only, as large as an inode's."""
    if not isinstance(raw, str) or len(raw) > _BODY_AT_MOST:
        raise ValueError("not JSON of this size")
    return json.loads(raw, parse_int=_bounded, parse_float=_refused, parse_constant=_refused)


def _bounded(digits: str) -> int:
    if len(digits) > _DIGITS_AT_MOST:
        raise ValueError("not a number of this size")
    return int(digits)


def _refused(text: str) -> float:
    raise ValueError(f"{text} is not written by us")


def _fact_out(raw: Raw) -> bool | int | str:
    fact = json_out(raw)
    if not isinstance(fact, bool | int | str):
        raise TypeError("not a fact")
    return fact


def _blob_out(raw: Raw) -> bytes:
    if not isinstance(raw, bytes) or len(raw) > _TEXT_AT_MOST:
        raise ValueError("not the bytes of a text")
    return raw


def _tag_out(raw: Raw) -> int | str:
    """Return the number of a file, or what a server calls the version of an object."""
    return _number_out(raw) if type(raw) is int else str(_WORDS.out(raw))


_PLAIN_PATH = _text(_PATH_AT_MOST, empty=False)
_WORDS = _text(_WORD_AT_MOST)
TEXT = _text(_TEXT_AT_MOST)
PATH = Kind(_path_out, rows.text_in)
NAME = _text(_WORD_AT_MOST, _NAME)
LINE = _text(_WORD_AT_MOST, _LINE)
KEY = _text(_WORD_AT_MOST, _KEY)
RUN = _text(_WORD_AT_MOST, _RUN)
TIME = Kind(_time_out, same)
DIGEST = _text(_WORD_AT_MOST, _DIGEST)
COUNT = _whole()
INT64 = _whole(-_INT64)
CODE = _whole(-1, 255)
NUMBER = Kind(_number_out, rows.number_in)
FLAG = Kind(_flag_out, int, spare=False)
SECONDS = Kind(_seconds_out, same, 0.0)
BODY = Kind(_body_out, lambda body: json.dumps(flatten(body), separators=(",", ":")))
FACT = Kind(_fact_out, json.dumps)
BLOB = Kind(_blob_out, same)
HEX = _text(_WORD_AT_MOST, _HEX)
TAG = Kind(_tag_out, lambda tag: tag if isinstance(tag, str) else rows.number_in(tag))
