"""Object stores whose names of versions are no hashes (parts, KMS keys), and that keep all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import any_key_s3
import pytest
import servers
from any_key_s3 import Habits, Store
from pipeline_bench import Bench, texts

from bm_sync import past_api
from bm_sync.model.past import Undo
from bm_sync.model.run import Outcome, ProjectRun, Status
from bm_sync.model.tree import Side

LARGE = 11 << 20
IN_PARTS = {"upload_cutoff": "5M", "chunk_size": "5M"}


def bench_on(store: Store, folder: Path, **more: str) -> Bench:
    """Return a project at the top of the store's bucket."""
    options = {**dict(store.server.options), "secret_access_key": {"env": "SECRET"}, **more}
    bench = Bench(folder, {"type": "s3", "options": options, "root": "bucket"})
    bench.policy = {"retry": {"attempts": 2, "max_wait": "0.1s"}}
    return bench


@pytest.fixture(params=[True, False], ids=["conditions", "no conditions"])
def parts(request: pytest.FixtureRequest) -> Iterator[Store]:
    with any_key_s3.running(Habits(conditions=request.param)) as store:
        yield store


@pytest.fixture(params=[True, False], ids=["conditions", "no conditions"])
def opaque(request: pytest.FixtureRequest) -> Iterator[Store]:
    with any_key_s3.running(Habits(opaque=True, conditions=request.param)) as store:
        yield store


def live(store: Store) -> dict[str, str]:
    """Return what others see of the project."""
    found = {k.decode(): v for k, v in store.objects.items() if b".bm-sync" not in k}
    return {k.removeprefix("notes/"): v.decode() for k, v in sorted(found.items())}


