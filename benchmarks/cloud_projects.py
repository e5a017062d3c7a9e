"""A quiet run of 20 projects of Basic Memory Cloud, against the stand-in of examples/.

BM=/path/to/bm in the environment also measures the real client's own loop (basic-memory 0.19 to
0.24, with rclone on its PATH), which takes minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from measure import BM_SYNC, RCLONE, Place, Row, fill, pairs
from standin_server import Standin, running

PROJECTS = 20
FILES = 20
_ROUNDS = 5


@dataclass(frozen=True)
class Desk:
    """A machine with 20 folders, and the service that it speaks to."""

    place: Place
    cloud: Standin
    key: str

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of its user."""
        user = self.cloud.env(self.place.root / "home")
        return {**user, **self.place.env, "BASIC_MEMORY_CLOUD_API_KEY": self.key}

    def run(self, *command: str, **more: str) -> float:
        """Run a command and return its seconds; a failure ends the benchmark."""
        begun = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=self.place.root,
            env=self.env | more,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return time.perf_counter() - begun


def quiet_cloud(place: Place) -> list[Row]:
    """Measure one quiet `bm-sync apply` against one bisync for each project."""
    names = [f"p{n:02d}" for n in range(PROJECTS)]
    for name in names:
        fill(place.root / "local" / name, FILES, 1024)
    with running(place.root / "cloud") as cloud:
        desk = Desk(place, cloud, cloud.api_key())
        _declare(place.root, cloud, names)
        for _ in range(2):
            desk.run(BM_SYNC, "apply", "--yes")
        cloud.take()
        desk.run(BM_SYNC, "apply", "--yes")
        ours = cloud.take()
        loop = _bisync_loop(desk, names)
        desk.run("sh", str(loop), "--resync")
        cloud.take()
        desk.run("sh", str(loop))
        theirs = cloud.take()
        seconds = pairs(
            lambda: desk.run(BM_SYNC, "apply", "--yes"),
            lambda: desk.run("sh", str(loop)),
            _ROUNDS,
        )
        rows = [*_counted(ours, theirs), _timed("rclone bisync loop", seconds)]
        return rows + (_of_the_client(desk, names) if "BM" in os.environ else [])


def _declare(root: Path, cloud: Standin, names: list[str]) -> None:
    remote = {"type": "basic-memory-cloud", "storage": cloud.storage}
    projects = {name: {"local": f"./local/{name}", "remote": "cloud"} for name in names}
    manifest = {"version": 1, "remotes": {"cloud": remote}, "projects": projects}
    (root / "sync.yaml").write_text(json.dumps(manifest))


def _counted(ours: Mapping[str, Mapping[str, int]], theirs: Mapping[str, object]) -> list[Row]:
    asked = sum(ours.get("control", {}).values()) + sum(ours.get("oauth", {}).values())
    storage = ours.get("storage", {})
    bare = sum(ours["storage_without_consistency"].values())
    return [
        Row("20 quiet cloud projects: calls to the service", str(asked), "0", asked == 0),
        Row(
            "20 quiet cloud projects: storage requests",
            f"{_told(storage)}; {bare} without the consistency header "
            f"(bisync loop: {_told(theirs['storage'])})",
            "1 LIST a project",
            dict(storage) == {"LIST": PROJECTS} and bare == 0,
        ),
    ]


def _told(counts: object) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))


def _timed(other: str, seconds: tuple[float, float, float]) -> Row:
    ours, theirs, ratio = seconds
    figure = f"{ratio:.1f} x ({theirs:.2f} s / {ours:.2f} s)"
    return Row(f"20 quiet cloud projects: {other} / bm-sync apply", figure, "> 1 x", ratio > 1)


def _keys(desk: Desk) -> dict[str, str]:
    url = f"{desk.cloud.host}/tenant/mount/credentials"
    bearer = {"Authorization": f"Bearer {desk.key}"}
    request = urllib.request.Request(url, b"", bearer)  # noqa: S310 - http on loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - http on loopback
        found: dict[str, str] = json.load(answer)
    return found


def _bisync_loop(desk: Desk, names: list[str]) -> Path:
    """Write a script of what Basic Memory's client runs for each project, without the client."""
    root, bucket = desk.place.root, desk.cloud.bucket().name
    _configure(desk, names)
    (root / "filter").write_text("- .*\n- .*/**\n")
    lines = ["set -e", f"export RCLONE_CONFIG='{_conf(desk)}'"]
    for name in names:
        work = _data(desk) / "bisync-state" / name
        work.mkdir(parents=True)
        lines.append(
            f"'{RCLONE}' bisync '{root}/local/{name}' 'basic-memory-cloud:{bucket}/{name}'"
            " --resilient --header 'X-Tigris-Consistent: true' --conflict-resolve=newer"
            " --max-delete=25 --compare=modtime --local-no-preallocate --create-empty-src-dirs"
            f" --filter-from '{root}/filter' --workdir '{work}' \"$@\""
        )
    loop = root / "loop.sh"
    loop.write_text("\n".join(lines))
    return loop


def _data(desk: Desk) -> Path:
    return desk.place.root / "home/.config/basic-memory"


def _conf(desk: Desk) -> Path:
    return desk.place.root / "home/.config/rclone/rclone.conf"


def _configure(desk: Desk, names: list[str]) -> None:
    """Set up the real client as its own commands do, but for the storage's address."""
    for folder in (_data(desk), _conf(desk).parent):
        folder.mkdir(parents=True)
    local = desk.place.root / "local"
    projects = {
        name: {
            "path": str(local / name),
            "mode": "cloud",
            "local_sync_path": str(local / name),
            "bisync_initialized": True,
        }
        for name in names
    }
    config = {"projects": projects, "default_project": names[0], "cloud_api_key": desk.key}
    (_data(desk) / "config.json").write_text(json.dumps(config))
    keys = _keys(desk)
    _conf(desk).write_text(
        "[basic-memory-cloud]\ntype = s3\nprovider = Other\nregion = auto\n"
        f"endpoint = {desk.cloud.storage}\nencoding = Slash,InvalidUtf8\n"
        f"access_key_id = {keys['access_key']}\nsecret_access_key = {keys['secret_key']}\n"
    )


def _of_the_client(desk: Desk, names: list[str]) -> list[Row]:
    """Measure the real client: one quiet `bm cloud bisync` for each project."""
    env = {"BASIC_MEMORY_NO_PROMOS": "1", "BASIC_MEMORY_AUTO_UPDATE": "false"}
    env |= {"PATH": f"{Path(RCLONE).parent}:{os.environ['PATH']}"}
    env |= {"RCLONE_CONFIG": str(_conf(desk))}
    words = (os.environ["BM"], "cloud", "bisync", "--name")
    ours = desk.run(BM_SYNC, "apply", "--yes")
    desk.cloud.take()
    theirs = sum(desk.run(*words, name, **env) for name in names)
    counts = desk.cloud.take()
    calls = sum(counts["control"].values())
    said = f"{calls} calls to the service, {_told(counts['storage'])}"
    asked = Row("20 quiet cloud projects: what a bm cloud bisync loop asks", said, "-", True)
    return [asked, _timed("bm cloud bisync loop", (ours, theirs, theirs / ours))]
