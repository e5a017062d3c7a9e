"""Projects that join two remotes keep every promise in every mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import counting_proxy
import pytest
import servers
from counting_proxy import CountingProxy
from machine.shores import BucketShore
from remotes_pair.pair import OFF, Buckets, Pair, folder, webdav

from bm_sync.engine import relay
from bm_sync.engine.lending import Portion
from bm_sync.model.plan import Accept
from bm_sync.model.run import Outcome, Status
from bm_sync.model.tree import Side

LOCAL, REMOTE = Side.LOCAL, Side.REMOTE


@pytest.fixture
def buckets() -> Iterator[Buckets]:
    with Buckets() as made:
        yield made


@pytest.fixture(params=["s3-folder", "weed-s3"])
def pair(request: pytest.FixtureRequest, tmp_path: Path, buckets: Buckets) -> Pair:
    one, two = request.param.split("-")
    near = buckets.at(_server(request, one), f"{tmp_path.name}-near")
    far = buckets.at(_server(request, two), tmp_path.name) if two == "s3" else folder(tmp_path)
    return Pair(tmp_path, near, far)


def _server(request: pytest.FixtureRequest, kind: str) -> servers.Server:
    found: servers.Server = request.getfixturevalue("seaweedfs" if kind == "weed" else "serve_s3")
    return found


def began(pair: Pair) -> Pair:
    """Bring both sides together."""
    for path in ("a.md", "b.md", "d/c.md"):
        pair.write(LOCAL, path, f"first of {path}")
    assert pair.apply().exit == 0
    assert pair.texts(LOCAL) == pair.texts(REMOTE)
    return pair


def test_both_sides_hold_the_same_after_a_run_and_the_next_one_does_nothing(pair: Pair) -> None:
    began(pair)
    pair.write(LOCAL, "a.md", "changed at the source")
    pair.write(REMOTE, "b.md", "changed at the remote")
    pair.write(REMOTE, "e/new.md", "new at the remote")
    pair.here.delete("d/c.md")
    done = pair.apply()
    assert (done.exit, done.status) == (0, Status.CHANGED), done
    assert pair.texts(LOCAL) == pair.texts(REMOTE)
    assert pair.texts(LOCAL) == {
        "a.md": "changed at the source",
        "b.md": "changed at the remote",
        "e/new.md": "new at the remote",
    }
    assert pair.kept() == {"first of a.md", "first of b.md", "first of d/c.md"}
    assert pair.apply().status is Status.IN_SYNC
    assert not list((pair.setup.state_dir / "relay").rglob("*"))


def test_the_newer_version_wins_and_the_other_one_is_kept_beside_it(pair: Pair) -> None:
    began(pair)
    pair.write(LOCAL, "a.md", "older, of the source")
    pair.write(REMOTE, "a.md", "newer, of the remote")
    pair.write(REMOTE, "b.md", "older, of the remote")
    pair.write(LOCAL, "b.md", "newer, of the source")
    done = pair.apply()
    assert done.exit == 0, done
    assert {c.winner for c in done.clashes} == {LOCAL, REMOTE}
    texts = pair.texts(LOCAL)
    assert texts == pair.texts(REMOTE)
    assert (texts["a.md"], texts["b.md"]) == ("newer, of the remote", "newer, of the source")
    copies = {path: text for path, text in texts.items() if ".conflict-" in path}
    assert sorted(copies.values()) == ["older, of the remote", "older, of the source"]
    assert {path.rpartition("-")[2] for path in copies} == {"near.md", "far.md"}


@pytest.mark.parametrize(("direction", "source"), [("up", LOCAL), ("down", REMOTE)])
def test_a_mirror_makes_the_other_side_equal_and_keeps_what_it_takes(
    pair: Pair, direction: str, source: Side
) -> None:
    began(pair)
    pair.policy = {"mode": "mirror", "direction": direction, "guards": OFF}
    pair.write(source.other, "a.md", "changed where nobody should")
    pair.write(source.other, "surplus.md", "surplus")
    pair.write(source, "b.md", "changed at the source")
    before = pair.texts(source)
    assert pair.apply().exit == 0
    assert pair.texts(source) == pair.texts(source.other) == before
    assert {"changed where nobody should", "surplus", "first of b.md"} <= pair.kept()


@pytest.mark.parametrize(("mode", "source"), [("push", LOCAL), ("pull", REMOTE)])
def test_push_and_pull_only_add(pair: Pair, mode: str, source: Side) -> None:
    began(pair)
    pair.policy = {"mode": mode, "guards": OFF}
    pair.write(source, "new.md", "new")
    pair.write(source.other, "theirs.md", "theirs")
    pair.write(source, "a.md", "changed here")
    pair.write(source.other, "b.md", "changed there")
    shore = pair.here if source is LOCAL else pair.there
    shore.delete("d/c.md")
    assert pair.apply().exit == 0
    assert pair.texts(source.other) == {
        "a.md": "changed here",
        "b.md": "changed there",
        "d/c.md": "first of d/c.md",
        "new.md": "new",
        "theirs.md": "theirs",
    }
    assert "theirs.md" not in pair.texts(source)


def test_a_guard_stops_the_whole_plan_and_names_the_way_on(pair: Pair) -> None:
    began(pair)
    pair.policy = {"guards": {"max_delete": 1}}
    for path in ("a.md", "b.md"):
        pair.here.delete(path)
    pair.write(LOCAL, "new.md", "new")
    before = pair.texts(LOCAL), pair.texts(REMOTE)
    stopped = pair.apply()
    assert (stopped.exit, stopped.status) == (3, Status.STOPPED)
    assert [s.accept for s in stopped.stops] == ["delete=2"]
    assert (pair.texts(LOCAL), pair.texts(REMOTE)) == before
    assert pair.apply(Accept(delete=2)).exit == 0
    assert (
        pair.texts(REMOTE)
        == pair.texts(LOCAL)
        == {
            "d/c.md": "first of d/c.md",
            "new.md": "new",
        }
    )


def test_a_run_is_taken_back_on_both_remotes(pair: Pair) -> None:
    began(pair)
    before = pair.texts(LOCAL)
    pair.write(LOCAL, "a.md", "second")
    pair.write(REMOTE, "b.md", "second")
    pair.here.delete("d/c.md")
    pair.write(REMOTE, "new.md", "new")
    assert pair.apply().exit == 0
    after = pair.texts(LOCAL)
    assert pair.undo().exit == 0
    assert pair.texts(LOCAL) == pair.texts(REMOTE) == before
    assert pair.apply().status is Status.IN_SYNC
    assert pair.undo().exit == 0
    assert pair.texts(LOCAL) == pair.texts(REMOTE) == after


def test_two_places_of_one_remote_keep_their_versions_apart(
    tmp_path: Path, serve_s3: servers.Server, buckets: Buckets
) -> None:
    near = buckets.at(serve_s3, tmp_path.name)
    pair = Pair(tmp_path, near, near, path="copy")
    assert isinstance(pair.here, BucketShore)
    pair.there = BucketShore(pair.here.bucket, f"{tmp_path.name}/copy", tmp_path.name)
    for text in ("first", "second"):
        pair.write(LOCAL, "a.md", text)
        assert pair.apply().exit == 0
    pair.write(REMOTE, "a.md", "third")
    assert pair.apply().exit == 0
    assert pair.undo().exit == 0
    assert pair.texts(LOCAL) == pair.texts(REMOTE) == {"a.md": "second"}
    kept = [(path.startswith("from/"), data) for path, data in pair.there.trash().items()]
    assert sorted(kept) == [
        (False, b"first"),
        (False, b"third"),
        (True, b"second"),
        (True, b"third"),
    ]


def test_check_compares_contents_of_both_remotes(pair: Pair) -> None:
    began(pair)
    assert not pair.check().differences
    pair.write(REMOTE, "a.md", "first of A.md")
    assert [(d.path, d.what) for d in pair.check().differences] == [("a.md", "differs")]


@pytest.fixture
def proxies(serve_s3: servers.Server, seaweedfs: servers.Server) -> Iterator[list[CountingProxy]]:
    with (
        counting_proxy.counting(seaweedfs.port) as one,
        counting_proxy.counting(serve_s3.port) as two,
    ):
        yield [one, two]


@pytest.fixture
def counted(
    tmp_path: Path,
    serve_s3: servers.Server,
    seaweedfs: servers.Server,
    proxies: list[CountingProxy],
    buckets: Buckets,
) -> Pair:
    near = buckets.at(seaweedfs, f"{tmp_path.name}-near", proxies[0].port)
    return Pair(tmp_path, near, buckets.at(serve_s3, tmp_path.name, proxies[1].port))


def test_a_quiet_run_costs_one_listing_of_each_side(
    counted: Pair, proxies: list[CountingProxy]
) -> None:
    for n in range(60):
        counted.write(LOCAL, f"d{n % 5}/{n}.md", f"text {n}")
    assert counted.apply().exit == 0
    for proxy in proxies:
        proxy.take()
    assert counted.apply().status is Status.IN_SYNC
    assert [proxy.take() for proxy in proxies] == [{"LIST": 1}, {"LIST": 1}]
    assert counted.planned().in_sync
    assert [proxy.take() for proxy in proxies] == [{"LIST": 1}, {"LIST": 1}]


def test_a_copied_file_costs_one_download_and_one_upload(
    counted: Pair, proxies: list[CountingProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_MOST", Portion(files=4, bytes=1 << 20))
    for n in range(10):
        counted.write(LOCAL, f"{n}.md", f"text {n}")
    for proxy in proxies:
        proxy.take()
    here: list[int] = []

    def look(kind: str, _: str) -> None:
        if kind == "PUT":
            relayed = (counted.setup.state_dir / "relay").rglob("*.md")
            here.append(len(list(relayed)))

    proxies[1].instead = look
    done = counted.apply()
    assert {a.outcome for a in done.actions} == {Outcome.DONE}
    assert max(here) == 4, "no more than a portion is ever here"
    near, far = (proxy.take() for proxy in proxies)
    assert near["GET"] == 10 + 1, f"the files, and one to learn whether ETags are MD5: {near}"
    assert near.get("PUT", 0) == 0, "a side that only gives is not written"
    uploads = [a for a in done.actions if a.kind == "copy"]
    assert far["PUT"] == len(uploads) + 2, f"the files, and the probe for conditions: {far}"
    assert counted.texts(REMOTE) == counted.texts(LOCAL)


def test_what_is_saved_at_the_source_during_the_copy_is_neither_lost_nor_half(
    counted: Pair, proxies: list[CountingProxy]
) -> None:
    counted.write(LOCAL, "a.md", "first")
    saved: list[str] = []

    def save(kind: str, path: str) -> int | None:
        if kind == "GET" and "a.md" in path and not saved:
            saved.append(path)
            counted.write(LOCAL, "a.md", "saved meanwhile")
        return None

    proxies[0].instead = save
    done = counted.apply()
    assert saved
    assert counted.texts(REMOTE).get("a.md") in (None, "first", "saved meanwhile"), done
    assert counted.apply().exit == 0
    assert counted.texts(REMOTE) == counted.texts(LOCAL) == {"a.md": "saved meanwhile"}


@pytest.mark.parametrize("source", [LOCAL, REMOTE])
def test_what_is_saved_at_the_target_during_the_copy_is_not_replaced(
    counted: Pair, proxies: list[CountingProxy], source: Side
) -> None:
    counted.write(LOCAL, "a.md", "first")
    assert counted.apply().exit == 0
    counted.write(source, "a.md", "second")
    saved: list[str] = []

    def save(kind: str, path: str) -> int | None:
        if kind == "GET" and "a.md" in path and not saved:
            saved.append(path)
            counted.write(source.other, "a.md", "saved meanwhile, and the newer one")
        return None

    proxies[0 if source is LOCAL else 1].instead = save
    done = counted.apply()
    assert saved
    assert [a.outcome for a in done.actions] == [Outcome.DROPPED], done
    assert counted.texts(source.other) == {"a.md": "saved meanwhile, and the newer one"}
    assert counted.apply().exit == 0
    texts = counted.texts(source)
    assert texts == counted.texts(source.other)
    assert set(texts.values()) == {"saved meanwhile, and the newer one", "second"}


def test_rules_that_lie_at_the_source_hold_for_both_sides(
    tmp_path: Path, serve_s3: servers.Server, buckets: Buckets
) -> None:
    pair = Pair(tmp_path, buckets.at(serve_s3, f"{tmp_path.name}-near"), folder(tmp_path))
    pair.gitignore = True
    pair.write(LOCAL, ".gitignore", "*.log\nskip/\n")
    pair.write(LOCAL, "d/.gitignore", "!keep.log\n")
    pair.write(LOCAL, "skip/.gitignore", "!*\n")
    for path in ("a.log", "a.md", "d/keep.log", "skip/x.md"):
        pair.write(LOCAL, path, path)
    pair.write(REMOTE, "theirs.log", "theirs")
    assert pair.apply().exit == 0
    assert pair.texts(REMOTE).keys() == {
        ".gitignore",
        "a.md",
        "d/.gitignore",
        "d/keep.log",
        "theirs.log",
    }
    assert "theirs.log" not in pair.texts(LOCAL)
    assert pair.apply().status is Status.IN_SYNC


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[servers.Server]:
    with servers.serve_webdav(tmp_path / "served", *servers.FORGETFUL) as server:
        yield server


@pytest.mark.parametrize("turned", [False, True])
def test_equal_files_of_a_server_without_hashes_are_adopted_by_content(
    tmp_path: Path,
    serve_s3: servers.Server,
    forgetful: servers.Server,
    buckets: Buckets,
    *,
    turned: bool,
) -> None:
    one, two = webdav(forgetful, "w"), buckets.at(serve_s3, tmp_path.name)
    pair = Pair(tmp_path, two, one) if turned else Pair(tmp_path, one, two)
    for side in Side:
        pair.write(side, "equal.md", "the same")
        pair.write(side, "apart.md", f"of the {side}")
    done = pair.apply()
    assert done.exit == 0, done
    assert [c.path for c in done.clashes] == ["apart.md"]
    assert pair.texts(LOCAL) == pair.texts(REMOTE)
    assert len(pair.texts(LOCAL)) == 3, "the version that lost is kept beside it"
    pair.write(LOCAL, "equal.md", "other")
    pair.write(REMOTE, "new.md", "new")
    assert pair.apply().exit == 0
    assert pair.texts(LOCAL) == pair.texts(REMOTE)
    assert not pair.check().differences
    assert pair.apply().status is Status.IN_SYNC


def test_two_machines_with_a_lease_write_one_after_the_other(
    tmp_path: Path, serve_s3: servers.Server, seaweedfs: servers.Server, buckets: Buckets
) -> None:
    near = buckets.at(serve_s3, f"{tmp_path.name}-near")
    one = Pair(tmp_path, near, buckets.at(seaweedfs, tmp_path.name))
    one.policy = {"guards": OFF, "lease": "remote"}
    began(one)
    (tmp_path / "two").mkdir()
    two = one.other(tmp_path / "two", "desk")
    assert two.apply().exit == 0
    two.write(REMOTE, "a.md", "second")
    assert two.apply().exit == 0
    assert one.texts(LOCAL)["a.md"] == "second"
    assert one.apply().exit == 0
    assert one.apply().status is Status.IN_SYNC
    assert ".bm-sync" not in "".join(one.texts(REMOTE))