def large(mark: str) -> str:
    return mark * (LARGE // len(mark))


def missed(run: ProjectRun) -> list[tuple[str, str | None]]:
    return [(a.path, a.detail) for a in run.actions if a.outcome is not Outcome.DONE]


def test_a_file_that_went_up_in_parts_is_replaced_as_any_other(
    parts: Store, tmp_path: Path
) -> None:
    bench = bench_on(parts, tmp_path, **IN_PARTS)
    bench.write("big.bin", text=large("one "))
    bench.write("small.md", text="one")
    assert bench.apply().exit == 0
    assert "-" in parts.tag(b"notes/big.bin")
    bench.write("big.bin", text=large("two "))
    bench.write("small.md", text="two")
    parts.asked.clear()
    run = bench.apply()
    assert (run.exit, missed(run)) == (0, [])
    assert live(parts) == texts(bench.here)
    assert [op for op, key in parts.asked if key == b"notes/big.bin"].count(
        "CompleteMultipartUpload"
    ) == 1, "it goes up once"
    assert [hashlib.sha256(parts.objects[k]).hexdigest() for k in parts.kept()] == [
        hashlib.sha256(text.encode()).hexdigest() for text in (large("one "), "one")
    ]
    assert bench.apply().status is Status.IN_SYNC


def test_a_newer_version_of_a_file_in_parts_is_not_replaced_unseen(tmp_path: Path) -> None:
    """Another machine writes between the look and the end of the upload."""
    with any_key_s3.running(Habits(conditions=True)) as store:
        bench = bench_on(store, tmp_path, **IN_PARTS)
        bench.write("big.bin", text=large("one "))
        assert bench.apply().exit == 0
        bench.write("big.bin", text=large("two "))
        theirs = large("three ").encode()

        def meanwhile(operation: str, key: bytes) -> None:
            if (operation, key) == ("CompleteMultipartUpload", b"notes/big.bin"):
                store.on_ask = None
                store.put(key, theirs, {}, 3)

        store.on_ask = meanwhile
        run = bench.apply()
        assert missed(run) == [("big.bin", "another version has appeared")]
        assert store.objects[b"notes/big.bin"] == theirs


def test_a_try_that_fails_leaves_no_copy_behind(parts: Store, tmp_path: Path) -> None:
    bench = bench_on(parts, tmp_path)
    bench.write("a.md", "gone.md", text="one")
    assert bench.apply().exit == 0
    bench.write("a.md", text="two, longer")
    (bench.here / "gone.md").unlink()
    parts.refuse = {("PutObject", b"notes/a.md"), ("DeleteObject", b"notes/gone.md")}
    for _ in range(3):
        run = bench.apply()
        assert sorted(path for path, _ in missed(run)) == ["a.md", "gone.md"]
        assert parts.kept() == []
    parts.refuse = set()
    assert bench.apply().exit == 0
    assert live(parts) == texts(bench.here)
    assert len(parts.kept()) == 2


def test_a_bucket_whose_etags_are_no_hashes_is_synced_both_ways(
    opaque: Store, tmp_path: Path
) -> None:
    bench = bench_on(opaque, tmp_path)
    bench.write("a.md", "b.md", "same/c.md")
    run = bench.apply()
    assert (run.exit, missed(run)) == (0, [])
    assert bench.apply().status is Status.IN_SYNC
    bench.write("a.md", text="edited here")
    opaque.put(b"notes/b.md", b"edited there", {})
    (bench.here / "same/c.md").unlink()
    run = bench.apply()
    assert (run.exit, missed(run), run.clashes) == (0, [], ())
    assert texts(bench.here) == live(opaque) == {"a.md": "edited here", "b.md": "edited there"}
    assert len(opaque.kept()) == 2
    opaque.asked.clear()
    assert bench.apply().status is Status.IN_SYNC
    assert opaque.asked == [("ListObjects", b"notes/")], "a quiet run is one listing"


def test_a_machine_that_comes_to_such_a_bucket_adopts_what_is_equal(
    opaque: Store, tmp_path: Path
) -> None:
    for name in ("a.md", "b.md"):
        opaque.put(f"notes/{name}".encode(), f"text of {name}\n".encode(), {})
    bench = bench_on(opaque, tmp_path)
    bench.write("a.md", "b.md", "c.md")
    plan = bench.planned()
    assert [(a.kind, a.path) for a in plan.moves] == [("copy", "c.md")]
    run = bench.apply()
    assert (run.exit, missed(run), run.clashes) == (0, [], ())
    assert live(opaque) == texts(bench.here)
    assert bench.apply().status is Status.IN_SYNC


def test_a_bucket_that_begins_to_encrypt_goes_on_being_synced(tmp_path: Path) -> None:
    with any_key_s3.running(Habits(conditions=True)) as store:
        bench = bench_on(store, tmp_path)
        bench.write("a.md", "b.md", "c.md", "d.md", "e.md")
        assert bench.apply().exit == 0
        store.habits = Habits(conditions=True, opaque=True)
        bench.write("a.md", text="edited here")
        bench.write("new.md")
        for _ in range(2):
            run = bench.apply()
            assert (run.clashes, missed(run)) == ((), [])
            assert live(store) == texts(bench.here)
        assert bench.apply().status is Status.IN_SYNC
        assert len(store.kept()) == 1, "nothing but the edited file was replaced"


def test_a_bucket_that_keeps_versions_loses_none_and_is_synced(
    parts: Store, tmp_path: Path
) -> None:
    bench = bench_on(parts, tmp_path)
    for text in ("one", "two", "three"):
        bench.write("a.md", text=text)
        assert bench.apply().exit == 0
    assert parts.versions[b"notes/a.md"] == [b"one", b"two", b"three"]


def test_the_longest_key_that_goes_up_can_be_replaced_deleted_and_taken_back(
    parts: Store, tmp_path: Path
) -> None:
    """S3 takes keys of 1,024 bytes; in the trash they would be longer."""
    folders = "/".join(["d" * 100] * 10)
    long = f"{folders}/{'a' * (1024 - len(f'notes/{folders}/.md'))}.md"
    bench = bench_on(parts, tmp_path)
    bench.write(long, "b.md", text="one")
    assert bench.apply().exit == 0
    assert len(f"notes/{long}") == 1024
    bench.write(long, "b.md", text="two, longer")
    run = bench.apply()
    assert (run.exit, missed(run)) == (0, [])
    assert live(parts) == texts(bench.here)
    manifest = bench.manifest()
    undone = asyncio.run(past_api.undo(manifest, Undo(), bench.setup)).run
    assert undone is not None
    assert missed(undone.projects[0]) == []
    assert (undone.exit, live(parts)) == (0, {long: "one", "b.md": "one"})
    found = asyncio.run(past_api.versions(manifest.projects[0], long, bench.setup))
    assert {version.side for version in found} == {Side.LOCAL, Side.REMOTE}
    (bench.here / long).unlink()
    run = bench.apply()
    assert (run.exit, missed(run)) == (0, [])
    assert live(parts) == {"b.md": "one"}


FORMS = {
    "another digest": '"{other}"',
    "in parts": '"{md5}-2"',
    "weak": 'W/"{other}"',
    "opaque": '"opaque{other}xyz"',
}


def rename_versions(store: Store, form: str) -> None:
    """Let the store tell of every version of the project by another name than before."""
    for key, data in store.objects.items():
        if b".bm-sync" not in key:
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            other = hashlib.md5(key, usedforsecurity=False).hexdigest()
            store.tags[key] = form.format(md5=md5, other=other)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_nothing_moves_when_a_store_begins_to_name_versions_in_another_way(
    parts: Store, tmp_path: Path, form: str
) -> None:
    bench = bench_on(parts, tmp_path)
    for number in range(12):
        bench.write(f"{number}.md", text=f"text {number:02}")
    assert bench.apply().exit == 0
    before = live(parts)
    rename_versions(parts, form)
    plan = bench.planned()
    assert (plan.moves, plan.stops) == ((), ())
    assert any("other versions of 12 files" in note for note in plan.notes)
    run = bench.apply()
    assert (run.status, run.actions, live(parts)) == (Status.IN_SYNC, (), before)
    assert parts.kept() == []
    assert bench.planned().moves == ()
    bench.write("3.md", text="text 33")
    assert bench.apply().exit == 0
    assert live(parts) == texts(bench.here)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_was_edited_while_a_store_changes_its_names_still_moves(
    parts: Store, tmp_path: Path, form: str
) -> None:
    bench = bench_on(parts, tmp_path)
    for number in range(12):
        bench.write(f"{number}.md", text=f"text {number:02}")
    assert bench.apply().exit == 0
    parts.put(b"notes/5.md", b"text 55", {})
    bench.write("7.md", text="text 77")
    rename_versions(parts, form)
    first, run = bench.apply(), bench.apply()  # what names no digests is listed anew by the second
    for each in (first, run):
        assert {action.path for action in each.actions} <= {"5.md", "7.md"}
    assert (run.exit, missed(run)) == (0, [])
    assert texts(bench.here) == live(parts)
    assert (live(parts)["5.md"], live(parts)["7.md"]) == ("text 55", "text 77")


def test_files_that_were_all_replaced_by_others_of_their_size_are_brought(
    parts: Store, tmp_path: Path
) -> None:
    bench = bench_on(parts, tmp_path)
    for number in range(12):
        bench.write(f"{number}.md", text=f"text {number:02}")
    assert bench.apply().exit == 0
    for number in range(12):
        parts.put(f"notes/{number}.md".encode(), f"TEXT {number:02}".encode(), {})
    run = bench.apply()
    assert (run.exit, len(run.actions), missed(run)) == (0, 12, [])
    assert texts(bench.here) == live(parts)


def test_nothing_moves_when_every_time_on_a_webdav_server_has_changed(tmp_path: Path) -> None:
    """As after a restored backup."""
    with servers.serve_webdav(tmp_path / "there", *servers.FORGETFUL) as server:
        options = {**dict(server.options), "vendor": "other", "pass": {"env": "PASS"}}
        bench = Bench(tmp_path, {"type": "webdav", "options": options, "root": "kb"})
        bench.setup.env["PASS"] = servers.PASSWORD
        for number in range(12):
            bench.write(f"{number}.md", text=f"text {number:02}")
        assert bench.apply().exit == 0
        assert server.folder is not None
        for number in range(12):
            os.utime(server.folder / f"kb/notes/{number}.md", (1_700_000_000, 1_700_000_000))
        wait_for(lambda: len(bench.planned().actions) == 12)
        assert bench.planned().moves == ()
        assert bench.apply().status is Status.IN_SYNC
        assert bench.planned().actions == ()


def wait_for(true: Callable[[], bool]) -> None:
    """Wait until a server that remembers listings tells what is there."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
