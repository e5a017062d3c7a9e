"""Where things of bm-sync itself lie: the schemas, the state directory, the runtime directory.

Nothing is created here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def schema_file(name: str) -> Path:
    """Return the path of `schemas/v1/<name>.schema.json`, in the wheel or in the checkout."""
    packed = _PACKAGE / "schemas"
    home = packed if packed.is_dir() else _PACKAGE.parent.parent / "schemas"
    return home / "v1" / f"{name}.schema.json"


def home_dir(env: Mapping[str, str]) -> Path:
    """Return the user's home directory as `env` tells it."""
    return Path(env["HOME"]) if env.get("HOME") else Path.home()


def state_dir(env: Mapping[str, str], given: Path | None = None) -> Path:
    """Return the state directory: `--state-dir`, BM_SYNC_STATE_DIR, else XDG_STATE_HOME/bm-sync."""
    if given is not None:
        return given.expanduser().absolute()
    if env.get("BM_SYNC_STATE_DIR"):
        return Path(env["BM_SYNC_STATE_DIR"]).expanduser().absolute()
    base = env.get("XDG_STATE_HOME")
    root = Path(base) if base and Path(base).is_absolute() else home_dir(env) / ".local" / "state"
    return root / "bm-sync"
