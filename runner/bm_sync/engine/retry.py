"""Named retry policies. Only failures that may pass by themselves are tried again.

Ends what takes longer than a policy allows, so that a dead server never hangs a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from bm_sync.errors import BmSyncError
from bm_sync.model.config import Retry
from bm_sync.rclone.faults import Fault, RcloneError


@asynccontextmanager
async def within(limit_s: float | None, *, spent_s: float = 0.0) -> AsyncIterator[None]:
    """Stop the block when `limit_s` is over, of which `spent_s` is used already; None: never.

    Raises BmSyncError when it was stopped.
    """
    limit = asyncio.timeout(None if limit_s is None else max(0.0, limit_s - spent_s))
    try:
        async with limit:
            yield
    except TimeoutError as e:
        if not limit.expired():
            raise
        raise BmSyncError(
            f"stopped after the time limit of {limit_s:g} s",
            hint="run again to go on; limits.timeout in the policy sets the limit",
        ) from e


T = TypeVar("T")
_FIRST_WAIT_S = 0.5
_JITTER_S = 1.0
_REPEATABLE = frozenset({Fault.TRANSIENT, Fault.DAEMON, Fault.SOURCE_CHANGED})

_OF_ALL = _REPEATABLE | {
    Fault.AUTH,
    Fault.FULL,
    Fault.STORE_MISSING,
    Fault.CONFIG,
    Fault.CANCELLED,
}

Notice = Callable[[int, float, str], None]  # attempt that failed, seconds to wait, cause


def repeatable(error: BaseException) -> bool:
    """Return whether trying again may help: network, 5xx, 429, timeouts, a dead rclone."""
    if isinstance(error, RcloneError):
        return error.fault in _REPEATABLE
    return isinstance(error, BmSyncError) and error.passes


def of_all_files(error: RcloneError | None) -> bool:
    """Return whether a failure is not that of a single file: the next one will fail as well."""
    return error is not None and error.fault in _OF_ALL and error.fault is not Fault.SOURCE_CHANGED


async def persistent(retry: Retry, notice: Notice, attempt: Callable[[], Awaitable[T]]) -> T:
    """Run `attempt` again while that may help: exponential waits with jitter, up to `max_wait_s`.

    Raises what the last attempt raised.
    """
    try:
        return await attempt()
    except BmSyncError as e:
        if not repeatable(e):
            raise
        failed: list[BmSyncError] = [e]
    import tenacity  # 50 ms that a run without a failure does not spend

    async def once() -> T:
        if failed:
            raise failed.pop()
        return await attempt()

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0.0
        notice(state.attempt_number, wait_s, str(error))

    jitter_s = min(_JITTER_S, retry.max_wait_s)
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(repeatable),
        stop=tenacity.stop_after_attempt(retry.attempts),
        wait=tenacity.wait_exponential(multiplier=_FIRST_WAIT_S, max=retry.max_wait_s - jitter_s)
        + tenacity.wait_random(0, jitter_s),
        before_sleep=before_sleep,
        reraise=True,
    )
    return await retrying(once)
