"""Make remotes known to the daemon, in its memory only, and name roots on them.

Secrets are read here. Nothing is written to any configuration file.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct

from bm_sync import files
from bm_sync.backends import Mark, table, variables
from bm_sync.errors import UsageError
from bm_sync.model.config import BackendRemote, NamedRemote
from bm_sync.paths import home_dir
from bm_sync.rclone.names import to_standard, usable
from bm_sync.secret import Secret, resolve
from bm_sync.structs import replace

LOCAL = "bm-sync-local"
DECLARED = "bm-sync-remote-{}"
LOCAL_TYPE = "local"
S3_TYPE = "s3"
CONFIG_DUMP_TIMEOUT_S = 60.0
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_HOW_USED = re.compile(r":(ro|nc|writeback)\Z")
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    # Raw: a file name is bytes, and every one must come through unharmed
    LOCAL_TYPE: {"encoding": "Raw"},
    "s3": {
        "no_check_bucket": "true",  # else a misspelt bucket is created
        "no_head": "true",  # one listing verifies an upload, not one HEAD for each file
        "encoding": "Slash,InvalidUtf8,Dot,Ctl,BackSlash,DoubleQuote",
    },
    "webdav": {"pacer_min_sleep": "1ms"},  # the default of 10 ms is 100 calls a second
}


@dataclass(frozen=True, slots=True)
class Fs:
    """A root on a remote, or a folder below it.

    `root` is what rclone is given: it ends in `/`, but for the top of a remote (`name:`). `label`
    is for a person, `type` the backend's name, `name` the remote's in the manifest. `opener` opens
    a file of a folder of this machine, for who does not go through rclone. `opaque`: what rclone
    takes for the MD5 of an object is none, as on S3 buckets that encrypt with KMS keys.
    """

    name: str
    type: str
    root: str
    label: str
    opener: Callable[[str], int] | None = field(default=None, compare=False, repr=False)
    opaque: bool = False

    def at(self, path: str) -> Fs:
        """Return the folder `path` below this root; "" is the root itself."""
        if not path:
            return self
        check_path(path)
        joint = "" if self.label.endswith((":", "/")) else "/"
        return replace(
            self,
            root=f"{self.root}{to_standard(path)}/",
            label=f"{self.label}{joint}{path}",
            opener=None,
        )


class Definition(Struct, frozen=True):
    """One remote as `config/create` takes it; `obscure`: passwords are in clear.

    `headers` go with every request to it.
    """

    name: str
    type: str
    options: tuple[tuple[str, str | Secret], ...]
    obscure: bool
    headers: tuple[tuple[str, str], ...] = ()

    def parameters(self) -> dict[str, str]:
        """Return the options with the secrets in clear, for the socket only."""
        return {k: v.reveal() if isinstance(v, Secret) else v for k, v in self.options}

    def call(self) -> dict[str, Any]:
        """Return the parameters of config/create."""
        return {
            "name": self.name,
            "type": self.type,
            "parameters": self.parameters(),
            "opt": {"nonInteractive": True, "obscure": self.obscure, "noObscure": not self.obscure},
        }

    @property
    def variables(self) -> frozenset[str]:
        """Return how the variables begin that the remote takes credentials from."""
        return variables(self.type, self.parameters().items())

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Return what must never show."""
        return tuple(v for _, v in self.options if isinstance(v, Secret))


def local_definition() -> Definition:
    """Return the remote through which folders of this machine are reached."""
    return Definition(LOCAL, LOCAL_TYPE, tuple(_DEFAULTS[LOCAL_TYPE].items()), obscure=False)


