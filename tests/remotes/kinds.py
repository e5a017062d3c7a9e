"""Every kind of remote as a manifest declares it, and a way to look at it without bm-sync.

Those behind rclone are sections of the user's own rclone.conf, so that rclone itself, as another
program, shows and changes what stands there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import any_key_s3
import pytest
import servers
import standin_server
from any_key_s3 import Habits
from two_machines import Machine, files_in

from bm_sync.model.config import BUILT_IN, CloudRemote, FolderRemote, NamedRemote
from bm_sync.rclone.binary import find

RCLONE = str(find(None, os.environ).path)
CRYPT_NAME = 143  # bytes of a name that fit after encryption (rclone: crypt, name lengths)


class Far(Protocol):
    """What stands at the place of the project on a remote, without bm-sync."""

    def files(self) -> dict[str, bytes]:
        """Return every file."""

    def put(self, path: str, data: bytes) -> None:
        """Write a file, as another program would."""

    def drop(self, path: str) -> None:
        """Delete a file."""


@dataclass(frozen=True)
class Kind:
    """A remote with a machine that syncs to it; `new` makes another machine.

    `has_folders`: an empty folder stands there. `longest`: bytes of a name. `rounds`: how often to
    try what a remote may do well by chance.
    """

    new: Callable[[str], Machine]
    far: Far
    has_folders: bool = True
    longest: int = 255
    rounds: int = 1


@dataclass(frozen=True)
class FolderFar:
    folder: Path

    def files(self) -> dict[str, bytes]:
        return files_in(self.folder)

    def put(self, path: str, data: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def drop(self, path: str) -> None:
        (self.folder / path).unlink()


@dataclass(frozen=True)
class RcloneFar:
    """A place that rclone reaches by the sections of a rclone.conf."""

    conf: Path
    root: str
    scratch: Path
    stale_s: float = 0.0
    by_chance: bool = False

    def rclone(self, *words: str) -> None:
        """Run rclone."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.scratch)}
        command = [RCLONE, "--config", str(self.conf), "--retries", "1", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)

    def files(self) -> dict[str, bytes]:
        time.sleep(self.stale_s)
        below = self.scratch / "look"
        shutil.rmtree(below, ignore_errors=True)
        below.mkdir(parents=True)
        own = ("--exclude", "/.bm-sync/**", "--ignore-checksum")
        self.rclone("copy", self.root, str(below), *own)
        return files_in(below)

    def put(self, path: str, data: bytes) -> None:
        file = self.scratch / "sent"
        file.write_bytes(data)
        if self.by_chance:  # rclone itself leaves the old version on another member of a union
            with contextlib.suppress(AssertionError):
                self.drop(path)
        self.rclone(
            "copyto", str(file), f"{self.root}/{path}", "--ignore-times", "--ignore-checksum"
        )
        time.sleep(self.stale_s)

    def trash(self) -> dict[str, bytes]:
        """Return every version that is kept on the remote."""
        below = self.scratch / "trash"
        shutil.rmtree(below, ignore_errors=True)
        below.mkdir(parents=True)
        top = self.root.rpartition("/")[0]
        self.rclone("copy", top, str(below), "--include", "/.bm-sync/trash/**", "--ignore-checksum")
        return files_in(below / ".bm-sync/trash")

    def drop(self, path: str) -> None:
        self.rclone("deletefile", f"{self.root}/{path}")
        time.sleep(self.stale_s)


@dataclass(frozen=True)
class TeamFar:
    """A project of a team's workspace of the stand-in."""

    cloud: standin_server.Standin

    def files(self) -> dict[str, bytes]:
        found = self.cloud.files("notes", "team")
        return {p: c for p, c in found.items() if not p.startswith(".bm-sync/")}

    def put(self, path: str, data: bytes) -> None:
        self.cloud.put(f"notes/{path}", data, "team")

    def drop(self, path: str) -> None:
        self.cloud.delete(f"notes/{path}", "team")


def obscured(text: str) -> str:
    """Return a password as rclone.conf has it."""
    words = [RCLONE, "obscure", text]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _section(name: str, **options: str) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items()) + "\n"


def _server(name: str, server: servers.Server) -> str:
    options = dict(server.options)
    if "pass" in options:
        options["pass"] = obscured(options["pass"])
    more = {"no_check_bucket": "true"} if server.type == "s3" else {}
    return _section(name, type=server.type, **options, **more)


def _crypt(name: str, on: str) -> str:
    return _section(name, type="crypt", remote=on, password=obscured("secret"))


def _layers(home: Path) -> Mapping[str, str]:
    """Return remotes that build on others, as sections that declare `far`."""
    raw, one, two = home / "raw", home / "one", home / "two"
    for folder in (raw, one, two):
        folder.mkdir(parents=True)
    both = f"{one} {two}"
    return {
        "crypt": _crypt("far", str(raw)),
        "alias": _section("far", type="alias", remote=str(raw)),
        "chunker": _section("far", type="chunker", remote=str(raw), chunk_size="100B"),
        "compress": _section("far", type="compress", remote=str(raw)),
        "hasher": _section("far", type="hasher", remote=str(raw), hashes="md5"),
        "combine": _section("far", type="combine", upstreams=f"here={one} there={two}"),
        "union": _section("far", type="union", upstreams=both),
        "union at random": _section("far", type="union", upstreams=both, create_policy="rand"),
        "crypt on a union": _crypt("far", "both:")
        + _section("both", type="union", upstreams=both, create_policy="rand"),
        "chunker on a union": _section("far", type="chunker", remote="both:", chunk_size="100B")
        + _section("both", type="union", upstreams=both, create_policy="rand"),
    }


