"""What may come next on a command line: commands, options, choices, projects, tags. Pure.

Everything is read from the parser itself, so that it is always what this version takes.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from bm_sync.cli.catalogue import SUMMARIES
from bm_sync.cli.parser import CommandParser, Parser, top


class Paths(StrEnum):
    """What of the file system may stand there as well; the shell knows it best."""

    NONE = ""
    FILES = "files"
    FOLDERS = "folders"


class Candidate(Struct, frozen=True):
    """A word that may come next, and what it does."""

    word: str
    what: str = ""


class Names(Struct, frozen=True):
    """The names of a manifest; asked for only where they may stand."""

    projects: Callable[[], Sequence[str]]
    tags: Callable[[], Sequence[str]]


class Completion(Struct, frozen=True):
    """Everything that may come next."""

    words: tuple[Candidate, ...] = ()
    paths: Paths = Paths.NONE


_PROJECTS = frozenset({"TARGET", "NAME", "PROJECT"})
_FILES = frozenset({"FILE", "TARGET", "PATH"})
_FOLDERS = frozenset({"DIR"})


def completion(words: Sequence[str], names: Names) -> Completion:
    """Return what may stand in place of the last of `words`, which may be empty or begun."""
    *before, current = words or [""]
    command, rest = _command(before)
    if command is not None and command not in SUMMARIES:
        return Completion()
    parser = top() if command is None else _parser(command)
    awaiting = _awaiting(parser, rest)
    if awaiting is not None:
        return _starting(_values(awaiting, names), current)
    if current.startswith("-") and "--" not in rest:
        return _starting(Completion(tuple(_options(parser))), current)
    if command is None:
        return _starting(Completion(tuple(Candidate(n, s) for n, s in SUMMARIES.items())), current)
    position = _position(parser, rest)
    return Completion() if position is None else _starting(_values(position, names), current)


def _command(before: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Return the command that is named, None before it is, and the words that are its own."""
    options = top()
    skip = False
    for number, word in enumerate(before):
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = _takes_next(options, word)
        else:
            return word, before[number + 1 :]
    return None, before


def _parser(command: str) -> Parser:
    parser = CommandParser(prog=f"bm-sync {command}", allow_abbrev=False)
    parser.declare()
    return parser


def _takes_next(parser: Parser, word: str) -> bool:
    action = _option(parser, word)
    return action is not None and action.nargs is None


def _option(parser: Parser, word: str) -> argparse.Action | None:
    return next((a for a in parser.declared() if word in a.option_strings), None)


def _awaiting(parser: Parser, before: Sequence[str]) -> argparse.Action | None:
    """Return the option whose value comes next, None when there is none."""
    if not before or not before[-1].startswith("-") or "--" in before:
        return None
    action = _option(parser, before[-1])
    return action if action is not None and action.nargs is None else None


def _position(parser: Parser, before: Sequence[str]) -> argparse.Action | None:
    """Return the argument that the next word is for."""
    given, skip = 0, False
    for word in before:
        if skip:
            skip = False
        elif word.startswith("-") and word != "--":
            skip = _takes_next(parser, word)
        elif word != "--":
            given += 1
    places = [action for action in parser.declared() if not action.option_strings]
    for action in places:
        if action.nargs in {"*", "+"} or given == 0:
            return action
        given -= 1
    return None


def _options(parser: Parser) -> Iterator[Candidate]:
    for action in parser.declared():
        long = [name for name in action.option_strings if name.startswith("--")]
        for name in long or action.option_strings:
            yield Candidate(name, _first(action.help))


def _values(action: argparse.Action, names: Names) -> Completion:
    if action.choices is not None and not isinstance(action.choices, dict):
        return Completion(tuple(Candidate(str(choice)) for choice in action.choices))
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    what = set() if "=" in metavar else set(re.findall(r"[A-Z]+", metavar))
    found: list[str] = []
    if what & _PROJECTS:
        found += names.projects()
    if "TAG" in what:
        found += names.tags()
    paths = Paths.FILES if what & _FILES else Paths.FOLDERS if what & _FOLDERS else Paths.NONE
    return Completion(tuple(Candidate(name) for name in found), paths)


def _starting(found: Completion, begin: str) -> Completion:
    fitting = tuple(c for c in found.words if c.word.startswith(begin))
    return Completion(fitting, found.paths)


def _first(text: str | None) -> str:
    """Return what an option does, up to the first aside."""
    return (text or "").partition(" (")[0].partition(";")[0].replace("%%", "%")
