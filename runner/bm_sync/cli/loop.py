"""Runs one coroutine so that SIGINT and SIGTERM stop it in good order.

The first signal cancels it, and what it started comes to its end; the second ends the process at
once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from bm_sync.errors import Exit, InterruptedRunError

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = "\x1b[?25h"


def run(work: Coroutine[object, object, T]) -> T:
    """Return the result of `work`; raise `InterruptedRunError` when a signal ended it."""
    with asyncio.Runner() as runner:
        return runner.run(_watched(work))


async def _watched(work: Coroutine[object, object, T]) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)

    def stop() -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\nstopping; once more ends it at once\n")
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _end_at_once)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError as error:
        raise InterruptedRunError(
            "interrupted", hint="the next apply goes on from what is there"
        ) from error


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(_SHOW_CURSOR)
    os._exit(Exit.INTERRUPTED)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM raise KeyboardInterrupt while a question waits for its answer.

    The loop's own handlers cannot run while the loop waits in a read.
    """
    before: list[tuple[signal.Signals, Callable[[int, FrameType | None], object] | int | None]]
    before = [(number, signal.getsignal(number)) for number in _SIGNALS]
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
