"""Runs the real `bm-sync watch --json` beside a test and waits for what it says and does."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli_outside import START, World
from jsonschema import Draft7Validator

from bm_sync.paths import schema_file

WITHIN_S = 90.0  # far more than it takes, for a machine with much to do
_KIND = Draft7Validator(json.loads(schema_file("watch").read_text("utf-8")))


def until(holds: Callable[[], object], what: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a condition holds; fail with `what` when it never does, or the process ends."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert process.poll() is None, f"it ended with {process.returncode} before {what}"
        assert time.monotonic() < deadline, f"not within {WITHIN_S:.0f} s: {what}"
        time.sleep(0.02)  # between two looks at a condition


@dataclass(frozen=True)
class Watching:
    """A watch that runs."""

    process: subprocess.Popen[bytes]
    out: Path

    @property
    def said(self) -> list[dict[str, Any]]:
        """Return every whole event so far."""
        lines = self.out.read_text("utf-8").split("\n")[:-1]
        events = [json.loads(line) for line in lines]
        return [event for event in events if "event" in event]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a kind."""
        return [event for event in self.said if event["event"] == kind]

    def rounds(self, reason: str) -> list[dict[str, Any]]:
        """Return the rounds that some project was in for a reason."""
        return [event for event in self.of("round") if reason in event["reasons"].values()]

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait for a condition while the watch goes on."""
        until(holds, what, self.process)

    def until_rounds(self, reason: str, number: int) -> None:
        """Wait for so many rounds."""
        self.until(lambda: len(self.rounds(reason)) >= number, f"{number} rounds by {reason}")

    def until_moved(self, path: str) -> None:
        """Wait until a round has ended that moved a file."""

        def moved() -> bool:
            projects = [each for event in self.of("round") for each in event["run"]["projects"]]
            return any(done["path"] == path for each in projects for done in each["actions"])

        self.until(moved, f"a round that moves {path}")

    def rclone(self) -> int | None:
        """Return the process id of its rclone, None when none runs."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in map(int, listed.split()):
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"rcd" in words and not is_ended(pid):
                    return pid
        return None

    def end(self, *codes: int) -> None:
        """End it as a service manager does; everything it said fits the schema.

        The exit code is 0, or one of `codes`: a round that is just due may be interrupted.
        """
        rclone = self.rclone()
        self.process.terminate()
        code = self.process.wait(WITHIN_S)
        assert code in (codes or (0,))
        assert rclone is None or is_ended(rclone)
        slips = [slip.message for event in self.said for slip in _KIND.iter_errors(event)]
        assert slips == []
        envelope = json.loads(self.out.read_text("utf-8").splitlines()[-1])
        assert (envelope["command"], envelope["exit"]) == ("watch", code)


def is_ended(pid: int) -> bool:
    """Return whether a process is gone, or dead and not yet waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2][1] == "Z"
    except OSError:
        return True


@contextmanager
def watching(
    here: World, *words: str, start: tuple[str, ...] = START, **env: str
) -> Iterator[Watching]:
    """Run `bm-sync watch` while the context lasts."""
    out, err = here.root / "watch.out", here.root / "watch.err"
    with out.open("wb") as to_out, err.open("wb") as to_err:
        process = subprocess.Popen(
            [*start, "watch", "--json", *words],
            stdin=subprocess.DEVNULL,
            stdout=to_out,
            stderr=to_err,
            cwd=here.root,
            env={**here.env, **env},
        )
        try:
            yield Watching(process, out)
        finally:
            process.kill()
            process.wait(WITHIN_S)
    assert b"Traceback" not in err.read_bytes(), err.read_text("utf-8")
