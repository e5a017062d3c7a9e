"""Where the service is: its address, the address that signs in, and what Basic Memory has declared.

Basic Memory's own files are read here and never written. Names, defaults and the order in which
they count are those of basic-memory 0.24 (config.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct

from bm_sync import files
from bm_sync.errors import UsageError
from bm_sync.paths import basic_memory_dir

DEFAULT_HOST = "https://cloud.basicmemory.com"
DEFAULT_DOMAIN = "https://eloquent-lotus-05.authkit.app"
DEFAULT_CLIENT_ID = "client_01K6KWQPW6J1M8VV7R3TZP5A6M"
DEFAULT_STORAGE = "https://fly.storage.tigris.dev"

_MAX_CONFIG = 4 << 20  # bytes
_PORTS = {"https": 443, "http": 80}


class Host(Struct, frozen=True):
    """One service: its address, the address that signs in (`domain`), and the client's id there."""

    url: str
    domain: str
    client_id: str

    @property
    def name(self) -> str:
        """Return the address as a person reads it, without the scheme of all."""
        return self.url.removeprefix("https://")


class Declared(Struct, frozen=True):
    """What Basic Memory's `config.json` says; `readable` is False when it is there and damaged."""

    host: str | None = None
    domain: str | None = None
    client_id: str | None = None
    api_key: str | None = None
    readable: bool = True


def host_of(url: str | None, env: Mapping[str, str]) -> Host:
    """Return the service at `url`; without one, that which Basic Memory uses here.

    Raises UsageError for an address that a token must not be sent to.
    """
    own = declared(env)
    home = _first(env.get("BASIC_MEMORY_CLOUD_HOST"), own.host, DEFAULT_HOST)
    domain = _first(env.get("BASIC_MEMORY_CLOUD_DOMAIN"), own.domain, DEFAULT_DOMAIN)
    client = _first(env.get("BASIC_MEMORY_CLOUD_CLIENT_ID"), own.client_id, DEFAULT_CLIENT_ID)
    return Host(address(url or home), address(domain), client)


def declared(env: Mapping[str, str]) -> Declared:
    """Return what `config.json` says; a missing or damaged one says nothing.

    Raises OthersFileError for one that is in the hands of others: it says where tokens are sent.
    """
    try:
        said = json.loads(files.read(basic_memory_dir(env) / "config.json", _MAX_CONFIG, env))
    except FileNotFoundError:
        return Declared()
    except files.OthersFileError:
        raise
    except (OSError, ValueError, RecursionError, files.RefusedFileError):
        return Declared(readable=False)
    if not isinstance(said, dict):
        return Declared(readable=False)
    keys = ("cloud_host", "cloud_domain", "cloud_client_id", "cloud_api_key")
    host, domain, client_id, api_key = (_text(said.get(key)) for key in keys)
    return Declared(host, domain, client_id, api_key)


def address(url: str) -> str:
    """Return an address in the one form that is compared: no slash at its end, no usual port.

    A bare name means https. Raises UsageError unless it is https, or http on this machine.
    """
    full = url if "://" in url else f"https://{url}"
    try:
        parts = urlsplit(full.strip())
        port = parts.port
    except ValueError:
        raise _refused(url, "it is not a URL") from None
    host = parts.hostname or ""
    if not host or not full.isascii() or any(c in full for c in " \t\r\n\\?#\x7f"):
        raise _refused(url, "it is not a plain address of a server")
    if parts.username is not None or parts.password is not None:
        raise _refused(url, "there is a user or a password in it")
    if parts.scheme not in _PORTS or (parts.scheme == "http" and not on_this_machine(host)):
        raise _refused(url, "it is not https, and everybody on the way could read the token")
    shown = f"[{host}]" if ":" in host else host
    tail = "" if port in {None, _PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{shown}{tail}{parts.path.rstrip('/')}"


def on_this_machine(host: str) -> bool:
    """Return whether the name or number of a host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(url: str, why: str) -> UsageError:
    # what stands before an @ may be a password
    shown = url.rpartition("@")[2]
    return UsageError(
        f"{shown} cannot be the address of the cloud: {why}",
        hint="write it like https://cloud.example.com",
    )


def _first(*values: str | None) -> str:
    return next(value for value in values if value)


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
