"""Runs the commands of the user: in a process group of their own, for so long, listened to.

Whatever a command leaves running in its group is ended with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping

from msgspec import Struct

from bm_sync.model.hooks import Hook

_SHELL = "/bin/sh"
_TERM_WAIT_S = 2.0
_DRAIN_S = 0.5  # for what a child that is still there has to say
_CHUNK = 65536
_MOST_BYTES = 64 * 1024
_LONGEST_LINE = 2000
_SHOWN_CHARS = 200


class Failed(Struct, frozen=True):
    """Why a hook failed, and the last line that it said."""

    why: str
    last: str = ""

    def __str__(self) -> str:
        return f"{self.why}; it said: {self.last}" if self.last else self.why


async def carry_out(
    hook: Hook, env: Mapping[str, str], hear: Callable[[str], None]
) -> Failed | None:
    """Run a hook; return why it failed, None when it did not. `hear` gets its output by lines.

    When the task is cancelled, the command is ended first.
    """
    reader, writer = os.pipe()
    heard = Heard(reader, hear)
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *(_SHELL, "-c", hook.script),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                env=dict(env),
                cwd=hook.folder,
                start_new_session=True,
            )
        finally:
            os.close(writer)
        why = await _end_of(process, hook.timeout_s, heard)
    except OSError as e:
        return Failed(f"cannot be started in {hook.folder}: {e.strerror}")
    finally:
        heard.close()
    return None if why is None else Failed(why, heard.last)


async def _end_of(
    process: asyncio.subprocess.Process, timeout_s: float, heard: Heard
) -> str | None:
    try:
        async with asyncio.timeout(timeout_s):
            code = await process.wait()
    except TimeoutError:
        await _end_group(process)
        return f"was ended after {timeout_s:g} s"
    except asyncio.CancelledError:
        await _end_group(process)
        raise
    if not await heard.all_of_it(_DRAIN_S):
        _signal(process.pid, signal.SIGKILL)
        await heard.all_of_it(_DRAIN_S)
    if code < 0:
        return f"was ended by signal {-code}"
    return f"ended with exit code {code}" if code else None


async def _end_group(process: asyncio.subprocess.Process) -> None:
    _signal(process.pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_TERM_WAIT_S):
            await process.wait()
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class Heard:
    """What comes out of a pipe, line by line, up to a bound; the rest is read and counted only.

    The pipe is our own: one made by asyncio would keep `wait` from ending while a child that was
    left behind holds it open.
    """

    def __init__(self, pipe: int, hear: Callable[[str], None]) -> None:
        self.last = ""
        self._pipe = pipe
        self._hear = hear
        self._rest = b""
        self._size = 0
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        os.set_blocking(pipe, False)
        self._loop.add_reader(pipe, self._read)

    async def all_of_it(self, within_s: float) -> bool:
        """Wait until nobody holds the other end any more; return whether that is so."""
        try:
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Read what is there, say it, and stop listening."""
        while self._read():
            pass
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        if self._rest:
            self._line(self._rest)
        if self._size > _MOST_BYTES:
            self._hear(f"… {self._size - _MOST_BYTES} more bytes")

    def _read(self) -> bool:
        """Read once; return whether there may be more now."""
        try:
            chunk = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._loop.remove_reader(self._pipe)
            self._ended.set()
            return False
        room = max(0, _MOST_BYTES - self._size)
        self._size += len(chunk)
        *whole, self._rest = (self._rest + chunk[:room]).split(b"\n")
        for line in whole:
            self._line(line)
        if len(self._rest) > _LONGEST_LINE:
            self._line(self._rest)
            self._rest = b""
        return True

    def _line(self, line: bytes) -> None:
        text = line[:_LONGEST_LINE].decode(errors="replace").rstrip()
        if text:
            self.last = text[:_SHOWN_CHARS]
            self._hear(text)
