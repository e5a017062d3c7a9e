"""Builds remotes, and refuses names and options that rclone would take for something else."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bm_sync.manifest.cloud import build_cloud
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Mapping, Node, Scalar, kind
from bm_sync.manifest.places import (
    absolute,
    local_folder,
    remote_path,
    wrong_file,
    wrong_place,
)
from bm_sync.manifest.secret_names import looks_secret
from bm_sync.manifest.secrets import has_password, only_variable
from bm_sync.manifest.shown import did_you_mean, quoted
from bm_sync.manifest.values import Surroundings, group
from bm_sync.model.config import (
    CLOUD_TYPE,
    BackendRemote,
    FolderRemote,
    NamedRemote,
    OptionValue,
    Remote,
    SecretRef,
)

# `rclone config providers`, rclone 1.75.2; names with a space by their prefix.
BACKENDS = frozenset(
    """
    alias archive azureblob azurefiles b2 box cache chunker cloudinary combine compress crypt
    doi drime drive dropbox fichier filefabric filelu filen filescom ftp gcs gofile gphotos
    hasher hdfs hidrive http huaweidrive iclouddrive imagekit internetarchive internxt
    jottacloud koofr linkbox mailru mega memory netstorage onedrive oos opendrive
    oracleobjectstorage pcloud pikpak pixeldrain premiumizeme protondrive putio qingstor quatrix
    s3 seafile sftp shade sharefile sia smb storj sugarsync swift ulozto union webdav yandex
    zoho
    """.split()  # noqa: SIM905 - seventy names are read better as text
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
# Options that make rclone start a program on this machine.
_RUNS_COMMAND = frozenset({("sftp", "ssh"), ("webdav", "bearer_token_command")})
_NAME_IN_CONF = re.compile(r"[\w.+@](?:[\w.+@ -]*[\w.+@-])?")
_CONNECTION = re.compile(r'[:,="\n]')
_ON_THE_FLY = re.compile(r'(^|[\s=])"?:|^[^:/]*,')


def build_remotes(declared: Mapping, around: Surroundings) -> dict[str, Remote]:
    """Return the remotes by name, without those that were refused."""
    built: dict[str, Remote] = {}
    for name, entry in declared.entries.items():
        if isinstance(entry.value, Mapping):
            remote = _remote(name, entry.key, entry.value, around)
            if remote is not None:
                built[name] = remote
    return built


def runs_program(remote: BackendRemote) -> bool:
    """Whether an option makes rclone start a program on this machine."""
    return any((remote.type, name) in _RUNS_COMMAND for name, _ in remote.options)


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
    return None if root is None else NamedRemote(name, word, root, around.origin(key.spot))


def _backend(name: str, key: Scalar, node: Mapping, around: Surroundings) -> BackendRemote | None:
    root = _root(node, around)
    said = node.get("type")
    options = _options(node, around)
    if not isinstance(said, Scalar) or not _is_backend(said, around) or root is None:
        return None
    return BackendRemote(name, str(said.value), options, root, around.origin(key.spot))


def _is_backend(said: Scalar, around: Surroundings) -> bool:
    word = str(said.value)
    if word in BACKENDS:
        return True
    if _CONNECTION.search(word):
        what = f"{quoted(word)} is not the name of a backend"
        hint = "write the name alone, such as sftp; its options go to options"
        around.report.error(Code.CONNECTION_STRING, said.spot, what, hint)
        return False
    renamed = _RENAMED.get(word.casefold())
    near = f"write {renamed}" if renamed else did_you_mean(word, [*BACKENDS, "local", CLOUD_TYPE])
    hint = near or "local for a folder, or a backend of rclone"
    around.report.error(Code.BACKEND, said.spot, f"rclone has no backend {quoted(word)}", hint)
    return False


def _root(node: Mapping, around: Surroundings) -> str | None:
    said = node.get("root")
    if said is None:
        return ""
    return remote_path(said, around, "a root") if isinstance(said, Scalar) else None


def _options(node: Mapping, around: Surroundings) -> tuple[tuple[str, OptionValue], ...]:
    said = node.get("type")
    backend = str(said.value) if isinstance(said, Scalar) else ""
    options: list[tuple[str, OptionValue]] = []
    for name, entry in group(node, "options").entries.items():
        value = _option(name, entry.value, around)
        if value is not None:
            options.append((name, value))
        if (backend, name) in _RUNS_COMMAND:
            what = f"the option {name} makes rclone run a program on this machine"
            hint = "keep it only if you wrote it"
            around.report.warning(Code.RUNS_COMMAND, entry.key.spot, what, hint)
    return tuple(options)


def _option(name: str, node: Node, around: Surroundings) -> OptionValue | None:
    match node:
        case Mapping():
            return secret_ref(node, around)
        case Scalar(value=bool() as value):
            return "true" if value else "false"
        case Scalar():
            return _option_text(name, node, around)
        case _:
            return None


def _option_text(name: str, said: Scalar, around: Surroundings) -> str | None:
    text = said.value if isinstance(said.value, str) else said.raw
    if "\n" in text or "\0" in text:
        what = f"the option {name} has a line break or a null character in it"
        around.report.error(Code.MALFORMED, said.spot, what, "write it in one line")
        return None
    if name in {"remote", "upstreams"} and _ON_THE_FLY.search(text):
        what = f"the option {name} declares a remote on the fly"
        hint = "name a remote of your rclone.conf, such as gdrive:notes"
        around.report.error(Code.CONNECTION_STRING, said.spot, what, hint)
        return None
    wrong = _wrong_folder(text) if name in {"remote", "upstreams"} else None
    if wrong is not None:
        around.report.error(Code.LOCAL_PATH, said.spot, f"the option {name}: {wrong[0]}", wrong[1])
        return None
    if text and (has_password(text) or looks_secret(name)):
        _warn_plain(name, said, around)
    return text


def _wrong_folder(text: str) -> tuple[str, str | None] | None:
    """Return why a folder of this machine cannot be what a remote is built on."""
    words = (word.strip('"').rpartition("=")[2] for word in text.split())
    folders = (Path(os.path.normpath(word)) for word in words if word.startswith("/"))
    return next((wrong for folder in folders if (wrong := wrong_place(folder))), None)


def _warn_plain(name: str, said: Scalar, around: Surroundings) -> None:
    variable = only_variable(said)
    if not looks_secret(name):
        what = f"the URL in {name} has a password in it"
        hint = "write the password apart: pass: {env: NAME}"
    elif variable is None or variable in around.variables:
        what = f"the secret {name} is written in plain text"
        hint = "write {env: NAME}, {file: PATH} or {command: TEXT}"
    else:
        what = f"the secret {name} is put in as text when the manifest is read"
        hint = f"write {{env: {variable}}}"
    around.report.warning(Code.PLAIN_SECRET, said.spot, what, hint)


def secret_ref(node: Mapping, around: Surroundings) -> SecretRef | None:
    """Return a reference to a secret; None when it is broken or refused (reported)."""
    (form, entry), *_ = node.entries.items()
    said = entry.value
    if not isinstance(said, Scalar) or kind(said) != "string":
        return None
    text, origin = str(said.value), around.origin(entry.key.spot)
    match form:
        case "env":
            return SecretRef("env", text, origin)
        case "file":
            wrong = wrong_file(text)
            if wrong is None:
                return SecretRef("file", str(absolute(said, around)), origin)
            around.report.error(Code.LOCAL_PATH, said.spot, f"{quoted(text)}: {wrong}")
            return None
        case _:
            return SecretRef("command", text, origin)