def local_fs(root: Path, *, follow: bool = False, descriptor: int | None = None) -> Fs:
    """Return a folder of this machine; `root` is absolute, `follow`: through symbolic links.

    `descriptor`: it is reached as this process holds it open (Linux), whatever its name leads to.
    """
    text = str(root)
    if not root.is_absolute() or "\0" in text:
        raise UsageError(f"not an absolute path: {ascii(text)[1:-1]}")
    inner = text.strip("/")
    path = f"/{to_standard(inner)}/" if inner else "/"
    if descriptor is not None:
        path = f"{descriptor_path(descriptor)}/"
    name = f"{LOCAL},copy_links=true" if follow else LOCAL
    return Fs(LOCAL, LOCAL_TYPE, f"{name}:{path}", text)


def descriptor_path(descriptor: int) -> str:
    """Return under which name other programs of this user reach what is open here (Linux)."""
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def named(text: str) -> str:
    """Return a sentence of rclone with the names of open folders in the place of descriptors."""

    def name(found: re.Match[str]) -> str:
        with suppress(OSError):
            return str(Path(found[0]).readlink())
        return found[0]

    return re.sub(rf"/proc/{os.getpid()}/fd/\d+", name, text)


def declared(remote: BackendRemote, name: str, env: Mapping[str, str]) -> Definition:
    """Return a remote of the manifest with its secrets resolved; `name` is for the daemon."""
    options: dict[str, str | Secret] = dict(_DEFAULTS.get(remote.type, {}))
    for key, value in remote.options:
        found = value if isinstance(value, str) else resolve(value, env)
        text = found if isinstance(found, str) else found.reveal()
        _check_value(remote, key, text)
        _check_file(remote, key, text, env)
        options[key] = found
    return Definition(name, remote.type, tuple(options.items()), obscure=True)


def declared_fs(remote: BackendRemote | NamedRemote, name: str, kind: str) -> Fs:
    """Return the root of a remote that the daemon knows as `name`."""
    if remote.root:
        check_path(remote.root)
    if any(c in remote.root for c in "\r\n"):
        raise UsageError(f"{remote.origin}: the root of remote {remote.name} holds a line break")
    path = f"{to_standard(remote.root)}/" if remote.root else ""
    return Fs(remote.name, kind, f"{name}:{path}", f"{remote.name}:{remote.root}")


def members(definitions: Iterable[Definition]) -> tuple[str, ...]:
    """Return the roots that unions among some remotes are made of, as rclone takes them.

    rclone 1.75 tells what a union holds without those of its members that do not answer.
    """
    unions = (dict(d.options).get("upstreams") for d in definitions if d.type == "union")
    rows = (csv.reader([text], delimiter=" ") for text in unions if isinstance(text, str))
    return tuple(_HOW_USED.sub("", root) for row in rows for cells in row for root in cells if root)


def check_path(path: str) -> None:
    """Refuse a path that leads out of its root; raises UsageError."""
    if not all(map(usable, path.split("/"))):
        raise UsageError(f"not a path below a root: {ascii(path)[1:-1]}")


def _check_file(remote: BackendRemote, key: str, value: str, env: Mapping[str, str]) -> None:
    """Hold a file that an option names to the rule of `files`; one that is missing rclone tells of.

    rclone puts in the home folder and variables of the environment.
    """
    option = table().get(remote.type, {}).get(key)
    if not value or option is None or Mark.FILE not in option.marks:
        return
    home = str(home_dir(env))
    file = Path("/", _VARIABLE.sub(lambda use: env.get(use[1] or use[2], ""), value))
    if value == "~" or value.startswith("~/"):
        file = Path(home, value[2:])
    try:
        files.check(file, env, regular=False)
    except files.RefusedFileError as e:
        what = f"{remote.origin}: the file that the option {key} of remote {remote.name} names"
        raise UsageError(f"{what} is not used: {e.reason}", hint=e.hint) from e
    except OSError:
        return


def _check_value(remote: BackendRemote, key: str, value: str) -> None:
    if any(c in value for c in "\0\r\n"):
        raise UsageError(
            f"{remote.origin}: the option {key} of remote {remote.name} holds a line break or NUL"
        )
