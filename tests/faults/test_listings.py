"""Listings that are not what was asked for: nothing that still stands there is deleted for them.

A proxy between the real rclone, or our own client, and a real server leaves things out of what the
server lists: pages, levels, bodies cut, entries dropped, folders made empty.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import pytest
import servers
import standin_server
from cli_outside import START, World
from cloud_world import CloudWorld
from fault_proxy import Answer, FaultProxy, Rewrite, faulty
from machine.bucket import Bucket
from pipeline_bench import Bench, s3, texts

from bm_sync.model.plan import Accept, Guard
from bm_sync.model.run import ProjectRun, Status
from bm_sync.rclone.binary import find
from bm_sync.structs import replace

QUICK = {"attempts": 2, "max_wait": "0.1s"}
UNGUARDED = {"max_delete": {"percent": 100}, "max_overwrite": {"percent": 100}}
POLICY: dict[str, object] = {"retry": QUICK, "guards": UNGUARDED}
FOLDERS = ("", "a", "a/deep", "a/deep/er", "b", "z")
TREE = [f"{folder}/{name}".strip("/") for folder in FOLDERS for name in ("1.md", "2.md")]

Keep = Callable[[str], bool]


class Shelf(Protocol):
    """A project on one kind of remote behind a proxy, and what really stands there."""

    kinds: tuple[str, ...]
    proxy: FaultProxy

    def apply(self, accept: Accept | None = None) -> ProjectRun:
        """Apply."""

    def newcomer(self) -> ProjectRun:
        """Apply on a machine that knows nothing, and return what it did."""

    def here(self) -> dict[str, str]:
        """Return what stands on this machine."""

    def new_here(self) -> dict[str, str]:
        """Return what stands on the machine that knew nothing."""

    def there(self) -> dict[str, str]:
        """Return what stands on the remote, asked without bm-sync."""

    def write(self, path: str, text: str) -> None:
        """Write here."""

    def delete(self, path: str) -> None:
        """Delete here."""

    def put(self, path: str, text: str) -> None:
        """Write there, as another machine would."""

    def drop(self, path: str) -> None:
        """Delete there, as another machine would."""


@dataclass
class OnBench:
    """What the shelves share that rclone reaches."""

    bench: Bench
    proxy: FaultProxy
    kinds: tuple[str, ...]

    def apply(self, accept: Accept | None = None) -> ProjectRun:
        return self.bench.apply(accept)

    def _other(self) -> Bench:
        return Bench(self.bench.folder / "other", self.bench.remote, POLICY)

    def newcomer(self) -> ProjectRun:
        shutil.rmtree(self.bench.folder / "other", ignore_errors=True)
        return self._other().apply()

    def here(self) -> dict[str, str]:
        return texts(self.bench.here)

    def new_here(self) -> dict[str, str]:
        return texts(self.bench.folder / "other/notes")

    def write(self, path: str, text: str) -> None:
        self.bench.write(path, text=text)

    def delete(self, path: str) -> None:
        (self.bench.here / path).unlink()


@dataclass
class InBucket(OnBench):
    port: int = 0
    top: str = ""

    def there(self) -> dict[str, str]:
        with contextlib.closing(Bucket(self.port)) as bucket:
            found = bucket.list(self.top)
            return {k.removeprefix(self.top): bucket.get(k)[0].decode() for k in sorted(found)}

    def put(self, path: str, text: str) -> None:
        with contextlib.closing(Bucket(self.port)) as bucket:
            bucket.put(self.top + path, text.encode(), time.time())

    def drop(self, path: str) -> None:
        with contextlib.closing(Bucket(self.port)) as bucket:
            bucket.delete(self.top + path)


@dataclass
class OnServer(OnBench):
    folder: Path = Path()

    def there(self) -> dict[str, str]:
        return texts(self.folder)

    def put(self, path: str, text: str) -> None:
        self.bench.write(path, text=text, where=self.folder)
        time.sleep(servers.REMEMBERED_S)

    def drop(self, path: str) -> None:
        (self.folder / path).unlink()
        time.sleep(servers.REMEMBERED_S)


@dataclass
class InCloud:
    """A team's project, reached by our own client."""

    world: CloudWorld
    proxy: FaultProxy
    kinds: tuple[str, ...]

    def apply(self, accept: Accept | None = None) -> ProjectRun:
        return self.world.apply(accept=accept)

    def _other(self) -> CloudWorld:
        return _through(self.proxy, self.world.folder / "other", self.world.cloud)

    def newcomer(self) -> ProjectRun:
        shutil.rmtree(self.world.folder / "other", ignore_errors=True)
        return self._other().apply()

    def here(self) -> dict[str, str]:
        return self.world.texts()

    def new_here(self) -> dict[str, str]:
        return texts(self.world.folder / "other/notes")

    def there(self) -> dict[str, str]:
        found = self.world.there(workspace="team")
        return {p: t for p, t in found.items() if not p.startswith(".bm-sync/")}

    def write(self, path: str, text: str) -> None:
        self.world.write(f"notes/{path}", text)

    def delete(self, path: str) -> None:
        (self.world.folder / "notes" / path).unlink()

    def put(self, path: str, text: str) -> None:
        self.world.cloud.put(f"notes/{path}", text, "team")

    def drop(self, path: str) -> None:
        self.world.cloud.delete(f"notes/{path}", "team")


