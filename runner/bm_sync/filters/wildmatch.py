"""Turns a glob into a regular expression that matches exactly what git's `wildmatch` matches.

Git compares bytes, so globs and paths are given as Latin-1 text of their bytes. The expressions
use atomic groups, so a hostile glob costs no more than (length of path) x (length of glob).
Source of every rule here: wildmatch.c and dir.c of git 2.39. Pure.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

_STAR = "*"  # any characters but a slash
_ANY_FOLDERS = "**/"  # nothing, or anything up to a slash
_UP_TO_SLASH = "**\\/"  # anything up to a slash, and git wants that slash
_REST = "**"  # anything, at the end
_SLASH = "/"

_BYTES = frozenset(map(chr, range(1, 256)))
_PRINTED = frozenset(map(chr, range(0x21, 0x7F)))
_CONTROL = frozenset(map(chr, [*range(1, 0x20), 0x7F]))
_WORD = frozenset(string.ascii_letters + string.digits)
_CLASSES = {
    "alnum": _WORD,
    "alpha": frozenset(string.ascii_letters),
    "blank": frozenset(" \t"),
    "cntrl": _CONTROL,
    "digit": frozenset(string.digits),
    "graph": _PRINTED,
    "lower": frozenset(string.ascii_lowercase),
    "print": _PRINTED | {" "},
    "punct": _PRINTED - _WORD,
    "space": frozenset(" \t\n\r"),  # git's own table has no form feed
    "upper": frozenset(string.ascii_uppercase),
    "xdigit": frozenset(string.hexdigits),
}


class PatternError(ValueError):
    """A pattern that git would never match; the text is half a sentence that says why."""


def translate(glob: str) -> str:
    """Return an expression for `fullmatch` with DOTALL.

    Raises `PatternError` with half a sentence when git would never match the glob.
    """
    chunks: list[str] = [""]
    joints: list[str] = []
    for chunk in _chunks(list(_tokens(glob))):
        if isinstance(chunk, str):
            joints.append(chunk)
        else:
            chunks[len(joints) :] = [_chunk(chunk)]
    return _assemble(chunks, joints)


def _assemble(chunks: list[str], joints: list[str]) -> str:
    # The first place where a chunk between two `**/` fits is as good as any later one.
    out = chunks[0]
    for n, joint in enumerate(joints, 1):
        if joint == _REST:
            return out + ".*"
        part = ("(?:.*?/)??" if joint == _ANY_FOLDERS else ".*?/") + chunks[n]
        out += part if n == len(joints) else f"(?>{part})"
    return out


def _chunks(tokens: list[str]) -> Iterator[str | list[str]]:
    chunk: list[str] = []
    for token in tokens:
        if token in {_ANY_FOLDERS, _UP_TO_SLASH, _REST}:
            yield chunk
            yield token
            chunk = []
        else:
            chunk.append(token)
    yield chunk


def _chunk(tokens: list[str]) -> str:
    segments: list[list[str]] = [[""]]
    for token in tokens:
        if token == _SLASH:
            segments.append([""])
        elif token == _STAR:
            segments[-1].append("")
        else:
            segments[-1][-1] += token
    return "/".join(map(_segment, segments))


def _segment(pieces: list[str]) -> str:
    # Within a name the first fit of a piece between two stars is as good as any later one.
    first, *between = pieces
    if not between:
        return first
    last = between.pop()
    return first + "".join(f"(?>[^/]*?{piece})" for piece in between) + f"[^/]*{last}"


def _tokens(glob: str) -> Iterator[str]:
    at = 0
    while at < len(glob):
        letter = glob[at]
        if letter == "*":
            token, at = _stars(glob, at)
        elif letter == "[":
            token, at = _bracket(glob, at + 1)
        elif letter == "?":
            token, at = "[^/]", at + 1
        else:
            at += letter == "\\"
            if at == len(glob):
                raise PatternError("ends in a backslash that escapes nothing")
            token, at = re.escape(glob[at]), at + 1
        yield token


def _stars(glob: str, at: int) -> tuple[str, int]:
    end = at
    while glob[end : end + 1] == "*":
        end += 1
    if end - at == 1 or (at > 0 and glob[at - 1] != "/"):
        return _STAR, end
    for token, follows in ((_ANY_FOLDERS, "/"), (_UP_TO_SLASH, "\\/")):
        if glob.startswith(follows, end):
            return token, end + len(follows)
    return (_REST if end == len(glob) else _STAR), end


def _bracket(glob: str, at: int) -> tuple[str, int]:
    negated = glob[at : at + 1] in {"!", "^"}
    start = at = at + negated
    chosen: set[str] = set()
    before = ""  # the letter that a `-` would make a range from
    while at == start or glob[at : at + 1] != "]":
        letters, before, at = _member(glob, at, before)
        chosen |= letters
    allowed = (_BYTES - chosen if negated else chosen) - {"/"}
    if not allowed:
        raise PatternError("has a [...] that no character can match")
    return _one_of(allowed), at + 1


def _member(glob: str, at: int, before: str) -> tuple[set[str] | frozenset[str], str, int]:
    letter, after = glob[at : at + 1], glob[at + 1 : at + 2]
    if letter == "-" and before and after not in {"", "]"}:
        last, at = _letter(glob, at + 1)
        return set(map(chr, range(ord(before), ord(last) + 1))), "", at
    if letter == "[" and after == ":":
        close = glob.find("]", at + 2)
        if close < 0:
            raise PatternError("has a [ that is never closed")
        if close > at + 2 and glob[close - 1] == ":":
            return _class(glob[at + 2 : close - 1]), "", close + 1
        return {"["}, "[", at + 1
    letter, at = _letter(glob, at)
    return {letter}, letter, at


def _letter(glob: str, at: int) -> tuple[str, int]:
    at += glob[at : at + 1] == "\\"
    if at >= len(glob):
        raise PatternError("has a [ that is never closed")
    return glob[at], at + 1


def _class(name: str) -> frozenset[str]:
    if name not in _CLASSES:
        raise PatternError(f"has the unknown character class [:{name}:]")
    return _CLASSES[name]


def _one_of(letters: set[str] | frozenset[str]) -> str:
    # Every byte is written as an escape: nothing is left that could be special in a class.
    return "[" + "".join(f"\\x{ord(letter):02x}" for letter in sorted(letters)) + "]"
