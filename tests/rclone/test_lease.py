"""`lease: remote`: machines take turns on one place, and a dead one never blocks for long."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import servers
from two_machines import UNGUARDED, Machine, converged, quiet, remote_of, trouble

from bm_sync import api
from bm_sync.engine import lease_claim, leases
from bm_sync.engine.lease import Lease
from bm_sync.engine.lease_claim import claim, standing
from bm_sync.engine.lease_note import Note, encode
from bm_sync.engine.lease_place import DistantPlace, FolderPlace, LeasePlace
from bm_sync.engine.routed import Routed
from bm_sync.errors import Exit, LockedError
from bm_sync.layout import LEASE
from bm_sync.model.config import FolderRemote, Policy, Retry
from bm_sync.model.config import Lease as Terms
from bm_sync.model.report import Selection
from bm_sync.model.run import Event, ProjectRun, Status, Waiting
from bm_sync.rclone.binary import find
from bm_sync.state.leases import LeaseMemory
from bm_sync.structs import replace

EXACT = ("folder", "seaweedfs")
PLACES = (*EXACT, "serve_s3", "serve_webdav", "serve_sftp")
POLICY = Policy(
    "taking turns",
    guards=UNGUARDED,
    lease=Terms.REMOTE,
    retry=Retry(attempts=3, max_wait_s=0.1),
)
SHORT_S = 1.0


def two(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> tuple[Machine, Machine]:
    remote = remote_of(request, kind, tmp_path)
    here, there = (Machine(tmp_path / name, remote, POLICY) for name in ("here", "there"))
    return here, there


@contextlib.asynccontextmanager
async def place_on(machine: Machine, *, conditions: bool = True) -> AsyncIterator[LeasePlace]:
    """Reach the place of a machine's project beside all runs."""
    if isinstance(machine.remote, FolderRemote):
        yield FolderPlace(machine.remote.root / "notes", "shelf:notes")
        return
    env = machine.setup.env
    rclone = Routed(find(None, env), run_dir=machine.home / "run", env=env)
    try:
        assert not isinstance(machine.remote, servers.Server)
        base = await rclone.connect(machine.remote, env)  # type: ignore[arg-type] # a backend
        fs = base.at("notes")
        yield DistantPlace(rclone, fs, await rclone.features(fs), conditions=conditions)
    finally:
        await rclone.stop()


def on(machine: Machine, act: Callable[[LeasePlace], Awaitable[object]]) -> object:
    async def do() -> object:
        async with place_on(machine) as place:
            return await act(place)

    return asyncio.run(do())


def note(run: str, *, keep_s: float = 120.0) -> Note:
    return Note(run, "notes", "desktop", 4711, "2026-11-22T07:15:00Z", keep_s)


def left_behind(machine: Machine, left: Note) -> None:
    """Leave a lease as a machine does that was killed."""
    on(machine, lambda place: place.create(encode(left)))


def standing_at(machine: Machine) -> object:
    return on(machine, lambda place: place.read())


@contextlib.contextmanager
def asked(machine: Machine) -> Iterator[list[ProjectRun]]:
    """Let a machine stand at its question, with the lease taken, while the block lasts."""
    reached, answered = threading.Event(), threading.Event()
    ended: list[ProjectRun] = []

    def confirm(_: object) -> bool:
        reached.set()
        return answered.wait(120)

    def work() -> None:
        given = (machine.manifest, Selection(), machine.setup)
        run = asyncio.run(api.apply(*given, confirm=confirm)).run
        assert run is not None
        ended.extend(run.projects)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert reached.wait(120)
        yield ended
    finally:
        answered.set()
        thread.join()


