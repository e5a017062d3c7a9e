"""Writes bm_sync/backends.json from the list of the rclone that is installed: `make backends`.

What an option does on this machine stands here. It was read from rclone's sources (v1.75.0); an
option whose name or help sounds like a program, a file or the environment has a row, also when it
does nothing of the kind, so that a new one is noticed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bm_sync
from bm_sync.backends import distil

TABLE = Path(bm_sync.__file__).with_name("backends.json")
RCLONE = Path(sysconfig.get_path("scripts")) / "rclone"

# AWS profiles have credential_process; DefaultAzureCredential of Azure's SDK runs `az` and `azd`.
_AZURE = {
    "env_auth": "program environment",
    "use_az": "program",
    "use_msi": "environment",
    "client_certificate_path": "file",
    "service_principal_file": "file",
    "client_certificate_password": "",
    "msi_mi_res_id": "",
}
# What sftp runs by these runs on the other machine, through ssh.
_THERE = ("md5sum", "sha1sum", "crc32sum", "sha256sum", "blake3sum", "xxh3sum", "xxh128sum")
MARKS: Mapping[str, Mapping[str, str]] = {
    "sftp": {
        "ssh": "program",
        "key_file": "file",
        "pubkey_file": "file",
        "known_hosts_file": "file",
        "key_use_agent": "environment",
        "server_command": "",
        "set_env": "",
        "path_override": "",
        **{f"{name}_command": "" for name in _THERE},
    },
    "webdav": {"bearer_token_command": "program", "unix_socket": "file"},
    "s3": {
        "env_auth": "program environment",
        "profile": "program environment",
        "shared_credentials_file": "program file",
        "role_arn": "",
        "force_path_style": "",
    },
    "azureblob": _AZURE,
    "azurefiles": _AZURE,
    "gcs": {"service_account_file": "file", "env_auth": "environment"},
    "drive": {"service_account_file": "file", "env_auth": "environment"},
    "box": {"box_config_file": "file", "config_credentials": ""},
    "oos": {
        "provider": "environment",
        "config_file": "file",
        "config_profile": "environment",
        "sse_customer_key_file": "file",
    },
    "swift": {"env_auth": "environment"},
    "qingstor": {"env_auth": "environment"},
    "smb": {"use_kerberos": "environment", "kerberos_ccache": "file"},
    "hdfs": {"service_principal_name": "environment", "data_transfer_protection": ""},
    "cache": {
        "db_path": "file",
        "chunk_path": "file",
        "tmp_upload_path": "file",
        "plex_token": "renews",
    },
    "protondrive": dict.fromkeys(
        ("client_uid", "client_access_token", "client_refresh_token", "client_salted_key_pass"),
        "renews",
    ),
    "iclouddrive": {"cookies": "renews", "trust_token": "renews"},
    "mega": {"session_id": "renews", "master_key": "renews"},
    "sugarsync": {
        "authorization": "renews",
        "authorization_expiry": "renews",
        "refresh_token": "",
    },
    "filefabric": {"token": "renews", "token_expiry": "renews"},
    "linkbox": {"token": "", "web_token": "renews"},
    "seafile": {"auth_token": ""},
}


def marks() -> dict[tuple[str, str], str]:
    """Return the marks by backend and option."""
    return {(b, name): said for b, options in MARKS.items() for name, said in options.items()}


def providers() -> list[Mapping[str, Any]]:
    """Return the list of the installed rclone."""
    found: list[Mapping[str, Any]] = json.loads(_rclone("config", "providers"))
    return found


def choices(listed: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the values of the types that take only some, as rclone names them in its refusal."""
    return {
        option["Name"]: _asked(backend["Prefix"], option["Name"])
        for backend in listed
        for option in backend["Options"]
        if option["Type"] == "Bits"
    }


def text() -> str:
    """Return the table as it is kept: one option a line."""
    listed = providers()
    kept = distil(listed, marks(), choices(listed))
    version = _rclone("version").decode().split()[1]
    encodings = json.dumps(_asked("local", "encoding"))
    head = {"rclone": json.dumps(version), "encodings": encodings}
    lines = [*(f" {json.dumps(key)}: {said}," for key, said in head.items()), ' "backends": {']
    for backend, options in kept.items():
        rows = [f"   {json.dumps(name)}: {json.dumps(said)}" for name, said in options.items()]
        lines += [f"  {json.dumps(backend)}: {{", ",\n".join(rows), "  },"]
    lines[-1] = "  }"
    return "\n".join(["{", *lines, " }", "}"]) + "\n"


def _asked(backend: str, option: str) -> list[str]:
    """Return what rclone says may stand, when it is given a value that cannot."""
    done = subprocess.run(  # noqa: S603 - the installed rclone
        [RCLONE, "backend", "features", f":{backend},{option}=?:"],
        env={"RCLONE_CONFIG": "/dev/null"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.search(r"(?:possible values are|invalid choice \"\?\" from): (.*)", done.stderr)
    if said is None:
        raise SystemExit(f"rclone does not tell what {option} of {backend} takes: {done.stderr}")
    return said[1].strip().split(", ")


def _rclone(*words: str) -> bytes:
    done = subprocess.run(  # noqa: S603 - the same
        [RCLONE, *words], env={"RCLONE_CONFIG": "/dev/null"}, capture_output=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    TABLE.write_text(text(), encoding="utf-8")
