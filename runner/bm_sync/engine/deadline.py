"""Ends what takes longer than a policy allows, so that a dead server never hangs a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bm_sync.errors import BmSyncError


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
