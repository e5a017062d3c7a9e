"""The guards are the last step of every plan: who gives a plan its actions has them judged."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from property.strategies import intent, local_file, seen

import bm_sync
from bm_sync.model.config import Guards, Limit, Policy
from bm_sync.model.plan import Guard, Reason, Trash
from bm_sync.model.tree import Side
from bm_sync.plan import guard
from bm_sync.plan.planner import make
from bm_sync.structs import replace

PACKAGE = Path(bm_sync.__file__).parent
ROOMS = ("plan", "engine")
READS_THEM = {"plan/wire.py"}  # what a file says; nothing there is carried out


def unjudged(text: str) -> Iterator[str]:
    """Yield the functions that give a plan actions, totals or stops and do not have it judged."""
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        gives = any(
            ast.unparse(call.func) in {"replace", "ProjectPlan", "model.ProjectPlan"}
            and {word.arg for word in call.keywords} & {"actions", "totals"}
            for call in calls
        )
        judges = any(ast.unparse(call.func) in {"guard.judged", "judged"} for call in calls)
        if gives and not judges and function.name != "judged":
            yield function.name


def test_whoever_gives_a_plan_its_actions_has_them_judged() -> None:
    found = [
        f"{file.relative_to(PACKAGE).as_posix()}: {name}"
        for room in ROOMS
        for file in sorted((PACKAGE / room).rglob("*.py"))
        if file.relative_to(PACKAGE).as_posix() not in READS_THEM
        for name in unjudged(file.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "def with_roots(plan):\n    return replace(plan, actions=(*made, *plan.actions))\n",
        "def make():\n    return ProjectPlan(project='x', actions=actions)\n",
        "async def f(plan):\n    return replace(plan, totals=Totals())\n",
    ],
)
def test_actions_that_nobody_judges_are_seen(text: str) -> None:
    assert list(unjudged(text))


def test_an_action_that_is_added_counts_once_the_plan_is_judged() -> None:
    wanted = intent(Policy("p", guards=Guards(max_delete=Limit(count=0))))
    observation = seen({"x": local_file("1")}, {})
    plan = make("p", "k", observation, wanted)
    assert plan.stops == ()
    stamp = observation.local.files["x"].stamp
    more = Trash("x", Side.LOCAL, 1, Reason.DELETED, stamp, None)
    judged = guard.judged(replace(plan, actions=(*plan.actions, more)), observation, wanted)
    assert [stop.guard for stop in judged.stops] == [Guard.MAX_DELETE]
