"""Counts and adds up what runs did, a run at a time. Nothing here reads anything."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from msgspec import Struct, field

from bm_sync.model.period import Durations, Ending, Endings, Work

_SERIOUS = tuple(Ending)
_P95 = 0.95
_FIELDS = tuple(Work.__struct_fields__)
_NOTHING = Work()


class Sum(Struct):
    """What some runs did together."""

    _endings: dict[Ending, int] = field(default_factory=dict)
    _work: list[int] = field(default_factory=lambda: [0] * len(_FIELDS))
    _seconds: list[float] = field(default_factory=list)

    def add(self, ending: Ending, work: Work, seconds: float) -> None:
        """Count one run; what was skipped or has not ended says nothing about durations."""
        self._endings[ending] = self._endings.get(ending, 0) + 1
        if work != _NOTHING:
            for number, name in enumerate(_FIELDS):
                self._work[number] += getattr(work, name)
        if ending not in {Ending.SKIPPED, Ending.UNFINISHED}:
            self._seconds.append(seconds)

    @property
    def endings(self) -> Endings:
        """Return how many ended how."""
        return Endings(**{e.value.replace("-", "_"): n for e, n in self._endings.items()})

    @property
    def work(self) -> Work:
        """Return what was done."""
        return Work(*self._work)

    @property
    def durations(self) -> Durations | None:
        """Return how long they took, None when nothing ran."""
        return durations(self._seconds)


def durations(seconds: Sequence[float]) -> Durations | None:
    """Return the median, the 95th percentile (nearest rank) and the longest, None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    high = ordered[ceil(_P95 * len(ordered)) - 1]
    return Durations(ordered[(len(ordered) - 1) // 2], high, ordered[-1])


def together(parts: Sequence[Work]) -> Work:
    """Return the sum of what several did."""
    busy = [part for part in parts if part != _NOTHING]
    if len(busy) <= 1:
        return busy[0] if busy else _NOTHING
    return Work(*(sum(getattr(part, name) for part in busy) for name in _FIELDS))


def worst(endings: Sequence[Ending]) -> Ending | None:
    """Return the most serious ending, None of nothing."""
    return max(endings, key=_SERIOUS.index, default=None)
