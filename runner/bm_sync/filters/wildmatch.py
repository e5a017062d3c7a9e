"""Turns a glob into a regular expression that matches exactly what git's `wildmatch` matches.

Git compares bytes, so globs and paths are given as Latin-1 text of their bytes. The expressions
use atomic groups, so a hostile glob costs no more than (length of path) x (length of glob).
Source of every rule here: wildmatch.c and dir.c of git 2.39. Pure.

Takes one gitignore pattern apart as git does; `wildmatch` says what its wildcards match.

Every answer is git's own (git 2.39): a property test holds it against `git check-ignore`. Pure.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from msgspec import Struct

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


_TORN = re.compile(r"[^/*]\*\*")
_SPECIAL = re.compile(r"[*?\[\\]")


class Pattern(Struct, frozen=True):
    """One pattern, taken apart as git does.

    glob: without `!` and the slash that asks for a folder, as Latin-1 text of its bytes.
    by_name: it has no slash and is compared with the last name of a path only.
    """

    glob: str
    negated: bool
    only_folders: bool
    by_name: bool

    @property
    def literal(self) -> str | None:
        """Return the one text it matches, None when it has wildcards."""
        return None if _SPECIAL.search(self.glob) else self.glob.removeprefix("/")

    @property
    def suffix(self) -> str | None:
        """Return what a name must end in, None unless it is a star and plain letters."""
        rest = self.glob[1:]
        starred = self.by_name and self.glob.startswith("*") and not _SPECIAL.search(rest)
        return rest if starred else None

    def regex(self) -> str:
        """Return an expression without groups, for `fullmatch` with DOTALL.

        It is to match the name (`by_name`) or the path below the rule's folder. Raises
        `PatternError` with half a sentence when git would never match the pattern.
        """
        _refuse_hopeless(self.glob)
        if self.literal is not None:
            return re.escape(self.literal)
        if self.suffix is not None:
            return f"[^/]*{re.escape(self.suffix)}"
        glob = self.glob.removeprefix("/")
        # Git compares the letters before the first wildcard apart, so `**` may stand after them.
        special = _SPECIAL.search(glob)
        head = 0 if self.by_name or special is None else special.start()
        return re.escape(glob[:head]) + translate(glob[head:])


def bytewise(text: str) -> str:
    """Return the bytes of a path or pattern as Latin-1 text, the form that is matched."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    except UnicodeEncodeError:  # a lone surrogate in a remote's key
        return text.encode("utf-8", "surrogatepass").decode("latin-1")


def understand(text: str) -> Pattern:
    """Take a pattern apart; trailing spaces go, as in git.

    The caller has dropped empty lines and comments.
    """
    glob = bytewise(trimmed(text))
    negated = glob.startswith("!")
    glob = glob.removeprefix("!")
    only_folders = glob.endswith("/")
    glob = glob.removesuffix("/")
    anywhere = glob.removeprefix("/").removeprefix("**/")
    if anywhere and "/" not in anywhere and glob.removeprefix("/") != anywhere:
        glob = anywhere  # `**/x` says no more than `x`, which is cheaper to ask
    return Pattern(glob, negated, only_folders, by_name="/" not in glob)


def trimmed(text: str) -> str:
    r"""Return a line without the spaces at its end that no backslash protects."""
    end = len(text.rstrip(" "))
    backslashes = end - len(text[:end].rstrip("\\"))
    return text[: end + 1] if backslashes % 2 else text[:end]


def _refuse_hopeless(glob: str) -> None:
    plain, bracket, _ = glob.removeprefix("/").partition("[")
    names = plain.split("/")
    if "\0" in glob or "\n" in glob:
        raise PatternError("has a NUL or a line break in it")
    if _TORN.search(glob):
        return  # after letters `**/` may match nothing at all: `x**//y` matches x/y
    if bracket:
        names.pop()  # its end is inside the brackets or behind them
    elif names == [""]:
        raise PatternError("names nothing")
    if "" in names:
        raise PatternError("has two slashes in a row")
    if "." in names or ".." in names:
        raise PatternError('has a "." or ".." between slashes, which no path has')
