"""What a run leaves for monitors: status.json in the state directory, a Prometheus textfile.

The texts are pure; `publish` writes them. That they cannot be written never fails a run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from bm_sync import __version__, files
from bm_sync.engine import overview
from bm_sync.engine.site import Site
from bm_sync.errors import UsageError
from bm_sync.model.config import Manifest
from bm_sync.model.report import ProjectStatus
from bm_sync.model.run import Run, Status
from bm_sync.model.setup import Setup
from bm_sync.paths import home_dir
from bm_sync.state.codec import flatten
from bm_sync.state.store import State

STATUS_FILE = "status.json"
VERSION = 1

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_STATUS = files.Kind(
    "a status of bm-sync", re.compile(rb'\{"version": \d+, "kind": "status"'), "status"
)
_METRICS = files.Kind(
    "a file of metrics of bm-sync",
    re.compile(rb"# TYPE bm_sync_build_info gauge\n"),
    "metrics",
    0o644,  # the collector runs as another user
)
_HINT = "name another file: --metrics FILE, or metrics: in the manifest"


def check(manifest: Manifest, setup: Setup) -> None:
    """Raise UsageError when the metrics would replace a file that is not one of metrics."""
    file = setup.metrics or manifest.metrics
    if file is not None:
        files.mode_of(file, _METRICS, hint=_HINT)


def publish(manifest: Manifest, run: Run, state: State, setup: Setup) -> str | None:
    """Write what monitors read about a run that has ended; return what could not be written."""
    rows = overview.declared(manifest.projects, state, home_dir(setup.env))
    others = overview.undeclared(manifest, state)
    texts = [(setup.state_dir / STATUS_FILE, status_text(run, rows + others), _STATUS)]
    file = setup.metrics or manifest.metrics
    if file is not None:
        texts.append((file, metrics_text(run, rows, _exits(run, rows, state)), _METRICS))
    troubles = [said for target in texts if (said := _put(*target)) is not None]
    return "; ".join(troubles) or None


def publish_end(manifest: Manifest, run: Run, setup: Setup) -> None:
    """Say in what monitors read that a run came to no plan; the projects stay as they were."""
    file = setup.state_dir / STATUS_FILE
    with suppress(OSError, ValueError, AttributeError):
        said = json.loads(status_text(run, ()))
        with suppress(OSError, ValueError, AttributeError):
            if files.is_of(_STATUS, file):
                before = json.loads(file.read_text("utf-8"))
                said["projects"] = before.get("projects", [])
        _put(file, json.dumps(said) + "\n", _STATUS)
    figures = setup.metrics or manifest.metrics
    if figures is not None and files.is_of(_METRICS, figures):
        with suppress(OSError, ValueError):
            text = figures.read_text("utf-8")
            now = _seconds(run.ended)
            for name, value in (("exit", run.exit), ("timestamp_seconds", now)):
                text = re.sub(rf"(?m)^(bm_sync_last_run_{name}) -?\d+$", rf"\g<1> {value}", text)
            _put(figures, text, _METRICS)


async def tell_fleet(manifest: Manifest, run: Run, site: Site) -> str | None:
    """Leave a note about a run where the manifest's fleet looks; return why it could not be."""
    if manifest.fleet is None:
        return None
    from bm_sync.engine import fleet

    return await fleet.publish(manifest, run, site)


def status_text(run: Run, rows: Sequence[ProjectStatus]) -> str:
    """Return schemas/v1/status: the run that has ended, every project as last seen."""
    said = {
        "version": VERSION,
        "kind": "status",
        "run": run.id,
        "command": run.command,
        "started": run.started,
        "ended": run.ended,
        "exit": run.exit,
        "host": run.host,
        "manifest": str(Path(run.manifest).absolute()),
        "projects": [flatten(row) for row in rows],
    }
    return json.dumps(said) + "\n"


class _Family(Struct, frozen=True):
    """One metric of each project; `unit` is the end of its name."""

    name: str
    help: str
    unit: str | None = None


