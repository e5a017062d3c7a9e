"""Takes one gitignore pattern apart as git does; `wildmatch` says what its wildcards match.

Every answer is git's own (git 2.39): a property test holds it against `git check-ignore`. Pure.
"""

from __future__ import annotations

import re

from msgspec import Struct

from bm_sync.filters import wildmatch
from bm_sync.filters.wildmatch import PatternError

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
        return re.escape(glob[:head]) + wildmatch.translate(glob[head:])


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
