from __future__ import annotations

import os
import select
import signal
import subprocess
from pathlib import Path

import pytest
from cli_outside import START, World, world
from cli_terminal import terminal

SLOW = "limits: {bandwidth: 100K}"


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def _slow(here: World) -> World:
    """Make a project whose transfer takes longer than the test."""
    manifest = (here.root / "sync.yaml").read_text()
    here.write("sync.yaml", manifest.replace("mode: two-way,", f"mode: two-way, {SLOW},"))
    here.write("notes/big.bin", "x" * 30_000_000)
    return here


def test_a_person_sees_the_plan_is_asked_once_and_yes_applies_it(here: World) -> None:
    with terminal(here, "apply") as screen:
        screen.until("Apply these changes? [y/N] ")
        assert "4 files to move" in screen.seen
        assert here.files("cloud") == {}
        screen.type("y\n")
        assert screen.end() == 0
    assert screen.seen.count("[y/N]") == 1
    assert "4 files moved" in screen.seen
    assert here.files("cloud/notes") == here.files("notes")


@pytest.mark.parametrize("answer", ["n\n", "\n", "maybe\n"])
def test_any_other_answer_changes_nothing_and_exits_1(here: World, answer: str) -> None:
    with terminal(here, "apply", "notes") as screen:
        screen.until("[y/N] ")
        screen.type(answer)
        assert screen.end() == 1
    assert screen.seen.endswith("nothing was changed\n")
    assert here.files("cloud") == {}


def test_ctrl_c_at_the_question_changes_nothing_and_exits_130(here: World) -> None:
    with terminal(here, "apply") as screen:
        screen.until("[y/N] ")
        screen.type("\x03")
        assert screen.end() == 130
    assert "Traceback" not in screen.seen
    assert here.files("cloud") == {}


def test_yes_and_a_quiet_plan_are_not_asked_about(here: World) -> None:
    for words in (["apply", "--yes"], ["apply"]):
        with terminal(here, *words) as screen:
            assert screen.end() == 0
        assert "[y/N]" not in screen.seen


def test_json_on_a_terminal_never_asks(here: World) -> None:
    with terminal(here, "apply", "--json") as screen:
        assert screen.end() == 2
    assert "add --yes" in screen.seen


def test_reset_asks_on_a_terminal(here: World) -> None:
    with terminal(here, "reset", "notes") as screen:
        screen.until("[y/N] ")
        screen.type("n\n")
        assert screen.end() == 1


def test_colours_are_on_a_terminal_only_and_no_color_turns_them_off(here: World) -> None:
    for env, words, coloured in (
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({}, ["--no-color"], False),
        ({"TERM": "dumb"}, [], False),
    ):
        with terminal(here, "plan", *words, **env) as screen:
            assert screen.end() == 0
        assert ("\x1b[" in screen.seen) is coloured


def test_ctrl_c_while_files_move_stops_in_order_and_exits_130(here: World) -> None:
    with terminal(_slow(here), "apply", "--yes") as screen:
        screen.until("files")
        screen.type("\x03")
        assert screen.end() == 130
    assert "INTERRUPTED" in screen.seen
    assert "Traceback" not in screen.seen
    assert "big.bin" not in here.files("cloud/notes")
    assert "INTERRUPTED" in here.run("history").out


def test_sigterm_without_a_terminal_stops_in_order_and_exits_130(here: World) -> None:
    _slow(here)
    process = subprocess.Popen(
        [*START, "apply", "notes"],
        cwd=here.root,
        env=here.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("notes: 4 files")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "notes  INTERRUPTED" in out
    assert "Traceback" not in err


def test_ctrl_c_while_rclone_does_not_answer_exits_130(here: World) -> None:
    started = here.root / "started"
    os.mkfifo(started)
    script = here.root / "rclone"
    script.write_text(f"#!/bin/sh\necho > '{started}'\nexec sleep 600\n")
    script.chmod(0o755)
    fifo = os.open(started, os.O_RDONLY | os.O_NONBLOCK)
    with terminal(here, "apply", "--yes", "--rclone", str(script)) as screen:
        ready, _, _ = select.select([fifo], [], [], 60)
        assert ready
        screen.type("\x03")
        assert screen.end() == 130
    os.close(fifo)
    assert "Traceback" not in screen.seen
