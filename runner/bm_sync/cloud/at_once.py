"""Some requests at a time, and one failure ends them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import TypeVar

T = TypeVar("T")
V = TypeVar("V")


async def at_once(
    most: int, values: Iterable[V], ask: Callable[[V], Coroutine[object, object, T]]
) -> list[T]:
    """Return what `ask` says of every value, in their order; raises what failed first."""
    gate = asyncio.Semaphore(most)

    async def one(value: V) -> T:
        async with gate:
            return await ask(value)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(value)) for value in values]
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    return [task.result() for task in tasks]
