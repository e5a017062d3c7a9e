from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from bm_sync.cli import loop

_STUBBORN = """
import asyncio
from bm_sync.cli import loop

async def stubborn():
    print("begun", flush=True)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("asked to stop", flush=True)

loop.run(stubborn())
"""


def test_the_result_of_the_work_is_returned() -> None:
    async def work() -> int:
        return 7

    assert loop.run(work()) == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_the_work_to_stop_and_the_second_ends_at_once(
    number: signal.Signals,
) -> None:
    command = [sys.executable, "-c", _STUBBORN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        assert process.stdout.readline() == "asked to stop\n"
        process.send_signal(number)
        assert process.stdout.read() == ""
        assert process.wait(60) == 130
