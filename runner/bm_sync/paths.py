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


def cache_dir(env: Mapping[str, str]) -> Path:
    """Return the directory of caches: `XDG_CACHE_HOME/bm-sync`, by default in `~/.cache`."""
    base = env.get("XDG_CACHE_HOME")
    root = Path(base) if base and Path(base).is_absolute() else home_dir(env) / ".cache"
    return root / "bm-sync"


def rclone_configs(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where the user's rclone.conf may lie, there or not (rclone 1.75, "config file")."""
    if env.get("RCLONE_CONFIG"):
        return (Path(env["RCLONE_CONFIG"]).expanduser().absolute(),)
    home, base = home_dir(env), env.get("XDG_CONFIG_HOME")
    folders = [Path(base)] if base and Path(base).is_absolute() else []
    places = [*(f / "rclone" / "rclone.conf" for f in (*folders, home / ".config"))]
    return (*places, home / ".rclone.conf")


def basic_memory_dir(env: Mapping[str, str]) -> Path:
    """Return Basic Memory's data directory."""
    if env.get("BASIC_MEMORY_CONFIG_DIR"):
        return Path(env["BASIC_MEMORY_CONFIG_DIR"]).expanduser()
    if env.get("XDG_CONFIG_HOME"):
        return Path(env["XDG_CONFIG_HOME"]).expanduser() / "basic-memory"
    return home_dir(env) / ".basic-memory"


def basic_memory_files(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files of Basic Memory that say where to sign in, and with what."""
    folder = basic_memory_dir(env).absolute()
    return folder / "config.json", folder / "basic-memory-cloud.json"


def state_dir(env: Mapping[str, str], given: Path | None = None) -> Path:
    """Return the state directory: `--state-dir`, BM_SYNC_STATE_DIR, else XDG_STATE_HOME/bm-sync."""
    if given is not None:
        return given.expanduser().absolute()
    if env.get("BM_SYNC_STATE_DIR"):
        return Path(env["BM_SYNC_STATE_DIR"]).expanduser().absolute()
    base = env.get("XDG_STATE_HOME")
    root = Path(base) if base and Path(base).is_absolute() else home_dir(env) / ".local" / "state"
    return root / "bm-sync"
