"""Live bars on a terminal: one for each project that moves something, and the total.

The only module that imports rich.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, assert_never

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from bm_sync.cli.render.files import done_row, file_lines
from bm_sync.cli.render.text import duration, escape, size
from bm_sync.model.run import (
    ActionEnded,
    Event,
    Outcome,
    ProjectEnded,
    ProjectRun,
    ProjectStarted,
    Retrying,
    Transferring,
    Waiting,
)

_TOTAL = "total"


class _Rate(ProgressColumn):
    """Bytes a second, in the units of every other figure."""

    def render(self, task: Task) -> Text:
        """Return the rate, nothing before it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{size(int(speed))}/s")


@contextmanager
def live(stream: TextIO, *, colour: bool) -> Iterator[Bars]:
    """Draw bars on `stream` from the first event that moves something until the block ends.

    Until then nothing is drawn, so that a question stands still.
    """
    console = Console(file=stream, no_color=not colour, highlight=False, soft_wrap=True)
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[files]}", markup=False),
        TextColumn("{task.fields[moved]}", markup=False),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    try:
        yield Bars(progress)
    finally:
        progress.stop()


class Bars:
    """Turns events into bars."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._planned: dict[str, tuple[int, int]] = {}
        self._done: dict[str, tuple[int, int]] = {}
        self._total = progress.add_task(_TOTAL, total=0, files="", moved="", visible=False)

    def __call__(self, event: Event) -> None:
        """Draw what `event` says."""
        match event:
            case ProjectStarted():
                self._start(event)
            case Transferring():
                self._done[event.project] = (event.files, event.bytes)
                self._draw(event.project)
            case ActionEnded():
                if event.done.outcome is not Outcome.DONE:
                    self._say(
                        f"{event.project}: {file_lines([done_row(event.done)], indent='')[0]}"
                    )
            case Retrying():
                number = f"try {event.attempt} of {event.attempts}"
                wait = duration(event.wait_s)
                self._say(f"{event.project}: {number} in {wait}: {escape(event.cause)}")
            case Waiting():
                self._say(f"{event.project}: waiting: {escape(event.cause)}")
            case ProjectEnded():
                self._end(event.run)
            case _:
                assert_never(event)

    def _start(self, event: ProjectStarted) -> None:
        if not event.files:
            return
        self._progress.start()
        self._planned[event.project] = (event.files, event.bytes)
        self._done[event.project] = (0, 0)
        self._tasks[event.project] = self._progress.add_task(
            event.project, total=event.bytes, files="", moved=""
        )
        self._draw(event.project)

    def _end(self, run: ProjectRun) -> None:
        if run.project in self._planned:
            did = run.totals
            self._done[run.project] = (did.up + did.down, did.bytes_up + did.bytes_down)
            self._draw(run.project)

    def _draw(self, project: str) -> None:
        if project not in self._tasks:
            return
        self._update(self._tasks[project], [project])
        self._update(self._total, list(self._planned))
        self._progress.update(self._total, visible=len(self._tasks) > 1)

    def _update(self, task: TaskID, projects: list[str]) -> None:
        files = sum(self._done[name][0] for name in projects)
        moved = sum(self._done[name][1] for name in projects)
        all_files = sum(self._planned[name][0] for name in projects)
        whole = sum(self._planned[name][1] for name in projects)
        self._progress.update(
            task,
            completed=min(moved, whole),
            total=whole,
            files=f"{files}/{all_files} files",
            moved=f"{size(moved)}/{size(whole)}",
        )

    def _say(self, line: str) -> None:
        self._progress.console.print(Text(line))
