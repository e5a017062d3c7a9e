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
from bm_sync.cli.catalogue import module
from bm_sync.errors import BmSyncError, UsageError


def surroundings() -> Io:
    """Return the streams, environment and clock of this process."""
    return Io(
        stdin=sys.stdin,
        out=sys.stdout,
        err=sys.stderr,
        env=dict(os.environ),
        cwd=_cwd(),
        clock=lambda: datetime.now(UTC),
        words=tuple(sys.argv[1:]),
    )


def _cwd() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current folder is gone", hint="cd to one that is there") from error


def run(args: Namespace) -> int:
    """Run the command of `args`, print what it answers, return its exit code."""
    io = surroundings()
    command = import_module(module(args.command))
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
    try:
        io.show(_shown(answer, args))
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output(io)
        raise BmSyncError(f"cannot write the answer: {error.strerror}") from error


def _shown(answer: Answer, args: Namespace) -> str:
    if args.json:
        from bm_sync.cli.envelope import envelope

        return envelope(args.command, answer)
    return "" if args.quiet and answer.quiet else answer.text()


def _drop_output(io: Io) -> None:
    """Let what is still buffered go nowhere, or Python complains about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), io.out.fileno())
