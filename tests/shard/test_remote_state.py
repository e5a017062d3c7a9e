"""`state: {remote: …}`: any machine goes on where another ended, and none overwrites another."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import counting_proxy
import pytest
import servers
from shard.yard import Pod, Yard, kinds

from bm_sync import api, past_api
from bm_sync.errors import Exit
from bm_sync.model.past import Undo
from bm_sync.model.report import Applied, Selection
from bm_sync.model.run import Event, Status, Waiting


@pytest.fixture
def yard(seaweedfs: servers.Server, tmp_path: Path) -> Yard:
    made = Yard(tmp_path, seaweedfs)
    made.put("in/notes/a.md", "a")
    made.put("in/notes/b.md", "b")
    return made


def test_another_machine_goes_on_where_one_ended(yard: Yard) -> None:
    assert kinds(yard.pod("one").run()) == ["copy", "copy"]
    yard.delete("in/notes/a.md")
    two = yard.pod("two")
    assert kinds(two.plan()) == ["trash"]
    assert kinds(two.run()) == ["trash"]
    assert yard.side("out") == {"notes/b.md": "b"}
    assert yard.pod("three").run().status is Status.IN_SYNC
    assert yard.pod("one").run().status is Status.IN_SYNC
    assert not [path for path in yard.objects() if path.endswith("lease.json")]


def test_looking_changes_nothing_anywhere(yard: Yard) -> None:
    yard.pod("one").run()
    yard.put("in/notes/b.md", "changed")
    before = yard.objects()
    pod = yard.pod("two")
    given = (pod.manifest(), Selection(), pod.setup)
    assert kinds(pod.plan()) == ["copy"]
    (row,) = asyncio.run(api.shared_status(*given))
    assert (row.result, row.files) == ("changed", 2)
    (check,) = asyncio.run(api.check(*given))
    assert len(check.differences) == 1
    assert yard.objects() == before
    assert not [file for file in pod.home.rglob("*") if file.name.startswith("state.db")]


def test_records_and_what_was_kept_travel_so_another_machine_takes_a_run_back(yard: Yard) -> None:
    one, two = yard.pod("one"), yard.pod("two")
    one.run()
    yard.put("in/notes/a.md", "worse")
    assert kinds(one.run()) == ["copy"]
    assert two.run().status is Status.IN_SYNC
    runs = api.history(two.setup)
    assert [run.host for run in runs] == ["two", "one", "one"]
    assert [run.exit for run in runs] == [0, 0, 0]
    undone = asyncio.run(past_api.undo(two.manifest(), Undo(run=runs[1].id), two.setup)).run
    assert undone is not None
    assert undone.exit == 0
    assert yard.side("out")["notes/a.md"] == yard.side("in")["notes/a.md"] == "a"
    assert one.run().status is Status.IN_SYNC


@contextmanager
def asked(pod: Pod) -> Iterator[list[Applied]]:
    """Let a pod stand at its question, with its leases, while the block lasts."""
    reached, answered = threading.Event(), threading.Event()
    ended: list[Applied] = []

    def confirm(_: object) -> bool:
        reached.set()
        return answered.wait(300)

    thread = threading.Thread(target=lambda: ended.append(pod.apply(confirm=confirm)))
    thread.start()
    try:
        assert reached.wait(300)
        yield ended
    finally:
        answered.set()
        thread.join()


def test_who_comes_second_is_told_who_works_and_may_wait(yard: Yard) -> None:
    one, two = yard.pod("one"), yard.pod("two")
    waits = threading.Event()

    def tell(event: Event) -> None:
        if isinstance(event, Waiting):
            waits.set()

    with asked(one):
        refused = two.run()
        assert (refused.status, refused.exit) == (Status.LOCKED, Exit.LOCKED)
        assert "on one since" in (refused.message or "")
        assert "if it was killed, that ends within 125 s" in (refused.hint or "")
        waiting = threading.Thread(target=lambda: two.apply(on_event=tell, wait_s=300))
        waiting.start()
        assert waits.wait(300)
    waiting.join()
    assert len(api.history(two.setup, project="notes")) == 3


def test_a_run_that_was_paused_beyond_its_lease_never_overwrites_a_newer_state(yard: Yard) -> None:
    one, two = yard.pod("one"), yard.pod("two")
    with asked(one) as ended:
        yard.delete(f"{yard.state_of('notes')}/.bm-sync/lease.json")  # as when it has ended
        assert kinds(two.run()) == ["copy", "copy"]
        newer = yard.get(f"{yard.state_of('notes')}/state.db")
    run = ended[0].run
    assert run is not None
    assert (run.projects[0].status, run.exit) == (Status.LOCKED, Exit.LOCKED)
    assert "could not be remembered" in (run.projects[0].message or "")
    assert yard.get(f"{yard.state_of('notes')}/state.db") == newer
    assert one.run().status is Status.IN_SYNC
    assert yard.side("out") == yard.side("in") == {"notes/a.md": "a", "notes/b.md": "b"}


def test_a_lease_ends_with_its_holder_and_a_sleeper_writes_nothing_then(yard: Yard) -> None:
    quick = Yard(yard.folder, yard.server, lease="2s")
    one, two = quick.pod("one"), quick.pod("two")
    with asked(one) as ended:  # which renews nothing meanwhile, as a machine that sleeps
        assert kinds(two.run(wait_s=300)) == ["copy", "copy"]
        newer = quick.get(f"{quick.state_of('notes')}/state.db")
    run = ended[0].run
    assert run is not None
    assert run.exit == Exit.LOCKED
    assert "is lost" in (run.projects[0].message or "")
    assert [a.outcome for a in run.projects[0].actions if a.outcome == "done"] == []
    assert quick.get(f"{quick.state_of('notes')}/state.db") == newer
    assert one.run().status is Status.IN_SYNC


def test_a_state_that_is_damaged_is_kept_beside_and_observed_anew(yard: Yard) -> None:
    one = yard.pod("one")
    one.run()
    at = f"{yard.state_of('notes')}/state.db"
    yard.put(at, "no database")
    yard.delete("in/notes/a.md")
    done = one.apply()
    assert done.run is not None
    assert done.run.exit == 0
    assert "the state of project notes on store:.bm-sync/state was damaged" in (done.notice or "")
    assert yard.side("in") == yard.side("out") == {"notes/a.md": "a", "notes/b.md": "b"}
    aside = [path for path in yard.objects() if ".damaged-" in path]
    assert [yard.get(path) for path in aside] == [b"no database"]
    assert yard.pod("two").run().status is Status.IN_SYNC


def test_an_older_state_that_is_put_back_loses_no_version(yard: Yard) -> None:
    """Who can write there can bring any earlier state back; it is valid in every respect."""
    one, at = yard.pod("one"), f"{yard.state_of('notes')}/state.db"
    one.run()
    older = yard.get(at)
    yard.put("in/notes/a.md", "a2")
    yard.delete("in/notes/b.md")
    yard.put("in/notes/c.md", "c1")
    one.run()
    yard.put(at, older)
    yard.delete("in/notes/a.md")  # the memory knows an older version
    yard.put("in/notes/c.md", "c2")  # the memory knows none
    assert yard.pod("two").run().exit == Exit.OK
    assert yard.side("in") == yard.side("out")
    assert yard.side("out")["notes/a.md"] == "a2"
    assert {"c1", "c2"} <= set(yard.side("out").values())
    yard.put("in/notes/b.md", "b")  # just as it was when it was last agreed on
    yard.put(at, older)
    assert yard.pod("three").run().exit == Exit.OK
    assert yard.side("in") == yard.side("out")
    kept = [path for path in yard.objects() if path.endswith("/notes/b.md")]
    assert "b" in {yard.get(path).decode() for path in kept}


def test_what_a_fetched_state_has_in_bad_records_is_told_once_and_gone_with_the_next(
    yard: Yard,
) -> None:
    one, at = yard.pod("one"), f"{yard.state_of('notes')}/state.db"
    one.run()
    file = yard.folder / "odd.db"
    file.write_bytes(yard.get(at))
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE actions SET outcome = 'zzz'")
    yard.put(at, file.read_bytes())
    done = yard.pod("two").apply()
    assert done.notice is not None
    assert "2 records of the state of project notes on store:.bm-sync/state could not be" in (
        done.notice
    )
    assert "the next run writes it without them: bm-sync apply notes" in done.notice
    assert yard.pod("three").apply().notice is None


def test_without_a_state_there_nothing_is_deleted_whatever_this_machine_remembers(
    yard: Yard,
) -> None:
    one = yard.pod("one")
    one.run()
    yard.delete(f"{yard.state_of('notes')}/state.db")
    yard.delete("in/notes/a.md")
    assert kinds(one.run()) == ["copy"]
    assert yard.side("in") == {"notes/a.md": "a", "notes/b.md": "b"}


def test_a_state_of_a_newer_version_is_refused_and_stays(yard: Yard, tmp_path: Path) -> None:
    one = yard.pod("one")
    one.run()
    at = f"{yard.state_of('notes')}/state.db"
    file = tmp_path / "newer.db"
    file.write_bytes(yard.get(at))
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    yard.put(at, file.read_bytes())
    run = yard.pod("two").run()
    assert run.exit == Exit.FAILED
    assert "written by a newer bm-sync" in (run.message or "")
    assert yard.get(at) == file.read_bytes()
    assert yard.pod("two").plan().failure is not None


def test_a_store_without_conditions_works_and_says_what_that_means(
    serve_s3: servers.Server, tmp_path: Path
) -> None:
    made = Yard(tmp_path, serve_s3)
    made.put("in/notes/a.md", "a")
    done = made.pod("one").apply()
    assert done.run is not None
    assert done.run.exit == 0
    assert "the leases on store:.bm-sync/state are advisory" in (done.notice or "")
    made.delete("in/notes/a.md")
    assert kinds(made.pod("two").run()) == ["trash"]


def test_a_shared_folder_holds_the_state_as_well(serve_s3: servers.Server, tmp_path: Path) -> None:
    home = {"type": "local", "root": str(tmp_path / "shared")}
    made = Yard(tmp_path / "yard", serve_s3, home=home)
    made.put("in/notes/a.md", "a")
    assert kinds(made.pod("one").run()) == ["copy"]
    place = tmp_path / "shared" / made.state_of("notes")
    (place / "lease.new-of-a-killed-run").write_text("half")
    made.delete("in/notes/a.md")
    assert kinds(made.pod("two").run()) == ["trash"]
    assert [file.name for file in place.iterdir()] == ["state.db"]


def test_a_quiet_run_asks_the_store_a_few_times_for_each_project(
    seaweedfs: servers.Server, tmp_path: Path
) -> None:
    with counting_proxy.counting(seaweedfs.port) as proxy:
        made = Yard(tmp_path, seaweedfs, tuple("abcd"), port=proxy.port)
        for name in made.names:
            made.put(f"in/{name}/a.md", name)
        one = made.pod("one")
        one.apply()
        proxy.take()
        done = one.apply().run
        assert done is not None
        assert {p.status for p in done.projects} == {Status.IN_SYNC}
        quiet = proxy.take()
    assert quiet.pop("LIST") == 2 * len(made.names), "one for each side, as without a state there"
    assert sum(quiet.values()) <= 7 * len(made.names), quiet


def test_doctor_looks_at_the_remote_of_the_state(yard: Yard) -> None:
    pod = yard.pod("one")

    async def findings() -> list[str]:
        return [f"{f.subject}: {f.what}" async for f in api.doctor(pod.manifest(), pod.setup)]

    told = [line for line in asyncio.run(findings()) if "store" in line]
    assert len(told) >= 2
    assert any("lease" in line for line in told), told


def test_a_renamed_project_takes_its_state_along_on_any_machine(yard: Yard) -> None:
    yard.pod("one").run()
    yard.delete("in/notes/a.md")
    declared = json.loads(yard.file.read_text())
    declared["projects"] = {"diary": {"from": "inner:notes", "path": "diary", "was": "notes"}}
    declared["projects"]["diary"]["was"] = {"name": "notes", "path": "notes"}
    yard.file.write_text(json.dumps(declared))
    two = yard.pod("two")
    assert two.run().status is Status.STOPPED  # though the guard on empty sides is off
    for name, text in (("a.md", "a"), ("b.md", "b")):
        yard.put(f"out/diary/{name}", text)
        yard.delete(f"out/notes/{name}")
    assert kinds(yard.pod("three").plan()) == ["trash"]
    assert kinds(two.run()) == ["trash"]
    assert yard.side("out") == {"diary/b.md": "b"}
    assert yard.pod("four").run().status is Status.IN_SYNC
    assert not [path for path in yard.objects() if path.endswith("lease.json")]
