"""Signing in and out on this machine: what is asked of the service, checked, kept and forgotten."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from bm_sync import access
from bm_sync.cloud import facts, keeping, oauth
from bm_sync.cloud.account import KEY_VARIABLE, Account
from bm_sync.cloud.calls import open_http
from bm_sync.cloud.client import Cloud
from bm_sync.cloud.faults import CloudError, CloudFault, SignInError, SubscriptionError
from bm_sync.cloud.logins import OURS, OwnLogins, StoredLogin, kept_now, lock_file, own_file
from bm_sync.cloud.oauth import Device
from bm_sync.cloud.places import Host
from bm_sync.cloud.tokens import ApiKey, sendable
from bm_sync.errors import Exit, UsageError
from bm_sync.model.cloud_report import CloudProblem, SignInReport, SignOutReport
from bm_sync.secret import Secret

_MARK_BYTES = 12
_KEY_STANDS = frozenset({CloudFault.SUBSCRIPTION, CloudFault.FORBIDDEN, CloudFault.MISSING})
_ENDING: Mapping[str, str] = {
    "basic-memory": "Basic Memory ends its own sign-in with: bm cloud logout",
    "api-key": "take the key out there, and revoke it in the web app",
}


async def by_browser(
    host: Host, env: Mapping[str, str], state_dir: Path, show: Callable[[Device], None]
) -> SignInReport:
    """Sign in by a code that a person confirms; `show` is called once with it. Raises CloudError.

    Nothing is kept before the service has granted.
    """
    async with open_http(host) as http:
        device = await oauth.begin(http, host)
        show(device)
        tokens = await oauth.finish(http, host, device)
    kept = kept_now(tokens, host, _mark())
    await _keep(kept, state_dir)
    note, trouble = await _probe(Account(host, kept, _shelf(state_dir), lock_file(state_dir)))
    where = str(own_file(state_dir))
    return SignInReport(host.url, "login", where, _shadow(host, env, state_dir), note, trouble)


async def by_key(host: Host, env: Mapping[str, str], state_dir: Path, key: Secret) -> SignInReport:
    """Sign in with an API key, which is kept when the service takes it; raises CloudError."""
    if not sendable(key.reveal()):
        raise UsageError(
            "this is no API key: it is empty or has characters that no key has",
            hint="make one in the web app of Basic Memory; it begins with bmc_",
        )
    kept = kept_now(ApiKey(key, OURS), host, _mark())
    account = Account(host, kept, None, lock_file(state_dir))
    await _check(account)
    await _keep(kept, state_dir)
    note, trouble = await _probe(account)
    where = str(own_file(state_dir))
    return SignInReport(host.url, "api-key", where, _shadow(host, env, state_dir), note, trouble)


async def out(host: Host, env: Mapping[str, str], state_dir: Path) -> SignOutReport:
    """Forget our sign-in at a host, and the keys of its buckets when nothing else signs in there.

    The service is told nothing, it has no call for that. The pins of the workspaces stay.
    """
    if not access.is_folder(own_file(state_dir).parent):
        return _left(host, env, state_dir, removed=False)
    async with keeping.locked(lock_file(state_dir)):
        removed = _shelf(state_dir).forget(host)
    return _left(host, env, state_dir, removed=removed)


def _left(host: Host, env: Mapping[str, str], state_dir: Path, *, removed: bool) -> SignOutReport:
    account = Account.find(host, env, state_dir)
    if account.signed_in:
        standing = account.describe()
        return SignOutReport(host.url, removed, 0, standing.source, _ENDING.get(standing.how))
    return SignOutReport(host.url, removed, facts.drop_keys(state_dir, host.url))


async def _check(account: Account) -> None:
    """Raise CloudError unless the service knows the key; what it may do is another matter."""
    async with Cloud(account.host, account) as cloud:
        try:
            await cloud.workspaces()
        except CloudError as e:
            if e.fault in _KEY_STANDS:
                return
            if e.fault is not CloudFault.SIGNED_OUT:
                raise
            raise SignInError(
                f"{account.host.name} does not take this API key; nothing was kept",
                fault=CloudFault.SIGNED_OUT,
                hint="make one in the web app, or sign in without one: bm-sync login",
            ) from e


async def _keep(kept: StoredLogin, state_dir: Path) -> None:
    async with keeping.locked(lock_file(state_dir)):
        _shelf(state_dir).write(kept)


async def _probe(account: Account) -> tuple[str | None, CloudProblem | None]:
    """Return what the service says to the new sign-in; whatever that is, the sign-in stands.

    A workspace that is still being made answers with 5xx, 401 or 404 for a while.
    """
    async with Cloud(account.host, account) as cloud:
        try:
            await cloud.health()
        except SubscriptionError as e:
            return None, CloudProblem(e.what, e.hint, int(Exit.NOT_SIGNED_IN))
        except CloudError as e:
            return e.what, None
    return None, None


def _shadow(host: Host, env: Mapping[str, str], state_dir: Path) -> str | None:
    """Return what counts before the sign-in that was just kept."""
    counts = Account.find(host, env, state_dir).describe().source
    return KEY_VARIABLE if counts == KEY_VARIABLE else None


def _shelf(state_dir: Path) -> OwnLogins:
    return OwnLogins(own_file(state_dir))


def _mark() -> str:
    return secrets.token_hex(_MARK_BYTES)
