"""Runs the real `bm-sync` on a pseudo terminal and types into it."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from cli_outside import START, World

_PATIENCE_S = 60


class Terminal:
    """A terminal with one command in it."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self._master = master
        self._process = process
        self.seen = ""

    def until(self, text: str) -> None:
        """Read until `text` was shown."""
        while text not in self.seen:
            if not self._read():
                raise AssertionError(f"the command ended without {text!r}:\n{self.seen}")

    def type(self, text: str) -> None:
        """Type `text`; `\\x03` is Ctrl-C."""
        os.write(self._master, text.encode())

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self._process.wait(_PATIENCE_S)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], _PATIENCE_S)
        assert ready, f"nothing more came after:\n{self.seen}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the last program on the terminal has gone
            return False
        self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def terminal(here: World, *words: str, **env: str) -> Iterator[Terminal]:
    """Start `bm-sync` on a terminal of its own; kill it when the block ends before it does."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*START, *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=here.root,
        env={**here.env, **env},
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - this process has no threads
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)


def _take_terminal() -> None:
    """Make standard input the controlling terminal, so that Ctrl-C becomes SIGINT."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
