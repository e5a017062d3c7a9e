"""Times and durations as the page writes them: in UTC, the same for every reader."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from bm_sync.cli.render.page.markup import Html, element
from bm_sync.cli.render.text import duration
from bm_sync.model.period import Unit

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def moment(iso: str) -> Html:
    """Return a time to the minute."""
    return element("time", minute(iso), datetime=iso)


def minute(iso: str) -> str:
    """Return `22 Nov 2026 07:15`."""
    return f"{day(iso)} {datetime.fromisoformat(iso):%H:%M}"


def day(iso: str) -> str:
    """Return `22 Nov 2026`."""
    found = datetime.fromisoformat(iso)
    return f"{found.day} {_MONTHS[found.month - 1]} {found.year}"


def slot(iso: str, unit: Unit) -> str:
    """Return how a slot of a chart is called: `22 Nov`, `22 Nov 07:00`, `Nov 2026`."""
    found = datetime.fromisoformat(iso)
    month = _MONTHS[found.month - 1]
    match unit:
        case Unit.HOUR:
            return f"{found.day} {month} {found:%H:%M}"
        case Unit.DAY | Unit.WEEK:
            return f"{found.day} {month}"
        case Unit.MONTH:
            return f"{month} {found.year}"
        case _:
            assert_never(unit)


def took(seconds: float) -> str:
    """Return a duration; below a second in thousandths."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)
