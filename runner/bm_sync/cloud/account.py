"""Who we are at one service: which credential counts there, and keeping it alive.

A credential is sent only to the host it was made for. The key in BASIC_MEMORY_CLOUD_API_KEY and
what Basic Memory keeps belong to the host that Basic Memory uses here; a sign-in of `bm-sync login`
to the host it was made at. Ours counts before Basic Memory's, and a key in the environment before
both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from msgspec import Struct

from bm_sync import files
from bm_sync.cloud import keeping
from bm_sync.cloud.faults import CloudError, SignInError, signed_out
from bm_sync.cloud.logins import (
    TOKEN_FILE,
    BasicMemoryLogin,
    DamagedError,
    OwnLogins,
    Shelf,
    StoredLogin,
    lock_file,
    own_file,
)
from bm_sync.cloud.places import Host, declared, host_of
from bm_sync.cloud.tokens import ApiKey, Tokens, fingerprint, owner, sendable
from bm_sync.errors import UsageError
from bm_sync.paths import basic_memory_dir
from bm_sync.secret import Secret
from bm_sync.structs import replace

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
KEY_VARIABLE = "BASIC_MEMORY_CLOUD_API_KEY"
_GRACE_S = 5.0  # for an answer that is on its way while the run is stopped

How = Literal["api-key", "login", "basic-memory", "none"]


class SignInStatus(Struct, frozen=True):
    """How an account is signed in, for a person; times are in unix seconds."""

    how: How
    source: str
    made: float | None = None
    expires: float | None = None
    renewable: bool = False


class Account:
    """The credential for one host; files are read once, and again when it has to be renewed."""

    def __init__(
        self, host: Host, kept: StoredLogin | None, shelf: Shelf | None, lock: Path, why: str = ""
    ) -> None:
        self.host = host
        self._kept = kept
        self._over: Tokens | None = None  # whose session has ended: nobody asks for it again
        self._shelf = shelf
        self._lock = lock
        self._why = why or "there is no sign-in for it on this machine"

    @classmethod
    def find(cls, host: Host, env: Mapping[str, str], state_dir: Path) -> Account:
        """Return the account at `host`, signed in or not; only files are read."""
        lock = lock_file(state_dir)
        home = host_of(None, env).url == host.url
        key = env.get(KEY_VARIABLE, "").strip()
        if key and home:
            return cls(host, _by_key(key, KEY_VARIABLE, host), None, lock)
        own = OwnLogins(own_file(state_dir))
        whys = []
        try:
            kept = own.read(host)
        except DamagedError as e:
            kept = None
            whys.append(e.what)
        if kept is not None:
            return cls(host, kept, own, lock)
        if home:
            found = _of_basic_memory(host, env, lock)
            if found.signed_in:
                return found
            whys.append(found._why)  # noqa: SLF001 - its own class
        return cls(host, None, None, lock, "; ".join(why for why in whys if why))

    @property
    def signed_in(self) -> bool:
        """Return whether there is a credential; whether it is accepted only a call can tell."""
        return self._kept is not None

    @property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that stand for the account, "" when not signed in.

        They stay the same when tokens are renewed. Tokens that do not tell whose they are stand for
        the sign-in that brought them.
        """
        kept = self._kept
        if kept is None:
            return ""
        if isinstance(kept.credential, ApiKey):
            return fingerprint(self.host.url, "key", kept.credential.key.reveal())
        return fingerprint(self.host.url, "owner", owner(kept.credential.access) or kept.mark)

    def secrets(self) -> tuple[Secret, ...]:
        """Return everything that must not be shown."""
        match self._kept.credential if self._kept else None:
            case ApiKey(key=key):
                return (key,)
            case Tokens(access=access, refresh=refresh):
                return (access, refresh) if refresh else (access,)
            case None:
                return ()

    def describe(self) -> SignInStatus:
        """Return how the account is signed in."""
        kept = self._kept
        if kept is None:
            return SignInStatus("none", self._why)
        if isinstance(kept.credential, ApiKey):
            return SignInStatus("api-key", kept.credential.source, kept.made)
        tokens = kept.credential
        theirs = isinstance(self._shelf, BasicMemoryLogin)
        over = self._over == tokens
        return SignInStatus(
            how="basic-memory" if theirs else "login",
            source=kept.mark if theirs else "bm-sync login",
            made=kept.made,
            expires=min(tokens.expires_at, time.time()) if over else tokens.expires_at,
            renewable=tokens.refresh is not None and not over,
        )

    async def bearer(self, http: httpx.AsyncClient) -> Secret:
        """Return what goes after `Bearer`; an access token about to end is renewed first.

        Raises SignInError when there is none or the session is over. A sign-in service that does
        not answer is an error (CloudError) only when the token has really ended.
        """
        kept = self._need()
        if isinstance(kept.credential, ApiKey):
            return kept.credential.key
        if kept.credential.fresh(time.time()):
            return kept.credential.access
        try:
            return await self._renew(http, kept.credential)
        except SignInError:
            raise
        except CloudError:
            if kept.credential.fresh(time.time(), leeway_s=0):
                return kept.credential.access
            raise

    async def renewed(self, http: httpx.AsyncClient, refused: Secret) -> Secret:
        """Return another bearer than one that the service answered with 401.

        Raises SignInError when there is no other, CloudError when there may be one later.
        """
        kept = self._need()
        if isinstance(kept.credential, ApiKey):
            if kept.credential.key != refused:
                return kept.credential.key
            source = kept.credential.source
            # a key in the environment counts before every sign-in
            before = "put another key there, or take it out and " if source == KEY_VARIABLE else ""
            raise signed_out(self.host, f"the API key from {source} was refused", before)
        if kept.credential.access != refused:
            return kept.credential.access
        return await self._renew(http, kept.credential)

    async def _renew(self, http: httpx.AsyncClient, old: Tokens) -> Secret:
        async with keeping.locked(self._lock):
            known = self._reread(old)
            if known is None and self._over == old:
                raise signed_out(self.host, "the session has ended")
            if known is None:
                known = await _to_its_end(self._refreshed(http))
            self._kept = known
            assert isinstance(known.credential, Tokens)  # noqa: S101 - only those are renewed
            return known.credential.access

    def _reread(self, old: Tokens) -> StoredLogin | None:
        """Return the sign-in that another process has renewed meanwhile; None when none has."""
        now = self._on_disk()
        self._kept = now
        if now is None:
            raise signed_out(self.host, "somebody signed out meanwhile")
        if isinstance(now.credential, ApiKey):
            raise signed_out(self.host, "somebody signed in with an API key; run this again")
        changed = now.credential.access != old.access and now.credential.fresh(time.time())
        return now if changed else None

    async def _refreshed(self, http: httpx.AsyncClient) -> StoredLogin:
        kept = self._need()
        assert isinstance(kept.credential, Tokens)  # noqa: S101 - looked at by `_reread`
        assert self._shelf is not None  # noqa: S101 - tokens come from a file
        from bm_sync.cloud import oauth  # a run whose token is fresh speaks to nobody

        try:
            tokens = await oauth.refresh(http, kept.host, kept.credential)
        except oauth.EndedError:
            # Basic Memory refreshes without our lock, so it may have been faster
            other = self._on_disk()
            if other and isinstance(other.credential, Tokens) and other != kept:
                return other
            self._over = kept.credential
            raise signed_out(self.host, "the session has ended") from None
        after = replace(kept, credential=tokens)
        self._shelf.write(after)
        return after

    def _on_disk(self) -> StoredLogin | None:
        assert self._shelf is not None  # noqa: S101 - tokens come from a file
        try:
            return self._shelf.read(self.host)
        except DamagedError as e:
            raise signed_out(self.host, e.what) from e

    def _need(self) -> StoredLogin:
        if self._kept is None:
            raise signed_out(self.host, self._why)
        return self._kept


