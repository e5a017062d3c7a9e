from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from property import plan_laws as laws
from property import undeletable_laws as undeletable
from property.plan_cases import Case, cases, twin_cases

from bm_sync.model.config import Mode

quick = settings(
    max_examples=int(os.environ.get("LAW_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

EVERY_MODE = [
    laws.no_version_is_lost,
    laws.nothing_happens_twice,
    laws.only_the_agreed_version_is_replaced,
    laws.blocked_paths_stay,
    laws.excluded_rows_stay,
    laws.guards_are_exact,
    laws.an_emptied_side_stops,
    laws.the_memory_is_true,
    laws.totals_are_right,
    laws.order_of_observation_does_not_matter,
    laws.what_was_asked_is_enough,
    laws.plans_survive_being_saved,
    laws.a_changed_world_makes_a_saved_plan_stale,
    laws.a_part_of_a_plan_is_as_safe_as_the_whole,
    laws.what_today_would_not_do_is_never_taken,
]
TWO_WAY = [laws.two_way_converges, laws.changes_propagate, laws.conflicts_obey_the_policy]


def _named(law: Callable[[Case], None]) -> str:
    return law.__name__


@pytest.mark.parametrize("law", EVERY_MODE, ids=_named)
def test_in_every_mode(law: Callable[[Case], None]) -> None:
    quick(given(cases())(law))()


@pytest.mark.parametrize("law", TWO_WAY, ids=_named)
def test_two_way(law: Callable[[Case], None]) -> None:
    quick(given(cases(Mode.TWO_WAY))(law))()


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.PUSH, Mode.PULL])
def test_one_way_never_writes_back(mode: Mode) -> None:
    quick(given(cases(mode))(laws.one_way_never_writes_back))()


def test_a_mirror_makes_the_destination_equal_and_keeps_what_it_replaces() -> None:
    quick(given(cases(Mode.MIRROR))(laws.a_mirror_is_equal))()


def test_names_that_differ_by_case_settle_without_loss() -> None:
    quick(given(twin_cases())(laws.names_that_differ_by_case_settle))()


def test_a_part_of_a_plan_is_as_safe_as_the_whole_where_names_differ_by_case() -> None:
    quick(given(twin_cases())(laws.a_part_of_a_plan_is_as_safe_as_the_whole))()


@pytest.mark.parametrize("law", [*undeletable.WHEREVER, *undeletable.OWN], ids=_named)
def test_in_every_mode_where_nothing_can_be_deleted(law: Callable[[Case], None]) -> None:
    quick(given(cases())(law))()


@pytest.mark.parametrize("law", undeletable.TWO_WAY, ids=_named)
def test_two_way_where_nothing_can_be_deleted(law: Callable[[Case], None]) -> None:
    quick(given(cases(Mode.TWO_WAY))(law))()


@pytest.mark.parametrize("mode", [Mode.PUSH, Mode.PULL])
def test_push_and_pull_where_nothing_can_be_deleted(mode: Mode) -> None:
    quick(given(cases(mode))(undeletable.one_way_is_not_concerned))()
