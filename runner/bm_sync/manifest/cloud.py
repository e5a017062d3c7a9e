"""Builds remotes that are workspaces of Basic Memory Cloud, and judges their addresses. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Literal, cast
from urllib.parse import urlsplit

from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Mapping, Scalar
from bm_sync.manifest.shown import quoted
from bm_sync.manifest.values import Surroundings, is_broken, text
from bm_sync.model.config import CLOUD_STORAGE, CLOUD_TYPE, CloudRemote, Project
from bm_sync.model.permalink import permalink

__all__ = ["CLOUD_TYPE", "build_cloud", "wrong_cloud_path", "wrong_url"]


def build_cloud(name: str, key: Scalar, node: Mapping, around: Surroundings) -> CloudRemote | None:
    """Return a workspace of Basic Memory Cloud; None when it is refused (reported)."""
    host, storage = _url(node, "host", around), _url(node, "storage", around)
    if host is False or storage is False or is_broken(node.get("transport")):
        return None
    return CloudRemote(
        name=name,
        host=host,
        workspace=text(node, "workspace"),
        transport=cast(Literal["auto", "s3", "webdav"], text(node, "transport") or "auto"),
        storage=storage or CLOUD_STORAGE,
        origin=around.origin(key.spot),
    )


def wrong_url(url: str) -> str | None:
    """Return why an address must not be used, None when it may.

    Tokens and keys go there: only https, but to this machine.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is not a URL"
    checks = (
        (parts.scheme not in {"https", "http"} or not host, "it does not begin with https://"),
        (not url.isascii() or any(c.isspace() or c in "\\\x7f" for c in url), "it is not a URL"),
        (parts.username is not None or parts.password is not None, "it has a user in it"),
        (bool(parts.query or parts.fragment or url.endswith(("?", "#"))), "it has a ? or # in it"),
        (
            parts.scheme == "http" and not _is_here(host or ""),
            "http is read by everybody on the way; it is for this machine only",
        ),
    )
    return next((sentence for found, sentence in checks if found), None)


def wrong_cloud_path(project: Project) -> str | None:
    """Return why a project cannot stand on Basic Memory Cloud so, None when it can or is not."""
    if not isinstance(project.remote, CloudRemote):
        return None
    if not project.path:
        return "a project of Basic Memory Cloud has a name there"
    if not permalink(project.path):
        return "a name there has a letter or a digit"
    return "it is the name of one project there" if "/" in project.path else None


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _url(node: Mapping, key: str, around: Surroundings) -> str | Literal[False] | None:
    """Return an address without a slash at its end, None when there is none, False when refused."""
    said = node.get(key)
    if is_broken(said):
        return False
    if not isinstance(said, Scalar) or said.value is None:
        return None
    url = str(said.value)
    wrong = wrong_url(url)
    if wrong is None:
        return url.rstrip("/")
    what = f"{quoted(url)} cannot be the {key}: {wrong}"
    around.report.error(Code.ADDRESS, said.spot, what, "write it like https://cloud.example.com")
    return False
