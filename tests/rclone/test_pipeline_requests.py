"""How much a run asks of a store, counted on the wire, and what it does when the store fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import counting_proxy
import pytest
import servers
from counting_proxy import CountingProxy
from machine.bucket import Bucket
from pipeline_bench import Bench, s3

from bm_sync.model.run import Outcome, Status

STORES = ["serve_s3", "seaweedfs"]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> servers.Server:
    found: servers.Server = request.getfixturevalue(getattr(request, "param", "serve_s3"))
    return found


@pytest.fixture
def proxy(server: servers.Server) -> Iterator[CountingProxy]:
    with counting_proxy.counting(server.port) as one:
        yield one


@pytest.fixture
def bench(tmp_path: Path, server: servers.Server, proxy: CountingProxy) -> Bench:
    bench = Bench(tmp_path, s3(server, f"requests-{tmp_path.name}", proxy.port))
    bench.policy = {"retry": {"attempts": 4, "max_wait": "1s"}}
    return bench


def objects(bench: Bench, server: servers.Server) -> dict[str, bytes]:
    """Return what the project's prefix of the bucket holds, asked without bm-sync."""
    prefix = f"requests-{bench.folder.name}/notes/"
    with closing(Bucket(server.port)) as bucket:
        found = bucket.list(prefix)
        return {key.removeprefix(prefix): bucket.get(key)[0] for key in found}


@pytest.mark.parametrize("server", STORES, indirect=True)
def test_a_quiet_project_costs_one_listing(bench: Bench, proxy: CountingProxy) -> None:
    bench.write(*(f"d{n % 5}/{n}.md" for n in range(60)))
    assert bench.apply().exit == 0
    proxy.take()
    assert bench.apply().status is Status.IN_SYNC
    assert proxy.take() == {"LIST": 1}
    assert bench.planned().in_sync
    assert proxy.take() == {"LIST": 1}


@pytest.mark.parametrize("server", STORES, indirect=True)
def test_a_run_asks_for_what_it_changes_not_for_what_is_there(
    bench: Bench, server: servers.Server, proxy: CountingProxy
) -> None:
    bench.write(*(f"d{n % 5}/{n}.md" for n in range(60)))
    assert bench.apply().exit == 0
    proxy.take()
    bench.write("d0/0.md", text="changed\n")
    bench.write(*(f"new/{n}.md" for n in range(10)))
    for n in (1, 2, 3):
        (bench.here / f"d{n}/{n}.md").unlink()
    done = bench.apply()
    assert done.exit == 0
    assert {a.outcome for a in done.actions} == {Outcome.DONE}
    asked = proxy.take()
    assert asked["PUT"] == 11, asked
    assert asked["DELETE"] == 3, asked
    assert asked["COPY"] == 4, "each version that goes is kept first"
    assert asked["LIST"] <= 5, "one to observe, the others look before and after the writes"
    assert asked["HEAD"] <= 4 * 2 + 3 + 2, "of versions that are kept or go, of no other"
    assert asked.get("GET", 0) == 0, asked
    assert len(objects(bench, server)) == 67


def test_a_first_run_does_not_ask_for_each_object(bench: Bench, proxy: CountingProxy) -> None:
    bench.write(*(f"{n}.md" for n in range(40)))
    assert bench.apply().exit == 0
    asked = proxy.take()
    assert asked["LIST"] + asked.get("HEAD", 0) < 20, asked


@pytest.mark.parametrize("status", [503, 500, 429])
def test_a_store_that_fails_for_a_moment_is_asked_again(
    bench: Bench, server: servers.Server, proxy: CountingProxy, status: int
) -> None:
    left = {"LIST": 3, "PUT": 5}

    def instead(kind: str, _: str) -> int | None:
        if not left.get(kind):
            return None
        left[kind] -= 1
        return status

    bench.write("a.md", "b.md")
    proxy.instead = instead
    done = bench.apply()
    assert (done.exit, done.status) == (0, Status.CHANGED), done.message
    assert left == {"LIST": 0, "PUT": 0}
    assert objects(bench, server).keys() == {"a.md", "b.md"}
    assert bench.apply().status is Status.IN_SYNC


def test_a_store_that_keeps_failing_ends_the_run_and_the_next_one_goes_on(
    bench: Bench, server: servers.Server, proxy: CountingProxy
) -> None:
    bench.policy = {"retry": {"attempts": 2, "max_wait": "1s"}}
    bench.write("a.md", "b.md")
    proxy.instead = lambda kind, _: 503 if kind == "PUT" else None
    done = bench.apply()
    assert (done.exit, done.status) == (1, Status.FAILED)
    assert {a.outcome for a in done.actions} == {Outcome.FAILED}
    assert done.retries >= 1
    proxy.instead = None
    assert bench.apply().exit == 0
    assert objects(bench, server).keys() == {"a.md", "b.md"}


def test_one_object_that_the_store_refuses_does_not_keep_the_others_from_going(
    bench: Bench, server: servers.Server, proxy: CountingProxy
) -> None:
    bench.write(*(f"{n}.md" for n in range(8)))
    proxy.instead = lambda kind, path: 403 if kind == "PUT" and "/3.md" in path else None
    done = bench.apply()
    assert (done.exit, done.status) == (1, Status.PARTIAL)
    failed = [a.path for a in done.actions if a.outcome is not Outcome.DONE]
    assert failed == ["3.md"]
    assert objects(bench, server).keys() == {f"{n}.md" for n in range(8)} - {"3.md"}
    proxy.instead = None
    assert bench.apply().exit == 0


def test_a_version_saved_while_its_file_is_moved_is_no_version_both_agreed_on(
    bench: Bench, server: servers.Server, proxy: CountingProxy
) -> None:
    bench.write("a.md")
    bench.apply()
    (bench.here / "a.md").rename(bench.here / "b.md")
    key = f"requests-{bench.folder.name}/notes/a.md"
    left = [b"saved meanwhile\n"]

    def save(kind: str, _: str) -> None:
        if kind == "COPY" and left:
            with closing(Bucket(server.port)) as bucket:
                bucket.put(key, left.pop(), 1_700_000_000.0)

    proxy.instead = save
    assert bench.apply().exit == 1
    assert not left
    proxy.instead = None
    assert bench.apply().exit == 0
    assert {b"saved meanwhile\n", b"text of a.md\n"} == set(objects(bench, server).values())
    assert bench.apply().status is Status.IN_SYNC


def test_a_deletion_whose_version_cannot_be_kept_is_not_done(
    bench: Bench, server: servers.Server, proxy: CountingProxy
) -> None:
    bench.write("a.md", "b.md")
    bench.apply()
    (bench.here / "a.md").unlink()
    bench.write("b.md", text="edited\n")
    proxy.instead = lambda kind, _: 403 if kind == "COPY" else None
    done = bench.apply()
    assert done.exit == 1
    assert objects(bench, server) == {"a.md": b"text of a.md\n", "b.md": b"text of b.md\n"}
    proxy.instead = None
    assert bench.apply().exit == 0
    assert objects(bench, server) == {"b.md": b"edited\n"}
