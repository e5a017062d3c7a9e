"""Which files of this machine a command runs: programs and scripts that it names by a path.

What a shell makes of a command cannot be known without running it, so every word counts that may
be a program: the first of each simple command, what follows an interpreter, names of scripts, and
files that begin with `#!`. Files are looked at, none is run.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from bm_sync.structs import replace

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_OPTION = re.compile(r"[-+].*|[\d.]+[smhd]?")  # of a program that runs another: `nice -n 5`
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_SIGNS = frozenset("();<>|&")
_LEADERS = frozenset(
    """
    ! { builtin chronic command do doas else env exec flock if ionice nice nohup setsid stdbuf sudo
    then time timeout until while xargs
    """.split()  # noqa: SIM905 - words are read better as text
)
_INTERPRETER = re.compile(
    r"\.|source|(?:ba|da|fi|k|z)?sh|(?:python|perl|ruby|php|lua|node|pypy)[\d.]*|deno|bun|pwsh|Rscript"
)
_SCRIPT = re.compile(r".+\.(?:sh|bash|zsh|fish|py|pl|rb|js|mjs|ts|lua|php|r)", re.IGNORECASE)
_MOST_WORDS = 500
_DEEPEST = 3


class Desk(Struct, frozen=True):
    """Where a command runs: `folders` are those that relative paths may begin in.

    `values` are variables by name; `path` is where programs without a slash are looked for.
    """

    home: Path
    folders: tuple[Path, ...]
    path: tuple[Path, ...] = ()
    values: Mapping[str, str] | None = None


def files_run(command: str, desk: Desk, depth: int = 0) -> Iterator[Path]:
    """Yield the files that a command for a shell may run, whether or not they are there yet."""
    words = [_put_in(word, desk) for word in _words(command)]
    named = (Path(word) for word in words if word.startswith("/"))
    within = replace(desk, folders=(*desk.folders, *filter(_is_dir, named)))
    place = _Place()
    for before, word in zip(["", *words], words, strict=False):
        if before.startswith("-") and before.endswith("c") and " " in word and depth < _DEEPEST:
            yield from files_run(word, within, depth + 1)
        match place.of(word):
            case "program":
                yield from _program(word, within)
            case "script":
                yield from _named(word, within.folders)
            case "argument":
                yield from filter(_is_script, _named(word, within.folders))
            case "sign":
                pass


class _Place:
    """Tells word by word what a word is to the shell, as far as words alone tell it."""

    def __init__(self) -> None:
        self._begins = True  # the program of a simple command comes next
        self._script = False  # what an interpreter reads comes next
        self._interpreter = False  # the program is one

    def of(self, word: str) -> Literal["program", "script", "argument", "sign"]:
        """Return what the next word is."""
        if set(word) <= _SIGNS:
            self._begins = not set(word) & set("<>")
            self._script = "<" in word and self._interpreter
            return "sign"
        if self._begins and _goes_on(word):
            return "sign"
        if self._begins or _INTERPRETER.fullmatch(os.path.basename(word)):  # noqa: PTH119 - a text
            is_program, self._begins = self._begins, False
            self._script = self._interpreter = bool(_INTERPRETER.fullmatch(Path(word).name))
            return "program" if is_program else "argument"
        text = word.startswith("-") and word[-1] in "cm"  # `sh -c TEXT`, `python -m MODULE`
        reads, self._script = self._script, self._script and word.startswith("-") and not text
        return "script" if reads or _SCRIPT.fullmatch(word) else "argument"


def _words(command: str) -> Sequence[str]:
    """Return the words of a command; one that cannot be split as a shell does is cut at blanks."""
    lexer = shlex.shlex(command.replace("\n", " ; "), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return list(lexer)[:_MOST_WORDS]
    except ValueError:
        return command.split()[:_MOST_WORDS]


def _put_in(word: str, desk: Desk) -> str:
    """Return a word with what is known of its variables, and its home folder, put in."""
    values = {"HOME": str(desk.home), "PWD": str(desk.folders[0]), **(desk.values or {})}
    word = _VARIABLE.sub(lambda use: values.get(use[1] or use[2], use[0]), word)
    return f"{desk.home}{word[1:]}" if word == "~" or word.startswith("~/") else word


def _goes_on(word: str) -> bool:
    """Whether the program of a simple command comes behind this word."""
    return bool(_ASSIGNMENT.match(word) or _OPTION.fullmatch(word)) or word in _LEADERS


def _program(word: str, desk: Desk) -> Iterator[Path]:
    if "/" in word:
        yield from _named(word, desk.folders)
        return
    for folder in desk.path:  # a file that appears in an earlier folder would be run instead
        yield folder / word
        if os.path.exists(folder / word):  # noqa: PTH110 - a closed folder holds no program
            return


def _named(word: str, folders: Iterable[Path]) -> Iterator[Path]:
    if not word or "\0" in word or word.startswith("-"):
        return
    yield from dict.fromkeys(Path(os.path.normpath(folder / word)) for folder in folders)


def _is_dir(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - a name with a NUL is no folder


def _is_script(file: Path) -> bool:
    """Whether a word that may be anything names a file that is there to be run."""
    try:
        if not (os.path.isfile(file) and os.access(file, os.X_OK)):  # noqa: PTH113 - see `_is_dir`
            return False
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:  # noqa: PTH123 - a descriptor
            return stream.read(2) == b"#!"
    except OSError:
        return False
