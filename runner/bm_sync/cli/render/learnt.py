"""What the listings of an earlier `rclone bisync` taught, and what the next run makes of it."""

from __future__ import annotations

from bm_sync.cli.render.groups import commands
from bm_sync.cli.render.text import columns, count, escape, lines
from bm_sync.cli.render.view import View
from bm_sync.model.learnt import Learnt, Since

_MOST = 20


def learnt_text(learnt: Learnt, view: View) -> str:
    """Return the counts, what happened since, and what was not believed."""
    head = f"{learnt.project}: remembers {count(len(learnt.files), 'file')} of the last bisync"
    said = [head + (", in place of what it remembered before" if learnt.replaced else "")]
    said += [f"  from {escape(str(file))}" for file in learnt.listings]
    return lines(said, _since(learnt), _left_out(learnt), _next(learnt, view))


def _since(learnt: Learnt) -> list[str]:
    rows = [(f"{learnt.count(since):,}", since.value) for since in Since if learnt.count(since)]
    return [f"  {row}" for row in columns(rows, "><")]


def _left_out(learnt: Learnt) -> list[str]:
    if not learnt.left_out and not learnt.damaged:
        return []
    said = [f"{count(len(learnt.left_out), 'file')} of the listings not believed:"]
    said += [f"  {escape(each.path)}: {escape(each.why)}" for each in learnt.left_out[:_MOST]]
    rest = len(learnt.left_out) - _MOST
    said += [f"  … and {rest:,} more"] if rest > 0 else []
    damaged = f"{count(learnt.damaged, 'line')} of the listings could not be read"
    return said + ([damaged] if learnt.damaged else [])


def _next(learnt: Learnt, view: View) -> list[str]:
    return commands([("what apply would do now", view.command("plan", learnt.project))])
