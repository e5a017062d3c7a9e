"""The JSON envelope: one object on one line, printed by every command with `--json`.

ASCII only: a file name that is not UTF-8 is written with its surrogate escapes. The contract is
schemas/v1/envelope.schema.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from bm_sync.cli.answer import Answer, Failure
from bm_sync.errors import Exit
from bm_sync.state.codec import flatten

STATUS_WORDS: Mapping[Exit, str] = MappingProxyType(
    {
        Exit.OK: "ok",
        Exit.FAILED: "failed",
        Exit.USAGE: "usage",
        Exit.STOPPED: "stopped",
        Exit.NOT_SIGNED_IN: "not-signed-in",
        Exit.LOCKED: "locked",
        Exit.RCLONE: "rclone",
        Exit.STALE: "stale",
        Exit.PENDING: "changes",
        Exit.BUG: "bug",
        Exit.SKIPPED: "skipped",
        Exit.INTERRUPTED: "interrupted",
    }
)


def envelope(command: str, answer: Answer) -> str:
    """Return the envelope of an answer."""
    body = {
        "version": 1,
        "command": command,
        "status": STATUS_WORDS[answer.exit],
        "exit": int(answer.exit),
        "data": flatten(answer.data()),
        "errors": [_error(failure) for failure in answer.errors],
    }
    return json.dumps(body) + "\n"


def _error(failure: Failure) -> dict[str, str | None]:
    optional = {"code": failure.code, "project": failure.project}
    given = {key: value for key, value in optional.items() if value is not None}
    return {"what": failure.what, "hint": failure.hint, **given}