LAYERED = (
    *("crypt", "alias", "chunker", "compress", "hasher", "combine", "union", "union at random"),
    *("crypt on a union", "chunker on a union"),
)
ON_S3 = ("crypt on S3", "chunker on S3", "alias on S3")
SERVERS = ("serve_s3", "seaweedfs", "serve_webdav", "serve_sftp")
STORES = ("S3 with opaque ETags", "S3 with conditions")
ALL = ("folder", *SERVERS, *STORES, *LAYERED, *ON_S3, "crypt on WebDAV", "team")
_ROOTS = {"combine": "here/sub"}
_NAMES = {"crypt": CRYPT_NAME, "compress": 240, "chunker": 200}


@contextlib.contextmanager
def kind_of(name: str, home: Path, request: pytest.FixtureRequest) -> Iterator[Kind]:
    """Make a fresh place on one kind of remote."""
    if name == "folder":
        remote = FolderRemote("shelf", home / "shelf")
        yield Kind(
            lambda host: _machine(Machine(home / host, remote)), FolderFar(home / "shelf/notes")
        )
    elif name == "team":
        yield _team(home, request.getfixturevalue("standin"))
    elif name in STORES:
        habits = Habits(opaque="opaque" in name, conditions=True)
        with any_key_s3.running(habits) as store:
            yield _behind(home, _server("far", store.server), "bucket", has_folders=False)
    else:
        yield _by_name(name, home, request)


def _by_name(name: str, home: Path, request: pytest.FixtureRequest) -> Kind:
    root = f"acts-{home.name}"
    longest = next((most for word, most in _NAMES.items() if word in name), 255)
    if name in LAYERED:
        sections = _layers(home)[name]
        return _behind(home, sections, _ROOTS.get(name, "sub"), longest=longest)
    if name == "crypt on WebDAV":
        server: servers.Server = request.getfixturevalue("serve_webdav")
        sections = _crypt("far", f"below:{root}") + _server("below", server)
        stale_s = servers.REMEMBERED_S
        return _behind(home, sections, "sub", longest=longest, stale_s=stale_s)
    if name in ON_S3:
        server = request.getfixturevalue("serve_s3")
        below, bucket = _server("below", server), f"below:{servers.BUCKET}/{root}"
        layer = {
            "crypt on S3": _crypt("far", bucket),
            "chunker on S3": _section("far", type="chunker", remote=bucket, chunk_size="100B"),
            "alias on S3": _section("far", type="alias", remote=bucket),
        }[name]
        return _behind(home, layer + below, "sub", has_folders=False, longest=longest)
    server = request.getfixturevalue(name)
    stale_s = servers.REMEMBERED_S if name in ("serve_webdav", "serve_sftp") else 0.0
    place = "/".join(part for part in (server.root, root) if part)
    is_s3 = server.type == "s3"
    return _behind(home, _server("far", server), place, has_folders=not is_s3, stale_s=stale_s)


def _behind(home: Path, sections: str, root: str, *, stale_s: float = 0.0, **traits: Any) -> Kind:  # noqa: ANN401 - of a Kind
    """Return a place behind rclone; `traits` are those of the kind."""
    conf = home / "rclone.conf"
    conf.write_text(sections)
    remote = NamedRemote("shelf", "far", root, BUILT_IN)

    def new(host: str) -> Machine:
        made = _machine(Machine(home / host, remote, stale_s=stale_s))
        own = made.home / ".config/rclone/rclone.conf"
        own.parent.mkdir(parents=True)
        shutil.copy(conf, own)
        return made

    scratch = home / "outside"
    scratch.mkdir()
    by_chance = "rand" in sections
    far = RcloneFar(conf, f"far:{root}/notes", scratch, stale_s, by_chance=by_chance)
    return Kind(new, far, rounds=5 if by_chance else 1, **traits)


def _machine(machine: Machine) -> Machine:
    machine.folder.mkdir(parents=True)
    return machine


def _team(home: Path, cloud: standin_server.Standin) -> Kind:
    for workspace in cloud.look("status")["workspaces"]:
        if workspace["slug"] == "team":
            for project in workspace["projects"]:
                cloud.admin("drop-project", workspace="team", name=project["name"], files=True)
    cloud.admin("add-project", workspace="team", name="notes")
    remote = CloudRemote("shelf", None, "team", "auto", cloud.storage, BUILT_IN)

    def new(host: str) -> Machine:
        env = cloud.env(home / host, key=True)
        more = {key: value for key, value in env.items() if key.startswith("BASIC_MEMORY")}
        return _machine(Machine(home / host, remote, more_env=more))

    return Kind(new, TeamFar(cloud), has_folders=False)
