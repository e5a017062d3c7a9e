"""What only the whole manifest can tell: places, names, references, secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.manifest.places import wrong_remote_path
from bm_sync.masking import looks_secret, secret_parts, without
from bm_sync.model.config import FolderRemote
from bm_sync.model.report import Diagnostic

HEAD = """\
version: 1
remotes:
  shelf: {type: local, root: ./shelf}
  same: {type: local, root: ./link}
  gdrive: {rclone: gdrive, root: kb}
  gdrive2: {rclone: gdrive}
  bucket: {type: s3, options: {endpoint: "https://a.example"}, root: b}
  bucket2: {type: s3, options: {endpoint: "https://A.example/", chunk_size: 5M}, root: b/kb}
  other: {type: s3, options: {endpoint: "https://b.example"}, root: b}
  ada: {type: dropbox, options: {client_secret: {env: ADA}}, root: kb}
  bob: {type: dropbox, options: {client_secret: {env: BOB}}, root: kb}
"""


def masked(line: str) -> str:
    return without(line, secret_parts(line, yaml=True))


def problems(tmp_path: Path, text: str, **env: str) -> tuple[Diagnostic, ...]:
    (tmp_path / "shelf").mkdir(exist_ok=True)
    (tmp_path / "home").mkdir(exist_ok=True)
    if not (tmp_path / "link").exists():
        (tmp_path / "link").symlink_to("shelf")
    file = tmp_path / "sync.yaml"
    file.write_text(text)
    try:
        loaded = manifest.load(
            file, {"HOME": str(tmp_path / "home"), **env}, state_dir=tmp_path / "state/bm-sync"
        )
    except manifest.ManifestError as e:
        return e.diagnostics
    return loaded.warnings


def codes(tmp_path: Path, text: str, **env: str) -> list[str]:
    return [d.code for d in problems(tmp_path, text, **env)]


def remote(tmp_path: Path, one_remote: str) -> list[str]:
    return codes(tmp_path, f"version: 1\nremotes: {{r: {one_remote}}}\nprojects: {{}}\n")


def projects(tmp_path: Path, text: str, **env: str) -> list[str]:
    return codes(tmp_path, f"{HEAD}projects:\n{text}", **env)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("shelf, path: a", "shelf, path: a"),
        ("shelf, path: a", "shelf, path: a/b"),
        ("shelf, path: a/b", "shelf, path: a"),
        ("shelf, path: a", "same, path: a/b/c"),
        ('shelf, path: ""', "same, path: a"),
        ("gdrive, path: a", "gdrive2, path: kb/a"),
        ("gdrive, path: a", "gdrive2, path: kb"),
        ("bucket, path: kb", "bucket2, path: ."),
        ("bucket, path: kb/a", "bucket2, path: a"),
        ("ada, path: a", "ada, path: a/"),
    ],
)
def test_two_projects_have_no_common_place_on_a_remote(tmp_path: Path, one: str, two: str) -> None:
    text = f"  one: {{local: p/one, remote: {one}}}\n  two: {{local: p/two, remote: {two}}}\n"
    (found,) = problems(tmp_path, f"{HEAD}projects:\n{text}")
    assert (found.code, found.line) == ("BMS023", 14)
    assert "'one' in line 13" in found.what


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("shelf, path: a", "shelf, path: ab"),
        ("gdrive, path: a", "gdrive2, path: a"),
        ("bucket, path: a", "other, path: a"),
        ("ada, path: a", "bob, path: a"),
        ("shelf, path: a", "gdrive, path: a"),
    ],
)
def test_places_that_do_not_touch_are_fine(tmp_path: Path, one: str, two: str) -> None:
    text = f"  one: {{local: p/one, remote: {one}}}\n  two: {{local: p/two, remote: {two}}}\n"
    assert projects(tmp_path, text) == []


def test_projects_that_live_on_the_remote_only_have_places_too(tmp_path: Path) -> None:
    assert projects(tmp_path, "  a: {remote: shelf}\n  b: {remote: shelf, path: a/b}\n") == [
        "BMS023"
    ]


@pytest.mark.parametrize(
    ("one", "two", "line"),
    [
        ("p", "p", 14),
        ("p", "p/q", 14),
        ("p/q", "p", 14),
        ("p/../q", "./q/", 14),
        ("~/x", "home/x", 14),
    ],
)
def test_two_projects_have_no_common_local_folder(
    tmp_path: Path, one: str, two: str, line: int
) -> None:
    text = f"  one: {{local: {one}, remote: null}}\n  two: {{local: {two}, remote: null}}\n"
    (found,) = problems(tmp_path, f"{HEAD}projects:\n{text}")
    assert (found.code, found.line) == ("BMS022", line)


def test_local_folders_are_compared_behind_symbolic_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    text = "  one: {local: real/a, remote: null}\n  two: {local: alias, remote: null}\n"
    assert projects(tmp_path, text) == ["BMS022"]


@pytest.mark.parametrize("local", ["shelf", "shelf/a", "shelf/a/b", "link/a", "."])
def test_a_local_folder_never_touches_a_folder_remote(tmp_path: Path, local: str) -> None:
    found = projects(tmp_path, f"  a: {{local: {local}, remote: shelf, path: a}}\n")
    assert "BMS025" in found


def test_the_local_folder_of_another_project_counts_too(tmp_path: Path) -> None:
    text = "  a: {remote: shelf}\n  b: {local: shelf/a/x, remote: gdrive}\n"
    assert projects(tmp_path, text) == ["BMS025"]


def test_a_neighbour_of_a_folder_remotes_place_is_fine(tmp_path: Path) -> None:
    assert projects(tmp_path, "  a: {local: shelf/b, remote: shelf}\n") == []


@pytest.mark.parametrize("local", ["state", "state/bm-sync", "state/bm-sync/deep", "."])
def test_a_local_folder_never_touches_the_state_directory(tmp_path: Path, local: str) -> None:
    assert projects(tmp_path, f"  a: {{local: {local}, remote: null}}\n") == ["BMS024"]


def test_a_folder_remote_never_touches_the_state_directory(tmp_path: Path) -> None:
    text = "version: 1\nremotes: {r: {type: local, root: ./state}}\n"
    assert codes(tmp_path, text + "projects: {bm-sync: {remote: r}}\n") == ["BMS024"]


@pytest.mark.parametrize(
    "local",
    [
        '""', "/", "//", "/../", "/proc", "/proc/self", "/sys/x", "/dev/x", "~ada/notes", "cloud:x",
        "gdrive:", ":sftp,ssh=x:", '"a\\nb"', '"a\\x1bb"', '"a\\0b"', "p/.bm-sync/x", "${ROOT}",
        "${EMPTY}", "${EMPTY}/",
    ],
)  # fmt: skip
def test_a_folder_that_must_not_be_used_is_refused(tmp_path: Path, local: str) -> None:
    env = {"ROOT": "/", "EMPTY": ""}
    quoted = local if local.startswith('"') else f"'{local}'"
    assert projects(tmp_path, f"  a: {{local: {quoted}, remote: null}}\n", **env) == ["BMS021"]
    assert remote(tmp_path, f"{{type: local, root: {quoted}}}") == (
        ["BMS015"] if "$" in local else ["BMS021"]
    )


def test_a_link_to_the_root_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "all").symlink_to("/")
    assert projects(tmp_path, "  a: {local: all, remote: null}\n") == ["BMS021"]


def test_a_folder_with_a_colon_can_be_named(tmp_path: Path) -> None:
    assert projects(tmp_path, '  a: {local: "./a:b", remote: null}\n') == []


@pytest.mark.parametrize(
    "path",
    [
        "..", "../a", "a/../b", "a/..", "./a", "a/./b", "/a", "/", "a//b", "a\\b", "-a", "a\nb",
        "a\tb",         "a\x7f", "a:b", ":sftp,ssh=x:", ".bm-sync", "a/.bm-sync/b",
        "a/x.bmpart", "x" * 256,
        "é" * 128,         "a\udcff",
    ],
)  # fmt: skip
def test_a_path_on_a_remote_that_must_not_be_used_is_refused(path: str) -> None:
    assert wrong_remote_path(path) is not None


@pytest.mark.parametrize("path", ["", "a", "a/b c/d", ".a", "...", "a-b", "a/b:c", "x" * 255, "é"])
def test_other_paths_on_a_remote_can_be_used(path: str) -> None:
    assert wrong_remote_path(path) is None


@pytest.mark.parametrize("path", ["../a", "/a", "a/../b", '"a\\nb"', "a//b", "-a", ".bm-sync/x"])
def test_roots_and_paths_are_held_to_the_same_rules(tmp_path: Path, path: str) -> None:
    assert projects(tmp_path, f"  a: {{remote: shelf, path: {path}}}\n") == ["BMS020"]
    assert remote(tmp_path, f"{{rclone: gdrive, root: {path}}}") == ["BMS020"]
    assert remote(tmp_path, f"{{type: s3, root: {path}}}") == ["BMS020"]


@pytest.mark.parametrize(
    "name",
    [
        '"gdrive:"',
        '":sftp:"',
        '"cloud,endpoint=x"',
        "a:b",
        '":sftp,ssh=\\"x\\":"',
        "-v",
        '"a "',
        '""',
        "a/b",
        '"a\\nb"',
    ],
)
def test_a_name_in_rclone_conf_is_a_name_alone(tmp_path: Path, name: str) -> None:
    assert remote(tmp_path, f"{{rclone: {name}}}") == ["BMS030"]


@pytest.mark.parametrize("name", ["gdrive", "my drive", "a.b", "a-b_c", "a+b@c", "Größe"])
def test_names_that_rclone_allows_can_be_used(tmp_path: Path, name: str) -> None:
    assert remote(tmp_path, f"{{rclone: {name}}}") == []


@pytest.mark.parametrize("kind", ['":sftp,ssh=x:"', '"s3,env_auth"', '"sftp:"', '"a=b"'])
def test_a_backend_is_never_declared_with_its_options_in_its_name(
    tmp_path: Path, kind: str
) -> None:
    assert remote(tmp_path, f"{{type: {kind}}}") == ["BMS030"]


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("sfpt", "did you mean 'sftp'?"),
        ("S3", "did you mean 's3'?"),
        ("locl", "did you mean 'local'?"),
        ("google cloud storage", "write gcs"),
        ("folder", "write local"),
        ("basic-memory", "did you mean 'basic-memory-cloud'?"),
        ("bm-cloud", "write basic-memory-cloud"),
        ("dictaphone", "local for a folder, or a backend of rclone"),
    ],
)
def test_an_unknown_backend_is_refused_with_a_hint(tmp_path: Path, kind: str, hint: str) -> None:
    text = f"version: 1\nremotes: {{r: {{type: {kind}}}}}\nprojects: {{}}\n"
    (found,) = problems(tmp_path, text)
    assert (found.code, found.hint) == ("BMS029", hint)


@pytest.mark.parametrize(
    "options",
    [
        'remote: ":sftp,ssh=x:"',
        'remote: "a,b=c:d"',
        'upstreams: "a=gdrive: b=:sftp,ssh=x:"',
        'remote: "a\\nb"',
    ],
)
def test_an_option_that_would_declare_a_remote_is_refused(tmp_path: Path, options: str) -> None:
    kind = "combine" if options.startswith("upstreams") else "alias"
    found = remote(tmp_path, f"{{type: {kind}, options: {{{options}}}}}")
    assert found in (["BMS030"], ["BMS011"])


def test_an_option_that_names_a_remote_is_fine(tmp_path: Path) -> None:
    assert remote(tmp_path, '{type: crypt, options: {remote: "gdrive:notes"}}') == []
    assert remote(tmp_path, '{type: combine, options: {upstreams: "a=x:y b=z:"}}') == []


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("remote: shlf", "did you mean 'shelf'?"),
        ("remote: no", "write null for no remote"),
        ("remote: shelf, policy: carefull", "did you mean 'careful'?"),
        ("remote: shelf, policy: {extends: x1}", "policies are 'careful'"),
        ("remote: shelf, filters: [nots]", "did you mean 'notes'?"),
    ],
)
def test_a_name_that_is_not_declared_is_refused_with_a_hint(
    tmp_path: Path, said: str, hint: str
) -> None:
    text = HEAD + "policies: {careful: {}}\nfilters: {notes: {}}\nprojects:\n  a: {" + said + "}\n"
    (found,) = problems(tmp_path, text)
    assert (found.code, found.hint) == ("BMS017", hint)


def test_a_wrong_name_in_defaults_is_told_once(tmp_path: Path) -> None:
    text = "version: 1\ndefaults: {remote: x1, policy: y1, filters: [z1]}\n"
    text += "projects:\n  a: {local: a}\n  b: {local: b}\n"
    assert codes(tmp_path, text) == ["BMS017"] * 3


def test_a_misspelt_required_key_is_not_also_missing(tmp_path: Path) -> None:
    assert codes(tmp_path, "versoin: 1\nproject: {}\n") == ["BMS004", "BMS004"]
    assert remote(tmp_path, "{tpye: s3, root: b}") == ["BMS004"]
    assert remote(tmp_path, "{rclon: gdrive}") == ["BMS004"]
    assert remote(tmp_path, "{type: local, rot: ./x}") == ["BMS004"]
    assert projects(tmp_path, "  a: {local: p, remot: null}\n") == ["BMS004"]


def test_a_broken_value_has_no_second_error(tmp_path: Path) -> None:
    assert projects(tmp_path, "  a: {local: p, remote: [shelf]}\n") == ["BMS006"]
    assert projects(tmp_path, "  a: {local: 5, remote: null}\n") == ["BMS006"]
    assert projects(tmp_path, "  a: {local: '${NOPE}', remote: null}\n") == ["BMS015"]
    assert projects(tmp_path, "  a: {remote: shelf, policy: {mode: [], direction: up}}\n") == [
        "BMS006"
    ]
    text = "version: 1\nremotes: {-r: {type: local, root: x}}\nprojects: {a: {remote: -r}}\n"
    assert codes(tmp_path, text) == ["BMS011"]


@pytest.mark.parametrize(
    "name", ["..", "a/b", "/x", "-rf", '"a\\nb"', "x" * 300, '"\\e[31m"', ".a", '" a"']
)
def test_a_project_name_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    assert projects(tmp_path, f"  {name}: {{remote: shelf}}\n") == ["BMS011"]


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("pass", True), ("password", True), ("password2", True), ("secret_access_key", True),
        ("token", True), ("client_secret", True), ("bearer_token", True), ("api_key", True),
        ("key", True),         ("sas_url", True), ("access_grant", True), ("mnemonic", True),
        ("key_pem", True),
        ("pasword", True),         ("service_account_credentials", True), ("session_token",
        True), ("sse_customer_key", True),
        ("access_key_id", False), ("key_file", False), ("token_url", False), ("user", False),
        ("ask_password", False), ("bearer_token_command", False), ("public_key", False),
        ("endpoint", False),         ("shared_credentials_file", False), ("key_exchange",
        False), ("env_auth", False),
    ],
)  # fmt: skip
def test_options_that_hold_secrets_are_known_by_their_names(name: str, *, secret: bool) -> None:
    assert looks_secret(name) is secret


CANARY = "canary-4711"


@pytest.mark.parametrize(
    "text",
    [
        f"remotes: {{r: {{type: sftp, options: {{pass: {CANARY}}}}}}}",
        f"remotes: {{r: {{type: sftp, options: {{pass: '{CANARY}', zzz.: 1}}}}}}",
        f"remotes: {{r: {{type: sftp, optoins: {{pass: {CANARY}}}}}}}",
        f"remotes: {{r: {{type: sftp, password: {CANARY}}}}}",
        f"remotes: {{r: {{type: sftp, options: {{pass: [{{password: {CANARY}}}]}}}}}}",
        (
            f"vars: {{x: {CANARY}}}\n"
            "remotes: {r: {type: sftp, options: {pass: '${x}'}}}\nzzz: 1"
        ),
        (
            f"vars: {{x: {CANARY}, y: '${{nope}}'}}\n"
            "remotes: {r: {type: nope, options: {token: 'a${x}'}}}"
        ),
        "remotes: {r: {type: sftp, options: {pass: '${CANARY}'}, root: '/${CANARY}'}}",
        (
            "remotes: {r: {type: webdav, root: /, options: "
            f"{{url: 'https://ada:{CANARY}@x.example'}}}}}}"
        ),
        f"remotes: {{r: {{type: 'https://ada:{CANARY}@x.example'}}}}",
        f"projects: {{a: {{local: x, token: {CANARY}}}}}",
        f"secret: |\n  {CANARY}\n  {CANARY}\n",
        f"secret: >-\n  x\n  {CANARY} [",
    ],
)
def test_a_secret_is_never_shown(tmp_path: Path, text: str) -> None:
    if "projects" not in text:
        text += "\nprojects: {}"
    found = problems(tmp_path, f"version: 1\n{text}\n", CANARY=CANARY)
    assert found
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        f"pass: {CANARY}: x",
        f"a: {{pass: {CANARY}, [",
        f"a: {{'pass': \"{CANARY}, x\" [",
        f"token: '{CANARY}",
        f"pass: !x {CANARY}",
        f"pass: *{CANARY}",
        f"pass: &a {CANARY}: x",
        f"pass: |{CANARY}",
        f"pass: ${{A}}{CANARY}: x",
        f"pass: a\npass: {CANARY}",
        f"secret: {CANARY} \x07",
        f"a: {{password:  {CANARY}\x1b}}",
        f"\tapi_key: {CANARY}",
    ],
)
def test_a_secret_is_not_shown_where_the_file_cannot_be_read(tmp_path: Path, text: str) -> None:
    found = problems(tmp_path, f"version: 1\nprojects: {{}}\n{text}\n")
    assert found
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    "line",
    [
        "pass: {env: BOX}",
        "{pass: ${BOX}}",
        'pass: "${BOX}"  # words',
        "user: ada",
        "secret_access_key: {command: pass show x}",
        "token:",
        "passwords: [a]",
    ],
)
def test_what_is_no_secret_stays_readable(line: str) -> None:
    assert masked(line) == line


def test_a_mask_is_always_as_long() -> None:
    assert masked("{pass: a, user: x, token: 'd,e,f'}") == "{pass: ***, user: x, token: ***}"
    assert masked("  pass: a, b") == "  pass: ***"


def test_a_secret_from_the_environment_is_warned_of_with_the_reference_to_write(
    tmp_path: Path,
) -> None:
    text = "version: 1\nremotes: {r: {type: s3, options: {secret_access_key: '${AWS_SECRET}'}}}\n"
    (found,) = problems(tmp_path, text + "projects: {}\n", AWS_SECRET=CANARY)
    assert (found.code, found.severity) == ("BMS032", "warning")
    assert found.hint == "write {env: AWS_SECRET}"
    assert "${AWS_SECRET}" in found.line_text


def test_an_ignore_file_is_read_and_its_bad_patterns_are_told_with_its_lines(
    tmp_path: Path,
) -> None:
    (tmp_path / "team.ignore").write_text("*.tmp\n[abc\n# words\n")
    text = "version: 1\nfilters: {f: {ignore_files: [team.ignore]}}\nprojects: {}\n"
    (found,) = problems(tmp_path, text)
    assert (found.code, found.file, found.line) == ("BMS027", "team.ignore", 2)
    assert found.line_text == "[abc"


@pytest.mark.parametrize("pattern", ['""', '" "', '"#x"', '"a\\nb"', '"[a"', '"a\\\\"'])
def test_a_pattern_that_never_matches_is_refused(tmp_path: Path, pattern: str) -> None:
    text = f"version: 1\nfilters: {{f: {{exclude: [{pattern}]}}}}\nprojects: {{}}\n"
    assert codes(tmp_path, text) == ["BMS027"]


@pytest.mark.parametrize("text", ["${", "${}", "${a b}", "${1}", "${A-b}", "${A", "a ${A:b}"])
def test_a_variable_that_is_none_is_refused_where_it_stands(tmp_path: Path, text: str) -> None:
    (found,) = problems(tmp_path, f"version: 1\nvars: {{x: '{text}'}}\nprojects: {{}}\n")
    assert (found.code, found.line, found.column) == ("BMS015", 2, 12 + text.index("$"))


def test_a_variable_is_suggested(tmp_path: Path) -> None:
    text = "version: 1\nvars: {notes: x}\nprojects: {a: {local: 'y/${nots}', remote: null}}\n"
    (found,) = problems(tmp_path, text)
    assert (found.column, found.length, found.hint) == (26, 7, "did you mean 'notes'?")


def test_dollars_and_defaults_are_put_in(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(
        "version: 1\nvars: {a: '${B:-x}', c: '${a}/${EMPTY:-y}/$$/$z/${EMPTY}'}\n"
        "remotes: {r: {type: local, root: '/srv/${c}'}}\nprojects: {}\n"
    )
    loaded = manifest.load(file, {"EMPTY": "", "B": "b"}, state_dir=tmp_path / "state")
    assert loaded.manifest.remotes == (FolderRemote("r", Path("/srv/b/y/$/$z")),)
