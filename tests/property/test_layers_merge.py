"""Putting files together is what a plain merge of dictionaries says, whatever the files hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bm_sync.manifest.compose import compose
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.locks import lets_more
from bm_sync.manifest.merge import merged
from bm_sync.manifest.nodes import Mapping, plain
from bm_sync.model.policy import Limit

Tree = dict[str, Any]

# Where a list takes + and -, as dotted patterns; and what is replaced as a whole.
MOMENTS = {"before", "after", "on_change", "on_error", "on_stop"}
LISTS = {
    (): {"notify"},
    ("hooks",): MOMENTS,
    ("defaults", "hooks"): MOMENTS,
    ("projects", "*", "hooks"): MOMENTS,
    ("filters", "*"): {"exclude", "ignore_files"},
    ("projects", "*"): {"tags", "hosts", "filters"},
    ("defaults",): {"filters"},
}
WHOLE = {
    ("policies", "*", "guards", "max_delete"),
    ("remotes", "*", "options", "*"),
    ("projects", "*", "schedule"),
}

words = st.sampled_from(["a", "b", "c"])
lists = st.lists(words, max_size=3)
limits = st.one_of(
    st.integers(0, 9),
    st.fixed_dictionaries({}, optional={"count": st.integers(0, 9), "percent": st.integers(0, 9)}),
)


def some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    return st.fixed_dictionaries({}, optional=keys)


def changed(*names: str) -> dict[str, st.SearchStrategy[Any]]:
    return {mark + name: lists for name in names for mark in ("", "+", "-")}


def consistent(node: Tree) -> Tree:
    """Drop marked lists that stand beside the whole list, which is a slip."""
    return {k: v for k, v in node.items() if k[0] not in "+-" or k[1:] not in node}


secrets = st.one_of(words, some(env=words, file=words))
remotes = st.one_of(
    some(root=words),
    some(root=words, options=st.dictionaries(words, secrets, max_size=2)).map(
        lambda r: {"type": "s3", **r}
    ),
    some(root=words).map(lambda r: {"type": "local", **r}),
    some(rclone=words, root=words),
)
filters = some(gitignore=st.booleans(), **changed("exclude", "ignore_files")).map(consistent)
hooks = some(**changed("before", "on_stop")).map(consistent)
policies = some(mode=words, guards=some(max_delete=limits, max_bytes=words))
projects = some(
    local=words,
    policy=st.one_of(words, policies),
    schedule=st.one_of(st.none(), some(every=words, at=words)),
    when=some(os=words, env=some(a=words, b=words)),
    hooks=st.one_of(st.none(), hooks),
    **changed("tags", "hosts", "filters"),
).map(consistent)
manifests = some(
    version=st.just(1),
    vars=st.dictionaries(words, words, max_size=2),
    remotes=st.dictionaries(words, remotes, max_size=2),
    filters=st.dictionaries(words, filters, max_size=2),
    policies=st.dictionaries(words, policies, max_size=2),
    hooks=hooks,
    defaults=some(remote=words, hooks=hooks, **changed("filters")).map(consistent),
    projects=st.dictionaries(words, projects, max_size=2),
    locked=lists,
    include=lists,
    **changed("notify"),
).map(consistent)


def fits(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(
        p in ("*", s) for s, p in zip(path, pattern, strict=True)
    )


def is_whole(path: tuple[str, ...], own: Tree, below: Tree) -> bool:
    if any(fits(path, pattern) for pattern in WHOLE):
        return True
    said = "type" in own or "rclone" in own
    kinds = [n.get("type", "rclone" if "rclone" in n else None) for n in (own, below)]
    return fits(path, ("remotes", "*")) and said and kinds[0] != kinds[1]


def lists_at(path: tuple[str, ...]) -> set[str]:
    return next((names for pattern, names in LISTS.items() if fits(path, pattern)), set())


def change(node: Tree, own: Tree, name: str, below: list[str] | None) -> None:
    """Apply `-name` and then `+name` to a list, or to the changes that wait for one."""
    minus, plus = own.get(f"-{name}", []), own.get(f"+{name}", [])
    held = node.get(name, below)
    if held is not None:
        node[name] = [item for item in held if item not in minus] + plus
        return
    waiting = node.pop(f"+{name}", [])
    rest = [item for item in minus if item not in waiting]
    more = [item for item in waiting if item not in minus] + plus
    fewer = node.pop(f"-{name}", []) + rest
    node.update({f"+{name}": more} if more else {})
    node.update({f"-{name}": fewer} if fewer else {})


def over(own: Tree, below: Tree, path: tuple[str, ...] = ()) -> Tree:
    node, names = dict(below), lists_at(path)
    for key, value in own.items():
        if key[0] in "+-" and key[1:] in names:
            continue
        if key in names:
            node.pop(f"+{key}", None)
            node.pop(f"-{key}", None)
        at, found = (*path, key), node.get(key)
        if isinstance(value, dict) and isinstance(found, dict) and not is_whole(at, value, found):
            node[key] = over(value, found, at)
        elif at in {("locked",), ("include",)} and found is not None:
            node[key] = found + value
        else:
            node[key] = value
    for name in names:
        if f"+{name}" in own or f"-{name}" in own:
            change(node, own, name, None)
    return node


def settled(tree: Tree) -> Tree:
    """Put the changes that found no list in place: on the defaults' filters, else on nothing."""

    def settle(node: Tree, path: tuple[str, ...], below: Tree) -> Tree:
        names = lists_at(path)
        rest = {k: v for k, v in node.items() if k[0] not in "+-" or k[1:] not in names}
        for name in names:
            if node.get(f"+{name}") or node.get(f"-{name}"):
                change(rest, node, name, below.get(name, []))
        return rest

    def settle_hooks(node: Tree, path: tuple[str, ...], below: Tree) -> Tree:
        said = node.get("hooks")
        if not isinstance(said, dict):
            return node
        base = below if any(key[0] in "+-" for key in said) else {}
        return {**node, "hooks": {**base, **settle(said, (*path, "hooks"), base)}}

    tree = settle_hooks(settle(tree, (), {}), (), {})
    if "defaults" in tree:
        tree["defaults"] = settle(tree["defaults"], ("defaults",), {})
        tree["defaults"] = settle_hooks(tree["defaults"], ("defaults",), {})
    defaults = tree.get("defaults", {})
    common = {"filters": defaults.get("filters", [])}
    for part, below in (("filters", {}), ("projects", common)):
        if part in tree:
            inside = {n: settle(v, (part, n), below) for n, v in tree[part].items()}
            hooks = defaults.get("hooks", {})
            tree[part] = {n: settle_hooks(v, (part, n), hooks) for n, v in inside.items()}
    return tree


