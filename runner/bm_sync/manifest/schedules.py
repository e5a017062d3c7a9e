"""Builds schedules: what a project says, else the first of its tags, else the defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec import Struct, field

from bm_sync.manifest import cron
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Broken, Entry, Mapping, Node, Scalar, Sequence, Spot
from bm_sync.manifest.shown import did_you_mean, escaped, listed, quoted
from bm_sync.manifest.values import Surroundings, duration_s
from bm_sync.manifest.values import text as text_of
from bm_sync.model.schedule import Calendar, Schedule
from bm_sync.structs import replace

T = TypeVar("T")
DEFAULTS = "defaults"

_KINDS = ("every", "at", "cron")
_EVENLY = "1m to 6m, 10m, 12m, 15m, 20m, 30m, 1h to 4h, 6h, 8h, 12h, 1d; or write a cron line"
_FIVE_FIELDS = "minute hour day month weekday, such as '30 7 * * 1-5'"


class Schedules(Struct):
    """The schedules of a manifest, each worked out once.

    `by_tag` is what the top-level key `schedules` says, `default` that of the defaults.
    """

    by_tag: Mapping
    default: Node | None
    around: Surroundings
    _built: dict[tuple[int, str], Schedule | None] = field(default_factory=dict)

    def check_all(self, known_tags: Iterable[str]) -> None:
        """Work out every schedule, used or not, so that all slips are told."""
        tags = sorted(set(known_tags))
        self._schedule(self.default, DEFAULTS)
        for name, entry in self.by_tag.entries.items():
            self._schedule(entry.value, f"tag:{name}")
            if name not in tags:
                hint = did_you_mean(name, tags) or "tags are declared by projects: tags: [daily]"
                what = f"no project has the tag {quoted(name)}"
                self.around.report.error(Code.UNKNOWN_NAME, entry.key.spot, what, hint)

    def used(
        self, project: str, own: Entry | None, tags: Iterable[str], *, synced: bool
    ) -> Schedule | None:
        """Return the schedule of a project that says `own`; null says that it has none.

        Only a project with two sides has one, and only its own is refused where it has not.
        """
        if own is not None:
            found = self._schedule(own.value, f"project:{project}")
            if found is not None and not synced:
                what = "a schedule is for projects with a local folder and a remote"
                hint = "remove it; nothing is synced here"
                self.around.report.error(Code.SCHEDULE, own.key.spot, what, hint)
            return found if synced else None
        if not synced:
            return None
        said = next((tag for tag in tags if tag in self.by_tag.entries), None)
        if said is None:
            return self._schedule(self.default, DEFAULTS)
        return self._schedule(self.by_tag.get(said), f"tag:{said}")

    def _schedule(self, node: Node | None, name: str) -> Schedule | None:
        if not isinstance(node, Mapping):
            return None
        key = id(node), name
        if key not in self._built:
            built = self._build(node)
            self._built[key] = None if built is None else replace(built, name=name)
        return self._built[key]

    def _build(self, node: Mapping) -> Schedule | None:
        given = [kind for kind in _KINDS if kind in node.entries]
        if len(given) != 1:
            self._refuse_kinds(node, given)
            return None
        kind = given[0]
        calendars = self._calendars(kind, node.get(kind))
        if calendars is None:
            return None
        jitter_s = int(duration_s(text_of(node, "jitter") or "0s"))
        self._check_jitter(node, jitter_s)
        late = node.get("catch_up")
        return Schedule(
            said=f"{kind} {_said(node.get(kind))}",
            calendars=calendars,
            jitter_s=jitter_s,
            catch_up=not (isinstance(late, Scalar) and late.value is False),
            origin=self.around.origin(node.entries[kind].key.spot),
        )

    def _refuse_kinds(self, node: Mapping, given: list[str]) -> None:
        said = f"{listed(given, 'and')} are both given" if given else "none of them is given"
        spot = node.entries[given[1]].key.spot if given else node.spot
        what = f"a schedule says every, at or cron; {said}"
        hint = "write one of them, such as {every: 15m}"
        self.around.report.error(Code.SCHEDULE, _one_line(spot), what, hint)

    def _calendars(self, kind: str, node: Node | None) -> tuple[Calendar, ...] | None:
        match kind, node:
            case "every", Scalar(value=str() as word):
                return self._tried(node, lambda: (cron.every(word),), _EVENLY)
            case "cron", Scalar(value=str() as line):
                return self._tried(node, lambda: (cron.cron(line),), _FIVE_FIELDS)
            case "at", Scalar(value=str() as time):
                return cron.at((time,))
            case "at", Sequence(items=items):
                times = tuple(str(item.value) for item in items if isinstance(item, Scalar))
                return self._listed(node, times)
            case _:
                return None

    def _listed(self, node: Sequence, times: tuple[str, ...]) -> tuple[Calendar, ...] | None:
        if any(isinstance(item, Broken) for item in node.items):
            return None
        if not times:
            what = "no time is given"
            self.around.report.error(Code.SCHEDULE, _one_line(node.spot), what, 'such as "03:00"')
            return None
        return cron.at(times)

    def _tried(self, node: Scalar, read: Callable[[], T], hint: str) -> T | None:
        try:
            return read()
        except ValueError as e:
            what = f"{quoted(node.raw)} is no schedule: {escaped(str(e))}"
            self.around.report.error(Code.SCHEDULE, node.spot, what, hint)
            return None

    def _check_jitter(self, node: Mapping, jitter_s: int) -> None:
        said = node.get("jitter")
        step = text_of(node, "every")
        longest = cron.interval_s(step) if step else cron.MINUTES_OF_DAY * 60
        if isinstance(said, Scalar) and jitter_s >= longest:
            what = f"a jitter of {said.raw} is not shorter than the time between two runs"
            self.around.report.error(Code.SCHEDULE, said.spot, what, "such as 2m")


def _said(node: Node | None) -> str:
    match node:
        case Sequence(items=items):
            return ", ".join(str(item.value) for item in items if isinstance(item, Scalar))
        case Scalar(value=value):
            return " ".join(str(value).split())
        case _:
            return ""


def _one_line(spot: Spot) -> Spot:
    """Return where something begins, so that the caret does not run on for lines."""
    if spot.line == spot.end_line:
        return spot
    return spot._replace(end_line=spot.line, end_column=spot.column + 1)
