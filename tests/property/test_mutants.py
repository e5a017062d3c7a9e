"""Break the planner in one place at a time and see a law go red."""
# A mutant takes whatever the function it replaces takes.
# ruff: noqa: ANN401, ARG001, ARG005

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from property import plan_laws as laws
from property import undeletable_laws
from property.plan_cases import Case, cases, twin_cases

from bm_sync.model.config import Limit, Mode
from bm_sync.model.plan import Reason, Totals
from bm_sync.model.tree import Side
from bm_sync.plan import (
    case,
    change,
    clash,
    conflict,
    diff,
    fit,
    folders,
    guard,
    order,
    planner,
    policy,
    rename,
    steps,
    undeletable,
)
from bm_sync.plan.barrier import Barrier
from bm_sync.plan.change import Change, PathDiff
from bm_sync.plan.policy import Contest, Drop, Leave, Lose, Take
from bm_sync.plan.scene import Draft

Patch = tuple[object, str, Any]


@dataclass(frozen=True)
class Mutant:
    """One broken thing (`patches`) and the law that must notice."""

    name: str
    law: Callable[[Case], None]
    patches: tuple[Patch, ...]
    mode: Mode | None = None
    twins: bool = False


real_verdict, real_change = policy.verdict, change._change
real_one_sided, real_additive = policy._one_sided, policy._additive
real_allows, real_ordered = Limit.allows, order.ordered


def without(kind: type, instead: object) -> Callable[..., object]:
    """Return the verdicts with one kind replaced."""

    def mutated(*args: Any) -> object:
        found = real_verdict(*args)
        return instead if isinstance(found, kind) else found

    return mutated


def delete_beats_edit(diff: PathDiff, missing: Side, *, keep_deleted: bool) -> object:
    if diff.change(missing.other) is Change.MODIFIED:
        return Drop(missing.other, Reason.DELETED)
    return real_one_sided(diff, missing, keep_deleted=keep_deleted)


def size_is_enough(file: Any, stamp: Any, content: Any, *, full: bool) -> Change:
    found = real_change(file, stamp, content, full=full)
    alike = found is Change.MODIFIED and file.size == stamp.size
    return Change.UNCHANGED if alike else found


def one_more(limit: Limit, total: int) -> int | None:
    allowed = real_allows(limit, total)
    return None if allowed is None else allowed + 1


def any_content(index: Any, diff: PathDiff, side: Side) -> None:
    index["md5:any", 1].append(diff)


def equal_by_size(diff: PathDiff) -> bool:
    both = diff.local is not None and diff.remote is not None
    return both and diff.local.size == diff.remote.size  # type: ignore[union-attr]


def no_copy_of_the_loser(draft: Any, diff: PathDiff, loser: Side, names: Any) -> str:
    name: str = names.choose(diff, loser)[0]
    draft.actions.append(steps.copy(diff, loser, Reason.CONFLICT, kept_as=name))
    return name


def additive_overwrites(diff: PathDiff, wanted: Any) -> object:
    found = real_additive(diff, wanted)
    source = Side.LOCAL if wanted.policy.mode is Mode.PUSH else Side.REMOTE
    return Take(source.other, Reason.CHANGED) if isinstance(found, Contest) else found


def all_folders(scene: Any, side: Side, found: Any, flow: Any) -> list[str]:
    return sorted((f for f in found if f in scene.folders(side)), reverse=True)


def hidden_rows(observation: Any) -> Any:
    return observation.baseline.files