_CONVERGED = _Family(
    "bm_sync_project_last_converged_timestamp_seconds",
    "When the last run began that left the project in sync.",
    "seconds",
)
_RAN = _Family("bm_sync_project_last_run_timestamp_seconds", "When the last run began.", "seconds")
_EXIT = _Family("bm_sync_project_last_run_exit", "The exit code of the last run; 0 is converged.")
_FILES = _Family("bm_sync_project_files", "Files in the project as last seen.")
_BYTES = _Family("bm_sync_project_bytes", "Bytes in the project as last seen.", "bytes")
_CONFLICTS = _Family("bm_sync_project_conflicts", "Conflicts that nobody has settled.")
_MISSING = _Family(
    "bm_sync_project_side_missing", "1 when the last run found a side missing or empty."
)
_INFO = _Family("bm_sync_project_info", "How the project is declared.")


def metrics_text(run: Run, rows: Sequence[ProjectStatus], exits: Mapping[str, int]) -> str:
    """Return the figures of all declared projects; Prometheus' format 0.0.4, and OpenMetrics 1.0.

    What was never seen is left out. `exits` are the exit codes of each project's last run.
    """
    return "".join(f"{line}\n" for line in _metrics(run, rows, exits)) + "# EOF\n"


def _metrics(run: Run, rows: Sequence[ProjectStatus], exits: Mapping[str, int]) -> Iterator[str]:
    ended = _seconds(run.ended or run.started)
    yield from _one("bm_sync_build_info", "The version of bm-sync.", 1, {"version": __version__})
    yield from _one("bm_sync_last_run_timestamp_seconds", "When the last run ended.", ended)
    yield from _one(
        "bm_sync_last_run_duration_seconds",
        "How long the last run took.",
        ended - _seconds(run.started),
    )
    yield from _one("bm_sync_last_run_exit", "The exit code of the last run.", run.exit)
    seen = [row for row in rows if row.last_run is not None]
    yield from _each(_CONVERGED, [(r, _seconds(r.converged)) for r in seen if r.converged])
    yield from _each(_RAN, [(r, _seconds(r.last_time)) for r in seen if r.last_time])
    yield from _each(_EXIT, [(r, exits[r.project]) for r in seen if r.project in exits])
    yield from _each(_FILES, [(row, row.files) for row in seen])
    yield from _each(_BYTES, [(row, row.bytes) for row in seen])
    yield from _each(_CONFLICTS, [(row, row.conflicts) for row in seen])
    missing = Status.SIDE_MISSING.value
    yield from _each(_MISSING, [(row, int(row.result == missing)) for row in seen])
    yield from _head(_INFO)
    for row in rows:
        placement = row.placement.value if row.placement else ""
        labels = {"project": row.project, "mode": row.mode or "", "placement": placement}
        yield f"{_INFO.name}{_labels(labels)} 1"


def _one(name: str, text: str, value: int, labels: Mapping[str, str] | None = None) -> list[str]:
    unit = "seconds" if name.endswith("_seconds") else None
    return [*_head(_Family(name, text, unit)), f"{name}{_labels(labels or {})} {value}"]


def _each(family: _Family, values: Sequence[tuple[ProjectStatus, int]]) -> Iterator[str]:
    if values:
        yield from _head(family)
    for row, value in values:
        yield f"{family.name}{_labels({'project': row.project})} {value}"


def _head(family: _Family) -> Iterator[str]:
    yield f"# TYPE {family.name} gauge"
    if family.unit is not None:
        yield f"# UNIT {family.name} {family.unit}"
    yield f"# HELP {family.name} {family.help}"


def _labels(labels: Mapping[str, str]) -> str:
    said = ",".join(f'{name}="{_plain(value)}"' for name, value in labels.items())
    return f"{{{said}}}" if said else ""


def _plain(value: str) -> str:
    return value.encode("utf-8", "replace").decode().translate(_ESCAPES)


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


def _exits(run: Run, rows: Sequence[ProjectStatus], state: State) -> dict[str, int]:
    """Return the exit code of each project's last run; most are those of the run that has ended."""
    known = state.last_exits()
    found = {
        row.project: known[row.key] for row in rows if row.key is not None and row.key in known
    }
    return found | {project.project: project.exit for project in run.projects}


def _put(file: Path, text: str, kind: files.Kind) -> str | None:
    """Put a file in place in one step, so that no reader meets half of it; return why not."""
    try:
        with files.replacing(file, kind, hint=_HINT, mode=kind.mode) as stream:
            stream.write(text)
    except UsageError as e:
        return e.what
    return None
