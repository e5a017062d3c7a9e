"""Runs the chosen command and prints its answer."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from bm_sync.cli.answer import Answer, Io


def surroundings() -> Io:
    """Return the streams, environment and clock of this process."""
    return Io(
        stdin=sys.stdin,
        out=sys.stdout,
        err=sys.stderr,
        env=dict(os.environ),
        cwd=Path.cwd(),
        clock=lambda: datetime.now(UTC),
    )


def run(args: Namespace) -> int:
    """Run the command of `args`, print what it answers, return its exit code."""
    io = surroundings()
    command = import_module(f"bm_sync.cli.commands.{args.command}")
    with _logging(args.verbose, io):
        answer: Answer = command.run(args, io)
    show(answer, args, io)
    return int(answer.exit)


@contextmanager
def _logging(verbose: int, io: Io) -> Iterator[None]:
    """Write the log to standard error with `-v`; `-vv` writes all of it."""
    if not verbose:
        yield
        return
    from bm_sync import log

    with log.to_stream("INFO" if verbose == 1 else "DEBUG", io.err):
        yield


def show(answer: Answer, args: Namespace, io: Io) -> None:
    """Print an answer on standard output, as text or as an envelope."""
    if args.json:
        from bm_sync.cli.envelope import envelope

        io.out.write(envelope(args.command, answer))
    elif not (args.quiet and answer.quiet):
        io.out.write(answer.text())
