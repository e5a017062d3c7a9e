"""What a machine says of itself to its fleet, as bytes and back. Pure.

What others left is read with suspicion: every field is checked, nothing larger than `MAX_BYTES`
is looked at, and whatever does not fit is no note.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bm_sync.errors import BmSyncError
from bm_sync.model.fleet import FleetHost, FleetNote, FleetProject, Standing
from bm_sync.model.run import Status
from bm_sync.state.codec import build, flatten
from bm_sync.structs import replace

VERSION = 1
KIND = "fleet"
MAX_BYTES = 256 * 1024
SUFFIX = ".json"
_FORGIVEN = frozenset({0, 5, 75})  # another run holds a project, a condition does not hold
_AHEAD = timedelta(minutes=10)
_LONGEST_WORD = 255
_LONGEST_NAME = 60
_NAME = re.compile(r"[a-z0-9._-]{1,60}-[0-9a-f]{8}\.json")


class NoNoteError(BmSyncError):
    """What lies there is no note of bm-sync."""


def identity(host: str, machine: str | None, state_dir: str) -> str:
    """Return what tells a machine from others with its name.

    `machine` is a digest that only it has. Two users of a machine have two state directories.
    """
    text = json.dumps([host, machine, state_dir])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def file_name(host: str, id_: str) -> str:
    """Return the name of a machine's note: safe on every store, another one for every machine."""
    safe = re.sub(r"[^a-z0-9._-]+", "-", host.lower()).strip("-.")[:_LONGEST_NAME]
    return f"{safe or 'host'}-{id_}{SUFFIX}"


def is_file_name(name: str) -> bool:
    """Return whether a machine could have named its note so."""
    return _NAME.fullmatch(name) is not None


def encode(note: FleetNote) -> bytes:
    """Return a note as it lies there; projects that it has no room for are only counted."""
    worst = sorted(note.projects, key=badness)
    while True:
        said = {"version": VERSION, "kind": KIND, **_record(replace(note, projects=tuple(worst)))}
        data = json.dumps(said, separators=(",", ":")).encode()
        if len(data) <= MAX_BYTES or not worst:
            return data
        kept = min(len(worst) - 1, len(worst) * MAX_BYTES // len(data))
        note = replace(note, unsaid=note.unsaid + len(worst) - kept)
        worst = worst[:kept]


def decode(data: bytes) -> FleetNote:
    """Return the note that another machine left; raises NoNoteError with the reason."""
    if len(data) > MAX_BYTES:
        raise NoNoteError(f"it is larger than {MAX_BYTES // 1024} KB")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise NoNoteError("it is no JSON") from None
    if not isinstance(said, dict) or said.pop("kind", None) != KIND:
        raise NoNoteError("it is no note of bm-sync")
    version = said.pop("version", None)
    if version != VERSION:
        hint = "install a newer bm-sync"
        raise NoNoteError(f"its format is version {version!a:.20}, not {VERSION}", hint=hint)
    try:
        note = build(FleetNote, {key: said[key] for key in said if key in _FIELDS})
        _check(note)
    except (TypeError, ValueError, KeyError, OverflowError) as e:
        raise NoNoteError("a field of it is missing or wrong") from e
    return note


_FIELDS = frozenset(FleetNote.__struct_fields__)


def _record(note: FleetNote) -> Mapping[str, object]:
    flat = flatten(note)
    assert isinstance(flat, dict)  # noqa: S101 - a record flattens to a mapping
    return flat


def _check(note: FleetNote) -> None:
    """Raise ValueError when a word or a number is none that a machine would say."""
    words = [note.host, note.bm_sync, note.run, note.id, note.manifest]
    words += [word for p in note.projects for word in (p.name, p.result or "")]
    if any(len(word) > _LONGEST_WORD for word in words) or not note.host:
        raise ValueError
    moments = [note.ended, note.next]
    moments += [moment for p in note.projects for moment in (p.last_run, p.converged)]
    for moment in moments:
        if moment is not None and datetime.fromisoformat(moment).tzinfo is None:
            raise ValueError
    for project in note.projects:
        if project.result is not None:
            Status(project.result)
        if min(project.files, project.bytes, project.conflicts) < 0:
            raise ValueError


def badness(project: FleetProject) -> tuple[int, str]:
    """Return what sorts projects by how much they need a person, the worst first."""
    if project.result is None:
        return 2, project.name
    status = Status(project.result)
    rank = 3 if status.good else 1 if status.idle else 0
    return rank, project.name


def judged(
    notes: Sequence[tuple[str, FleetNote | NoNoteError]],
    mine: str,
    now: datetime,
    max_age_s: float | None,
) -> tuple[FleetHost, ...]:
    """Return how the machines stand, the worst first.

    `mine` is the digest of our manifest; without `max_age_s` nobody is late.
    """
    found = [_judged(file, note, mine, now, max_age_s) for file, note in notes]
    order = list(Standing)
    return tuple(sorted(found, key=lambda h: (order.index(h.standing), h.file)))


def _judged(
    file: str,
    note: FleetNote | NoNoteError,
    mine: str,
    now: datetime,
    max_age_s: float | None,
) -> FleetHost:
    if isinstance(note, NoNoteError):
        return FleetHost(file, Standing.UNREADABLE, why=note.what)
    age = now - datetime.fromisoformat(note.ended)
    if note.exit not in _FORGIVEN:
        standing = Standing.FAILING
    elif max_age_s is not None and age.total_seconds() > max_age_s:
        standing = Standing.LATE
    elif -age > _AHEAD:
        standing = Standing.AHEAD
    else:
        standing = Standing.FINE
    note = replace(note, projects=tuple(sorted(note.projects, key=badness)))
    return FleetHost(file, standing, note, note.manifest == mine)


def read(data: bytes | None) -> FleetNote | NoNoteError:
    """Return the note in a file, or why there is none; None is a file that cannot be had."""
    if data is None:
        return NoNoteError("it cannot be read")
    try:
        return decode(data)
    except NoNoteError as e:
        return e
