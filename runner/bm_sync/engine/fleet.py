"""Leaves how this machine stands where its fleet looks, and reads what the others left.

That a note cannot be left never fails a run, and costs it `_WITHIN_S` at most.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bm_sync import __version__
from bm_sync.engine import overview
from bm_sync.engine.fleet_note import (
    MAX_BYTES,
    NoNoteError,
    encode,
    file_name,
    identity,
    is_file_name,
    judged,
    read,
)
from bm_sync.engine.fleet_place import place_of
from bm_sync.engine.identity import digest_of
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, Exit, UsageError
from bm_sync.manifest import source
from bm_sync.manifest.source import local_of
from bm_sync.model.config import Manifest, Placement
from bm_sync.model.fleet import Fleet, FleetHost, FleetNote, FleetProject, FleetReport
from bm_sync.model.report import ProjectStatus
from bm_sync.model.run import Run
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.schedule.calendar import upcoming
from bm_sync.state.machine import machine_id

MAX_HOSTS = 1000
_WITHIN_S = 15.0


async def publish(manifest: Manifest, run: Run, site: Site) -> str | None:
    """Leave a note about a run that has ended; return what could not be left, and why.

    A run that was stopped leaves none: whoever stopped it waits.
    """
    fleet = manifest.fleet
    if fleet is None or run.exit == Exit.INTERRUPTED:
        return None
    note = _note(manifest, run, site)
    try:
        async with asyncio.timeout(_WITHIN_S):
            place = await place_of(fleet, site)
            await place.put(file_name(note.host, note.id), encode(note))
    except TimeoutError:
        return f"the fleet at {fleet.label} did not answer within {_WITHIN_S:.0f} s"
    except BmSyncError as e:
        if isinstance(e, RcloneError) and e.fault is Fault.FORBIDDEN:
            return _only_reads(fleet, site)
        return f"the fleet at {fleet.label} was not told: {e.what}"
    return None


def _only_reads(fleet: Fleet, site: Site) -> str | None:
    """Return, once, that this machine may only read: whoever may not write is no fault of a run."""
    key, name = digest_of(["fleet", fleet.label]), "only-reads"
    if site.state.remote_fact(key, name):
        return None
    site.state.set_remote_fact(key, name, value=True)
    return f"this machine may only read the fleet at {fleet.label}, so others do not see it"


def _note(manifest: Manifest, run: Run, site: Site) -> FleetNote:
    setup = site.setup
    rows = overview.declared(manifest.projects, site.state, site.home)
    return FleetNote(
        host=setup.host,
        id=identity(setup.host, machine_id(), str(setup.state_dir.absolute())),
        bm_sync=__version__,
        manifest=shared_digest(manifest),
        run=run.id,
        ended=run.ended,
        exit=run.exit,
        next=_next(manifest, site.clock()),
        projects=tuple(_project(row) for row in rows if row.placement is Placement.SYNCED),
    )


def _project(row: ProjectStatus) -> FleetProject:
    return FleetProject(
        row.project,
        row.result,
        row.last_time,
        row.converged,
        row.files,
        row.bytes,
        row.conflicts,
    )


def _next(manifest: Manifest, now: datetime) -> str | None:
    """Return when the first timer of this machine comes, by what the manifest declares."""
    local = now.astimezone().replace(tzinfo=None)
    schedules = {p.schedule for p in manifest.projects if p.schedule is not None}
    coming = [m for s in schedules if (m := upcoming(s.calendars, local)) is not None]
    return f"{min(coming).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if coming else None


def shared_digest(manifest: Manifest) -> str:
    """Return the digest of what a team shares: of all files but the one of this machine alone."""
    if len(manifest.files) <= 1:
        return manifest.digest
    own = local_of(manifest.file).name
    shared = {file.absolute() for file in manifest.files if file.name != own}
    digests = sorted(_digest(file) for file in shared)
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def _digest(file: Path) -> str:
    """Return the digest of a file of the manifest; of one that went meanwhile, a word."""
    try:
        return hashlib.sha256(source.again(file).encode()).hexdigest()
    except BmSyncError:
        return "gone"


async def status(
    manifest: Manifest, fleet: Fleet, site: Site, max_age_s: float | None
) -> FleetReport:
    """Read what all machines left; raises BmSyncError when the place cannot be reached."""
    place = await place_of(fleet, site)
    sizes = await place.sizes()
    names = sorted(name for name in sizes if is_file_name(name))
    chosen = [name for name in names[:MAX_HOSTS] if sizes[name] <= MAX_BYTES]
    found = await place.read(chosen)
    notes = [
        (name, _large() if name not in chosen else read(found.get(name)))
        for name in names[:MAX_HOSTS]
    ]
    hosts = judged(notes, shared_digest(manifest), site.clock(), max_age_s)
    return FleetReport(fleet.label, hosts, max(len(names) - MAX_HOSTS, 0))


def _large() -> NoNoteError:
    return NoNoteError(f"it is larger than {MAX_BYTES // 1024} KB")


def meant(report: FleetReport, word: str) -> FleetHost:
    """Return the machine that a person means by its name, the name of its file or its id.

    Raises UsageError when there is none, or more than one.
    """
    names = [h for h in report.hosts if word in _names(h)]
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError(
            f"the fleet at {report.place} has no host {word!r}",
            hint="bm-sync fleet status lists them",
        )
    files = ", ".join(host.file for host in names)
    raise UsageError(f"{len(names)} hosts are called {word!r}", hint=f"name one of: {files}")


def _names(host: FleetHost) -> Sequence[str]:
    said = () if host.note is None else (host.note.host, host.note.id)
    return (host.file, host.file.removesuffix(".json"), *said)


async def forget(fleet: Fleet, host: FleetHost, site: Site) -> None:
    """Take away what a machine left; it comes back with that machine's next run."""
    place = await place_of(fleet, site)
    await place.remove(host.file)