def _through(proxy: FaultProxy, folder: Path, cloud: standin_server.Standin) -> CloudWorld:
    world = CloudWorld(folder, cloud, remote={"workspace": "team"}, policy=POLICY)
    url = f"http://127.0.0.1:{proxy.port}"
    hosts = {"BASIC_MEMORY_CLOUD_HOST": url, "BASIC_MEMORY_CLOUD_DOMAIN": url}
    world.setup = replace(world.setup, env={**world.setup.env, **hosts})
    return world


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[standin_server.Standin]:
    with standin_server.running(tmp_path_factory.mktemp("standin")) as one:
        yield one


@pytest.fixture(scope="module")
def webdav(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.serve_webdav(tmp_path_factory.mktemp("webdav"), *servers.FORGETFUL) as one:
        yield one


@contextlib.contextmanager
def shelf_on(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shelf]:
    """Return an empty project on one kind of remote."""
    if kind == "cloud":
        cloud: standin_server.Standin = request.getfixturevalue("standin")
        for project in next(
            w["projects"] for w in cloud.look("status")["workspaces"] if w["slug"] == "team"
        ):
            cloud.admin("drop-project", workspace="team", name=project["name"], files=True)
        cloud.admin("add-project", workspace="team", name="notes")
        with faulty(urlsplit(cloud.host).port or 0) as proxy:
            yield InCloud(_through(proxy, tmp_path, cloud), proxy, ("PROPFIND",))
        return
    server: servers.Server = request.getfixturevalue(kind)
    name = f"listings-{tmp_path.name}"
    with faulty(server.port) as proxy:
        if kind == "webdav":
            options = {**dict(server.options), "url": f"http://127.0.0.1:{proxy.port}"}
            options["pass"] = servers.PASSWORD
            remote = {"type": "webdav", "options": options, "root": name}
            bench = Bench(tmp_path, remote, POLICY)
            assert server.folder is not None
            yield OnServer(bench, proxy, ("PROPFIND",), server.folder / name / "notes")
            return
        bench = Bench(tmp_path, s3(server, name, proxy.port), POLICY)
        yield InBucket(bench, proxy, ("LIST",), server.port, f"{name}/notes/")


@pytest.fixture(params=["serve_s3", "seaweedfs", "webdav", "cloud"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    with shelf_on(request.param, tmp_path, request) as made:
        yield made


ENTRY = re.compile(
    rb"<Contents>.*?</Contents>|<CommonPrefixes>.*?</CommonPrefixes>|<D:response\b.*?</D:response>",
    re.DOTALL,
)
PLACE = re.compile(rb"<(?:Key|Prefix|D:href)>(.*?)</")


def edited(keep: Keep) -> Rewrite:
    """Return a fault that leaves out of listings of `notes` what `keep` says no to."""

    def place_of(entry: bytes) -> str:
        found = PLACE.search(entry)
        assert found is not None
        return unquote(found[1].decode()).partition("/notes/")[2].strip("/")

    def make(asked: str, body: bytes) -> bytes:
        itself = f"{asked}/".partition("/notes/")[2].strip("/")

        def kept(match: re.Match[bytes]) -> bytes:
            place = place_of(match[0])
            is_itself = match[0].startswith(b"<D:") and place == itself
            return match[0] if is_itself or not place or keep(place) else b""

        return ENTRY.sub(kept, body).replace(b"<IsTruncated>true<", b"<IsTruncated>false<")

    return Rewrite(make)


def below(*folders: str) -> Keep:
    return lambda place: not any(place.startswith(f"{folder}/") for folder in folders)


def one_level(place: str) -> bool:
    return "/" not in place


def cut_after(last: str) -> Keep:
    return lambda place: place <= last


def some(chance: float, seed: int) -> Keep:
    rng = random.Random(seed)  # noqa: S311 - damage, no secret
    return lambda _: rng.random() > chance


def half(_: str, body: bytes) -> bytes:
    return body[: len(body) // 2]


def started(shelf: Shelf) -> None:
    """Bring a whole tree to both sides."""
    for path in TREE:
        shelf.write(path, f"text of {path}\n")
    run = shelf.apply()
    assert run.exit == 0, run
    assert shelf.there() == shelf.here()


DAMAGE = [
    pytest.param(edited(one_level), id="one level"),
    pytest.param(edited(below("a")), id="a folder made empty"),
    pytest.param(edited(below("a/deep", "b")), id="folders made empty deeper down"),
    pytest.param(edited(cut_after("a/deep/er")), id="cut short"),
    pytest.param(edited(lambda place: place != "a/deep/1.md"), id="one entry dropped"),
    pytest.param(edited(lambda _: False), id="nothing at all"),
    pytest.param(Rewrite(half), id="half a body"),
]


@pytest.mark.parametrize("fault", DAMAGE)
def test_no_file_is_deleted_for_a_listing_that_leaves_it_out(shelf: Shelf, fault: Rewrite) -> None:
    started(shelf)
    shelf.proxy.strike(fault, *shelf.kinds)
    before = shelf.here()
    run = shelf.apply()
    assert shelf.here() == before
    assert shelf.there() == before
    assert run.exit != 0, run
    shelf.proxy.heal()
    run = shelf.apply()
    assert (run.exit, run.status) == (0, Status.IN_SYNC), run


@pytest.mark.parametrize("fault", DAMAGE)
def test_a_machine_that_knows_nothing_does_not_call_a_part_in_sync(
    shelf: Shelf, fault: Rewrite
) -> None:
    """The first listing is the damaged one, as where a service does not know how to tell all."""
    started(shelf)
    shelf.proxy.strike(fault, *shelf.kinds, times=1)
    run = shelf.newcomer()
    if run.exit == 0:
        assert shelf.new_here() == shelf.there()


def test_what_stands_there_is_named_and_nothing_is_deleted_until_it_is_accepted(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with shelf_on("serve_s3", tmp_path, request) as shelf:
        started(shelf)
        shelf.proxy.strike(edited(below("a/deep")), *shelf.kinds)
        (stop,) = shelf.apply().stops
        assert stop.guard is Guard.LISTING
        assert stop.what == (
            "the listing of shelf:bucket/listings-"
            f"{tmp_path.name}/notes is not whole: it leaves out 4 files that stand there"
        )
        assert stop.accept == "listing=4"
        assert list(stop.paths) == sorted(p for p in TREE if p.startswith("a/deep/"))
        assert shelf.apply(Accept(listing=3)).exit == 3
        assert shelf.apply(Accept(listing=4)).exit == 0
        assert sorted(shelf.here()) == sorted(p for p in TREE if not p.startswith("a/deep/"))


def test_a_folder_that_was_deleted_there_goes_here_without_a_stop(shelf: Shelf) -> None:
    started(shelf)
    for path in TREE:
        if path.startswith("a/"):
            shelf.drop(path)
    run = shelf.apply()
    assert run.exit == 0, run
    assert sorted(shelf.here()) == sorted(p for p in TREE if not p.startswith("a/"))


@pytest.mark.parametrize("seed", range(3))
def test_no_listing_however_damaged_costs_a_file(shelf: Shelf, seed: int) -> None:
    """Both sides change, then a run sees a damaged remote; a good run ends it as without damage."""
    rng = random.Random(seed)  # noqa: S311 - damage, no secret
    started(shelf)
    due = shelf.here()
    touched = rng.sample(TREE, 6)
    for path in touched[:2]:
        shelf.write(path, f"edited here {seed}")
        shelf.put(f"{path}.new", f"new there {seed}")
        due |= {path: f"edited here {seed}", f"{path}.new": f"new there {seed}"}
    shelf.put(touched[2], f"edited there {seed}")
    due[touched[2]] = f"edited there {seed}"
    shelf.drop(touched[3])
    shelf.delete(touched[4])
    del due[touched[3]], due[touched[4]]
    held = {p for p in shelf.here() if p in shelf.there()}
    folders = rng.sample(FOLDERS[1:], 2)
    keep = rng.choice(
        [one_level, below(*folders), cut_after(rng.choice(TREE)), some(0.3, seed), some(0.9, seed)]
    )
    times = rng.choice([1, 2, float("inf")])
    shelf.proxy.strike(edited(keep), *shelf.kinds, times=times)
    shelf.apply()
    assert held <= shelf.here().keys()
    assert held <= shelf.there().keys()
    shelf.proxy.heal()
    assert shelf.apply().exit == 0
    assert shelf.here() == shelf.there() == due


def test_a_quiet_project_of_a_service_that_answers_all_levels_costs_one_request(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with shelf_on("cloud", tmp_path, request) as shelf:
        started(shelf)
        shelf.proxy.passed.clear()
        assert shelf.apply().status is Status.IN_SYNC
        assert shelf.proxy.passed == {"PROPFIND": 1}


def union_of(bench: Bench, *upstreams: str) -> None:
    """Let the project lie on a union that the user's own rclone.conf declares."""
    conf = bench.folder / "home/.config/rclone/rclone.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(f"[both]\ntype = union\nupstreams = {' '.join(upstreams)}\n")


def test_a_member_of_a_union_that_is_not_mounted_is_no_deletion(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"rclone": "both"}, POLICY)
    union_of(bench, f"{tmp_path}/one", f"{tmp_path}/two:nc")
    bench.write("a.md", "b.md", where=tmp_path / "one/notes")
    bench.write("c.md", where=tmp_path / "two/notes")
    assert bench.apply().exit == 0
    (tmp_path / "two").rename(tmp_path / "away")
    run = bench.apply()
    assert (run.exit, run.status) == (1, Status.FAILED)
    assert run.message == f"{tmp_path}/two, of which shelf is a union, is missing"
    assert sorted(texts(bench.here)) == ["a.md", "b.md", "c.md"]
    (tmp_path / "away").rename(tmp_path / "two")
    assert bench.apply().status is Status.IN_SYNC


def test_a_member_of_a_union_that_does_not_answer_is_no_deletion(
    tmp_path: Path, webdav: servers.Server
) -> None:
    """Rclone lists such a union without a word of the member that is down."""
    bench = Bench(tmp_path, {"rclone": "both"}, POLICY)
    (tmp_path / "one").mkdir()
    with faulty(webdav.port) as proxy:
        told = f"url='http://127.0.0.1:{proxy.port}',vendor=rclone,user={servers.USER}"
        union_of(bench, f"{tmp_path}/one", f'":webdav,{told},pass={obscured()}:{tmp_path.name}"')
        assert webdav.folder is not None
        bench.write("a.md", where=tmp_path / "one/notes")
        bench.write("c.md", where=webdav.folder / tmp_path.name / "notes")
        time.sleep(servers.REMEMBERED_S)
        assert bench.apply().exit == 0
        assert sorted(texts(bench.here)) == ["a.md", "c.md"]
        proxy.strike(Answer(500))
        assert bench.apply().exit == 1
        assert sorted(texts(bench.here)) == ["a.md", "c.md"]
        proxy.heal()
        assert bench.apply().status is Status.IN_SYNC


def obscured() -> str:
    """Return the password of the servers as rclone.conf has it."""
    rclone = str(find(None, os.environ).path)
    words = [rclone, "obscure", servers.PASSWORD]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace lets system calls fail")
def test_a_folder_that_cannot_be_read_to_its_end_deletes_nothing(tmp_path: Path) -> None:
    """Each folder in turn, on either side, fails with an input/output error."""
    world = World(tmp_path)
    world.write("sync.yaml", FOLDER_MANIFEST)
    for path in TREE:
        world.write(f"notes/{path}")
    assert world.run("apply", "--yes").code == 0
    before = world.files("notes")
    assert before == world.files("cloud/notes")
    for folder in FOLDERS:
        for side in ("notes", "cloud/notes"):
            done = _with_failing("getdents64", tmp_path / side / folder, world)
            assert done == 1, (side, folder)
            assert world.files("notes") == world.files("cloud/notes") == before
    assert world.run("apply", "--yes").code == 0


FOLDER_MANIFEST = """\
version: 1
remotes: {shelf: {type: local, root: ./cloud}}
policies: {p: {guards: {max_delete: 100%}}}
defaults: {remote: shelf, policy: p}
projects: {notes: {local: ./notes}}
"""


def _with_failing(call: str, path: Path, world: World) -> int:
    """Apply while some system calls on a path fail; return the exit code."""
    how = ("-P", str(path), "-e", f"inject={call}:error=EIO")
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o/dev/null", *how, *START, "apply", "--yes"],
        cwd=world.root,
        env=world.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode
