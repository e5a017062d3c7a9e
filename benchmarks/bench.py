"""Measures bm-sync against its targets and against plain rclone, and prints one table.

Run by `make bench`. Names of cases on the command line run only those.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from cloud_projects import quiet_cloud  # noqa: E402 - after the path is set
from counting_proxy import CountingProxy, counting  # noqa: E402 - after the path is set
from history import long_history  # noqa: E402 - after the path is set
from measure import BM_SYNC, RCLONE, Place, Row, fill, median, pairs  # noqa: E402
from servers import serve_s3  # noqa: E402

OBJECTS = 10_000
LARGE = 100_000
QUIET_PROJECTS = 50
MEGABYTE = 1 << 20


@contextmanager
def scratch() -> Iterator[Place]:
    """Make a scratch directory and remove it."""
    with tempfile.TemporaryDirectory(prefix="bm-sync-bench-") as folder:
        yield Place(Path(folder))


def start_of_help() -> list[Row]:
    """`bm-sync --help` as a whole process."""
    with scratch() as place:
        seconds = median(lambda: place.run(BM_SYNC, "--help"), 11)
        bare = median(lambda: place.run(sys.executable, "-c", "pass"), 11)
    return [
        Row(
            "bm-sync --help",
            f"{seconds * 1000:.0f} ms (Python alone {bare * 1000:.0f} ms)",
            "< 60 ms",
            seconds < 0.060,
        )
    ]


def validate() -> list[Row]:
    """`bm-sync validate` of 30 and of 1,000 projects.

    A document that was accepted before is known by its digest; a new one costs jsonschema's import.
    """
    rows = []
    for projects, target in ((30, 0.150), (1000, 1.0)):
        with scratch() as place:
            counter = itertools.count()

            def fresh(
                place: Place = place,
                projects: int = projects,
                counter: Iterator[int] = counter,
            ) -> float:
                lines = ["version: 1", "remotes: {shelf: {type: local, root: ./cloud}}"]
                lines += [f"vars: {{round: round{next(counter)}}}", "projects:"]
                lines += [
                    f"  p{n}: {{local: ./p{n}, remote: shelf, tags: [daily]}}"
                    for n in range(projects)
                ]
                (place.root / "sync.yaml").write_text("\n".join(lines))
                return place.run(BM_SYNC, "validate")

            fresh()
            times = {"new document": median(fresh, 7)}
            times["seen before"] = median(partial(place.run, BM_SYNC, "validate"), 7)
        rows += [
            Row(
                f"validate {projects} projects, {kind}",
                f"{seconds * 1000:.0f} ms",
                f"< {target * 1000:.0f} ms",
                seconds < target,
            )
            for kind, seconds in times.items()
        ]
    return rows


def quiet_projects() -> list[Row]:
    """50 quiet projects of 20 files on a folder remote, against a shell loop of bisync."""
    with scratch() as place:
        names = [f"p{n:02d}" for n in range(QUIET_PROJECTS)]
        for name in names:
            fill(place.root / "local" / name, 20, 200)
        manifest = ["version: 1", "remotes:", "  shelf: {type: local, root: ./cloud}", "projects:"]
        manifest += [f"  {n}: {{local: ./local/{n}, remote: shelf}}" for n in names]
        (place.root / "sync.yaml").write_text("\n".join(manifest))
        place.run(BM_SYNC, "apply", "--yes")
        loop = place.root / "loop.sh"
        loop.write_text(_bisync_loop(names, place.root))
        place.run("sh", str(loop), "--resync")
        ours, theirs, ratio = pairs(
            lambda: place.run(BM_SYNC, "apply", "--yes"), lambda: place.run("sh", str(loop)), 5
        )
    return [
        Row(
            "50 quiet projects: bisync loop / bm-sync apply",
            f"{ratio:.1f} x ({theirs:.2f} s / {ours:.2f} s)",
            ">= 8 x",
            ratio >= 8,
        )
    ]


def quiet_cloud_projects() -> list[Row]:
    """20 quiet projects of Basic Memory Cloud."""
    with scratch() as place:
        return quiet_cloud(place)


def _bisync_loop(names: list[str], root: Path) -> str:
    lines = ["set -e"]
    for name in names:
        far = root / "far" / name
        far.mkdir(parents=True)
        lines.append(
            f"'{RCLONE}' bisync '{root}/local/{name}' '{far}' --workdir '{root}/work' "
            "--resilient --exclude '.bm-sync/**' \"$@\""
        )
    return "\n".join(lines)


@contextmanager
def s3_project(
    place: Place, objects: int, *, count: bool
) -> Iterator[tuple[CountingProxy, list[str]]]:
    """Serve S3 with a manifest and `objects` files not uploaded yet.

    With `count` the manifest reaches it through a counting proxy; that costs time, so what is timed
    goes straight to the server.
    """
    store = place.root / "store"
    store.mkdir()
    fill(place.root / "local", objects, 1024)
    # Only the server writes below `store`, so it may remember its listings, as it does by default.
    with serve_s3(store, "--dir-cache-time=5m") as server, counting(server.port) as proxy:
        options = dict(server.options)
        secret = options.pop("secret_access_key")
        flags = [f"--s3-{k.replace('_', '-')}={v}" for k, v in options.items()]
        flags += [f"--s3-secret-access-key={secret}", "--s3-no-check-bucket"]
        if count:
            options["endpoint"] = f"http://127.0.0.1:{proxy.port}"
        secret_file = place.root / "secret"
        secret_file.write_text(secret)
        options["secret_access_key"] = {"file": str(secret_file)}  # type: ignore[assignment]
        remote = {"type": "s3", "options": options, "root": server.root}
        (place.root / "sync.yaml").write_text(
            json.dumps(
                {
                    "version": 1,
                    "remotes": {"store": remote},
                    "policies": {"fast": {"limits": {"transfers": 16}}},
                    "projects": {"kb": {"local": "./local", "remote": "store", "policy": "fast"}},
                }
            )
        )
        yield proxy, [*flags, f":s3:{server.root}"]


def long_history_of_projects() -> list[Row]:
    """Measure what a month of runs of 300 projects costs."""
    with scratch() as place:
        return long_history(place)


def first_upload() -> list[Row]:
    """Time the first upload of 10,000 files of 1 KB, against rclone copy with as many transfers."""
    with scratch() as place, s3_project(place, OBJECTS, count=True) as (proxy, _):
        place.run(BM_SYNC, "apply", "--yes")
        counts = proxy.take()
    times = []
    for _ in range(3):
        with scratch() as place, s3_project(place, OBJECTS, count=False) as (_, flags):
            *options, remote = flags
            ours = place.run(BM_SYNC, "apply", "--yes")
            theirs = place.run(
                RCLONE, "copy", "local", f"{remote}/copied", "--transfers=16", *options
            )
            times.append((ours / theirs, ours, theirs))
    ratio, ours, theirs = sorted(times)[1]
    return [
        Row(
            "first upload of 10,000 x 1 KB to S3: bm-sync apply / rclone copy",
            f"{ratio:.2f} ({ours:.1f} s / {theirs:.1f} s; {_told(counts)})",
            "<= 1.0",
            ratio <= 1,
        )
    ]


def quiet_bucket() -> list[Row]:
    """Count the requests of a quiet project of 10,000 objects, and time its plan."""
    with scratch() as place, s3_project(place, OBJECTS, count=True) as (proxy, _):
        place.run(BM_SYNC, "apply", "--yes")
        proxy.take()
        place.run(BM_SYNC, "apply", "--yes")
        counts = proxy.take()
    with scratch() as place, s3_project(place, OBJECTS, count=False) as (_, flags):
        *options, remote = flags
        place.run(BM_SYNC, "apply", "--yes")
        bisync = (
            RCLONE, "bisync", "local", f"{remote}/kb", "--workdir", "work", "--resilient",
            "--compare", "size,modtime", *options,
        )  # fmt: skip
        place.run(*bisync, "--resync")
        ours, theirs, ratio = pairs(
            lambda: place.run(BM_SYNC, "plan"), lambda: place.run(*bisync, "--dry-run"), 3
        )
    lists = counts.get("LIST", 0)
    others = sum(counts.values()) - lists
    return [
        Row(
            "quiet apply of 10,000 objects on S3: requests",
            _told(counts),
            "10 LIST + at most 2 others",
            lists <= 10 and others <= 2,
        ),
        Row(
            "10,000 objects on S3: bisync --dry-run / bm-sync plan",
            f"{ratio:.1f} x ({theirs:.2f} s / {ours:.2f} s)",
            ">= 4 x",
            ratio >= 4,
        ),
    ]


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()) if n)


def large_plan() -> list[Row]:
    """Watch the memory of a plan of 100,000 quiet files: the highest sum of all processes.

    The files stand on both sides before the first apply, which only adopts them.
    """
    rows = []
    with scratch() as place:
        fill(place.root / "local", LARGE, 1024)
        fill(place.root / "cloud" / "kb", LARGE, 1024)
        (place.root / "sync.yaml").write_text(
            "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\n"
            "projects: {kb: {local: ./local, remote: shelf}}\n"
        )
        place.run(BM_SYNC, "apply", "--yes")
        rows.append(_memory_row(place, "folder remote"))
    with scratch() as place, s3_project(place, LARGE, count=False) as (_, flags):
        fill(place.root / "store" / flags[-1].removeprefix(":s3:") / "kb", LARGE, 1024)
        place.run(BM_SYNC, "apply", "--yes")
        rows.append(_memory_row(place, "S3"))
    return rows


def _memory_row(place: Place, kind: str) -> Row:
    begun = time.perf_counter()
    process = subprocess.Popen(
        [BM_SYNC, "plan"], cwd=place.root, env=dict(place.env), stdout=subprocess.DEVNULL
    )
    peak = _Peak(process.pid)
    peak.start()
    code = process.wait()
    peak.join()
    taken = time.perf_counter() - begun
    assert code == 0, code
    size = peak.bytes / MEGABYTE
    return Row(
        f"plan of 100,000 quiet files, {kind}: memory",
        f"{size:.0f} MB in Python and rclone together, {taken:.1f} s",
        "< 400 MB",
        size < 400,
    )


class _Peak(threading.Thread):
    """Watches the resident memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.bytes = 0

    def run(self) -> None:
        """Add up what is resident until the process ends."""
        while Path(f"/proc/{self._pid}").exists():
            total = sum(_resident(pid) for pid in _family(self._pid))
            if not total:
                return
            self.bytes = max(self.bytes, total)
            time.sleep(0.01)


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for tasks in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in tasks.read_text().split()]
            except OSError:
                continue
    return found


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize()


CASES: dict[str, Callable[[], list[Row]]] = {
    "help": start_of_help,
    "validate": validate,
    "quiet-projects": quiet_projects,
    "quiet-bucket": quiet_bucket,
    "quiet-cloud": quiet_cloud_projects,
    "long-history": long_history_of_projects,
    "first-upload": first_upload,
    "large-plan": large_plan,
}


def main() -> int:
    """Run the cases named, or all; return 1 when a target was missed."""
    chosen = sys.argv[1:] or list(CASES)
    rows = []
    for name in chosen:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += CASES[name]()
    width = max(len(r.what) for r in rows)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    for row in rows:
        mark = "ok    " if row.reached else "MISSED"
        print(f"{mark}  {row.what:<{width}}  {row.figure}  (target {row.target})")
    return 0 if all(r.reached for r in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
