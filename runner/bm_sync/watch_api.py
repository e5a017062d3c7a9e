"""What bm-sync can do in one process that goes on, as functions: the command line calls these.

Like `api`: nothing here prints, asks or exits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bm_sync.engine.watch import Order as Order  # noqa: PLC0414 - told here too
from bm_sync.engine.watch import Watch
from bm_sync.schedule.notify import Notifier

if TYPE_CHECKING:
    from bm_sync.model.watch import WatchEvent


def watch(order: Order, hears: Callable[[WatchEvent], None], service: Notifier) -> Watch:
    """Return a watch that `run` begins and the cancellation of its task ends.

    `hears` is told of every round and of what keeps one from being; `service` is whoever started
    this process. Raises ManifestError when there is no valid manifest to begin with, and `run`
    LockedError when another watch of it runs.
    """
    return Watch(order, hears, service)


def service(env: Mapping[str, str]) -> Notifier:
    """Return what speaks to the service manager that started this process, if one did."""
    return Notifier(env)