def nodes(tree: Tree) -> Mapping:
    node = compose(json.dumps(tree), Report(Path("x")), "x")
    assert isinstance(node, Mapping)
    return node


@settings(max_examples=300, deadline=None)
@given(st.lists(manifests, min_size=1, max_size=4))
def test_files_are_put_together_as_a_plain_merge_of_dictionaries_says(trees: list[Tree]) -> None:
    expected: Tree = {}
    for tree in trees:
        expected = over(tree, expected)
    report = Report(Path("x"))
    assert plain(merged(map(nodes, trees), report)) == settled(expected)
    assert not report.failed


@settings(max_examples=100, deadline=None)
@given(manifests, manifests)
def test_every_value_of_the_last_file_holds(below: Tree, own: Tree) -> None:
    plain_keys = {k: v for k, v in own.items() if k not in {"locked", "include"}}
    whole = plain(merged([nodes(below), nodes(own)], Report(Path("x"))))

    def holds(said: object, found: object) -> bool:
        if isinstance(said, dict) and isinstance(found, dict):
            return all(k[0] in "+-" or holds(v, found.get(k)) for k, v in said.items())
        return said == found

    assert holds(plain_keys, whole)


some_limits = st.builds(
    Limit,
    count=st.none() | st.integers(0, 60),
    percent=st.none() | st.sampled_from([0, 1, 10, 12.5, 25, 50, 99, 100]),
    at_least=st.integers(0, 30),
)


def let_through(limit: Limit, total: int) -> float:
    found = limit.allows(total)
    return float("inf") if found is None else found


@settings(max_examples=600, deadline=None)
@given(some_limits, some_limits)
def test_a_limit_that_is_called_tighter_lets_no_number_of_files_more_through(
    now: Limit, then: Limit
) -> None:
    totals = [*range(130), 200, 1_000, 4_000, 100_000]
    more = any(let_through(now, n) > let_through(then, n) for n in totals)
    if more:
        assert lets_more(now, then)


@settings(max_examples=200, deadline=None)
@given(some_limits, st.integers(0, 5), st.sampled_from([0, 1, 5]))
def test_a_limit_with_smaller_figures_is_tighter(then: Limit, fewer: int, share: int) -> None:
    def less(figure: float | None, by: float) -> float | None:
        return None if figure is None else max(figure - by, 0)

    count = less(then.count, fewer)
    now = Limit(
        None if count is None else int(count),
        less(then.percent, share),
        max(then.at_least - fewer, 0),
    )
    assert not lets_more(now, then)
    assert not lets_more(then, then)


def test_a_limit_with_a_larger_figure_is_looser() -> None:
    base = Limit(percent=25, at_least=10)
    pairs: list[tuple[Limit, Callable[[bool], bool]]] = [
        (Limit(percent=26, at_least=10), bool),
        (Limit(percent=25, at_least=11), bool),
        (Limit(count=11), bool),
        (Limit(), bool),
    ]
    assert all(check(lets_more(limit, base)) for limit, check in pairs)
    assert not lets_more(Limit(count=10), base)
    assert not lets_more(Limit(percent=10, at_least=10, count=3), base)
