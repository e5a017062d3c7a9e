"""A plan in a file: written whole or not at all, readable by its owner alone.

A plan as the answer of a command.

Writes a file that was asked for whole or not at all: in one step, from a new file beside it.

A page in a file: written whole or not at all, never through a link, never over another file.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from bm_sync import files, layout
from bm_sync.cli.answer import Answer
from bm_sync.cli.render.page.document import GENERATOR
from bm_sync.cli.render.plan import plan_text
from bm_sync.cli.render.text import tame
from bm_sync.cli.render.view import View
from bm_sync.cli.verdict import plan_exit, plan_failures
from bm_sync.errors import UsageError
from bm_sync.model.plan import Plan
from bm_sync.plan.wire import HEAD_BYTES, from_json, looks_saved, to_json

_PAGE = files.Kind(
    "a page of bm-sync", re.compile(rb'(?s).{0,1000}content="%b"' % GENERATOR.encode()), "report"
)


def write_page(text: str, file: Path) -> None:
    """Write a page; a new one is readable by its owner alone, a replaced one keeps its mode.

    Raises UsageError for what is there and is not such a page, for links, and for what the system
    refuses.
    """
    hint = "give --html another name, or - for standard output"
    with files.replacing(file, _PAGE, hint=hint) as stream:
        stream.write(tame(text))


PRIVATE = 0o600


@contextmanager
def replacing(file: Path, what: str, *, encoding: str, mode: int = PRIVATE) -> Iterator[TextIO]:
    """Yield where to write what `file` will hold when the block ends well.

    The file beside it is named after `what`. Raises UsageError for what the system refuses.
    """
    begin, end = layout.beside(what)
    try:
        descriptor, name = tempfile.mkstemp(end, begin, file.parent)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    try:
        with open(descriptor, "w", encoding=encoding) as stream:  # noqa: PTH123 - a descriptor
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def plan_answer(
    plan: Plan, view: View, *, exit_code: bool = False, following: str | None = None
) -> Answer:
    """Return a plan; `exit_code` answers 10 when there is something to do."""
    return Answer(
        text=partial(plan_text, plan, view, following=following),
        data=partial(to_json, plan),
        exit=plan_exit(plan, pending=exit_code),
        errors=plan_failures(plan, view),
        quiet=all(project.in_sync for project in plan.projects),
    )


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
