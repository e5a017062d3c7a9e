"""A plan in a file: written whole or not at all, readable by its owner alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from bm_sync import files
from bm_sync.cli.whole_file import replacing
from bm_sync.errors import UsageError
from bm_sync.model.plan import Plan
from bm_sync.plan.wire import HEAD_BYTES, from_json, looks_saved, to_json

_MAX_BYTES = 1 << 28  # 300 bytes an action; 100,000 actions are read in 270 MB of memory


def write_plan(plan: Plan, file: Path) -> None:
    """Write `plan` to `file` (mode 0600), in one step.

    A file that is not a saved plan is never replaced.
    """
    _refuse_other(file)
    with replacing(file, "plan", encoding="ascii") as stream:
        json.dump(to_json(plan), stream)
        stream.write("\n")
        if stream.tell() > _MAX_BYTES:
            what = f"the plan is too large to be saved: more than {_MAX_BYTES >> 20} MiB"
            raise UsageError(what, hint="apply it without saving, or plan some projects at a time")


def _refuse_other(file: Path) -> None:
    if file.is_dir():
        raise UsageError(f"{file} is a folder", hint="give --out the name of a file")
    if not os.path.lexists(file) or _is_plan(file):
        return
    raise UsageError(
        f"{file} is there and is not a saved plan; it is not replaced",
        hint="give --out another name",
    )


def _is_plan(file: Path) -> bool:
    try:
        if not file.is_file():
            return False
        with file.open("rb") as stream:
            return looks_saved(stream.read(HEAD_BYTES))
    except OSError:
        return False


def read_plan(file: Path, env: Mapping[str, str]) -> Plan:
    """Return the plan saved in `file`; raise `UsageError` when it is not one, or one of others."""
    try:
        body = json.loads(files.read(file, _MAX_BYTES, env))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{file} is not a saved plan: {error}", hint="make one with: bm-sync plan --out FILE"
        ) from error
    return from_json(body)