def _of_basic_memory(host: Host, env: Mapping[str, str], lock: Path) -> Account:
    """Return the account that Basic Memory uses, its key before its sign-in, as it does itself."""
    own = declared(env)
    if not own.readable and not env.get("BASIC_MEMORY_CLOUD_HOST"):
        config = basic_memory_dir(env) / "config.json"
        why = f"{config} is damaged, so nobody knows where its sign-in is for"
        return Account(host, None, None, lock, why)
    if own.api_key and sendable(own.api_key):
        return Account(host, _by_key(own.api_key, "Basic Memory's config.json", host), None, lock)
    shelf = BasicMemoryLogin(basic_memory_dir(env) / TOKEN_FILE)
    if shelf.file.is_file():
        files.check(shelf.file, env)
    try:
        kept = shelf.read(host)
    except DamagedError as e:
        return Account(host, None, None, lock, e.what)
    return Account(host, kept, shelf if kept else None, lock)


def _by_key(key: str, source: str, host: Host) -> StoredLogin:
    if not sendable(key):
        raise UsageError(f"the API key in {source} has characters that no key has")
    return StoredLogin(ApiKey(Secret(key), source), host, mark=source)


async def _to_its_end(work: Coroutine[object, object, T]) -> T:
    """Let a refresh end although its task is cancelled, under a bound.

    The service has perhaps retired the old token already; the new one must not get lost.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_looked_at)
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=_GRACE_S)
        task.cancel()
        raise


def _looked_at(task: asyncio.Task[T]) -> None:
    """Take note of how an abandoned refresh ended, or asyncio complains that nobody did."""
    if not task.cancelled():
        task.exception()
