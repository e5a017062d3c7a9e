"""Kill -9 in the middle of `rclone bisync`, wherever it hits: one plain apply converges.

BM_SYNC_KILLS=100 kills so often, each time elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import servers
from machine.bucket import Bucket
from machine.shores import BucketShore, FolderShore, Shore
from pipeline_bench import SHELF, s3

PROGRAM = Path(sysconfig.get_path("scripts")) / "bm-sync"
KILLS = int(os.environ.get("BM_SYNC_KILLS", "0")) or 3
CALM, EACH = 5, 8
_SIZE = 20_000


@dataclass
class Desk:
    """A project whose edits are killed while they travel."""

    home: Path
    remote: dict[str, object]
    here: Shore
    there: Shore
    stand_there: Callable[[], Iterable[str]]

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of the command."""
        home = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        return home | {"SECRET": servers.SECRET_KEY}

    def declare(self, *, slow: bool) -> None:
        """Write the manifest."""
        limits = {"bandwidth": "2M", "transfers": 2} if slow else {}
        off = {"percent": 100}
        guards = {"max_delete": off, "max_overwrite": off}
        policy = {"engine": "bisync", "limits": limits, "guards": guards}
        project = {"local": "./notes", "remote": "shelf", "policy": policy}
        declared = {"version": 1, "remotes": {"shelf": self.remote}, "projects": {"notes": project}}
        (self.home / "sync.yaml").write_text(json.dumps(declared))

    def apply(self) -> dict[str, object]:
        """Apply once, plainly; return the record of the project."""
        self.declare(slow=False)
        ended = subprocess.run(
            [str(PROGRAM), "apply", "--yes", "--json"],
            cwd=self.home,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        (project,) = json.loads(ended.stdout)["data"]["projects"]
        return dict(project)

    def killed_after(self, moved: int) -> None:
        """Apply slowly; kill it with all it started when so many names have changed anywhere."""
        self.declare(slow=True)
        before = self.names()
        with subprocess.Popen(
            [str(PROGRAM), "apply", "--yes"],
            cwd=self.home,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            while process.poll() is None and len(self.names() ^ before) < moved:
                time.sleep(0.002)  # between two looks at a condition
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def names(self) -> set[str]:
        """Return the name of everything on either side, and in either trash."""
        return {*below(self.home / "notes"), *self.stand_there()}

    def versions(self) -> set[bytes]:
        """Return every content there is, the trash included."""
        sides = (self.here, self.there)
        found = [{*s.view().contents().values(), *s.trash().values()} for s in sides]
        return found[0] | found[1]


@pytest.fixture(params=["folder", "bucket"])
def desk(
    request: pytest.FixtureRequest, tmp_path: Path, serve_s3: servers.Server
) -> Iterator[Desk]:
    """Yield a desk over a folder, then over a bucket."""
    home = tmp_path / "home"
    home.mkdir()
    here = FolderShore(home / "notes", home / "notes")
    there: Shore
    if request.param == "folder":
        there = FolderShore(home / "cloud" / "notes", home / "cloud")
        yield Desk(home, dict(SHELF), here, there, lambda: below(home / "cloud"))
        return
    prefix = tmp_path.name
    with contextlib.closing(Bucket(serve_s3.port)) as bucket:
        there = BucketShore(bucket, f"{prefix}/notes", prefix)
        yield Desk(home, s3(serve_s3, prefix), here, there, lambda: bucket.list(prefix))


def below(top: Path) -> list[str]:
    """Return the path of everything below a folder, which may change meanwhile."""
    return [f"{folder}/{name}" for folder, _, names in os.walk(top) for name in names]


def text(what: str, number: int) -> bytes:
    """Return a content that is like no other, long enough to be killed while it travels."""
    return f"{what} {number}\n".encode().ljust(_SIZE, b".")


def edit(desk: Desk) -> dict[str, bytes]:
    """Change everything in every way on both sides; return what must stand in the end.

    Of the files that both sides changed the newer one keeps the name.
    """
    base = {
        f"{what}/{n}.md": text("base", n)
        for what in ("calm", "up", "down", "gone-here", "gone-there", "both")
        for n in range(CALM if what == "calm" else EACH)
    }
    for name, data in base.items():
        write(desk.here, name, data)
    desk.apply()
    due = {name: data for name, data in base.items() if name.startswith("calm")}
    for n in range(EACH):
        due[f"up/{n}.md"] = write(desk.here, f"up/{n}.md", text("edited here", n))
        due[f"new/{n}.md"] = write(desk.here, f"new/{n}.md", text("new here", n))
        due[f"down/{n}.md"] = write(desk.there, f"down/{n}.md", text("edited there", n))
        due[f"fresh/{n}.md"] = write(desk.there, f"fresh/{n}.md", text("new there", n))
        write(desk.here, f"both/{n}.md", text("both, here", n), age_s=600)
        due[f"both/{n}.md"] = write(desk.there, f"both/{n}.md", text("both, there", n))
        desk.here.delete(f"gone-here/{n}.md")
        desk.there.delete(f"gone-there/{n}.md")
    return due


def write(side: Shore, name: str, data: bytes, *, age_s: float = 0.0) -> bytes:
    """Write a file, `age_s` seconds ago."""
    side.write(name, data, time.time() - age_s, aside=False)
    return data


@pytest.mark.parametrize("number", range(KILLS))
def test_one_plain_apply_after_a_kill_ends_where_one_good_run_would_have_ended(
    desk: Desk, number: int
) -> None:
    due = edit(desk)
    versions = desk.versions()
    chance = random.Random() if "BM_SYNC_KILLS" in os.environ else random.Random(number)  # noqa: S311
    desk.killed_after(chance.randrange(1, 12 * EACH))
    desk.apply()
    here, there = desk.here.view().contents(), desk.there.view().contents()
    assert here == there
    losers = {name: data for name, data in here.items() if name not in due}
    assert {name: here.get(name) for name in due} == due
    assert all(".conflict-" in name for name in losers), losers.keys()
    assert sorted(losers.values()) == sorted(text("both, here", n) for n in range(EACH))
    assert versions <= desk.versions(), "a version is lost"
    assert not [name for name in desk.names() if name.endswith(".bmpart")]
    assert desk.apply()["actions"] == []
