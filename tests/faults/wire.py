"""A project whose bucket lies behind a network that can be made bad."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import servers
from fault_proxy import FaultProxy, faulty
from machine.bucket import Bucket
from pipeline_bench import Bench, s3, texts

from bm_sync.model.run import ProjectRun, Status

EDITED, NEW, GONE, DOWN, FRESH, CALM = (
    "edited.md",
    "new.md",
    "gone.md",
    "down.md",
    "fresh.md",
    "c.md",
)
QUICK = {"attempts": 2, "max_wait": "0.1s"}
UNGUARDED = {"max_delete": {"percent": 100}, "max_overwrite": {"percent": 100}}


@dataclass
class Line:
    """The project, the proxy in front of its bucket, and the bucket as it really is."""

    bench: Bench
    proxy: FaultProxy
    bucket: Bucket
    prefix: str

    def start(self) -> None:
        """Bring both sides together once, then change them in every way."""
        self.bench.write(EDITED, GONE, DOWN, CALM)
        assert self.bench.apply().exit == 0
        self.bench.write(EDITED, text="edited here")
        self.bench.write(NEW, text="new here")
        (self.bench.here / GONE).unlink()
        self.put(DOWN, "edited there")
        self.put(FRESH, "new there")

    def put(self, path: str, text: str) -> None:
        """Write an object by ourselves."""
        self.bucket.put(f"{self.prefix}/notes/{path}", text.encode(), time.time())

    def there(self) -> dict[str, str]:
        """Return what the bucket holds of the project."""
        top = f"{self.prefix}/notes/"
        return {
            key.removeprefix(top): self.bucket.get(key)[0].decode() for key in self.bucket.list(top)
        }

    def whole(self) -> bool:
        """Return whether no file of either side holds anything but a version somebody wrote."""
        known = {"edited here", "new here", "edited there", "new there"}
        known |= {f"text of {name}\n" for name in (EDITED, GONE, DOWN, CALM)}
        return {*texts(self.bench.here).values(), *self.there().values()} <= known

    def heals(self) -> ProjectRun:
        """Assert that without the fault one plain apply ends it, and that nothing is left."""
        self.proxy.heal()
        run = self.bench.apply()
        assert run.exit == 0, run
        ends(self)
        return run


def ends(line: Line) -> None:
    """Assert that everything stands as one good run would have left it, and a run has no work."""
    due = {
        EDITED: "edited here",
        NEW: "new here",
        DOWN: "edited there",
        FRESH: "new there",
        CALM: f"text of {CALM}\n",
    }
    assert texts(line.bench.here) == due
    assert line.there() == due
    assert line.bench.apply().status is Status.IN_SYNC
    assert not [*line.bench.here.rglob("*.bmpart"), *line.bench.here.rglob("staging")]
    left = [key for key in line.bucket.list(line.prefix) if "/.bm-sync/" in key]
    assert all("/.bm-sync/trash/" in key for key in left), left


@contextlib.contextmanager
def line_to(server: servers.Server, folder: Path, **policy: object) -> Iterator[Line]:
    """Yield a project behind a proxy, with quick attempts unless the policy says otherwise."""
    prefix = folder.name
    with faulty(server.port) as proxy, contextlib.closing(Bucket(server.port)) as bucket:
        remote = s3(server, prefix, proxy.port)
        said: dict[str, object] = {"retry": QUICK, "guards": UNGUARDED, **policy}
        yield Line(Bench(folder, remote=remote, policy=said), proxy, bucket, prefix)
