"""Some requests at a time, and one failure ends them all; some of many to ask about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
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


def spread(values: Sequence[V], most: int) -> list[V]:
    """Return at most `most` of some values, evenly from all over them."""
    count = min(len(values), most)
    return [values[n * len(values) // count] for n in range(count)]
