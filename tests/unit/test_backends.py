"""The table of rclone's backends is that of the rclone that is installed, and judges as it does."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bm_sync import backends
from bm_sync.backends import Backends, Mark, Option


def generator() -> ModuleType:
    file = Path(__file__).parents[2] / "docs" / "backends.py"
    spec = importlib.util.spec_from_file_location("list_backends", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = generator()

# Words in the name or the first line of help by which a person would look twice.
SUSPICIOUS = re.compile(
    r"command|(?<!original_)(?<!shared_)(?<!box_config_)file$|path|socket|ccache|env_auth|profile"
    r"|use_az|use_msi|kerberos|program|execut|binary",
    re.IGNORECASE,
)
NOT_HERE = {
    "force_path_style",  # of URLs
    "msi_mi_res_id",
    "path_override",
    "file_password",
}


@cache
def providers() -> tuple[Mapping[str, Any], ...]:
    return tuple(script.providers())


def test_the_table_is_made_from_the_rclone_that_is_installed() -> None:
    assert script.TABLE.read_text("utf-8") == script.text(), "run: make backends"


def test_every_option_that_sounds_like_a_program_or_a_file_was_judged_by_a_person() -> None:
    unjudged = [
        f"{backend['Prefix']}.{option['Name']}"
        for backend in providers()
        for option in backend["Options"]
        if SUSPICIOUS.search(option["Name"])
        and option["Name"] not in NOT_HERE
        and (backend["Prefix"], option["Name"]) not in script.marks()
    ]
    assert unjudged == [], "say in docs/backends.py what they do, then: make backends"


def test_every_judgement_is_about_an_option_that_there_is() -> None:
    there = {(b["Prefix"], o["Name"]) for b in providers() for o in b["Options"]}
    assert set(script.marks()) - there == set()


def test_an_option_that_appears_or_changes_changes_the_table() -> None:
    told = json.loads(json.dumps(providers()))
    sftp = next(b for b in told if b["Name"] == "sftp")
    before = backends.distil(told, script.marks(), {})
    sftp["Options"].append({**sftp["Options"][0], "Name": "login_command"})
    after = backends.distil(told, script.marks(), {})
    assert after["sftp"]["login_command"] == "string program"
    assert before != after


def test_the_options_that_wrap_another_remote_are_those_with_their_names() -> None:
    wraps = {
        (backend, name)
        for backend, options in backends.table().items()
        for name, option in options.items()
        if Mark.WRAPS in option.marks
    }
    assert {name for _, name in wraps} == {"remote", "upstreams"}
    layers = "alias archive cache chunker combine compress crypt hasher union"

    assert sorted({backend for backend, _ in wraps}) == layers.split(" ")


def test_a_newer_rclone_is_asked_once_for_what_the_table_does_not_have() -> None:
    calls = []
    s3 = next(b for b in providers() if b["Name"] == "s3")
    newer = {**s3, "Options": [*s3["Options"], {**s3["Options"][0], "Name": "sign_in_command"}]}
    other = {**s3, "Name": "cloudbox", "Prefix": "cloudbox"}

    def ask() -> bytes:
        calls.append(1)
        return json.dumps([newer, other]).encode()

    known = Backends(ask)
    assert known.option("s3", "provider") is not None
    assert known.options("sftp") is not None
    assert calls == [], "the table has it"
    found = known.option("s3", "sign_in_command")
    assert found is not None
    assert Mark.PROGRAM in found.marks, "judged by its name until a person does"
    assert known.options("cloudbox") is not None
    assert known.option("s3", "provder") is None
    assert known.options("cloudbx") is None
    assert calls == [1]


@pytest.mark.parametrize("answer", [None, b"", b"[]", b"{}", b'[{"Prefix": 1}]', b"nonsense"])
def test_an_rclone_that_tells_nothing_leaves_the_table_alone(answer: bytes | None) -> None:
    known = Backends(lambda: answer)
    assert known.option("s3", "provder") is None
    assert known.option("s3", "description") == Option("description", "string")


S3 = ":s3,provider=AWS,access_key_id=a,secret_access_key=b,no_check_bucket"
NUMBERS = (
    "0",
    "5",
    "-1",
    "+5",
    " 5",
    "5 ",
    "5.5",
    "1e3",
    "0x1F",
    "0b11",
    "010",
    "1_000",
    "x",
    "5x",
)
VALUES: dict[tuple[str, str], tuple[str, ...]] = {
    ("local", "copy_links"): (
        *("true", "True", "TRUE", "tRUE", "t", "T", "1", "false", "f", "F", "0"),
        *("yes", "no", "on", "off", "2", "maybe", "true "),
    ),
    ("local", "time_type"): ("mtime", "MTIME", "ctime", "xtime", "mtime,atime"),
    ("local", "encoding"): ("None", "Raw", "Slash,Dot", "Slash, Dot", "slash", "12", "Slash;Dot"),
    ("local", "hashes"): ("md5", "md5,sha1", "md5, sha1", '"md5,x",sha1', 'm"d5', '"md5'),
    ("combine", "upstreams"): ("a=/tmp b=/tmp", '"a=/tmp" b=/tmp', 'a=/tmp "b=/tmp'),
    ("s3", "upload_concurrency"): (*NUMBERS, "9223372036854775807", "9223372036854775808"),
    ("s3", "upload_cutoff"): (
        *(
            "0",
            "6M",
            "6m",
            "6Mi",
            "6MiB",
            "6MB",
            "6mib",
            "6 M",
            "6.5M",
            "off",
            "Off",
            "1G",
            "1024k",
        ),
        *("1B", "1b", "-1", "-6M", "M", "6X", "6Xi", "x", "1e3", "1e3M", "1e3k", ".5G", "5.", "1T"),
    ),
    ("s3", "list_url_encode"): ("true", "T", "unset", "Unset", "null", "0", "maybe", "yes", "2"),
    ("s3", "sdk_log_mode"): ("Off", "off", "All", "Signing,Retries", "Signing, Retries", "x", "3"),
    ("s3", "version_at"): (
        *("off", "2026-01-31", "2026-01-31 10:00:00", "2026-01-31T10:00:00Z", "5d", "1h", "1h30m"),
        *("5", "1.5d", "2w", "3M", "1y", "x", "31.1.2026", "5 d", "1h 5m", "5x", "-1h"),
    ),
    ("ftp", "idle_timeout"): (
        "1m",
        "1m0s",
        "60",
        "0",
        "off",
        "1.5h",
        "100ms",
        "1 m",
        "m",
        "x",
        "1hh",
    ),
    ("zoho", "tpslimit"): ("6", "0.5", "x", "1e1", "5.5.5"),
}
REFUSED = re.compile(r"couldn't parse config item|failed to parse")


def refuses(backend: str, option: str, value: str) -> bool:
    """Whether the real rclone refuses a value."""
    quoted = value.replace('"', '""')
    base = {"s3": S3, "combine": ":combine"}.get(backend, f":{backend}")
    root = {"s3": "bucket", "local": "/"}.get(backend, "")
    words = [script.RCLONE, "backend", "features", f'{base},{option}="{quoted}":{root}']
    env = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONTIMEOUT": "1ms",
        "RCLONE_LOW_LEVEL_RETRIES": "1",
    }
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=120)
    return REFUSED.search(done.stderr) is not None


def test_values_are_judged_as_rclone_judges_them() -> None:
    known = Backends()
    rows = [(b, o, value) for (b, o), values in VALUES.items() for value in values]
    with ThreadPoolExecutor(4) as pool:
        real = list(pool.map(lambda row: refuses(*row), rows))
    ours = []
    for backend, name, value in rows:
        option = known.option(backend, name)
        assert option is not None
        ours.append(backends.misfit(option, value) is not None)
    differing = [(row, r) for row, r, o in zip(rows, real, ours, strict=True) if r != o]
    assert differing == []
    types = {known.option(b, o).type for b, o in VALUES}  # type: ignore[union-attr]
    every = {o.type for options in backends.table().values() for o in options.values()}
    assert every - types == {"string", "stringArray"}, "a type that nobody tried"
