"""Speak to a running rclone: calls, and jobs that are stopped by whoever started them.

Answers are open dictionaries here and become typed values in `wire`; they never leave the room.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bm_sync import log
from bm_sync.rclone.faults import Fault, RcloneError, classify, plain
from bm_sync.rclone.remotes import named
from bm_sync.rclone.unix_http import UnansweredError, UnixHttp
from bm_sync.rclone.wire import Progress, progress_of
from bm_sync.secret import Secret, redact

Answer = dict[str, Any]
Hook = Callable[[Answer], Any]

QUICK_S = 60.0
STOP_WAIT_S = 3.0
_POLL_FIRST_S = 0.05
_POLL_LAST_S = 0.2
_STATS_EVERY_S = 0.5
_MAX_CONNECTIONS = 64
_FORGOTTEN = "job not found"
_ROOTS = ("fs", "srcFs", "dstFs", "path1", "path2")


class Rc:
    """A client of one daemon, bound to the event loop that made it."""

    def __init__(self, socket: Path, user: str, password: Secret) -> None:
        self._http = UnixHttp(socket, user, password, _MAX_CONNECTIONS)
        self._numbers = itertools.count(1)
        self.secrets: list[Secret] = [password]
        self.headers: dict[str, tuple[tuple[str, str], ...]] = {}  # by name of remote
        self.doubtful = False  # a call found nobody; the process may be dying unseen

    def error(self, text: str) -> RcloneError:
        """Return the error that rclone's sentence reports, secrets removed."""
        said = redact(named(text), self.secrets)
        what = plain(said)
        if what == said:
            return RcloneError(said, fault=classify(text))
        log.info("rclone said: {said}", said=said)
        return RcloneError(what, fault=classify(text), said=said)

    async def close(self) -> None:
        """Close the connections; the daemon goes on."""
        await self._http.close()

    async def answers(self) -> bool:
        """Return whether the daemon takes calls; any other failure than silence is raised."""
        try:
            await self._post("rc/noop", {}, None, QUICK_S)
        except RcloneError as e:
            if e.fault is Fault.DAEMON:
                return False
            raise
        self.doubtful = False
        return True

    def group(self) -> str:
        """Return a name for a group that was never used: an old one is poisoned by its errors."""
        return f"bms-{next(self._numbers)}"

    async def ask(self, method: str, params: Answer, *, timeout_s: float = QUICK_S) -> Answer:
        """Call a method that answers at once and may be abandoned at any time."""
        return await self._post(method, params, None, timeout_s)

    async def do(self, method: str, params: Answer, *, hook: Hook | None = None) -> Answer:
        """Call a method that may take long or change something.

        When the awaiting task is cancelled the work is stopped and its end awaited (3 s at most).
        """
        group = params.get("_group") or self.group()
        body = {**params, "_group": group}
        task = asyncio.create_task(self._post(method, body, hook, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await self._end_call(task, group)
            raise

    async def job(
        self,
        method: str,
        params: Answer,
        *,
        timeout_s: float | None = None,
        on_stats: Callable[[Progress], None] | None = None,
    ) -> RcloneError | None:
        """Run a method as a job of its own group and return how it failed, if it did.

        The caller deletes the group's figures (`forget`). Raises RcloneError only when the daemon
        does not answer or refuses the call; on cancellation and timeout the job is stopped first.
        """
        body = {**params, "_async": True}
        number = (await self.ask(method, body))["jobid"]
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            return await self._follow(number, str(params["_group"]), deadline, on_stats)
        except asyncio.CancelledError:
            await self._end_job(number)
            raise
        except TimeoutError:
            await self._end_job(number)
            return RcloneError(f"not done within {timeout_s} s", fault=Fault.TRANSIENT)

    async def progress(self, group: str) -> Progress:
        """Return the figures of a group."""
        return progress_of(await self.ask("core/stats", {"group": group}))

    async def forget(self, group: str) -> None:
        """Free the figures of a group; it does not matter when that fails."""
        with contextlib.suppress(RcloneError):
            await self.ask("core/stats-delete", {"group": group}, timeout_s=5.0)

    async def _follow(
        self,
        number: int,
        group: str,
        deadline: float | None,
        on_stats: Callable[[Progress], None] | None,
    ) -> RcloneError | None:
        pause, told = _POLL_FIRST_S / 4, time.monotonic()
        while True:
            status = await self._status(number)
            if status["finished"]:
                if on_stats is not None:
                    on_stats(await self.progress(group))
                return None if status["success"] else self.error(str(status["error"]))
            now = time.monotonic()
            if deadline is not None and now > deadline:
                raise TimeoutError
            if on_stats is not None and now - told >= _STATS_EVERY_S:
                on_stats(await self.progress(group))
                told = now
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _POLL_LAST_S)

    async def _end_job(self, number: int) -> None:
        with contextlib.suppress(RcloneError, TimeoutError):
            async with asyncio.timeout(STOP_WAIT_S):
                await self.ask("job/stop", {"jobid": number})
                while not await self._finished(number):  # noqa: ASYNC110 - in another process
                    await asyncio.sleep(_POLL_FIRST_S / 4)

    async def _finished(self, number: int) -> bool:
        return bool((await self._status(number))["finished"])

    async def _status(self, number: int) -> Answer:
        try:
            return await self.ask("job/status", {"jobid": number})
        except RcloneError as e:
            if _FORGOTTEN not in e.what:
                raise
            # it ended and we came too late (a suspended machine): how it ended is not known
            return {"finished": True, "success": False, "error": "timeout: rclone forgot the job"}

    async def _end_call(self, task: asyncio.Task[Answer], group: str) -> None:
        with contextlib.suppress(RcloneError):
            await self.ask("job/stopgroup", {"group": group}, timeout_s=STOP_WAIT_S)
        await asyncio.wait({task}, timeout=STOP_WAIT_S)
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen, so that the loop does not report it

    def _headed(self, body: Answer) -> Answer:
        """Return the parameters of a call with the headers of the remotes that it names.

        rclone 1.75 has no option for headers of one S3 remote. It takes them from the call in which
        a root is first used, and keeps the root; so every call that names one has them.
        """
        named = {str(body.get(key, "")).partition(":")[0] for key in _ROOTS}
        told = [h for name in named for h in self.headers.get(name, ())]
        if not told:
            return body
        headers = [{"Key": key, "Value": value} for key, value in told]
        return {**body, "_config": {**body.get("_config", {}), "Headers": headers}}

    async def _post(
        self, method: str, body: Answer, hook: Hook | None, timeout_s: float | None
    ) -> Answer:
        text = json.dumps(self._headed(body)).encode()
        try:
            async with asyncio.timeout(timeout_s):
                status, content = await self._http.post(f"/{method}", text)
        except UnansweredError as e:
            self.doubtful = self.doubtful or not self._http.is_closed
            raise _silent(method, str(e)) from e
        except TimeoutError as e:
            self.doubtful = True
            raise _silent(method, type(e).__name__) from e
        answer = _decoded(content, hook)
        if status != HTTPStatus.OK:
            raise self.error(str(answer.get("error", status)))
        return answer


def _silent(method: str, why: str) -> RcloneError:
    return RcloneError(f"rclone does not answer ({why} in {method})", fault=Fault.DAEMON)


def _decoded(content: bytes, hook: Hook | None) -> Answer:
    try:
        answer = json.loads(content, object_hook=hook)
    except ValueError as e:
        raise RcloneError("rclone gave no JSON answer", fault=Fault.DAEMON) from e
    return answer if isinstance(answer, dict) else {}
