"""Looks for what would make a run fail: rclone, the state, disk space, clocks, every remote."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from bm_sync import access
from bm_sync.engine import other_client
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, UsageError
from bm_sync.model.config import (
    BackendRemote,
    CloudRemote,
    DistantRemote,
    FolderRemote,
    Lease,
    Manifest,
    NamedRemote,
    Placement,
    Project,
    Remote,
)
from bm_sync.model.report import Finding, Health, Setup
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import S3_TYPE
from bm_sync.state.store import State

_LOW_SPACE = 1 << 30
_SKEW_S = 60.0


async def examine(
    manifest: Manifest | None, setup: Setup, state: State, site: Site | None
) -> AsyncIterator[Finding]:
    """Yield one finding after the other; `site` is None when there is no rclone to ask with."""
    if site is not None:
        yield await _rclone(site)
    yield _state(setup, state)
    yield _space("state directory", setup.state_dir)
    projects = manifest.projects if manifest else ()
    for finding in _here(projects, setup):
        yield finding
    used: dict[str, Remote] = {p.source.remote.name: p.source.remote for p in projects if p.source}
    used |= {p.remote.name: p.remote for p in projects if p.remote is not None}
    home = manifest.state if manifest else None
    used |= {home.remote.name: home.remote} if home else {}
    leased = {home.remote.name} if home else set()
    leased |= {p.remote.name for p in projects if p.remote and p.policy.lease is not Lease.NONE}
    for remote in used.values():
        if isinstance(remote, FolderRemote):
            yield _folder(remote)
        elif site is not None:
            async for finding in _remote(remote, site):
                yield finding
            if remote.name in leased:
                async for finding in _lease(remote, site):
                    yield finding


def _here(projects: Sequence[Project], setup: Setup) -> Iterator[Finding]:
    """Yield what there is to say of the folders of this machine."""
    for project in projects:
        yield from _local(project)
    yield from other_client.beside(projects, setup.env)


async def _rclone(site: Site) -> Finding:
    try:
        version = await site.rclone.version()
    except BmSyncError as e:
        return Finding("rclone", Health.FAULT, e.what, e.hint)
    return Finding("rclone", Health.OK, f"{version} answers on a private socket")


def _state(setup: Setup, state: State) -> Finding:
    state.examine()
    if state.repaired:
        return Finding("state", Health.WARNING, state.repaired)
    known = len(state.projects())
    projects = "1 project" if known == 1 else f"{known} projects"
    return Finding("state", Health.OK, f"{setup.state_dir}: {projects} known")


def _space(subject: str, folder: Path) -> Finding:
    there = folder
    while access.standing(there) is None and there != there.parent:
        there = there.parent
    free = shutil.disk_usage(there).free
    health = Health.WARNING if free < _LOW_SPACE else Health.OK
    return Finding(subject, health, f"{free / (1 << 30):.1f} GB free at {folder}")


def _local(project: Project) -> Iterator[Finding]:
    root = project.local
    if root is None:
        return
    subject = f"{project.name}: local folder"
    try:
        found = access.standing(root)
    except BmSyncError as e:
        yield Finding(subject, Health.FAULT, e.what, e.hint)
        return
    if found is None:
        # an empty folder in the place of one that vanished would be taken for deletions
        makes = "; a project's first apply makes it, no later one does"
        said = makes if project.placement is Placement.SYNCED else ""
        yield Finding(subject, Health.OK, f"{root} does not exist{said}")
    elif not stat.S_ISDIR(found.st_mode):
        yield Finding(
            subject,
            Health.FAULT,
            f"{root} is not a folder",
            f"move it away, or change {project.origin}",
        )
    elif not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            subject,
            Health.FAULT,
            f"{root} cannot be read and written",
            access.way_in(root) or f"chmod u+rwx {shlex.quote(str(root))}",
        )
    else:
        yield _space(subject, root)


def _folder(remote: FolderRemote) -> Finding:
    subject = f"remote {remote.name}"
    try:
        if access.is_folder(remote.root):
            return _space(subject, remote.root)
    except BmSyncError as e:
        return Finding(subject, Health.FAULT, e.what, e.hint)
    return Finding(
        subject,
        Health.WARNING,
        f"the folder {remote.root} does not exist",
        "the first apply makes it; if it is a disk, mount it first",
    )


async def _remote(remote: DistantRemote, site: Site) -> AsyncIterator[Finding]:
    subject = f"remote {remote.name}"
    try:
        fs, _ = await site.connected(remote)
        await site.rclone.ping(fs)
        skew = await site.rclone.clock_skew_s(fs)
    except BmSyncError as e:
        yield Finding(subject, Health.FAULT, *await _trouble(remote, e, site))
        return
    said = await site.cloud.describe(remote) if isinstance(remote, CloudRemote) else fs.label
    yield Finding(subject, Health.OK, f"{said} answers")
    if skew is not None:
        health = Health.WARNING if abs(skew) > _SKEW_S else Health.OK
        yield Finding(f"{subject}: clock", health, f"differs from ours by {round(skew):+d} s")


async def _trouble(remote: DistantRemote, error: BmSyncError, site: Site) -> tuple[str, str | None]:
    """Return what is wrong with a remote, and what to do about it."""
    missing = isinstance(error, RcloneError) and error.fault in (Fault.MISSING, Fault.STORE_MISSING)
    if not missing or isinstance(remote, CloudRemote):
        return error.what, error.hint
    _, features = await site.connected(remote)
    if not features.bucket_based:
        return f"{remote.name}:{remote.root} does not exist", "the first apply makes it"
    what = f"the bucket of {remote.name}:{remote.root} does not exist"
    making = f"bm-sync doctor --create-bucket {shlex.quote(remote.name)}"
    return what, f"make it: {making}; or correct {remote.origin}"


async def create_bucket(manifest: Manifest, name: str, site: Site) -> Finding:
    """Make the bucket that a remote's root names; raises BmSyncError when there is none to make."""
    remote = next((r for r in manifest.remotes if r.name == name), None)
    if not isinstance(remote, BackendRemote | NamedRemote):
        known = ", ".join(r.name for r in manifest.remotes if isinstance(r, DistantRemote))
        raise UsageError(
            f"there is no remote {name!a} with buckets", hint=f"they are: {known or 'none'}"
        )
    fs, features = await site.connected(remote)
    bucket = remote.root.partition("/")[0]
    if not features.bucket_based or not bucket:
        what = "has folders, which a run makes" if not features.bucket_based else "names no bucket"
        raise UsageError(f"{remote.origin}: remote {name} {what}", hint="see its root and type")
    await site.rclone.make_bucket(fs)
    await site.rclone.ping(fs)
    return Finding(f"remote {name}: bucket", Health.OK, f"{bucket} is there")


async def _lease(remote: DistantRemote, site: Site) -> AsyncIterator[Finding]:
    """Yield how surely machines take turns there; nothing when the remote does not answer."""
    from bm_sync.engine.lease_told import ADVISORY

    subject = f"remote {remote.name}: lease"
    try:
        fs, _ = await site.connected(remote)
        exact = fs.type == S3_TYPE and await site.rclone.supports_conditions(fs)
    except BmSyncError:
        return
    if exact:
        yield Finding(subject, Health.OK, "exact: the remote has conditional writes")
    else:
        yield Finding(subject, Health.WARNING, ADVISORY)


def host_line(setup: Setup) -> Finding:
    """Return the finding that names this machine."""
    return Finding("host", Health.OK, setup.host)
