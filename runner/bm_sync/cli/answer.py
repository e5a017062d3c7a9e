"""What a command returns, and the surroundings it runs in.

A command computes an `Answer`; `main` prints its text or its JSON envelope. The text and the data
are computed only when they are printed.

The JSON envelope: one object on one line, printed by every command with `--json`.

ASCII only: a file name that is not UTF-8 is written with its surrogate escapes. The contract is
schemas/v1/envelope.schema.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

from msgspec import Struct

from bm_sync.cli.render.text import tame
from bm_sync.errors import Exit
from bm_sync.state.codec import flatten


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


STATUS_WORDS: Mapping[Exit, str] = MappingProxyType(
    {
        Exit.OK: "ok",
        Exit.FAILED: "failed",
        Exit.USAGE: "usage",
        Exit.STOPPED: "stopped",
        Exit.NOT_SIGNED_IN: "not-signed-in",
        Exit.LOCKED: "locked",
        Exit.RCLONE: "rclone",
        Exit.STALE: "stale",
        Exit.PENDING: "changes",
        Exit.BUG: "bug",
        Exit.SKIPPED: "skipped",
        Exit.INTERRUPTED: "interrupted",
    }
)


def envelope(command: str, answer: Answer) -> str:
    """Return the envelope of an answer."""
    body = {
        "version": 1,
        "command": command,
        "status": STATUS_WORDS[answer.exit],
        "exit": int(answer.exit),
        "data": flatten(answer.data()),
        "errors": [_error(failure) for failure in answer.errors],
    }
    return json.dumps(body) + "\n"


def _error(failure: Failure) -> dict[str, str | None]:
    optional = {"code": failure.code, "project": failure.project}
    given = {key: value for key, value in optional.items() if value is not None}
    return {"what": failure.what, "hint": failure.hint, **given}
