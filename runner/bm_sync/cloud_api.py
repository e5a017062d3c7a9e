"""What bm-sync does with a cloud account, as functions; the other half of `api`.

Nothing here prints or exits. Asking a person is left to the callables that are passed in.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from bm_sync.errors import BmSyncError, UsageError
from bm_sync.model.cloud import CloudProject, named
from bm_sync.model.cloud_report import (
    CloudProblem,
    CloudStatus,
    ProjectLine,
    RemovalReport,
    RepinReport,
    SignInReport,
    SignOutReport,
)
from bm_sync.model.config import CloudRemote, Manifest, Project
from bm_sync.model.permalink import permalink
from bm_sync.model.setup import Setup
from bm_sync.secret import Secret
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.cloud.account import Account
    from bm_sync.cloud.oauth import Device
    from bm_sync.model.report import ResetReport
    from bm_sync.state.store import State


async def login(
    setup: Setup, url: str | None, domain: str | None, show: Callable[[Device], None]
) -> SignInReport:
    """Sign in by a code that `show` shows to a person; raises CloudError.

    `domain` is the address that signs in. It has to be named for another service than the usual
    one: a token of the usual one must not be sent there.
    """
    from bm_sync.cloud import signing
    from bm_sync.cloud.places import address, host_of

    host = host_of(url, setup.env)
    if domain is not None:
        host = replace(host, domain=address(domain))
    elif host.url != host_of(None, setup.env).url:
        raise UsageError(
            f"nobody has said where one signs in for {host.name}",
            hint=f"with an API key: bm-sync login --host {host.url} --api-key -; or name the "
            "address with --domain",
        )
    return await signing.by_browser(host, setup.env, _private(setup), show)


async def login_with_key(setup: Setup, url: str | None, key: Secret) -> SignInReport:
    """Sign in with an API key that the service takes; raises CloudError."""
    from bm_sync.cloud import signing
    from bm_sync.cloud.places import host_of

    return await signing.by_key(host_of(url, setup.env), setup.env, _private(setup), key)


async def logout(setup: Setup, url: str | None) -> SignOutReport:
    """Forget our sign-in on this machine; the service is told nothing."""
    from bm_sync.cloud import signing
    from bm_sync.cloud.places import host_of

    return await signing.out(host_of(url, setup.env), setup.env, setup.state_dir)


async def status(setup: Setup, manifest: Manifest | None) -> tuple[CloudStatus, ...]:
    """Look at every service that a manifest names, or else at the usual one."""
    from bm_sync.cloud import look
    from bm_sync.cloud.account import Account
    from bm_sync.cloud.places import host_of

    remotes = cloud_remotes(manifest)
    hosts = [host_of(remote.host, setup.env) for remote in remotes]
    found = []
    for host in dict.fromkeys(hosts or [host_of(None, setup.env)]):
        account = Account.find(host, setup.env, setup.state_dir)
        there = [r for r, at in zip(remotes, hosts, strict=True) if at == host]
        found.append(await look.status(account, there, setup.state_dir))
    return tuple(found)


async def projects(
    setup: Setup, manifest: Manifest | None, name: str | None
) -> tuple[tuple[ProjectLine, ...], tuple[CloudProblem, ...]]:
    """List what lies on the cloud, of one remote or of all, and what of it is declared.

    Of several remotes those that cannot be asked are told with it; raises CloudError when the only
    one cannot be.
    """
    from bm_sync.cloud import look

    lines: list[ProjectLine] = []
    troubles: list[CloudProblem] = []
    meant = _meant(manifest, name)
    for remote in meant:
        try:
            found = await look.projects(_account(setup, remote), remote, setup.state_dir)
        except BmSyncError as e:
            if len(meant) == 1:
                raise
            what = e.what if _name(remote) is None else f"{_name(remote)}: {e.what}"
            troubles.append(CloudProblem(what, e.hint, int(e.exit)))
            continue
        mine = _on(manifest, remote)
        lines += [
            ProjectLine(_name(remote), each.name, each, _declared(mine, each)) for each in found
        ]
        lines += [
            ProjectLine(_name(remote), project.path, None, (project.name,))
            for project in mine
            if named(found, project.path) is None
        ]
    return tuple(lines), tuple(troubles)


async def find(
    setup: Setup, manifest: Manifest | None, remote: str | None, name: str
) -> CloudProject:
    """Return the project on the cloud that has exactly this name; raises CloudError."""
    from bm_sync.cloud import look

    meant = _one(manifest, remote, name)
    return await look.find(_account(setup, meant), meant, name, setup.state_dir)


async def remove(
    setup: Setup, manifest: Manifest | None, remote: str | None, project: CloudProject
) -> RemovalReport:
    """Delete a project on the cloud, with its files; raises CloudError.

    No folder of this machine is touched. The caller has asked whoever has to be asked.
    """
    from bm_sync.cloud import look

    meant = _one(manifest, remote, project.name)
    account = _account(setup, meant)
    word = await look.remove(account, meant, project, setup.state_dir)
    return RemovalReport(account.host.url, project, word, _declared(_on(manifest, meant), project))


def repin(setup: Setup, manifest: Manifest, name: str) -> RepinReport:
    """Forget where the files of a remote lay, and what its projects had agreed on.

    Touches no file on either side; the next run asks the service anew. Raises LockedError while a
    run holds one of the projects.
    """
    from bm_sync.cloud import facts
    from bm_sync.state.store import State

    (remote,) = _meant(manifest, name)
    assert remote is not None  # noqa: S101 - it was named
    pin = facts.read(setup.state_dir, remote)
    with State.open(setup.state_dir, host=setup.host, tell=setup.tell) as state:
        reset = _forget(setup, _on(manifest, remote), state)
        facts.forget(setup.state_dir, remote)
    return RepinReport(
        remote.name, pin.tenant_id if pin else None, pin.bucket if pin else None, reset
    )


def cloud_remotes(manifest: Manifest | None) -> tuple[CloudRemote, ...]:
    """Return the cloud remotes of a manifest."""
    remotes = manifest.remotes if manifest else ()
    return tuple(remote for remote in remotes if isinstance(remote, CloudRemote))


def _forget(setup: Setup, projects: Sequence[Project], state: State) -> tuple[ResetReport, ...]:
    from bm_sync.engine import overview
    from bm_sync.engine.identity import project_key
    from bm_sync.engine.record import iso
    from bm_sync.engine.site import utc_now
    from bm_sync.state.lock import Owner, hold

    begun = iso(utc_now())
    with ExitStack() as locks:
        for project in projects:
            owner = Owner(os.getpid(), setup.host, begun, "cloud repin", project.name)
            locks.enter_context(hold(setup.state_dir, project_key(project), owner))
        return tuple(
            overview.reset(project.name, project_key(project), state, declared=True)
            for project in projects
        )


def _meant(manifest: Manifest | None, name: str | None) -> tuple[CloudRemote | None, ...]:
    """Return the remotes that a command means; without any, None for the usual service."""
    known = cloud_remotes(manifest)
    if name is None:
        return known or (None,)
    found = tuple(remote for remote in known if remote.name == name)
    if found:
        return found
    names = [remote.name for remote in known]
    close = difflib.get_close_matches(name, names, n=1)
    declared = f"declared are: {', '.join(names)}" if names else "the manifest declares none"
    raise UsageError(
        f"there is no cloud remote '{name}'",
        hint=f"did you mean '{close[0]}'?" if close else declared,
    )


def _one(manifest: Manifest | None, remote: str | None, name: str) -> CloudRemote | None:
    """Return the one remote where a project is meant to lie."""
    meant = _meant(manifest, remote)
    if len(meant) == 1:
        return meant[0]
    names = ", ".join(each.name for each in meant if each)
    raise UsageError(
        f"{name} may lie on several remotes: {names}",
        hint=f"bm-sync cloud rm {quote(name)} --remote {_name(meant[0])}",
    )


def _on(manifest: Manifest | None, remote: CloudRemote | None) -> tuple[Project, ...]:
    if manifest is None or remote is None:
        return ()
    return tuple(project for project in manifest.projects if project.remote == remote)


def _declared(mine: Sequence[Project], project: CloudProject) -> tuple[str, ...]:
    key = permalink(project.name)
    return tuple(each.name for each in mine if permalink(each.path) == key)


def _account(setup: Setup, remote: CloudRemote | None) -> Account:
    from bm_sync.cloud.account import Account
    from bm_sync.cloud.places import host_of

    host = host_of(remote.host if remote else None, setup.env)
    return Account.find(host, setup.env, setup.state_dir)


def _name(remote: CloudRemote | None) -> str | None:
    return remote.name if remote else None


def _private(setup: Setup) -> Path:
    """Return the state directory, made for nobody else; raises StateError when others get in."""
    from bm_sync.state import place

    place.prepare(setup.state_dir)
    return setup.state_dir
