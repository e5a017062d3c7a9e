"""Uses thousands of damaged states; `make states` asks for it, STATES=10000 says how many.

Half of them are this machine's, half are fetched from a remote. Each is read by commands that show
all of it; one in eight is used further, with `apply`, and what that leaves is looked at; one in 40
is used by the real command line, from outside. All follows from the seeds, of which
BM_SYNC_STATES_FIRST is the first.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections import Counter

import pytest
from fuzz.state_world import World

STATES = int(os.environ.get("BM_SYNC_STATES", "0"))
_FIRST = int(os.environ.get("BM_SYNC_STATES_FIRST", "0"))
_OUTSIDE = 40
_ACTING = 8
_LOOKS = 2  # of the commands that only look, chosen by the seed


@pytest.mark.skipif(not STATES, reason="make states asks for it")
@pytest.mark.timeout(0)
def test_thousands_of_damaged_states_are_no_bug_in_any_command() -> None:
    inside, outside = World(looks=_LOOKS), World(outside=True, looks=_LOOKS)
    counted: Counter[str] = Counter()
    wrong = []
    for seed in range(_FIRST, _FIRST + STATES):
        world = outside if seed % (2 * _OUTSIDE) in (0, _OUTSIDE + 1) else inside
        inside.acts = seed // 2 % _ACTING == 0
        try:
            (world.fetched if seed % 2 else world.local)(seed)
        except Exception as e:  # noqa: BLE001 - all of them are wanted
            wrong.append(f"seed {seed}: {e}")
            traceback.print_exc()
        counted["by the command line"] += world is outside
        counted["with apply"] += world.acts
        if (seed + 1) % 100 == 0:
            sys.stderr.write(f"{seed + 1 - _FIRST} states, {dict(counted)}, {len(wrong)} wrong\n")
    codes = dict(sorted((inside.codes + outside.codes).items()))
    told = f"{STATES} states, {dict(counted)}, exit codes of all commands: {codes}"
    sys.stderr.write(f"{told}\n")
    assert not wrong, "\n".join(wrong)
    assert 70 not in codes
