"""Round figures for the edge of a chart, and where a value stands between them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from msgspec import Struct

_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_KILO = 1024
_SECONDS = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0, 360000.0)


def round_count(most: int) -> int:
    """Return the smallest of 2, 4, 10, 20, 40, 100, ... that is not below `most`."""
    ten = 1
    while True:
        for step in (2, 4, 10):
            if step * ten >= most:
                return step * ten
        ten *= 10


def round_bytes(most: int) -> int:
    """Return the smallest of 1, 2, 5, 10, ... 500 of a unit that is not below `most`."""
    unit = 1
    while True:
        for step in _STEPS:
            if step * unit >= most:
                return step * unit
        unit *= _KILO


class Logarithmic(Struct, frozen=True):
    """A scale of durations from the first of `ticks` to the last; each step is the same height."""

    ticks: tuple[float, ...]

    def share(self, seconds: float) -> float:
        """Return how far up a duration stands, from 0 to 1."""
        low, high = self.ticks[0], self.ticks[-1]
        inside = min(max(seconds, low), high)
        return log(inside / low) / log(high / low)


def logarithmic(seconds: Sequence[float]) -> Logarithmic:
    """Return the scale that holds all durations."""
    low = max((tick for tick in _SECONDS if tick <= min(seconds)), default=_SECONDS[0])
    high = min((tick for tick in _SECONDS if tick >= max(seconds)), default=_SECONDS[-1])
    begin, end = _SECONDS.index(low), _SECONDS.index(high)
    if begin == end:
        begin, end = max(begin - 1, 0), min(end + 1, len(_SECONDS) - 1)
    return Logarithmic(_SECONDS[begin : end + 1])
