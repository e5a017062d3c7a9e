"""Run one `rclone rcd` on a private unix socket, and end it.

The daemon dies with this process, even when that is killed (Linux). It sees none of the user's
RCLONE_* variables and no configuration file: remotes come over the socket, into memory. Of the
environment it sees what it needs, and no credentials but those that a remote takes from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import signal
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bm_sync.errors import RcloneMissingError
from bm_sync.rclone.binary import Binary
from bm_sync.rclone.runtime import PrivateDir, make_private
from bm_sync.secret import Secret

if TYPE_CHECKING:
    import sh

READY_WITHIN_S = 20.0
TERM_WAIT_S = 2.0
_POLL_S = 0.005
_SHOWN_CHARS = 500
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

_FLAGS = (
    "--low-level-retries=2",  # the S3 SDK multiplies it: 10 means 240 s for a refused connection
    "--contimeout=5s",
    "--timeout=30s",
    "--log-level=NOTICE",
    "--rc-job-expire-duration=10s",  # the answer of every call, whole listings too, is kept so long
    "--rc-job-expire-interval=2s",
    "--max-stats-groups=20000",  # each call is a group, and the oldest is dropped
    "--rc-server-read-timeout=168h",
    "--rc-server-write-timeout=168h",  # a call answers when its transfer has ended
    "--use-json-log=false",
)
# What rclone may see of the environment: where things lie, how the network is reached. Credentials
# are added for the remotes that take them from there (`backends.variables`).
_KEPT = frozenset(
    """
    PATH HOME USER LOGNAME TMPDIR LANG LC_ALL LC_CTYPE XDG_CACHE_HOME SSH_AUTH_SOCK SSL_CERT_FILE
    SSL_CERT_DIR KRB5CCNAME KRB5_CONFIG HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy
    https_proxy all_proxy no_proxy
    """.split()  # noqa: SIM905 - twenty names are read better as text
)


class DaemonSettings(Struct, frozen=True):
    """How the daemon is to run; `bandwidth` is bytes per second.

    `variables` are how those of the environment begin that remotes take credentials from. What
    rclone logs goes to `log_file`, through `masked`.
    """

    binary: Binary
    base: Path
    env: Mapping[str, str]
    log_file: Path | None = None
    bandwidth: int | None = None
    variables: frozenset[str] = frozenset()
    masked: Callable[[str], str] = str


class Daemon:
    """One running rclone; started by the constructor's caller with `start`, ended with `stop`."""

    def __init__(self, settings: DaemonSettings) -> None:
        self.settings = settings
        self.user = "bm-sync"
        self.password = Secret(secrets.token_urlsafe(32))
        self.home: PrivateDir = make_private(settings.base)
        self._said: list[str] = []
        self._process: sh.RunningCommand | None = None

    def start(self) -> None:
        """Start the program; it is ready when its socket answers.

        It must be called from a thread that lives as long as the daemon shall: Linux delivers the
        parent's death when the starting thread ends.
        Raises RcloneMissingError.
        """
        import sh  # a quiet run over folder remotes never comes here

        limit = [f"--bwlimit={self.settings.bandwidth}B"] if self.settings.bandwidth else []
        try:
            with warnings.catch_warnings():
                # Python 3.12 warns of every fork beside threads; the child only calls exec
                warnings.simplefilter("ignore", DeprecationWarning)
                self._process = sh.Command(str(self.settings.binary.path))(
                    "rcd",
                    f"--rc-addr=unix://{self.home.socket}",
                    *_FLAGS,
                    *limit,
                    _bg=True,
                    _bg_exc=False,
                    _new_session=True,
                    _env=self._environment(),
                    _cwd=str(self.home.path),
                    _in=os.devnull,
                    _out=self._listen,
                    _err=self._listen,
                    _tty_out=False,
                    _preexec_fn=dying_with(os.getpid()),
                )
        except (OSError, sh.CommandNotFound, sh.ForkException) as e:
            self.home.remove()
            raise self._unusable(f"cannot be started: {e}") from e

    @property
    def alive(self) -> bool:
        """Return whether the program runs."""
        return self._process is not None and bool(self._process.process.is_alive()[0])

    @property
    def pid(self) -> int:
        """Return the process id."""
        assert self._process is not None  # noqa: S101 - only asked of a started daemon
        return int(self._process.pid)

    async def wait_until(self, answers: Callable[[], Awaitable[bool]]) -> None:
        """Wait until `answers` says true.

        Raises RcloneMissingError with what the program said, when it ends or stays silent.
        """
        deadline = time.monotonic() + READY_WITHIN_S
        while not await answers():
            if not self.alive:
                self._hear_out()
                raise self._unusable("ended at once")
            if time.monotonic() > deadline:
                raise self._unusable(f"did not answer within {READY_WITHIN_S:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        """End the program (SIGTERM, after 2 s SIGKILL) and remove its directory."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        gone = await self._gone(TERM_WAIT_S)
        if not gone:
            self.kill()
            gone = await self._gone(TERM_WAIT_S)
        if gone:
            self._hear_out()  # ends the threads of sh, which need this event loop
        self._process = None
        self.home.remove()

    def _hear_out(self) -> None:
        """Wait for the last words of the ended program; sh gives them two seconds."""
        import sh

        assert self._process is not None  # noqa: S101 - only asked of a started daemon
        with contextlib.suppress(sh.ErrorReturnCode):
            self._process.wait()

    def kill(self) -> None:
        """End the program and everything it started at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return

    async def _gone(self, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while self.alive:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    def _environment(self) -> dict[str, str]:
        return kept(self.settings.env, self.settings.variables) | {
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_RC_USER": self.user,
            "RCLONE_RC_PASS": self.password.reveal(),
            "TZ": "UTC",
            # For listings; `transfer` asks for more. Measured with Python, plan of 100,000 objects:
            # 380 MB, 425 MB with 160 MiB, at the same time.
            "GOGC": "50",
            "GOMEMLIMIT": "100MiB",
        }

    def _listen(self, line: str) -> None:
        """Take a line that rclone prints, in a thread of `sh`."""
        if sum(map(len, self._said)) < _SHOWN_CHARS:
            self._said.append(line)
        if self.settings.log_file is not None:
            with contextlib.suppress(OSError):  # a log that cannot be written fails no run
                flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                log = os.open(self.settings.log_file, flags, 0o600)
                with os.fdopen(log, "w", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(self.settings.masked(line))

    def _unusable(self, why: str) -> RcloneMissingError:
        binary = self.settings.binary
        said = ascii(" ".join("".join(self._said).split())[:_SHOWN_CHARS])[1:-1]
        tail = f"; it said: {said}" if said else ""
        return RcloneMissingError(
            f"{ascii(str(binary.path))[1:-1]} (from {binary.said_by}) {why}{tail}",
            hint="name a working rclone with --rclone or BM_SYNC_RCLONE",
        )


def kept(env: Mapping[str, str], variables: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return what an rclone may see of the environment; `variables` as in `DaemonSettings`."""
    credentials = tuple(variables)
    return {k: v for k, v in env.items() if k in _KEPT or k.startswith(credentials)}


def dying_with(parent: int) -> Callable[[], None]:
    """Return what the child does before exec, so that it never outlives `parent`."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    libc = ctypes.CDLL(None, use_errno=True)

    def bind() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind
