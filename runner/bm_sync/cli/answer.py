"""What a command returns, and the surroundings it runs in.

A command computes an `Answer`; `main` prints its text or its JSON envelope. The text and the data
are computed only when they are printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TextIO

from msgspec import Struct

from bm_sync.cli.render.text import tame
from bm_sync.errors import Exit


class Failure(Struct, frozen=True):
    """One entry of the envelope's `errors`."""

    what: str
    hint: str | None = None
    code: str | None = None
    project: str | None = None


class Answer(Struct, frozen=True):
    """The result of a command.

    `text` goes to standard output, or with `--json` the envelope around `data`: JSON values, or
    values of the model. `quiet` says that `-q` prints no text.
    """

    text: Callable[[], str]
    data: Callable[[], object]
    exit: Exit = Exit.OK
    errors: tuple[Failure, ...] = ()
    quiet: bool = False


class Io(Struct, frozen=True):
    """The streams, the environment and the clock of this process; `words` are what was typed."""

    stdin: TextIO
    out: TextIO
    err: TextIO
    env: Mapping[str, str]
    cwd: Path
    clock: Callable[[], datetime]
    words: tuple[str, ...] = ()

    def show(self, text: str) -> None:
        """Write what was asked for to standard output; nothing in it can steer a terminal."""
        self.out.write(tame(text, coloured=self.out.isatty()))
        self.out.flush()

    def say(self, text: str) -> None:
        """Write everything else to standard error, in the same way."""
        self.err.write(tame(text, coloured=self.err.isatty()))
        self.err.flush()

    def asks(self) -> bool:
        """Return whether a question can be put: a person sits at standard input."""
        return self.stdin.isatty()

    def ask(self, question: str) -> bool:
        """Return whether the answer to `question` was yes; an empty or ended input is no."""
        self.say(f"{question} [y/N] ")
        return self.stdin.readline().strip().lower() in {"y", "yes"}
