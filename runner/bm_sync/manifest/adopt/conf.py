"""Proposes remotes from what stands in the user's rclone.conf; no secret is among it.

Pure, but for the check that the proposal loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bm_sync.manifest.adopt.draft import LeftOut, fitting_name
from bm_sync.manifest.adopt.proposal import Proposal
from bm_sync.manifest.adopt.yaml_text import comments, scalar
from bm_sync.manifest.diagnostic import ManifestError
from bm_sync.manifest.loader import Loaded, load_text
from bm_sync.manifest.shown import quoted
from bm_sync.model.setup import Setup

_BUCKETS = frozenset(
    {"s3", "b2", "azureblob", "google cloud storage", "swift", "oracleobjectstorage", "qingstor"}
)
# The section that `bm cloud setup` writes (basic-memory 0.16 to 0.24, rclone_config.py).
_MEMORY = "basic-memory-cloud"


class ConfRemote(Struct, frozen=True):
    """A remote of an rclone.conf; `builds_on` are the names of others, "" for none."""

    name: str
    type: str
    builds_on: str


def propose_remotes(
    found: Sequence[ConfRemote], config: Path | None, file: Path, setup: Setup
) -> Proposal:
    """Return a manifest with these remotes and no project yet, as if it stood in `file`.

    `config` is the rclone.conf when it is not the one that rclone takes by itself.
    """
    lines, left, names = [], [], set[str]()
    for remote in found:
        name = fitting_name(remote.name, "remote", names)
        said = f"  {name}: {{rclone: {scalar(remote.name)}}}"
        slip = None if _is_memory(remote) else _slip(said, file, setup)
        if slip is not None:
            left.append(LeftOut(remote.name, slip))
            continue
        names.add(name.casefold())
        if _is_memory(remote):
            said = f"  {name}: {{type: {_MEMORY}}}"
        lines += [*comments(_remarks(remote), "  "), said]
    text = _text(lines, left, config)
    return Proposal(text, _load(text, file, setup), tuple(left))


def _is_memory(remote: ConfRemote) -> bool:
    return remote.type == "s3" and remote.name == _MEMORY


def _remarks(remote: ConfRemote) -> list[str]:
    if _is_memory(remote):
        return [
            "Basic Memory Cloud. The service gives the keys, so those in rclone.conf are not used;",
            "to use them all the same: {rclone: basic-memory-cloud, root: BUCKET}.",
        ]
    said = f"{remote.type}, on top of {remote.builds_on}" if remote.builds_on else remote.type
    if remote.type in _BUCKETS:
        return [f"{said}. Add root: BUCKET or BUCKET/FOLDER; the projects lie below it."]
    return [f"{said}. Add root: FOLDER if the projects should lie below one."]


def _slip(said: str, file: Path, setup: Setup) -> str | None:
    """Return why a remote may not be declared so, None when it may."""
    try:
        _load(f"version: 1\nremotes:\n{said}\nprojects: {{}}\n", file, setup)
    except ManifestError as e:
        return next(d.what for d in e.diagnostics if d.severity == "error")
    return None


def _load(text: str, file: Path, setup: Setup) -> Loaded:
    return load_text(text, file, setup.env, state_dir=setup.state_dir)


def _text(remotes: Sequence[str], left: Sequence[LeftOut], config: Path | None) -> str:
    head = [
        "# Proposed by bm-sync import rclone from your rclone.conf, which is left as it is and is",
        "# read anew by each run. No secret stands here.",
    ]
    if config is not None:
        head += comments([f"That file is found with RCLONE_CONFIG={str(config)!r}"], "")
    head += ["version: 1", "", "remotes:" if remotes else "remotes: {}", *remotes]
    if left:
        head += ["", "  # Left out:"]
        head += comments((f"{quoted(x.source)}: {x.why}" for x in left), "  ")
    example = "  # notes: {local: ~/notes, remote: NAME}"
    return "\n".join([*head, "", "projects: {}", example]) + "\n"
