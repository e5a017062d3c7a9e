"""One run per project: a second is refused by name, a dead one never blocks."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bm_sync.errors import Exit, LockedError, StateError
from bm_sync.state.lock import Owner, hold

KEY = "a" * 64
ME = Owner(os.getpid(), "laptop", "2026-11-22T07:15:00Z", "bm-sync apply", "notes")

_HOLDS = """
import sys
from pathlib import Path
from bm_sync.state.lock import Owner, hold
owner = Owner(4711, "desktop", "today", "bm-sync apply", "notes")
with hold(Path(sys.argv[1]), sys.argv[2], owner):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    return directory


def holder(state: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _HOLDS, str(state), KEY]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=30)


def test_a_second_run_is_refused_and_told_who_holds_the_project(state: Path) -> None:
    other = holder(state)
    try:
        with pytest.raises(LockedError) as refused, hold(state, KEY, ME):
            pass
    finally:
        end(other)
    assert refused.value.exit is Exit.LOCKED
    for word in ("notes", "4711", "desktop", "today", "bm-sync apply"):
        assert word in refused.value.what
    assert refused.value.hint
    with hold(state, KEY, ME):
        pass


def test_a_killed_holder_does_not_block(state: Path) -> None:
    other = holder(state)
    os.kill(other.pid, signal.SIGKILL)
    end(other)
    assert "4711" in (state / "locks" / f"{KEY}.lock").read_text(), "the dead one's note stays"
    with hold(state, KEY, ME):
        assert json.loads((state / "locks" / f"{KEY}.lock").read_text())["host"] == "laptop"


def test_a_stopped_holder_still_holds(state: Path) -> None:
    other = holder(state)
    os.kill(other.pid, signal.SIGSTOP)
    try:
        with pytest.raises(LockedError), hold(state, KEY, ME):
            pass
    finally:
        os.kill(other.pid, signal.SIGCONT)
        end(other)


def test_one_process_cannot_hold_a_project_twice(state: Path) -> None:
    with hold(state, KEY, ME), pytest.raises(LockedError), hold(state, KEY, ME):
        pass


def test_projects_are_held_apart(state: Path) -> None:
    with hold(state, KEY, ME), hold(state, "b" * 64, ME):
        assert len(list((state / "locks").iterdir())) == 2


def test_a_lock_is_free_and_without_a_note_after_an_error(state: Path) -> None:
    with pytest.raises(RuntimeError, match="on purpose"), hold(state, KEY, ME):
        raise RuntimeError("on purpose")
    assert (state / "locks" / f"{KEY}.lock").read_text() == ""
    with hold(state, KEY, ME):
        pass


_SHOWS = """
import os
for name in os.listdir("/proc/self/fd"):
    try:
        print(os.readlink(f"/proc/self/fd/{name}"))
    except FileNotFoundError:
        pass
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system shows no descriptors")
def test_a_child_process_does_not_inherit_the_lock(state: Path) -> None:
    with hold(state, KEY, ME):
        child = [sys.executable, "-c", _SHOWS]
        shown = subprocess.run(child, close_fds=False, capture_output=True, text=True, check=True)
    assert "/dev/null" in shown.stdout or "pipe:" in shown.stdout
    assert ".lock" not in shown.stdout


def test_a_lock_is_free_at_once_while_a_child_that_was_started_under_it_lives(state: Path) -> None:
    with hold(state, KEY, ME):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            close_fds=False,
        )
    try:
        with hold(state, KEY, ME):
            pass
    finally:
        child.communicate(timeout=30)


def test_a_long_command_is_cut_in_the_note(state: Path) -> None:
    long = Owner(1, "h", "now", "\u00e9" * 100_000, "notes")
    refused = pytest.raises(LockedError, match="process 1 on h")
    with hold(state, KEY, long), refused, hold(state, KEY, ME):
        pass


def test_folder_and_file_are_private(state: Path) -> None:
    with hold(state, KEY, ME):
        assert stat.S_IMODE((state / "locks").stat().st_mode) == 0o700
        assert stat.S_IMODE((state / "locks" / f"{KEY}.lock").stat().st_mode) == 0o600


def test_a_planted_symlink_is_refused_and_its_target_kept(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious.txt"
    target.write_text("precious")
    (state / "locks").mkdir(mode=0o700)
    (state / "locks" / f"{KEY}.lock").symlink_to(target)
    with pytest.raises(StateError), hold(state, KEY, ME):
        pass
    assert target.read_text() == "precious"


def test_a_planted_folder_of_locks_is_refused(state: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (state / "locks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="not a folder"), hold(state, KEY, ME):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("key", ["", "../x", "a/b", "a" * 200, "x\n"])
def test_a_key_is_never_a_path(state: Path, key: str) -> None:
    with pytest.raises(ValueError, match="no key"), hold(state, key, ME):
        pass
