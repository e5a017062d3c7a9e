"""Tells the service manager how this process stands, by the protocol of sd_notify(3).

Without NOTIFY_SOCKET nothing is told. That nobody listens is no failure of this program.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

SOCKET = "NOTIFY_SOCKET"
_WATCHDOG = ("WATCHDOG_USEC", "WATCHDOG_PID")
_STATUS_CHARS = 200


class Notifier:
    """Speaks for one process to the service manager that `env` names."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._address = _address(env.get(SOCKET, ""))
        self.watchdog_s = _watchdog_s(env, os.getpid())

    def ready(self, status: str) -> None:
        """Tell that the service has begun, or goes on after a reload."""
        self._send("READY=1", _status(status))

    def status(self, status: str) -> None:
        """Tell a person how it stands, as `systemctl status` shows."""
        self._send(_status(status))

    def reloading(self) -> None:
        """Tell that the configuration is read anew; `ready` ends it."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now_us}")

    def alive(self) -> None:
        """Tell that this process is not stuck."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell that the service ends."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        text = "\n".join(lines).encode("utf-8", "replace")
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.setblocking(False)
            speaker.connect(self._address)
            speaker.send(text)


def without(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for others, who must not speak for this process."""
    return {name: value for name, value in env.items() if name not in (SOCKET, *_WATCHDOG)}


def _address(said: str) -> str | None:
    """Return the address of a socket: a path, or an abstract name that is written with an @."""
    if said.startswith("/"):
        return said
    return "\0" + said[1:] if said.startswith("@") and len(said) > 1 else None


def _watchdog_s(env: Mapping[str, str], pid: int) -> float | None:
    """Return within how many seconds a sign of life is due; None when nobody waits for one."""
    said, whose = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not (said.isascii() and said.isdigit() and int(said)) or whose not in ("", str(pid)):
        return None
    return int(said) / 1_000_000


def _status(text: str) -> str:
    """Return a status of one line."""
    return f"STATUS={' '.join(text.split())[:_STATUS_CHARS]}"
