"""The words by which somebody else starts this bm-sync again: a timer, a service manager."""

from __future__ import annotations

import sys
from argparse import Namespace

from bm_sync.errors import UsageError


def launcher(args: Namespace) -> tuple[str, ...]:
    """Return the words that start this bm-sync, whatever the folder and the PATH are.

    Variables that are set here are set for every run.
    """
    if not sys.executable:
        raise UsageError("it is not known which Python runs this", hint="start it by its path")
    sets = [word for given in args.sets for word in ("--set", given)]
    return (sys.executable, "-P", "-m", "bm_sync.cli", *sets)
