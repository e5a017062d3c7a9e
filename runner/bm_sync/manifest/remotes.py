"""Builds remotes, and refuses names and options that rclone would take for something else."""

from __future__ import annotations

import re

from bm_sync.manifest.cloud import build_cloud
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Mapping, Scalar
from bm_sync.manifest.places import local_folder, remote_path
from bm_sync.manifest.shown import did_you_mean, quoted
from bm_sync.manifest.values import Surroundings
from bm_sync.model.config import (
    CLOUD_TYPE,
    BackendRemote,
    FolderRemote,
    NamedRemote,
    Remote,
)

_RENAMED = {
    "google cloud storage": "gcs",
    "google photos": "gphotos",
    "tardigrade": "storj",
    "folder": "local",
    "file": "local",
    "basic memory cloud": CLOUD_TYPE,
    "basicmemory": CLOUD_TYPE,
    "bm-cloud": CLOUD_TYPE,
}
_NAME_IN_CONF = re.compile(r"[\w.+@](?:[\w.+@ -]*[\w.+@-])?")
_CONNECTION = re.compile(r'[:,="\n]')


def build_remotes(declared: Mapping, around: Surroundings) -> dict[str, Remote]:
    """Return the remotes by name, without those that were refused."""
    built: dict[str, Remote] = {}
    for name, entry in declared.entries.items():
        if isinstance(entry.value, Mapping):
            remote = _remote(name, entry.key, entry.value, around)
            if remote is not None:
                built[name] = remote
    return built


def _remote(name: str, key: Scalar, node: Mapping, around: Surroundings) -> Remote | None:
    if "rclone" in node.entries:
        return _named(name, key, node, around)
    said = node.get("type")
    if not isinstance(said, Scalar):
        return None
    if said.value == "local":
        root = node.get("root")
        path = local_folder(root, around, "root") if isinstance(root, Scalar) else None
        return None if path is None else FolderRemote(name, path)
    if said.value == CLOUD_TYPE:
        return build_cloud(name, key, node, around)
    return _backend(name, key, node, around)


def _named(name: str, key: Scalar, node: Mapping, around: Surroundings) -> NamedRemote | None:
    said = node.get("rclone")
    root = _root(node, around)
    if not isinstance(said, Scalar):
        return None
    word = str(said.value)
    if not _NAME_IN_CONF.fullmatch(word):
        what = f"{quoted(word)} is not the name of a remote in rclone.conf"
        hint = "write the name alone, without colon, path and options; the path goes to root"
        around.report.error(Code.CONNECTION_STRING, said.spot, what, hint)
        return None
    variable = f"RCLONE_CONFIG_{word.upper()}_TOKEN"
    if variable in around.env:
        what = f"rclone renews the token in {variable} by use, and cannot keep a new one there"
        hint = "keep the token in rclone.conf, and the variable away from this command"
        around.report.warning(Code.RENEWED, said.spot, what, hint)
    return None if root is None else NamedRemote(name, word, root, around.origin(key.spot))


def _backend(name: str, key: Scalar, node: Mapping, around: Surroundings) -> BackendRemote | None:
    from bm_sync.manifest.options import build_options

    root = _root(node, around)
    said = node.get("type")
    options = build_options(name, node, around)
    if not isinstance(said, Scalar) or not _is_backend(said, around) or root is None:
        return None
    return BackendRemote(name, str(said.value), options, root, around.origin(key.spot))


def _is_backend(said: Scalar, around: Surroundings) -> bool:
    word = str(said.value)
    if word not in _RENAMED and around.backends.options(word) is not None:
        return True
    if _CONNECTION.search(word):
        what = f"{quoted(word)} is not the name of a backend"
        hint = "write the name alone, such as sftp; its options go to options"
        around.report.error(Code.CONNECTION_STRING, said.spot, what, hint)
        return False
    from bm_sync.backends import table

    renamed = _RENAMED.get(word.casefold())
    near = f"write {renamed}" if renamed else did_you_mean(word, [*table(), "local", CLOUD_TYPE])
    hint = near or "local for a folder, or a backend of rclone"
    around.report.error(Code.BACKEND, said.spot, f"rclone has no backend {quoted(word)}", hint)
    return False


def _root(node: Mapping, around: Surroundings) -> str | None:
    said = node.get("root")
    if said is None:
        return ""
    return remote_path(said, around, "a root") if isinstance(said, Scalar) else None
