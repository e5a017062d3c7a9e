"""`python -m bm_sync.cli`, which is what timers start: it needs no script on the PATH."""

from __future__ import annotations

import sys

from bm_sync.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
