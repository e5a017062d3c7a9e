"""Named retry policies. Only failures that may pass by themselves are tried again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bm_sync.errors import BmSyncError
from bm_sync.model.config import Retry
from bm_sync.rclone.faults import Fault, RcloneError

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