@pytest.mark.parametrize("kind", PLACES)
def test_a_run_that_writes_leaves_no_lease_behind(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    here, there = two(request, kind, tmp_path)
    here.write("a.md")
    converged(here.apply())
    assert standing_at(here) is None
    converged(there.apply())
    there.write("a.md", "changed over there")
    there.write("b/c.md")
    converged(there.apply())
    converged(here.apply())
    quiet(here)
    assert here.files() == there.files()
    assert not list(here.setup.state_dir.glob("locks/*.lease"))
    if kind == "folder":
        left = {p.name for p in (tmp_path / "shelf" / "notes").iterdir()}
        assert left == {"a.md", "b"}, "nothing of ours lies in the project's place"


@pytest.mark.parametrize("kind", ["folder", "seaweedfs", "serve_webdav"])
def test_who_comes_second_is_told_who_writes_and_may_wait(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    here, there = two(request, kind, tmp_path)
    here.write("a.md", "from here")
    there.write("b.md", "from there")
    with asked(here) as first:
        run = there.apply()
        assert (run.exit, run.status) == (Exit.LOCKED, Status.LOCKED)
        assert run.message is not None
        assert run.message.startswith("project notes: the lease on ")
        assert "is held by process " in run.message
        assert " on here since 20" in run.message
        assert run.hint == "wait until it has ended, or add --wait to the command"
        assert there.files() == {"b.md": b"from there"}, "nothing moved, not even down"
    assert first[0].exit == 0, trouble(first[0])

    told: list[Event] = []
    here.write("c.md", "more from here")
    waiter: list[object] = []

    def wait() -> None:
        given = (there.manifest, Selection(), there.setup)
        work = api.apply(*given, wait_s=120.0, on_event=told.append)
        waiter.append(asyncio.run(work).run)

    with asked(here):
        thread = threading.Thread(target=wait)
        thread.start()
        while not told and thread.is_alive():
            thread.join(0.01)
        assert isinstance(told[0], Waiting), told
        assert "is held by process " in told[0].cause
    thread.join()
    assert waiter[0] is not None
    converged(there.apply())
    converged(here.apply())
    assert set(here.files()) == set(there.files()) == {"a.md", "b.md", "c.md"}
    assert standing_at(here) is None


@pytest.mark.parametrize("kind", ["folder", "seaweedfs"])
def test_of_many_who_ask_at_once_one_gets_the_lease(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    here, _ = two(request, kind, tmp_path)
    askers = 12

    async def everybody() -> list[object]:
        async with place_on(here) as place:
            await place.create(encode(note("first")))
            await place.remove()

            async def one(number: int) -> object:
                memory = LeaseMemory(tmp_path / f"asker-{number}", "k" * 32)
                (tmp_path / f"asker-{number}").mkdir(mode=0o700)
                return await claim(place, note(f"run-{number}"), memory)

            found = await asyncio.gather(*(one(n) for n in range(askers)), return_exceptions=True)
            for lease in found:
                if isinstance(lease, Lease):
                    await lease.release()
            return list(found)

    found = asyncio.run(everybody())
    assert len([f for f in found if isinstance(f, Lease)]) == 1
    refused = [f for f in found if not isinstance(f, Lease)]
    assert all(isinstance(f, LockedError) for f in refused), refused


def test_of_many_threads_one_gets_the_lease_and_none_fails(tmp_path: Path) -> None:
    askers, rounds = 8, 20
    gate = threading.Barrier(askers)
    winners: list[tuple[int, int]] = []

    def ask(me: int) -> list[int]:
        place, won = FolderPlace(tmp_path / "shelf", "shelf:"), []
        for turn in range(rounds):
            gate.wait(60)
            if asyncio.run(place.create(encode(note(f"{turn}-{me}")))) is not None:
                won.append(turn)
            gate.wait(60)
            if me == 0:
                asyncio.run(place.remove())
        return won

    with ThreadPoolExecutor(askers) as pool:
        for me, won in enumerate(pool.map(ask, range(askers))):
            winners += [(turn, me) for turn in won]
    assert sorted(turn for turn, _ in winners) == list(range(rounds))


@pytest.mark.parametrize(("kind", "words"), [("seaweedfs", "exact"), ("serve_webdav", "advisory")])
def test_doctor_tells_how_surely_machines_take_turns(
    request: pytest.FixtureRequest, kind: str, words: str, tmp_path: Path
) -> None:
    here, _ = two(request, kind, tmp_path)
    (here.home / "state").mkdir(parents=True)

    async def findings() -> dict[str, str]:
        return {f.subject: f.what async for f in api.doctor(here.manifest, here.setup)}

    (told,) = [w for s, w in asyncio.run(findings()).items() if s.endswith(": lease")]
    assert told.startswith(words)


@pytest.mark.parametrize("kind", ["folder", "seaweedfs"])
def test_of_many_who_take_over_at_once_one_gets_the_lease(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    here, _ = two(request, kind, tmp_path)
    askers = 12

    async def everybody() -> list[object]:
        async with place_on(here) as place:
            dead = await place.create(encode(note("dead")))
            assert dead is not None
            asking = (place.replace(dead, encode(note(f"run-{n}"))) for n in range(askers))
            return list(await asyncio.gather(*asking))

    found = asyncio.run(everybody())
    assert len([f for f in found if f is not None]) == 1
    on(here, lambda place: place.remove())


@pytest.mark.parametrize("kind", ["folder", "seaweedfs", "serve_webdav"])
def test_what_a_killed_run_of_this_machine_left_does_not_make_it_wait(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    here, _ = two(request, kind, tmp_path)
    here.write("a.md")
    converged(here.apply())
    left_behind(here, note("killed"))
    key = here.plan().key
    LeaseMemory(here.setup.state_dir, key).taking("killed")
    here.write("b.md")
    converged(here.apply())
    assert standing_at(here) is None


@pytest.mark.parametrize("kind", ["folder", "seaweedfs", "serve_webdav"])
def test_the_lease_of_a_dead_machine_is_taken_over_when_it_has_ended(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_claim, "UNSURE_S", 1.0)
    here, _ = two(request, kind, tmp_path)
    here.write("a.md")
    converged(here.apply())
    left_behind(here, note("elsewhere", keep_s=SHORT_S))
    here.write("b.md")
    tries = 0
    run = here.apply()
    while run.exit == Exit.LOCKED:
        tries += 1
        run = here.apply()
    converged(run)
    assert kind == "seaweedfs" or tries > 0, "no clock tells the age, so it had to be watched"
    assert standing_at(here) is None


@pytest.mark.parametrize("kind", ["folder", "seaweedfs"])
def test_a_living_lease_is_never_taken_over(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    here, _ = two(request, kind, tmp_path)
    here.write("a.md")
    converged(here.apply())
    left_behind(here, note("elsewhere", keep_s=600.0))
    here.write("b.md")
    for _ in range(2):
        assert here.apply().exit == Exit.LOCKED
    assert b"elsewhere" in standing_at(here).data  # type: ignore[attr-defined] # there is one
    on(here, lambda place: place.remove())


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("kind", PLACES)
def test_a_machine_that_slept_goes_on_only_when_nobody_wrote_meanwhile(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    here, _ = two(request, kind, tmp_path)
    state = tmp_path / "memory"
    state.mkdir(mode=0o700)

    async def sleeper() -> None:
        clock = Clock()
        exact = kind in EXACT
        async with place_on(here, conditions=exact) as place:
            assert place.exact is exact
            lease = await claim(place, note("sleeper"), LeaseMemory(state, "k" * 32), clock)
            clock.now += 10_000
            await lease.check()
            clock.now += 10_000
            seen = await place.read()
            assert seen is not None
            assert b'"beat": 1' in seen.data, "it was renewed after the sleep"
            assert await place.replace(seen, encode(note("other"))) is not None
            with pytest.raises(LockedError) as stopped:
                async with lease.held():
                    await lease.check()
            assert "is lost: process 4711 on desktop" in stopped.value.what
            assert stopped.value.exit is Exit.LOCKED
            standing_now = await place.read()
            assert standing_now is not None
            assert b"other" in standing_now.data, "the other's lease stays"
            await place.remove()

    asyncio.run(sleeper())


def test_a_lease_is_renewed_while_it_is_held(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "shelf", "shelf:")
    state = tmp_path / "memory"
    state.mkdir(mode=0o700)

    async def hold() -> None:
        lease = await claim(place, note("long", keep_s=SHORT_S), LeaseMemory(state, "k" * 32))
        async with lease.held():
            beats = -1
            while beats < 3:
                await asyncio.sleep(0.01)
                found = await place.read()
                assert found is not None
                beats = json.loads(found.data)["beat"]

    asyncio.run(hold())
    assert list((tmp_path / "shelf").iterdir()) == []


def test_what_runs_is_stopped_when_the_lease_is_lost(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "shelf", "shelf:")
    state = tmp_path / "memory"
    state.mkdir(mode=0o700)

    async def hold() -> None:
        lease = await claim(place, note("long", keep_s=SHORT_S), LeaseMemory(state, "k" * 32))
        async with lease.held():
            await place.remove()
            await asyncio.Event().wait()

    with pytest.raises(LockedError, match="somebody removed it"):
        asyncio.run(hold())


@pytest.mark.parametrize("kind", ["folder", "seaweedfs"])
def test_a_run_that_loses_its_lease_stops_its_project_and_writes_nothing_more(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "KEEP_S", SHORT_S)
    monkeypatch.setattr(lease_claim, "UNSURE_S", 0.5)
    here, there = two(request, kind, tmp_path)
    here.write("a.md", "first")
    converged(here.apply())
    converged(there.apply())
    here.write("a.md", "second")
    here.write("b.md", "new")
    with asked(here) as ended:

        async def take_over(place: LeasePlace) -> None:
            memory = LeaseMemory(there.setup.state_dir, "k" * 32)
            found = await standing(place, memory)
            while found is not None and not found.dead:
                found = await standing(place, memory)
            assert found is not None
            assert await place.replace(found.found, encode(note("thief"))) is not None

        on(here, take_over)
    (run,) = ended
    assert (run.exit, run.status) == (Exit.LOCKED, Status.LOCKED)
    assert run.message is not None
    assert run.message.endswith("(run thief) took it; the project stops here")
    assert {a.outcome for a in run.actions} == {"not-reached"}
    assert b"thief" in standing_at(here).data  # type: ignore[attr-defined] # there is one
    on(here, lambda place: place.remove())
    there_now = there.apply()
    assert there_now.actions == ()
    converged(here.apply())
    converged(there.apply())
    assert there.files() == {"a.md": b"second", "b.md": b"new"}


@pytest.mark.parametrize(
    ("kind", "advisory"), [("folder", False), ("serve_webdav", True), ("serve_s3", True)]
)
def test_the_plan_says_where_a_lease_is_only_advisory(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path, *, advisory: bool
) -> None:
    here, _ = two(request, kind, tmp_path)
    here.write("a.md")
    converged(here.apply())
    here.write("b.md")
    said = [n for n in here.plan().notes if n.startswith("lease: remote is advisory")]
    assert bool(said) is advisory


def test_a_quiet_run_and_one_that_only_fetches_take_no_lease(tmp_path: Path) -> None:
    remote = FolderRemote("shelf", tmp_path / "shelf")
    here, there = (Machine(tmp_path / name, remote, POLICY) for name in ("here", "there"))
    here.write("a.md")
    converged(here.apply())
    left_behind(here, note("elsewhere", keep_s=600.0))
    quiet(here)
    converged(there.apply())
    assert there.files() == here.files()


@pytest.mark.parametrize(
    "text",
    [b"", b"no json", b"[]", b'{"run": 1}', b"\xff\xfe", b"[" * 3000, b"x" * 100_000],
    ids=["empty", "text", "list", "wrong", "bytes", "deep", "long"],
)
def test_a_lease_that_nobody_can_read_blocks_only_for_a_while(
    text: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_claim, "UNSURE_S", 0.3)
    monkeypatch.setattr(lease_claim, "KEEP_S", 0.3)
    remote = FolderRemote("shelf", tmp_path / "shelf")
    here = Machine(tmp_path / "here", remote, POLICY)
    here.write("a.md")
    converged(here.apply())
    lease = tmp_path / "shelf" / "notes" / LEASE
    lease.parent.mkdir(exist_ok=True)
    lease.write_bytes(text)
    here.write("b.md")
    run = here.apply()
    assert run.exit == Exit.LOCKED
    assert run.message is not None
    assert run.message.endswith("is held by somebody who left no readable name")
    while run.exit == Exit.LOCKED:
        run = here.apply()
    converged(run)
    assert not lease.exists()


def test_a_planted_folder_of_leases_is_not_followed(tmp_path: Path) -> None:
    remote = FolderRemote("shelf", tmp_path / "shelf")
    here = Machine(tmp_path / "here", remote, POLICY)
    here.write("a.md")
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "shelf" / "notes").mkdir(parents=True)
    (tmp_path / "shelf" / "notes" / ".bm-sync").symlink_to(outside)
    run = here.apply()
    assert run.exit == Exit.FAILED
    assert run.message is not None
    assert run.message.startswith("the lease shelf:notes/.bm-sync/lease.json cannot be kept")
    assert list(outside.iterdir()) == []


def test_the_age_of_a_lease_is_told_by_the_stores_own_clock(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    here, _ = two(request, "seaweedfs", tmp_path)
    memory = LeaseMemory(tmp_path / "memory", "k" * 32)
    (tmp_path / "memory").mkdir(mode=0o700)

    async def look(place: LeasePlace) -> float:
        await place.create(encode(note("elsewhere")))
        found = await standing(place, memory)
        assert found is not None
        assert not found.dead
        await place.remove()
        return found.left_s

    left_s = on(here, look)
    assert isinstance(left_s, float)
    assert 60.0 < left_s <= 126.0


def test_without_a_lease_nothing_is_loaded_for_it(tmp_path: Path) -> None:
    plain = replace(POLICY, lease=Terms.NONE)
    here = Machine(tmp_path / "here", FolderRemote("shelf", tmp_path / "shelf"), plain)
    here.write("a.md")
    left_behind(here, note("elsewhere", keep_s=600.0))
    converged(here.apply())
