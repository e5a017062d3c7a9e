"""`prune --ignored` takes from the remote what the filters exclude, exactly as listed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import servers
from pipeline_bench import Bench, everything, texts

from bm_sync import api
from bm_sync.model.plan import Plan, ProjectPlan, Trash
from bm_sync.model.report import Selection, Setup
from bm_sync.model.run import Outcome, ProjectRun, Status

FAR = ("serve_s3", "serve_webdav")


@pytest.fixture(scope="module", params=("folder", *FAR))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Server | None]:
    """Run a server that soon sees what is edited in the folder behind it; None for a folder."""
    if request.param == "folder":
        yield None
        return
    serve = getattr(servers, request.param)
    with serve(tmp_path_factory.mktemp(request.param), *servers.FORGETFUL) as found:
        yield found


@pytest.fixture
def bench(server: servers.Server | None, tmp_path: Path) -> Bench:
    """Return a project on a remote of each kind; `there` is the folder behind it."""
    if server is None:
        return Bench(tmp_path, gitignore=True)
    root = "/".join(part for part in (server.root, tmp_path.name) if part)
    options = dict(server.options)
    secret = "secret_access_key" if server.type == "s3" else "pass"
    declared: Mapping[str, object] = {**options, secret: {"env": "HIDDEN"}}
    remote = {"type": server.type, "options": declared, "root": root}
    made = Bench(tmp_path, remote=remote, gitignore=True)
    made.setup = _with_secret(made, options[secret])
    assert server.folder is not None
    made.there = server.folder / root / "notes"
    return made


def _with_secret(bench: Bench, value: str) -> Setup:
    env = {**bench.setup.env, "HIDDEN": value}
    return Setup(env=env, state_dir=bench.state, host="laptop")


def listed(bench: Bench) -> ProjectPlan:
    """Return what would be removed."""
    return asyncio.run(api.prunable(bench.manifest(), Selection(), bench.setup)).projects[0]


def paths(plan: ProjectPlan) -> list[str]:
    return [action.path for action in plan.actions if isinstance(action, Trash)]


def pruned(bench: Bench, *, meanwhile: Callable[[], None] = lambda: None) -> ProjectRun:
    """Remove what is listed; `meanwhile` is called between the list and the removal."""

    def confirm(_: Plan) -> bool:
        meanwhile()
        return True

    work = api.prune(bench.manifest(), Selection(), bench.setup, confirm=confirm)
    done = asyncio.run(work)
    assert done.run is not None
    return done.run.projects[0]


def test_what_rules_exclude_goes_from_the_remote_into_its_trash_and_stays_here(
    bench: Bench,
) -> None:
    bench.write("a.md", ".env", "cache/x.js", "cache/deep/y.js")
    assert bench.apply().exit == 0
    bench.write("never.tmp", where=bench.there)
    bench.write(".gitignore", text=".env\ncache/\n*.tmp\n")
    assert bench.apply().exit == 0
    before = everything(bench.here)
    assert paths(listed(bench)) == [".env", "cache/deep/y.js", "cache/x.js", "never.tmp"]
    run = pruned(bench)
    assert (run.status, run.exit) == (Status.CHANGED, 0)
    assert sorted(texts(bench.there)) == [".gitignore", "a.md"]
    assert everything(bench.here) == before
    kept = [a.kept.partition("/.bm-sync/")[2] for a in run.actions if a.kept]
    assert len(kept) == 4
    trash = bench.there.parent / ".bm-sync"
    assert (trash / next(path for path in kept if path.endswith("/.env"))).read_text()
    assert all((trash / path).is_file() for path in kept)
    assert paths(listed(bench)) == []
    assert bench.apply().status is Status.IN_SYNC


def test_a_file_that_was_pruned_is_new_again_when_its_rule_goes(bench: Bench) -> None:
    bench.write("a.md", "b.log")
    bench.apply()
    bench.write(".gitignore", text="*.log\n")
    bench.apply()
    assert pruned(bench).exit == 0
    (bench.here / ".gitignore").unlink()
    assert bench.apply().exit == 0
    assert texts(bench.here) == texts(bench.there)
    assert texts(bench.here)["b.log"] == "text of b.log\n"


def test_a_file_that_changes_after_the_list_is_left_alone_and_named(bench: Bench) -> None:
    bench.write("a.md", "b.log", "c.log")
    bench.apply()
    bench.write(".gitignore", text="*.log\n")
    bench.apply()

    def edit() -> None:
        bench.write("b.log", text="somebody edited this there\n", where=bench.there)
        time.sleep(servers.REMEMBERED_S)  # the server tells an older listing for so long

    run = pruned(bench, meanwhile=edit)
    outcomes = {a.path: a.outcome for a in run.actions}
    assert outcomes == {"b.log": Outcome.DROPPED, "c.log": Outcome.DONE}
    assert (run.status, run.exit) == (Status.PARTIAL, 1)
    assert texts(bench.there)["b.log"] == "somebody edited this there\n"


def test_pruning_does_not_count_as_a_sync_and_hides_no_news(bench: Bench) -> None:
    bench.write("a.md", "b.log")
    bench.apply()
    (before,) = api.status(bench.manifest(), Selection(), bench.setup)
    bench.write("new.md")
    bench.write(".gitignore", text="*.log\n")
    assert pruned(bench).exit == 0
    (after,) = api.status(bench.manifest(), Selection(), bench.setup)
    assert after.converged == before.converged
    assert after.last_run != before.last_run
    plan = bench.planned()
    assert [a.path for a in plan.moves] == [".gitignore", "new.md"]


def test_a_project_never_synced_is_still_a_union_after_a_prune(bench: Bench) -> None:
    bench.write("here.md")
    bench.write(".gitignore", text="*.log\n")
    bench.write("there.md", "old.log", where=bench.there)
    assert pruned(bench).exit == 0
    assert bench.apply().exit == 0
    assert sorted(texts(bench.there)) == [".gitignore", "here.md", "there.md"]
    assert sorted(texts(bench.here)) == [".gitignore", "here.md", "there.md"]
