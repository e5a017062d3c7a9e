"""Bad networks and bad days of a store: what passes is ridden out, what lasts is told in words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from fault_proxy import Answer, Clock, Cut, Drop, Fault, Flip, Slow, Stall
from faults.wire import DOWN, EDITED, FRESH, NEW, Line, ends, line_to
from pipeline_bench import everything, texts

from bm_sync import api
from bm_sync.errors import BmSyncError
from bm_sync.model.plan import Guard
from bm_sync.model.report import Selection
from bm_sync.model.run import Outcome, ProjectRun, Status
from bm_sync.model.tree import Side

REACHABLE = "is it running, and reachable from here? bm-sync doctor looks at every remote"


@pytest.fixture
def line(tmp_path: Path, serve_s3: servers.Server) -> Iterator[Line]:
    with line_to(serve_s3, tmp_path) as made:
        yield made


def missed(run: ProjectRun) -> dict[str, str]:
    """Return what was said of every file that was not done."""
    return {a.path: a.detail or "" for a in run.actions if a.outcome is not Outcome.DONE}


@pytest.mark.parametrize(
    ("fault", "kind", "times"),
    [
        pytest.param(Drop(), "LIST", 2, id="the connection is dropped before a listing"),
        pytest.param(Drop(heard=True), "PUT", 1, id="the reply to an upload is lost"),
        pytest.param(Drop(heard=True), "COPY", 1, id="the reply to a copy is lost"),
        pytest.param(Drop(heard=True), "DELETE", 1, id="the reply to a deletion is lost"),
        pytest.param(Cut(4), "GET", 1, id="a download is reset in its middle"),
        pytest.param(Cut(4, upwards=True), "PUT", 2, id="an upload is reset in its middle"),
        pytest.param(Flip(), "GET", 1, id="a wrong byte arrives here"),
        pytest.param(Flip(upwards=True), "PUT", 1, id="a wrong byte arrives there"),
        pytest.param(Answer(429, retry_after=1), "PUT", 2, id="a burst of 429"),
        pytest.param(Answer(503, retry_after=1), "LIST", 2, id="a burst of 503"),
        pytest.param(Answer(500), "PUT", 3, id="a burst of 500"),
        pytest.param(Slow(200), "GET", 9, id="a slow way down"),
        pytest.param(Slow(200), "PUT", 9, id="a slow way up"),
    ],
)
def test_what_passes_by_itself_is_ridden_out(
    line: Line, fault: Fault, kind: str, times: int
) -> None:
    line.start()
    line.proxy.strike(fault, kind, times=times)
    run = line.bench.apply()
    assert line.proxy.struck[kind] >= 1
    assert (run.exit, run.status, missed(run)) == (0, Status.CHANGED, {})
    ends(line)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Drop(), "connection reset by peer"),
        (Answer(503), "the store answers 503"),
    ],
    ids=["dropped", "503"],
)
def test_a_store_that_does_not_answer_fails_the_project_before_anything_moves(
    line: Line, fault: Fault, words: str
) -> None:
    line.start()
    before = everything(line.bench.here)
    line.proxy.strike(fault, "LIST")
    run = line.bench.apply()
    assert (run.exit, run.status, run.actions) == (1, Status.FAILED, ())
    assert words in (run.message or "")
    assert run.hint == REACHABLE
    assert everything(line.bench.here) == before
    line.heals()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Cut(3, upwards=True), "connection reset by peer"),
        (Flip(upwards=True), "BadDigest"),
        (Answer(507), "the quota of the account is used up"),
        (Answer(403, code="AccessDenied"), "access denied"),
        (Answer(404, code="NoSuchBucket"), "the bucket does not exist"),
    ],
    ids=["cut", "wrong bytes", "quota", "forbidden", "bucket gone"],
)
def test_uploads_that_never_succeed_are_told_file_by_file_and_all_else_is_done(
    line: Line, fault: Fault, words: str
) -> None:
    line.start()
    line.proxy.strike(fault, "PUT")
    run = line.bench.apply()
    assert (run.exit, run.status) == (1, Status.PARTIAL)
    said = missed(run)
    assert said.keys() == {EDITED, NEW}
    assert all(words in text for text in said.values()), said
    assert line.whole()
    assert texts(line.bench.here)[DOWN] == "edited there"
    assert line.there()[EDITED] == f"text of {EDITED}\n"
    line.heals()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Cut(3), "reset by peer"),
        (Flip(), "corrupted on transfer: md5 hashes differ"),
    ],
    ids=["cut", "wrong bytes"],
)
def test_a_download_that_never_succeeds_is_told_and_no_wrong_byte_is_ever_placed(
    line: Line, fault: Fault, words: str
) -> None:
    line.start()
    line.proxy.strike(fault, "GET", inside=DOWN)
    run = line.bench.apply()
    assert (run.exit, run.status) == (1, Status.PARTIAL)
    said = missed(run)
    assert said.keys() == {DOWN}
    assert words in said[DOWN]
    assert line.whole()
    assert texts(line.bench.here)[DOWN] == f"text of {DOWN}\n"
    assert texts(line.bench.here)[FRESH] == "new there"
    line.heals()


@pytest.mark.parametrize("kind", ["LIST", "GET", "PUT", "COPY"])
def test_a_server_that_says_nothing_ends_the_run_at_its_time_limit(
    tmp_path: Path, serve_s3: servers.Server, kind: str
) -> None:
    with line_to(serve_s3, tmp_path) as line:
        line.start()
        line.bench.policy["limits"] = {"timeout": "5s"}
        line.proxy.strike(Stall(), kind)
        run = line.bench.apply()
        assert (run.exit, run.status) == (1, Status.FAILED)
        assert run.message == "stopped after the time limit of 5 s"
        assert run.hint == "run again to go on; limits.timeout in the policy sets the limit"
        assert line.whole()
        line.bench.policy["limits"] = {}
        line.heals()


def test_no_command_that_looks_at_a_silent_server_looks_longer_than_the_limit(line: Line) -> None:
    line.start()
    line.bench.policy["limits"] = {"timeout": "3s"}
    line.proxy.strike(Stall())
    limit = "stopped after the time limit of 3 s"
    manifest, setup = line.bench.manifest(), line.bench.setup
    assert line.bench.planned().failure == limit
    (checked,) = asyncio.run(api.check(manifest, Selection(), setup))
    assert checked.failure == limit
    with pytest.raises(BmSyncError, match=limit):
        asyncio.run(api.listing(manifest, "notes", Side.REMOTE, setup))
    line.bench.policy["limits"] = {}
    line.heals()


def test_a_download_that_stops_in_its_middle_ends_at_the_time_limit_and_is_never_seen(
    line: Line,
) -> None:
    line.start()
    line.bench.policy["limits"] = {"timeout": "5s"}
    line.proxy.strike(Stall(after=4), "GET", inside=DOWN)
    run = line.bench.apply()
    assert (run.exit, run.message) == (1, "stopped after the time limit of 5 s")
    assert line.whole()
    line.bench.policy["limits"] = {}
    line.heals()


@pytest.mark.parametrize("moment", ["COPY", "PUT"])
def test_keys_that_are_revoked_in_mid_run_stop_it_and_lose_nothing(line: Line, moment: str) -> None:
    line.start()
    line.proxy.strike(Answer(403, code="InvalidAccessKeyId"), moment)
    run = line.bench.apply()
    assert line.proxy.struck[moment] >= 1
    assert run.exit == 1
    told = "the store does not know the access key"
    assert all(told in text for text in missed(run).values()), run
    assert line.whole()
    line.proxy.strike(Answer(403, code="InvalidAccessKeyId"))
    before = everything(line.bench.here)
    run = line.bench.apply()
    assert (run.exit, run.status, run.actions) == (1, Status.FAILED, ())
    assert run.hint == f"check the keys of remote 'shelf' ({line.bench.folder}/sync.yaml:1)"
    assert everything(line.bench.here) == before
    line.heals()


def test_a_bucket_that_is_gone_stops_the_project_and_changes_nothing(line: Line) -> None:
    line.start()
    before = everything(line.bench.here)
    line.proxy.strike(Answer(404, code="NoSuchBucket"), "LIST")
    run = line.bench.apply()
    assert (run.exit, run.stops[0].guard) == (3, Guard.STORE)
    where = f"shelf:{servers.BUCKET}/{line.prefix}/notes"
    assert run.stops[0].what == f"the bucket of {where} does not exist"
    assert run.stops[0].hint == "make it: bm-sync doctor --create-bucket shelf; or correct its name"
    assert everything(line.bench.here) == before
    line.heals()


def test_a_bucket_that_is_emptied_stops_the_project_and_changes_nothing(line: Line) -> None:
    line.start()
    del line.bench.policy["guards"]
    kept = line.there()
    for name in kept:
        line.bucket.delete(f"{line.prefix}/notes/{name}")
    before = everything(line.bench.here)
    run = line.bench.apply()
    assert (run.exit, [s.guard for s in run.stops]) == (3, [Guard.EMPTY_SIDE])
    assert everything(line.bench.here) == before
    assert line.there() == {}
    for name, text in kept.items():
        line.put(name, text)
    line.heals()


@pytest.mark.parametrize("ahead_s", [7200.0, -7200.0], ids=["ahead", "behind"])
def test_a_store_whose_clock_is_two_hours_wrong_is_synced_with(
    tmp_path: Path, ahead_s: float
) -> None:
    with (
        servers.serve_s3_openly(tmp_path / "s3") as server,
        line_to(server, tmp_path / "world") as line,
    ):
        line.proxy.strike(Clock(ahead_s))
        line.start()
        run = line.bench.apply()
        assert (run.exit, run.status, run.clashes) == (0, Status.CHANGED, ())
        ends(line)


def test_a_store_that_finds_our_clock_wrong_whatever_we_do_names_the_clock(line: Line) -> None:
    line.start()
    line.proxy.strike(Answer(403, code="RequestTimeTooSkewed"))
    run = line.bench.apply()
    assert (run.exit, run.status, run.actions) == (1, Status.FAILED, ())
    assert "the clock of this machine and that of the store" in (run.message or "")
    assert run.hint == "set the clock of this machine; a store refuses what seems old"
    line.heals()
