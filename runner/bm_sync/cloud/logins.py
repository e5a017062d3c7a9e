"""The sign-ins that are kept on this disk: our own, one for each host, and Basic Memory's.

Nothing here speaks to the service. A damaged file is a sentence, never a traceback, and is left as
it is until a person signs in again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync.cloud import keeping
from bm_sync.cloud.places import Host
from bm_sync.cloud.tokens import ApiKey, Tokens, as_file, sendable, stored
from bm_sync.errors import BmSyncError
from bm_sync.secret import Secret

VERSION = 1
TOKEN_FILE = "basic-memory-cloud.json"  # noqa: S105 - its name, not a token
OURS = "bm-sync login"


class StoredLogin(Struct, frozen=True):
    """A sign-in as it was kept.

    `host` says where it was made and is refreshed. `mark` tells it from others when its tokens do
    not tell whose they are. `made` is in unix seconds, None where that is not known.
    """

    credential: ApiKey | Tokens
    host: Host
    mark: str
    made: float | None = None


class DamagedError(BmSyncError):
    """A file with a sign-in cannot be understood; as good as not signed in."""


def own_file(state_dir: Path) -> Path:
    """Return the file of our own sign-ins."""
    return state_dir / "cloud" / "login.json"


def lock_file(state_dir: Path) -> Path:
    """Return the lock under which sign-ins are changed, ours and Basic Memory's."""
    return state_dir / "cloud" / "login.lock"


class OwnLogins(Struct, frozen=True):
    """What `bm-sync login` keeps. Changes are made under the lock, by the caller."""

    file: Path

    def read(self, host: Host) -> StoredLogin | None:
        """Return the sign-in at a host; raises DamagedError."""
        entry = self._all().get(host.url)
        if entry is None:
            return None
        try:
            return _kept(entry, host)
        except (ValueError, TypeError, KeyError):
            raise _damaged(self.file) from None

    def write(self, kept: StoredLogin) -> None:
        """Keep a sign-in; a damaged file is begun anew."""
        try:
            logins = self._all()
        except DamagedError:
            logins = {}
        self._write({**logins, kept.host.url: _entry(kept)})

    def forget(self, host: Host) -> bool:
        """Forget the sign-in at a host, in a damaged file all; return whether there was one."""
        try:
            logins = self._all()
        except DamagedError:
            return keeping.remove(self.file)
        if host.url not in logins:
            return False
        del logins[host.url]
        if logins:
            self._write(logins)
            return True
        return keeping.remove(self.file)

    def _all(self) -> dict[str, object]:
        data = keeping.read(self.file)
        if data is None:
            return {}
        logins = _object(data, self.file).get("logins")
        if not isinstance(logins, dict):
            raise _damaged(self.file)
        return logins

    def _write(self, logins: Mapping[str, object]) -> None:
        text = json.dumps({"version": VERSION, "logins": logins}, indent=1)
        keeping.replace(self.file, text.encode())


class BasicMemoryLogin(Struct, frozen=True):
    """The sign-in of Basic Memory itself, in its own file, used and refreshed as it is."""

    file: Path

    def read(self, host: Host) -> StoredLogin | None:
        """Return the sign-in; it is one at `host`. Raises DamagedError."""
        data = keeping.read(self.file)
        if data is None:
            return None
        try:
            tokens = stored(_object(data, self.file))
        except (ValueError, TypeError):
            raise _damaged(self.file) from None
        return StoredLogin(tokens, host, mark=str(self.file))

    def write(self, kept: StoredLogin) -> None:
        """Write refreshed tokens back, in the same shape, with whatever else the file holds."""
        if not isinstance(kept.credential, Tokens):
            raise TypeError("Basic Memory keeps its keys elsewhere")
        data = keeping.read(self.file)
        before = _object(data, self.file) if data is not None else {}
        text = json.dumps({**before, **as_file(kept.credential)}, indent=2)
        keeping.replace(self.file, text.encode())


Shelf = OwnLogins | BasicMemoryLogin


def kept_now(credential: ApiKey | Tokens, host: Host, mark: str) -> StoredLogin:
    """Return a sign-in that was made just now."""
    return StoredLogin(credential, host, mark, made=time.time())


def _entry(kept: StoredLogin) -> dict[str, object]:
    common: dict[str, object] = {
        "domain": kept.host.domain,
        "client_id": kept.host.client_id,
        "mark": kept.mark,
        "made": int(kept.made) if kept.made is not None else None,
    }
    if isinstance(kept.credential, ApiKey):
        return {"api_key": kept.credential.key.reveal(), **common}
    return {**as_file(kept.credential), **common}


def _kept(entry: object, host: Host) -> StoredLogin:
    if not isinstance(entry, dict):
        raise TypeError("an entry is no object")
    domain, client_id, mark = (_text(entry[key]) for key in ("domain", "client_id", "mark"))
    made = entry.get("made")
    where = Host(host.url, domain, client_id)
    known = made if isinstance(made, int | float) else None
    if "api_key" not in entry:
        return StoredLogin(stored(entry), where, mark, known)
    key = _text(entry["api_key"])
    if not sendable(key):
        raise ValueError("the key has characters that no key has")
    return StoredLogin(ApiKey(Secret(key), OURS), where, mark, known)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _object(data: bytes, file: Path) -> dict[str, object]:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise _damaged(file) from None
    if not isinstance(said, dict):
        raise _damaged(file)
    return said


def _damaged(file: Path) -> DamagedError:
    # raised without its cause, which may quote what is in the file
    return DamagedError(f"{file} is damaged, as after a crash while it was written")