MUTANTS = [
    Mutant(
        "conflicts are not noticed",
        laws.changes_propagate,
        ((planner, "verdict", without(Contest, Take(Side.LOCAL, Reason.CHANGED))),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "an unknown version is replaced",
        laws.only_the_agreed_version_is_replaced,
        ((planner, "verdict", without(Contest, Take(Side.REMOTE, Reason.CHANGED))),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "a deletion beats an edit",
        laws.changes_propagate,
        ((policy, "_one_sided", delete_beats_edit),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "deleted files come back",
        laws.changes_propagate,
        ((policy, "_one_sided", lambda diff, missing, **_: Take(missing, Reason.NEW)),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "an edit of the same size is not seen",
        laws.changes_propagate,
        ((change, "_change", size_is_enough),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "equal size is taken for equal content",
        laws.changes_propagate,
        ((PathDiff, "equal", property(equal_by_size)),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "a rename needs no equal content",
        laws.no_version_is_lost,
        ((rename, "_file_under", any_content),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "the loser is kept nowhere",
        laws.no_version_is_lost,
        ((conflict, "keep_both", no_copy_of_the_loser),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "the wrong version wins",
        laws.conflicts_obey_the_policy,
        (
            (
                policy,
                "_greater",
                lambda a, b: (
                    None if None in (a, b) or a == b else Side.REMOTE if a > b else Side.LOCAL
                ),
            ),
        ),
        Mode.TWO_WAY,
    ),
    Mutant(
        "a mirror follows its destination",
        laws.one_way_never_writes_back,
        ((policy, "_mirror", lambda diff, source, **_: Take(source, Reason.CHANGED)),),
        Mode.MIRROR,
    ),
    Mutant(
        "a mirror leaves what is not at the source",
        laws.a_mirror_is_equal,
        ((planner, "verdict", without(Drop, Leave())),),
        Mode.MIRROR,
    ),
    Mutant(
        "a push replaces what it does not know",
        laws.only_the_agreed_version_is_replaced,
        ((policy, "_additive", additive_overwrites),),
        Mode.PUSH,
    ),
    Mutant(
        "problems block nothing",
        laws.blocked_paths_stay,
        ((Barrier, "file", lambda *_: False),),
    ),
    Mutant(
        "rows that a filter hid count",
        laws.excluded_rows_stay,
        ((change, "rows", hidden_rows), (guard, "rows", hidden_rows)),
    ),
    Mutant(
        "the limits are off by one",
        laws.guards_are_exact,
        ((Limit, "allows", one_more),),
    ),
    Mutant(
        "overwrites are not counted",
        laws.guards_are_exact,
        ((guard, "_overwrites", lambda *_: False),),
    ),
    Mutant(
        "an emptied side is no alarm",
        laws.an_emptied_side_stops,
        ((guard, "_empty_side", lambda *_: iter(())),),
    ),
    Mutant(
        "a file may stand on a folder",
        laws.no_version_is_lost,
        ((clash, "settle", lambda *_: None),),
    ),
    Mutant(
        "folders go with what is in them",
        laws.no_version_is_lost,
        ((folders, "_removable", all_folders),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "removals of folders come first",
        laws.no_version_is_lost,
        ((planner, "ordered", lambda actions: tuple(reversed(real_ordered(actions)))),),
    ),
    Mutant(
        "nothing is asked",
        laws.what_was_asked_is_enough,
        ((diff, "_sides_asked", lambda *_: iter(())),),
    ),
    Mutant(
        "rename candidates are not asked for",
        laws.what_was_asked_is_enough,
        ((diff, "_rename_candidates", lambda *_: iter(())),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "equal versions are not learnt",
        laws.the_memory_is_true,
        ((steps, "adopt", lambda _: None),),
    ),
    Mutant(
        "what is gone is not forgotten",
        laws.the_memory_is_true,
        ((planner, "verdict", without(Lose, Leave())),),
    ),
    Mutant(
        "the same is decided again and again",
        laws.nothing_happens_twice,
        ((steps, "adopt", lambda d: steps.forget(d.path)),),
    ),
    Mutant(
        "the figures are made up",
        laws.totals_are_right,
        ((guard, "totals", lambda *_, conflicts: Totals(conflicts=conflicts)),),
    ),
    Mutant(
        "names that differ by case are let over one another",
        laws.names_that_differ_by_case_settle,
        ((case, "screen", lambda *_: frozenset()),),
        twins=True,
    ),
    Mutant(
        "a saved plan always fits",
        laws.a_changed_world_makes_a_saved_plan_stale,
        ((fit, "_why", lambda *_: ""),),
    ),
    Mutant(
        "a saved plan may hold what today's does not",
        laws.what_today_would_not_do_is_never_taken,
        ((fit, "_bare", type),),
    ),
    Mutant(
        "a saved plan may tear apart what belongs together",
        laws.a_part_of_a_plan_is_as_safe_as_the_whole,
        ((fit, "_torn", lambda *_: iter(())),),
    ),
    Mutant(
        "a saved plan may tear apart what makes room",
        laws.a_part_of_a_plan_is_as_safe_as_the_whole,
        ((fit, "_is_wide", lambda _: False),),
    ),
    Mutant(
        "what cannot be deleted is deleted",
        undeletable_laws.nothing_leaves_the_remote,
        ((undeletable, "_deletes", lambda _: False),),
    ),
    Mutant(
        "what cannot be deleted is told to nobody",
        undeletable_laws.a_deletion_that_waits_brings_nothing_back,
        ((Draft, "block", lambda *_: None),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "what cannot be deleted is forgotten",
        undeletable_laws.a_deletion_that_waits_brings_nothing_back,
        ((undeletable, "_within", lambda *_: False),),
        Mode.TWO_WAY,
    ),
    Mutant(
        "a folder that is emptied beside an undeletable remote stops nothing",
        undeletable_laws.an_emptied_folder_stops_all_the_same,
        ((undeletable, "withheld", lambda _: {}),),
        Mode.TWO_WAY,
    ),
]

hunt = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_law_notices_when(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    for target, name, broken in mutant.patches:
        monkeypatch.setattr(target, name, broken)
    with pytest.raises((AssertionError, KeyError)):
        hunt(given(twin_cases() if mutant.twins else cases(mutant.mode))(mutant.law))()
