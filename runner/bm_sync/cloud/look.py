"""Looks at services, workspaces and projects, for a person; changes nothing there."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from bm_sync.cloud import facts
from bm_sync.cloud.account import Account
from bm_sync.cloud.choice import pick
from bm_sync.cloud.client import Cloud
from bm_sync.cloud.facts import Facts
from bm_sync.cloud.faults import CloudError, CloudFault, SubscriptionError, signed_out
from bm_sync.cloud.places import Host
from bm_sync.errors import BmSyncError, Exit
from bm_sync.model.cloud import CloudProject, Workspace
from bm_sync.model.cloud_report import CloudProblem, CloudStatus, RemoteLine
from bm_sync.model.config import CloudRemote
from bm_sync.structs import replace


@dataclass
class _Seen:
    """What a look has found so far."""

    service: Literal["healthy", "down", "unknown"] = "unknown"
    version: str | None = None
    subscription: Literal["active", "lapsed", "unknown"] = "unknown"
    workspaces: tuple[Workspace, ...] = ()
    remotes: list[RemoteLine] = field(default_factory=list)
    troubles: list[CloudProblem] = field(default_factory=list)

    def note(self, error: BmSyncError) -> None:
        """Take an error down, once."""
        trouble = CloudProblem(error.what, error.hint, int(error.exit))
        if trouble not in self.troubles:
            self.troubles.append(trouble)
        if isinstance(error, SubscriptionError):
            self.subscription = "lapsed"
        elif isinstance(error, CloudError) and error.fault in {CloudFault.DOWN, CloudFault.GARBLED}:
            self.service = "down"
            if error.fault is CloudFault.GARBLED:
                self.subscription = "unknown"  # who answered is perhaps not the service


async def status(account: Account, remotes: Sequence[CloudRemote], state_dir: Path) -> CloudStatus:
    """Return how things stand at one service, for the remotes that lie there."""
    seen = _Seen()
    lines = [RemoteLine(r.name, r.workspace) for r in remotes]
    if not account.signed_in:
        seen.note(signed_out(account.host, account.describe().source))
        seen.remotes = lines
    else:
        async with Cloud(account.host, account) as cloud:
            await _look(cloud, remotes, state_dir, seen)
        known = {line.name for line in seen.remotes}
        seen.remotes += [line for line in lines if line.name not in known]
    return _status(account, seen)


async def _look(cloud: Cloud, remotes: Sequence[CloudRemote], state_dir: Path, seen: _Seen) -> None:
    try:
        seen.version = (await cloud.health()).version
        seen.service, seen.subscription = "healthy", "active"
    except CloudError as e:
        seen.note(e)
        if not isinstance(e, SubscriptionError):
            return
        seen.service = "healthy"
    try:
        seen.workspaces = await cloud.workspaces()
    except CloudError as e:
        seen.note(e)
        return
    for remote in remotes:
        try:
            seen.remotes.append(await _line(cloud, remote, state_dir, seen))
        except CloudError as e:
            seen.note(e)


async def _line(cloud: Cloud, remote: CloudRemote, state_dir: Path, seen: _Seen) -> RemoteLine:
    workspace = pick(seen.workspaces, remote)
    mount = await cloud.mount(workspace.tenant_id)
    line = RemoteLine(remote.name, remote.workspace, mount.tenant_id, mount.bucket)
    pin = facts.read(state_dir, remote)
    if pin is None or pin.host != cloud.host.url:
        return line
    if (pin.tenant_id, pin.bucket) != (mount.tenant_id, mount.bucket):
        seen.troubles.append(_moved(remote, pin, line))
    return replace(line, pinned=True)


async def tenant_of(cloud: Cloud, remote: CloudRemote | None, state_dir: Path) -> str | None:
    """Return the id of the workspace of a remote: as pinned, else as the service says.

    None is the account's default. Raises CloudError.
    """
    if remote is None:
        return None
    pin = facts.read(state_dir, remote)
    if pin is not None and pin.host == cloud.host.url:
        return pin.tenant_id
    if remote.workspace is None:
        return None
    return pick(await cloud.workspaces(), remote).tenant_id


async def projects(
    account: Account, remote: CloudRemote | None, state_dir: Path
) -> tuple[CloudProject, ...]:
    """Return the projects of a workspace; raises CloudError."""
    async with Cloud(account.host, account) as cloud:
        found = await cloud.projects(await tenant_of(cloud, remote, state_dir))
    return tuple(sorted(found, key=lambda project: project.name.casefold()))


async def find(
    account: Account, remote: CloudRemote | None, name: str, state_dir: Path
) -> CloudProject:
    """Return the project of exactly this name; raises CloudError with the one that may be meant."""
    return _exactly(name, await projects(account, remote, state_dir), account.host)


async def remove(
    account: Account, remote: CloudRemote | None, project: CloudProject, state_dir: Path
) -> str:
    """Delete a project and return the service's word for how far that is; raises CloudError."""
    async with Cloud(account.host, account) as cloud:
        tenant = await tenant_of(cloud, remote, state_dir)
        word = await cloud.delete_project(tenant, project.id)
    if remote is not None:
        await _forget_project(state_dir, remote, project)
    return word


async def _forget_project(state_dir: Path, remote: CloudRemote, gone: CloudProject) -> None:
    if facts.read(state_dir, remote) is None:
        return
    async with facts.held(state_dir, remote) as page:
        known = page.read()
        if known is not None:
            left = tuple(p for p in known.projects if p.id != gone.id)
            page.write(replace(known, projects=left))


def _exactly(name: str, known: Sequence[CloudProject], host: Host) -> CloudProject:
    for project in known:
        if project.name == name:
            return project
    names = [project.name for project in known]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    raise CloudError(
        f"there is no project '{name}' at {host.name}",
        fault=CloudFault.MISSING,
        hint=f"did you mean '{close[0]}'?" if close else "see: bm-sync cloud projects",
    )


def _moved(remote: CloudRemote, pin: Facts, line: RemoteLine) -> CloudProblem:
    return CloudProblem(
        f"{remote.name}: its files lay in {pin.bucket} (tenant {pin.tenant_id}), and the service "
        f"now says {line.bucket} (tenant {line.tenant_id})",
        f"when that is right: bm-sync cloud repin {remote.name}",
        int(Exit.STOPPED),
    )


def _status(account: Account, seen: _Seen) -> CloudStatus:
    standing = account.describe()
    return CloudStatus(
        host=account.host.url,
        how=standing.how,
        source=standing.source,
        account=account.fingerprint,
        made=_iso(standing.made),
        expires=_iso(standing.expires),
        renewable=standing.renewable,
        service=seen.service,
        version=seen.version,
        subscription=seen.subscription,
        workspaces=seen.workspaces,
        remotes=tuple(seen.remotes),
        troubles=tuple(seen.troubles),
    )


def _iso(moment: float | None) -> str | None:
    """Return a unix time in ISO 8601; None for one that no calendar has."""
    if moment is None:
        return None
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None
