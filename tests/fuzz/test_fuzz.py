"""Fuzzes every reader of something that others may have written.

A few values for each in the ordinary suite; `make fuzz` goes on for FUZZ_SECONDS in all, with new
values every time, and says how many it tried.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from fuzz.targets import TARGETS
from hypothesis import HealthCheck, given, seed, settings

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0")) / len(TARGETS)
FEW = {"state": 8, "manifest": 60}
_AT_A_TIME = 200


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.timeout(0)
def test_nothing_that_is_read_leads_astray(name: str) -> None:
    target, tried = TARGETS[name], 0

    def attempt(value: object) -> None:
        nonlocal tried
        tried += 1
        target.holds(value)

    if not SECONDS:
        _rounds(attempt, name, FEW.get(name, 100), 0)
        assert tried > 0
        return
    ends, first = time.monotonic() + SECONDS, int.from_bytes(os.urandom(4))
    number = 0
    while time.monotonic() < ends:
        _rounds(attempt, name, _AT_A_TIME, first + number)
        number += 1
    sys.stderr.write(f"fuzz {name}: {tried} values, seeds from {first}\n")


def _rounds(attempt: Callable[[Any], None], name: str, examples: int, first: int) -> None:
    calm = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    calm(seed(first)(given(TARGETS[name].values)(attempt)))()
