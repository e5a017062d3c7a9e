"""No plan, of whatever mode, of whatever trees and memory, acts on what runs depend on."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from property.strategies import bucket, digest, folder, intent, local_file, remote_file

from bm_sync import layout
from bm_sync.engine.ledger import side_of
from bm_sync.engine.left_alone import closed_by, screened
from bm_sync.filters.closed import repositories
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.sift import refilter, sift
from bm_sync.model.config import (
    BUILT_IN,
    Conflict,
    Direction,
    FilterSet,
    Git,
    Loser,
    Mode,
    OrderPath,
    Policy,
    Rule,
    Winner,
)
from bm_sync.model.past import Effect, EffectKind
from bm_sync.model.plan import Action, KeepBoth, Move, ProjectPlan
from bm_sync.model.tree import Agreed, Baseline, Observation, Side, Tree
from bm_sync.plan import bring_back, planner, undo

quick = settings(
    max_examples=int(os.environ.get("LAW_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

NAMES = (
    *("a.md", "sync.yaml", "SYNC.YAML", "sync\u200d.yaml", "sync.local.yaml", "sync.yaml."),
    *("caf\u00e9", "cafe\u0301", "CAF\u00c9", ".git", ".GIT", "git~1", ".g\u200cit", "HEAD"),
    *("objects", "refs", "head", "config", "run.sh", ".gitignore", "x"),
)
names = st.sampled_from(NAMES)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.sampled_from(("one", "two!", "three"))
sides = st.dictionaries(paths, contents, max_size=8).map(dict)
orders = st.lists(
    st.builds(OrderPath, paths, st.just("the manifest"), st.just(BUILT_IN), st.booleans()),
    max_size=3,
)
rules = st.lists(
    st.sampled_from(("!**", "!.git", "!sync.yaml", "x", "caf*", "!*")).map(
        lambda pattern: Rule(pattern, BUILT_IN)
    ),
    max_size=3,
)
filters = st.builds(
    FilterSet,
    rules=rules.map(tuple),
    orders=orders.map(tuple),
    git=st.sampled_from(Git),
)
TRASH = layout.trash("r", "p")
CLOSED = FilterSet(orders=(OrderPath("sync.yaml", "the manifest", BUILT_IN),))
policies = st.builds(
    Policy,
    st.just("test"),
    mode=st.sampled_from(Mode),
    direction=st.sampled_from(Direction),
    conflict=st.builds(Conflict, st.sampled_from([*Winner][:6]), st.sampled_from(Loser)),
)


def whole(said: dict[str, str]) -> dict[str, str]:
    """Return files that can stand in one folder: none lies in another."""
    return {
        p: text
        for p, text in said.items()
        if not any(f"{p}/" in f"{q}/" and q != p for q in said if q.startswith(f"{p}/"))
    }


def trees(here: dict[str, str], there: dict[str, str], matcher: Matcher) -> tuple[Tree, Tree]:
    """Return both sides as an observation makes them."""
    local = folder({p: local_file(text, inode=n) for n, (p, text) in enumerate(here.items())})
    remote = bucket({p: remote_file(text) for p, text in there.items()})
    near = sift(dict(local.files), local.dirs, matcher, side=Side.LOCAL, has_folders=True)
    far = sift(dict(remote.files), [], matcher, side=Side.REMOTE, has_folders=False)
    matcher.close_repositories(repositories(near, far))
    return refilter(near, matcher), refilter(far, matcher)


def written(plan: ProjectPlan) -> Iterator[tuple[Action, str]]:
    for action in plan.moves:
        yield action, action.path
        match action:
            case Move(old_path=other) | KeepBoth(copy_path=other):
                yield action, other
            case _:
                pass


def holds(plan: ProjectPlan, matcher: Matcher, here: dict[str, str]) -> None:
    """Assert that nothing closed is touched, and no folder that holds it goes."""
    for action, path in written(plan):
        closed = matcher.closed.at(path)
        assert closed is None, (action, closed)
        assert closed_by(action, matcher) is None
        if side_of(action) is Side.REMOTE:
            continue
        kept = [p for p in here if p.startswith(f"{path}/") and matcher.closed.at(p)]
        assert action.kind in {"make-dir", "adopt-dir"} or not kept, (action, kept)


def baseline(matcher: Matcher, agreed: dict[str, str]) -> Baseline:
    """Return what both sides agreed on, as far as the filters do not hide it now."""
    rows = {
        path: Agreed(digest(text), local_file(text).stamp, remote_file(text).stamp)
        for path, text in agreed.items()
        if not matcher.excluded(path, is_dir=False)
    }
    return Baseline(files=rows, known=bool(agreed))


@quick
@given(sides, sides, sides, filters, policies)
@example(
    {"a.md": "one"},
    {"sync.yaml": "two!"},
    {},
    FilterSet(orders=(OrderPath("sync.yaml", "m", BUILT_IN),)),
    Policy("t"),
)
def test_no_plan_acts_on_a_closed_path(
    here: dict[str, str],
    there: dict[str, str],
    agreed: dict[str, str],
    filters: FilterSet,
    policy: Policy,
) -> None:
    here, matcher = whole(here), Matcher(filters)
    local, remote = trees(here, there, matcher)
    seen = Observation(local, remote, baseline(matcher, whole(agreed)))
    holds(planner.make("p", "k", seen, intent(policy)), matcher, here)


@quick
@given(sides, sides, filters, policies, st.lists(st.tuples(paths, contents), max_size=4))
def test_no_run_is_taken_back_on_a_closed_path(
    here: dict[str, str],
    there: dict[str, str],
    filters: FilterSet,
    policy: Policy,
    done: list[tuple[str, str]],
) -> None:
    here, matcher = whole(here), Matcher(filters)
    local, remote = trees(here, there, matcher)
    seen = Observation(local, remote, baseline(matcher, here))
    kept = local_file("one").stamp
    held = {(side, f"{TRASH}/{path}"): kept for side in Side for path, _ in done}
    effects = tuple(
        Effect(kind, path, side, digest(text), None, f"{TRASH}/{path}", 3, digest("one"))
        for path, text in done
        for kind in (EffectKind.PUT, EffectKind.GONE)
        for side in Side
    )
    past = undo.Past("run r", effects, held)
    wants = intent(policy)
    plan = screened(undo.make("p", "k", seen, wants, past), matcher, seen, wants)
    holds(plan, matcher, {})
    for path, _ in done:
        wanted = bring_back.Wanted(path, Side.LOCAL, f"{TRASH}/{path}", kept)
        plan = bring_back.make("p", "k", seen, wants, wanted)
        plan = screened(plan, matcher, seen, wants)
        holds(plan, matcher, {})
        if matcher.closed.at(path) is not None:
            assert [p.path for p in plan.problems if p.path == path]
