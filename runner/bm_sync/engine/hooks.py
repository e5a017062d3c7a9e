"""Runs the commands of the user: in a process group of their own, for so long, listened to.

Whatever a command leaves running in its group is ended with it.

What a hook is told, as variables of its environment, and which hooks a result calls for. Pure.

Nothing of bm-sync's own environment reaches a hook but what every program needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync.engine.identity import remote_label
from bm_sync.files import TRUST
from bm_sync.model.config import Project
from bm_sync.model.hooks import PROJECT_FACTS, RUN_FACTS, Hook, Moment, variable
from bm_sync.model.run import ProjectRun, Status

_KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "LANG", "LANGUAGE"),
        *("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"),
        *("XDG_STATE_HOME", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"),
        *("SSH_AUTH_SOCK", TRUST),
    }
)
_KEPT_PREFIX = "LC_"

Facts = Mapping[str, str]


class Base(Struct, frozen=True):
    """What every hook of a run is told."""

    run: str
    host: str
    manifest: Path
    state_dir: Path

    def facts(self) -> dict[str, str]:
        """Return them by name."""
        return {
            "run": self.run,
            "host": self.host,
            "manifest": str(self.manifest),
            "state_dir": str(self.state_dir),
        }


def environment(env: Mapping[str, str], hook: Hook, facts: Facts) -> dict[str, str]:
    """Return the environment of a hook: no secret of ours, and each fact, empty when not known."""
    kept = {k: v for k, v in env.items() if k in _KEPT or k.startswith(_KEPT_PREFIX)}
    names = {*PROJECT_FACTS, *RUN_FACTS} if "project" in facts else set(RUN_FACTS)
    told = {variable(name): facts.get(name, "").replace("\0", "") for name in names}
    return kept | dict(hook.variables) | told | {variable("hook"): hook.moment.value}


def project_facts(base: Base, project: Project, ended: ProjectRun | None) -> dict[str, str]:
    """Return what is known of a project; `ended` is None before it begins."""
    facts = base.facts() | {
        "project": project.name,
        "local": str(project.local or ""),
        "remote": remote_label(project),
        "mode": project.policy.mode.value,
        "tags": " ".join(project.tags),
    }
    return facts if ended is None else facts | _results(ended)


def _results(ended: ProjectRun) -> dict[str, str]:
    totals = ended.totals
    figures = {
        "exit": ended.exit,
        "up": totals.up,
        "down": totals.down,
        "deleted": totals.delete_local + totals.delete_remote,
        "conflicts": len(ended.clashes),
        "problems": len(ended.problems),
        "bytes_up": totals.bytes_up,
        "bytes_down": totals.bytes_down,
        "files": ended.files,
        "seconds": round(ended.seconds),
    }
    said = {name: str(figure) for name, figure in figures.items()}
    told = ended.failed or ended.status.needs_person
    why = ended.message or (ended.reason if told else "")
    return said | {"status": ended.status.value, "message": why}


def run_facts(base: Base, code: int | None, projects: Iterable[ProjectRun]) -> dict[str, str]:
    """Return what is known of a run; `code` is None before it has ended."""
    all_of_them = list(projects)

    def names(those: Iterable[ProjectRun]) -> str:
        return "\n".join(each.project for each in those)

    return base.facts() | {
        "exit": "" if code is None else str(code),
        "projects": names(all_of_them),
        "changed": names(p for p in all_of_them if p.moved),
        "failed": names(p for p in all_of_them if p.failed),
        "stopped": names(p for p in all_of_them if p.status.needs_person),
        "skipped": names(p for p in all_of_them if p.status is Status.SKIPPED),
    }


def moments(projects: Iterable[ProjectRun]) -> tuple[Moment, ...]:
    """Return which hooks the results of projects call for at the end, in the order they run."""
    all_of_them = list(projects)
    waits = any(each.status.needs_person for each in all_of_them)
    begun = any(
        (p.fine or p.failed or p.status.needs_person) and p.status is not Status.REFUSED
        for p in all_of_them
    )
    calls = (
        (Moment.ON_CHANGE, any(each.moved for each in all_of_them)),
        (Moment.ON_ERROR, any(each.failed for each in all_of_them)),
        (Moment.ON_STOP, waits),
        (Moment.AFTER, begun),
    )
    return tuple(moment for moment, called in calls if called)


_SHELL = "/bin/sh"
_TERM_WAIT_S = 2.0
_DRAIN_S = 0.5  # for what a child that is still there has to say
_CHUNK = 65536
_MOST_BYTES = 64 * 1024
_LONGEST_LINE = 2000
_SHOWN_CHARS = 200


class Failed(Struct, frozen=True):
    """Why a hook failed, and the last line that it said."""

    why: str
    last: str = ""

    def __str__(self) -> str:
        return f"{self.why}; it said: {self.last}" if self.last else self.why


async def carry_out(
    hook: Hook, env: Mapping[str, str], hear: Callable[[str], None]
) -> Failed | None:
    """Run a hook; return why it failed, None when it did not. `hear` gets its output by lines.

    When the task is cancelled, the command is ended first.
    """
    reader, writer = os.pipe()
    heard = Heard(reader, hear)
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *(_SHELL, "-c", hook.script),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                env=dict(env),
                cwd=hook.folder,
                start_new_session=True,
            )
        finally:
            os.close(writer)
        why = await _end_of(process, hook.timeout_s, heard)
    except OSError as e:
        return Failed(f"cannot be started in {hook.folder}: {e.strerror}")
    finally:
        heard.close()
    return None if why is None else Failed(why, heard.last)


async def _end_of(
    process: asyncio.subprocess.Process, timeout_s: float, heard: Heard
) -> str | None:
    try:
        async with asyncio.timeout(timeout_s):
            code = await process.wait()
    except TimeoutError:
        await _end_group(process)
        return f"was ended after {timeout_s:g} s"
    except asyncio.CancelledError:
        await _end_group(process)
        raise
    if not await heard.all_of_it(_DRAIN_S):
        _signal(process.pid, signal.SIGKILL)
        await heard.all_of_it(_DRAIN_S)
    if code < 0:
        return f"was ended by signal {-code}"
    return f"ended with exit code {code}" if code else None


async def _end_group(process: asyncio.subprocess.Process) -> None:
    _signal(process.pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_TERM_WAIT_S):
            await process.wait()
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class Heard:
    """What comes out of a pipe, line by line, up to a bound; the rest is read and counted only.

    The pipe is our own: one made by asyncio would keep `wait` from ending while a child that was
    left behind holds it open.
    """

    def __init__(self, pipe: int, hear: Callable[[str], None]) -> None:
        self.last = ""
        self._pipe = pipe
        self._hear = hear
        self._rest = b""
        self._size = 0
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        os.set_blocking(pipe, False)
        self._loop.add_reader(pipe, self._read)

    async def all_of_it(self, within_s: float) -> bool:
        """Wait until nobody holds the other end any more; return whether that is so."""
        try:
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Read what is there, say it, and stop listening."""
        while self._read():
            pass
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        if self._rest:
            self._line(self._rest)
        if self._size > _MOST_BYTES:
            self._hear(f"… {self._size - _MOST_BYTES} more bytes")

    def _read(self) -> bool:
        """Read once; return whether there may be more now."""
        try:
            chunk = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._loop.remove_reader(self._pipe)
            self._ended.set()
            return False
        room = max(0, _MOST_BYTES - self._size)
        self._size += len(chunk)
        *whole, self._rest = (self._rest + chunk[:room]).split(b"\n")
        for line in whole:
            self._line(line)
        if len(self._rest) > _LONGEST_LINE:
            self._line(self._rest)
            self._rest = b""
        return True

    def _line(self, line: bytes) -> None:
        text = line[:_LONGEST_LINE].decode(errors="replace").rstrip()
        if text:
            self.last = text[:_SHOWN_CHARS]
            self._hear(text)
