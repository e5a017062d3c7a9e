"""Where log lines go: the log file of a run, and standard error for `-v`.

Nothing is set up at import. A line never holds a secret, a control character of a file name or the
value of a local variable. Logging never fails a run: a line that cannot be written is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, TextIO

from loguru import logger

from bm_sync.errors import StateError
from bm_sync.secret import Secret, redact

if TYPE_CHECKING:
    from loguru import Message

Secrets = Callable[[], Iterable[Secret]]

_DEFAULT = 0  # loguru's own handler on standard error; it shows local variables


def none() -> Iterable[Secret]:
    """Return no secrets."""
    return ()


def info(message: str, **facts: str) -> None:
    """Log a line wherever lines go; nowhere when nothing is set up."""
    quiet()
    logger.opt(depth=1).info(message, **facts)


def quiet() -> None:
    """Take away loguru's own handler, which shows local variables in tracebacks."""
    with suppress(ValueError):  # it is gone already
        logger.remove(_DEFAULT)


@contextmanager
def to_file(path: Path, secrets: Secrets = none) -> Iterator[None]:
    """Append lines of level DEBUG and above to `path`, made with mode 0600, while it lasts.

    `secrets` is asked for each line, so that those resolved later are masked too. Raises StateError
    when the file cannot be made.
    """
    descriptor = _open(path)

    def write(text: str) -> None:
        with suppress(OSError):
            os.write(descriptor, text.encode())

    try:
        with _sink(write, "DEBUG", secrets):
            yield
    finally:
        os.close(descriptor)


@contextmanager
def to_stream(level: str, stream: TextIO, secrets: Secrets = none) -> Iterator[None]:
    """Write lines of `level` ("INFO", "DEBUG") and above to `stream` while it lasts."""

    def write(text: str) -> None:
        with suppress(OSError, ValueError):
            stream.write(text)

    with _sink(write, level, secrets):
        yield


@contextmanager
def _sink(write: Callable[[str], None], level: str, secrets: Secrets) -> Iterator[None]:
    quiet()

    def sink(message: Message) -> None:
        write(_line(message, secrets()))

    number = logger.add(
        sink,
        level=level,
        format=lambda _: "{exception}",
        diagnose=False,
        backtrace=False,
        colorize=False,
        catch=False,
    )
    try:
        yield
    finally:
        logger.remove(number)


def _line(message: Message, secrets: Iterable[Secret]) -> str:
    """Return the line of a record, with its traceback below; its text is the traceback alone."""
    known = list(secrets)
    record = message.record
    time = record["time"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    fields = "".join(f" {name}={value}" for name, value in sorted(record["extra"].items()))
    said = _escape(redact(f"{record['message']}{fields}", known))
    # The bar keeps a message with a newline in it from passing for a line of its own.
    trace = indent(_escape(redact(str(message), known), keep="\n"), "  | ", lambda _: True)
    return f"{time}Z {record['level'].name:<7} {record['name']}: {said}\n{trace}"


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as e:
        hint = "free some space or mend the rights there: bm-sync doctor"
        raise StateError(f"cannot write the log {path}: {e.strerror}", hint=hint) from e
    return descriptor


def _escape(text: str, *, keep: str = "") -> str:
    """Return `text` with everything unprintable as escapes (surrogates too).

    `keep` names characters that stay, such as the newlines of a traceback.
    """
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )
