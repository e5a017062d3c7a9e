"""The schema is sound, says the same defaults as the values, and its refusals have words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from bm_sync.manifest.compose import compose
from bm_sync.manifest.diagnostic import Report, TooManyProblemsError
from bm_sync.manifest.slips import ANNOTATIONS, KEYWORDS, tell_slips
from bm_sync.manifest.values import duration_s, limit, size
from bm_sync.model import config
from bm_sync.paths import schema_file

Rule = dict[str, Any]
SCHEMA: Rule = json.loads(schema_file("manifest").read_text("utf-8"))
VALIDATOR = Draft7Validator(SCHEMA)


def rules(rule: Rule) -> Iterator[Rule]:
    """Yield every schema inside a schema, itself first."""
    yield rule
    for key in ("properties", "definitions"):
        for inside in rule.get(key, {}).values():
            yield from rules(inside)
    for key in ("additionalProperties", "propertyNames", "items"):
        if isinstance(rule.get(key), dict):
            yield from rules(rule[key])
    for inside in rule.get("anyOf", ()):
        yield from rules(inside)


def declared(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Yield every key with its schema, references followed one step."""
    for each in rules(rule):
        for name, inside in each.get("properties", {}).items():
            target = inside.get("$ref", "").rpartition("/")[2]
            yield name, {**SCHEMA["definitions"].get(target, {}), **inside}


def test_the_schema_is_valid_in_both_drafts() -> None:
    Draft7Validator.check_schema(SCHEMA)
    Draft202012Validator.check_schema(SCHEMA)


def test_only_keywords_that_have_words_are_used() -> None:
    assert {key for rule in rules(SCHEMA) for key in rule} <= KEYWORDS


def test_beside_a_reference_stand_annotations_only() -> None:
    # Draft 7 ignores what stands beside a reference, 2020-12 does not.
    for rule in rules(SCHEMA):
        if "$ref" in rule:
            assert set(rule) - {"$ref"} <= ANNOTATIONS


def test_no_pattern_lets_a_newline_through_at_the_end() -> None:
    # In Python, `$` is also the place before a last newline; elsewhere it is not.
    patterned = [rule for rule in rules(SCHEMA) if "pattern" in rule and "examples" in rule]
    assert len(patterned) > 5
    for rule in patterned:
        example = next(example for example in rule["examples"] if isinstance(example, str))
        assert re.search(rule["pattern"], example)
        assert not re.search(rule["pattern"], f"{example}\n"), rule["title"]


def test_every_key_has_a_description_and_examples() -> None:
    for name, rule in declared(SCHEMA):
        assert rule.get("title"), name
        assert rule.get("description", "").endswith("."), name
        assert rule.get("examples"), name


def test_every_mapping_is_closed_or_says_what_its_values_are() -> None:
    for rule in rules(SCHEMA):
        if rule.get("type") == "object":
            assert "additionalProperties" in rule


def test_examples_and_defaults_are_valid_themselves() -> None:
    for rule in rules(SCHEMA):
        judge = VALIDATOR.evolve(schema={**rule, "definitions": SCHEMA["definitions"]})
        for example in [
            *rule.get("examples", ()),
            *([rule["default"]] if "default" in rule else []),
        ]:
            assert judge.is_valid(example), (rule.get("title"), example)


def schema_default(*keys: str) -> Any:  # noqa: ANN401 - a JSON value
    rule = SCHEMA["definitions"]["policy"]
    for key in keys:
        rule = rule["properties"][key]
    return rule["default"]


def test_the_defaults_of_the_schema_are_those_of_the_values() -> None:
    policy = config.Policy("any")
    assert schema_default("mode") == policy.mode
    assert schema_default("direction") == policy.direction
    assert schema_default("compare") == policy.compare
    assert schema_default("verify") == policy.verify
    assert schema_default("conflict", "winner") == policy.conflict.winner
    assert schema_default("conflict", "loser") == policy.conflict.loser
    assert schema_default("retry", "attempts") == policy.retry.attempts
    assert duration_s(schema_default("retry", "max_wait")) == policy.retry.max_wait_s
    assert duration_s(schema_default("keep_versions", "for")) == policy.keep_versions.for_s
    history = SCHEMA["properties"]["keep_history"]["properties"]
    assert duration_s(history["all"]["default"]) == config.KeepHistory().all_s
    assert duration_s(history["daily"]["default"]) == config.KeepHistory().daily_s
    assert schema_default("keep_versions", "at_most") is policy.keep_versions.at_most
    for key in ("bandwidth", "transfers", "checkers"):
        assert schema_default("limits", key) == getattr(policy.limits, key)
    assert schema_default("limits", "timeout") is policy.limits.timeout_s
    for key in ("max_delete", "max_overwrite"):
        node = compose(json.dumps(schema_default("guards", key)), Report(Path("x")))
        assert limit(node, config.BUILT_IN) == getattr(policy.guards, key)  # type: ignore[arg-type]
    assert schema_default("guards", "max_bytes") is policy.guards.max_bytes
    assert schema_default("guards", "empty_side") == policy.guards.empty_side


def test_the_defaults_of_filters_are_those_of_the_values() -> None:
    said = SCHEMA["definitions"]["filter"]["properties"]
    default = config.FilterSet()
    assert said["gitignore"]["default"] is default.gitignore
    assert said["links"]["default"] == default.links
    assert tuple(said["exclude"]["default"]) == default.rules
    assert tuple(said["ignore_files"]["default"]) == default.shared
    assert said["max_size"]["default"] is default.max_size


def test_every_key_of_a_policy_has_a_place_in_the_values() -> None:
    said = set(SCHEMA["definitions"]["policy"]["properties"]) - {"extends"}
    assert said == set(config.Policy.__struct_fields__) - {"name"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0B", 0), ("512B", 512), ("1K", 1024), ("1.5G", 1610612736), ("2T", 2 * 1024**4)],
)
def test_sizes_are_powers_of_1024(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("15m", 900), ("1.5h", 5400), ("30d", 2592000), ("2w", 1209600)],
)
def test_durations_are_seconds(text: str, expected: float) -> None:
    assert duration_s(text) == expected


ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 1.0, 25, 25.0, 2, "", "x", "25%", "10M", "30d", [], {}),
    *("x\n", "25%\n", "10M\n", "30d\n", "local\n"),
]


def bounds(rule: Rule) -> tuple[list[object], list[object]]:
    """Return values at the edge of a rule, inside and outside."""
    low, high = rule.get("minimum"), rule.get("maximum")
    inside = [n for n in (low, high) if n is not None]
    outside = [n for n in (low and low - 1, high and high + 1) if n is not None]
    return inside, [*outside, *([""] if "minLength" in rule else [])]


def seldom(common: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 24).flatmap(lambda n: rare if n == 0 else common)


def values_for(rule: Rule, depth: int = 0) -> st.SearchStrategy[Any]:
    """Return values that fit a rule mostly, and miss it now and then."""
    if "$ref" in rule:
        return values_for(SCHEMA["definitions"][rule["$ref"].rpartition("/")[2]], depth)
    inside, outside = bounds(rule)
    good: list[Any] = [
        st.sampled_from([*rule.get("examples", [1]), *rule.get("enum", []), *inside])
    ]
    if "anyOf" in rule and depth < 8:
        good += [values_for(form, depth + 1) for form in rule["anyOf"]]
    if rule.get("type") == "array":
        good += [st.lists(values_for(rule["items"], depth + 1), max_size=2)] * 3
    if rule.get("type") == "object" and depth < 8:
        good += [objects(rule, depth + 1)] * 5
    return seldom(st.one_of(good), st.sampled_from([*ODD, *outside]))


