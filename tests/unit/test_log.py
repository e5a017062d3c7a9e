"""Log lines hold no secret, no control character and no local variable."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from loguru import logger

from bm_sync import log
from bm_sync.errors import StateError
from bm_sync.secret import Secret

CANARY = "s3cr3t-canary-value"


def fail(what: str) -> None:
    raise ValueError(what)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_a_line_has_its_time_level_place_message_and_fields(tmp_path: Path) -> None:
    with log.to_file(tmp_path / "run.log"):
        logger.bind(project="notes", files=3).info("a batch began")
    (line,) = lines(tmp_path / "run.log")
    assert line[10] == "T"
    assert line.split(" ", 1)[0].endswith("Z")
    assert "INFO" in line
    assert "test_log" in line
    assert line.endswith("a batch began files=3 project=notes")


def test_the_file_and_its_folder_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with log.to_file(tmp_path / "logs" / "run.log"):
            logger.info("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "logs" / "run.log").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700


def test_secrets_are_masked_in_messages_fields_and_tracebacks(tmp_path: Path) -> None:
    known: list[Secret] = []
    with log.to_file(tmp_path / "run.log", lambda: known):
        known.append(Secret(CANARY))
        logger.bind(url=f"https://u:{CANARY}@h").info("answer {}", f"<{CANARY}>")
        try:
            fail(f"refused {CANARY}")
        except ValueError:
            logger.exception("failed")
    text = (tmp_path / "run.log").read_text()
    assert "refused" in text
    assert "ValueError" in text
    assert CANARY not in text


def test_a_traceback_does_not_show_local_variables(tmp_path: Path) -> None:
    hidden = "local-" + CANARY
    with log.to_file(tmp_path / "run.log"):
        try:
            len(hidden) // 0
        except ZeroDivisionError:
            logger.exception("failed")
    text = (tmp_path / "run.log").read_text()
    assert "Traceback" in text
    assert hidden not in text


@pytest.mark.parametrize(
    "odd", ["\x1b[2J", "\n2026 INFO forged", "\r", "\x9b1m", "\u202egpj", "\u2066", "\udcff", "\0"]
)
def test_a_file_name_cannot_steer_a_terminal_or_forge_a_line(tmp_path: Path, odd: str) -> None:
    with log.to_file(tmp_path / "run.log"):
        logger.bind(path=f"a{odd}b").info("copied {}", f"a{odd}b")
        try:
            fail(f"a{odd}b")
        except ValueError:
            logger.exception("failed")
    text = (tmp_path / "run.log").read_bytes().decode("utf-8")
    own = [line for line in text.removesuffix("\n").split("\n") if not line.startswith("  | ")]
    assert len(own) == 2
    assert all(char.isprintable() or char == "\n" for char in text)


def test_lines_are_added_to_what_is_there(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with log.to_file(tmp_path / "run.log"):
            logger.debug(word)
    assert [line.rsplit(" ", 1)[1] for line in lines(tmp_path / "run.log")] == ["first", "second"]


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    with log.to_file(tmp_path / "run.log"):
        logger.info("inside")
    logger.info("outside")
    assert len(lines(tmp_path / "run.log")) == 1


def test_a_line_that_cannot_be_written_does_not_fail_the_run(tmp_path: Path) -> None:
    gone = io.StringIO()
    gone.close()
    with log.to_stream("INFO", gone), log.to_file(tmp_path / "run.log"):
        logger.info("x")
    assert len(lines(tmp_path / "run.log")) == 1


def test_a_log_that_cannot_be_made_is_said_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "run.log").mkdir()
    with pytest.raises(StateError, match="cannot write the log") as refused:
        log.to_file(tmp_path / "run.log").__enter__()
    assert refused.value.hint


def test_a_planted_symlink_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "run.log").symlink_to(tmp_path / "precious")
    with pytest.raises(StateError):
        log.to_file(tmp_path / "run.log").__enter__()
    assert (tmp_path / "precious").read_text() == "precious"


def test_standard_error_gets_the_level_that_was_asked_for() -> None:
    stream = io.StringIO()
    with log.to_stream("INFO", stream, lambda: [Secret(CANARY)]):
        logger.debug("too much")
        logger.warning("key {}", CANARY)
    assert "WARNING" in stream.getvalue()
    assert "too much" not in stream.getvalue()
    assert CANARY not in stream.getvalue()


_ALONE = """
from loguru import logger
from bm_sync import log
{first}
logger.error("said")
"""


@pytest.mark.parametrize(("first", "said"), [("", True), ("log.quiet(); log.quiet()", False)])
def test_import_sets_up_nothing_and_quiet_takes_logurus_own_handler_away(
    first: str, *, said: bool
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _ALONE.format(first=first)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("said" in ended.stderr) is said
