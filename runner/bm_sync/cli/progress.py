"""What is shown on standard error while a run goes on."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, assert_never

from bm_sync.cli.answer import Io
from bm_sync.cli.render.files import done_row, file_lines
from bm_sync.cli.render.run import status_words
from bm_sync.cli.render.text import count, duration, escape, size
from bm_sync.model.run import (
    ActionEnded,
    Event,
    Outcome,
    ProjectEnded,
    ProjectStarted,
    Retrying,
    Status,
    Transferring,
    Waiting,
)

KINDS = ("auto", "live", "plain", "json", "none")

Watcher = Callable[[Event], None]


@contextmanager
def watching(args: Namespace, io: Io) -> Iterator[Watcher]:
    """Give the watcher that the command line asks for; what it draws is gone or whole at the end.

    `auto` is live bars on a terminal, plain lines elsewhere, nothing with `-q` or `--json`.
    """
    kind = args.progress if args.progress != "auto" else _automatic(args, io)
    if kind == "live":
        from bm_sync.cli.render.live import live

        with live(io.err, colour=not (args.no_color or io.env.get("NO_COLOR"))) as watcher:
            yield watcher
    elif kind == "json":
        yield JsonLines(io.err)
    elif kind == "plain":
        yield PlainLines(io.err, every_file=args.verbose > 0)
    else:
        yield lambda _event: None


def _automatic(args: Namespace, io: Io) -> str:
    if args.quiet or args.json:
        return "none"
    watched = io.err.isatty() and io.env.get("TERM") != "dumb" and not args.verbose
    return "live" if watched else "plain"


class JsonLines:
    """Writes each event as one JSON object on a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        """Write one event."""
        from bm_sync.state.wire import event_to_json

        self._stream.write(json.dumps(event_to_json(event)) + "\n")
        self._stream.flush()


class PlainLines:
    """Writes a line when a project starts, is tried again, or ends; with `-v` one for each file."""

    def __init__(self, stream: TextIO, *, every_file: bool) -> None:
        self._stream = stream
        self._every_file = every_file

    def __call__(self, event: Event) -> None:
        """Write what `event` says, if it is worth a line."""
        said = plain_line(event, every_file=self._every_file)
        if said is not None:
            self._stream.write(said + "\n")
            self._stream.flush()


def plain_line(event: Event, *, every_file: bool) -> str | None:  # noqa: PLR0911 - a table
    """Return the line of one event, None when it is not worth one."""
    match event:
        case ProjectStarted():
            moving = f"{count(event.files, 'file')}, {size(event.bytes)} to move"
            return f"{event.project}: {moving}" if event.files else None
        case Transferring():
            return None
        case ActionEnded():
            if not every_file and event.done.outcome is Outcome.DONE:
                return None
            return f"{event.project}: {file_lines([done_row(event.done)], indent='')[0]}"
        case Retrying():
            wait = duration(event.wait_s)
            number = f"try {event.attempt} of {event.attempts}"
            return f"{event.project}: {number} in {wait}: {escape(event.cause)}"
        case Waiting():
            return f"{event.project}: waiting: {escape(event.cause)}"
        case ProjectEnded():
            run = event.run
            if run.status is Status.IN_SYNC:
                return None
            return f"{run.project}: {status_words(run.status)} after {duration(run.seconds)}"
        case _:
            assert_never(event)