def objects(rule: Rule, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    known = {k: values_for(v, depth) for k, v in rule.get("properties", {}).items()}
    required = {k: v for k, v in known.items() if k in rule.get("required", ())}
    optional = {k: v for k, v in known.items() if k not in required}
    others = rule.get("additionalProperties")
    named: st.SearchStrategy[Any] = st.just({})
    if isinstance(others, dict):
        names = seldom(
            st.sampled_from(["a", "b2", "c"]), st.sampled_from(["-rf", "a b", "", "A_b", "a\n"])
        )
        named = st.dictionaries(names, values_for(others, depth), max_size=2)
    stray = seldom(st.just({}), st.sampled_from([{"zzz": 1}, {"tipe": "x"}]))
    dropped = seldom(st.just(None), st.sampled_from([None, *required]))
    chosen = st.fixed_dictionaries(required, optional=optional)
    parts = st.tuples(chosen, named, stray, dropped)
    return parts.map(lambda p: {k: v for k, v in {**p[0], **p[1], **p[2]}.items() if k != p[3]})


def has_no_slip(document: object) -> bool:
    text = json.dumps(document, ensure_ascii=False)
    report = Report(Path("sync.yaml"), text)
    node = compose(text, report)
    assert node is not None, report.finish()
    try:
        tell_slips(node, report, SCHEMA)
    except TooManyProblemsError:
        return False
    return not report.failed


def followed(rule: Rule) -> Rule:
    name = rule.get("$ref", "").rpartition("/")[2]
    return {**SCHEMA["definitions"][name], **rule} if name else rule


def edges(rule: Rule, known: set[str]) -> Iterator[Any]:
    """Yield values that hold, one slip or edge at a time, every rule inside a rule.

    Of a definition that was held already (`known`) only the outermost edges are tried again.
    """
    name, rule = rule.get("$ref", ""), followed(rule)
    inside, outside = bounds(rule)
    yield from [*rule.get("examples", ()), *rule.get("enum", ()), *inside, *outside, *ODD]
    if name in known:
        return
    known |= {name} if name else set()
    for form in rule.get("anyOf", ()):
        yield from edges(form, known)
    if "items" in rule:
        yield from ([value] for value in edges(rule["items"], known))
    keys = rule.get("properties", {})
    needed = {k: followed(keys[k])["examples"][0] for k in rule.get("required", ())}
    for key in needed:
        yield {k: v for k, v in needed.items() if k != key}
    for key, each in keys.items():
        yield from ({**needed, key: value} for value in edges(each, known))
    if isinstance(rule.get("additionalProperties"), dict):
        further = edges(rule["additionalProperties"], known)
        yield from ({**needed, "name": value} for value in further)
        for name in ("-rf", "a\n"):
            yield {name: followed(rule["additionalProperties"])["examples"][0]}


def test_slips_are_told_of_just_what_jsonschema_refuses_on_every_edge_of_every_rule() -> None:
    verdicts = {True: 0, False: 0}
    for document in edges(SCHEMA, set()):
        if isinstance(document, dict) and document:
            verdict = VALIDATOR.is_valid(document)
            assert has_no_slip(document) == verdict, document
            verdicts[verdict] += 1
    assert min(verdicts.values()) > 200


@settings(max_examples=200, deadline=None)
@given(objects(SCHEMA, 0))
def test_slips_are_told_of_just_what_jsonschema_refuses(document: dict[str, Any]) -> None:
    assert has_no_slip(document) == VALIDATOR.is_valid(document)


def test_a_project_may_be_called_in_any_script_but_not_by_signs_that_hide_text() -> None:
    pattern = SCHEMA["definitions"]["projectName"]["pattern"]
    assert pattern == f"^{config.PROJECT_NAME}$(?!\\n)"
    for good in (
        "notes",
        "T\u00e4gliche Notizen",
        "\u65e5\u8a18",
        "e\u0301t\u00e9",
        "\u0437\u0430\u043c\u0435\u0442\u043a\u0438 2",
    ):
        assert re.search(pattern, good), ascii(good)
    for bad in ("", " a", "a/b", "a\u202eb", "a\u200bb", "a\n", "\u061ca", "a:b", "-a", "\u3000a"):
        assert not re.search(pattern, bad), ascii(bad)
