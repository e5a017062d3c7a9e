"""Tells the log what a run does, one line for each event.

The log is loaded with its first line: a quiet run has nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from bm_sync.errors import BmSyncError
from bm_sync.model.run import (
    ActionEnded,
    Event,
    Outcome,
    ProjectEnded,
    ProjectStarted,
    Retrying,
    Transferring,
    Waiting,
)

if TYPE_CHECKING:
    from loguru import Logger


def _logger(project: str) -> Logger:
    from loguru import logger

    from bm_sync import log

    log.quiet()
    return logger.bind(project=project)


def cannot_plan(project: str, error: BmSyncError) -> None:
    """Note that a project could not be observed."""
    _logger(project).error("cannot be planned: {}", error.what)


def cannot_prune(project: str, error: Exception) -> None:
    """Note that old versions could not be removed; the next run tries again."""
    _logger(project).warning("old versions could not be removed: {}", str(error))


def hook_began(project: str, hook: str) -> None:
    """Note that a hook runs; the text of its command is the user's own."""
    _logger(project).info("hook {} begins", hook)


def hook_said(project: str, line: str) -> None:
    """Note a line of a hook's output."""
    _logger(project).info("  | {}", line)


def hook_ended(project: str, hook: str, seconds: float, why: str | None) -> None:
    """Note how a hook ended; `why` it failed is None when it did not."""
    level = "INFO" if why is None else "ERROR"
    _logger(project).log(level, "hook {} after {:.1f} s: {}", hook, seconds, why or "went well")


def told(target: str, why: str | None) -> None:
    """Note that a target was told, or why it could not be."""
    if why is None:
        _logger("-").info("told {}", target)
    else:
        _logger("-").warning("could not tell {}: {}", target, why)


def bug(project: str) -> None:
    """Note the exception that is being handled, with its traceback."""
    _logger(project).exception("a bug")


def journalled(emit: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return a listener that notes each event before it passes it on."""

    def listen(event: Event) -> None:
        _note(event)
        emit(event)

    return listen


def _note(event: Event) -> None:
    match event:
        case ProjectStarted(project=project, files=files, bytes=size):
            _logger(project).info("begins: {} actions, {} bytes", files, size)
        case ActionEnded(project=project, done=done):
            level = "INFO" if done.outcome is Outcome.DONE else "WARNING"
            facts = (done.kind, done.path, done.side, done.size, done.outcome, done.detail or "-")
            _logger(project).log(level, "{} {} on {}, {} bytes: {} ({})", *facts)
        case Retrying(project=project, attempt=attempt, attempts=of, wait_s=wait_s, cause=cause):
            message = "attempt {} of {} failed, again in {:.1f} s: {}"
            _logger(project).warning(message, attempt, of, wait_s, cause)
        case Waiting(project=project, cause=cause):
            _logger(project).info("waits: {}", cause)
        case ProjectEnded(run=run):
            if run.actions or run.exit:
                message = "{} after {} s, exit {}: {}"
                _logger(run.project).info(
                    message, run.status, run.seconds, run.exit, run.message or "-"
                )
        case Transferring():
            pass
        case _:
            assert_never(event)
