"""A plan in a file: written whole or not at all, readable by its owner alone."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from bm_sync.cli.whole_file import replacing
from bm_sync.errors import UsageError
from bm_sync.model.plan import Plan
from bm_sync.plan.wire import from_json, to_json

_MAX_BYTES = 1 << 30
_HEAD_BYTES = 4096


def write_plan(plan: Plan, file: Path) -> None:
    """Write `plan` to `file` (mode 0600), with the absolute path of its manifest.

    The file is replaced in one step. A file that is no saved plan is never replaced.
    """
    _refuse_other(file)
    whole = replace(plan, manifest=str(Path(plan.manifest).absolute()))
    with replacing(file, "plan", encoding="ascii") as stream:
        json.dump(to_json(whole), stream)
        stream.write("\n")


def _refuse_other(file: Path) -> None:
    if file.is_dir():
        raise UsageError(f"{file} is a folder", hint="give --out the name of a file")
    if not os.path.lexists(file) or _is_plan(file):
        return
    raise UsageError(
        f"{file} is there and is no saved plan; it is not replaced", hint="give --out another name"
    )


def _is_plan(file: Path) -> bool:
    try:
        if not file.is_file():
            return False
        with file.open("rb") as stream:
            return b'"kind": "plan"' in stream.read(_HEAD_BYTES)
    except OSError:
        return False


def read_plan(file: Path) -> Plan:
    """Return the plan saved in `file`; raise `UsageError` when it is none."""
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{file} is too large for a saved plan")
        body = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{file} is no saved plan: {error}", hint="make one with: bm-sync plan --out FILE"
        ) from error
    return from_json(body)
