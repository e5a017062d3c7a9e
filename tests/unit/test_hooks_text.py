"""What a manifest may say of hooks, and how facts get into commands without becoming commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.engine.hooks_facts import environment
from bm_sync.manifest.hooks import shell_script
from bm_sync.model.config import Manifest
from bm_sync.model.hooks import Hook, Moment
from bm_sync.model.origin import BUILT_IN
from bm_sync.model.report import Diagnostic

HOSTILE = (
    "plain",
    "a b",
    "it's",
    'say "x"',
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned #",
    "-rf *",
    "a\nb",
    "ü ${HOME} $$",
    "",
)
HEAD = (
    "version: 1\nvars: {greeting: hi, local: mine}\nremotes: {s: {type: local, root: ./s}}\n"
    "defaults: {remote: s}\n"
)


def run(script: str, folder: Path, **env: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"PATH": "/usr/bin:/bin", **env},
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_one_word_and_never_a_command(tmp_path: Path, value: str) -> None:
    script = shell_script(
        "printf '<%s>' ${local} \"${local}\" x${local}", {"local": "BM_SYNC_LOCAL"}
    )
    assert run(script, tmp_path, BM_SYNC_LOCAL=value) == f"<{value}><{value}><x{value}>"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_runs_nothing_however_a_command_is_quoted(tmp_path: Path, value: str) -> None:
    for said in (
        "sh -c 'printf %s \"${local}\"'",
        'printf %s "$(printf %s ${local})"',
        'printf %s \\"${local}',
        "# it's a comment\nprintf %s ${local}",
        "printf %s it\\'s${local}",
        "cat <<X\n${local}\nX",
    ):
        script = shell_script(said, {"local": "BM_SYNC_LOCAL"})
        run(script, tmp_path, BM_SYNC_LOCAL=value)
        assert list(tmp_path.iterdir()) == [], said


def test_what_is_no_fact_is_left_to_the_shell() -> None:
    said = 'echo $HOME ${HOME} ${x:-y} $$ "${z}"'
    assert shell_script(said, {"local": "BM_SYNC_LOCAL"}) == said


def test_a_hook_gets_what_programs_need_and_none_of_the_secrets_beside_it() -> None:
    hook = Hook(Moment.AFTER, "x", "x", Path("/"), BUILT_IN, variables=(("greeting", "hi"),))
    env = {"PATH": "/bin", "LC_ALL": "C", "HOME": "/h", "AWS_SECRET_ACCESS_KEY": "canary"}
    env |= {"BM_SYNC_VAR_x": "canary", "BASIC_MEMORY_CLOUD_API_KEY": "canary"}
    told = environment(env, hook, {"project": "notes", "up": "3"})
    assert {key: told[key] for key in ("PATH", "LC_ALL", "HOME", "greeting")} == {
        **{key: env[key] for key in ("PATH", "LC_ALL", "HOME")},
        "greeting": "hi",
    }
    assert (told["BM_SYNC_PROJECT"], told["BM_SYNC_UP"]) == ("notes", "3")
    assert (told["BM_SYNC_HOOK"], told["BM_SYNC_MESSAGE"]) == ("after", "")
    assert "canary" not in told.values()


def load(tmp_path: Path, text: str) -> Manifest:
    (tmp_path / "sync.yaml").write_text(HEAD + text)
    env = {"HOME": str(tmp_path)}
    return manifest.load(tmp_path / "sync.yaml", env, state_dir=tmp_path / "state").manifest


def problems(tmp_path: Path, text: str) -> tuple[Diagnostic, ...]:
    try:
        load(tmp_path, text)
    except manifest.ManifestError as e:
        return e.diagnostics
    return ()


def test_hooks_of_a_project_take_the_place_of_the_defaults(tmp_path: Path) -> None:
    text = HEAD.replace("{remote: s}", "{remote: s, hooks: {after: [one], before: [two]}}")
    (tmp_path / "sync.yaml").write_text(
        text + "projects:\n  a: {local: ./a}\n  b: {local: ./b, hooks: null}\n"
        '  c: {local: ./c, hooks: {on_stop: [{run: "echo ${local} ${greeting}", timeout: 2m}]}}\n'
        "  d: {local: ./d, remote: null}\n"
    )
    env = {"HOME": str(tmp_path)}
    loaded = manifest.load(tmp_path / "sync.yaml", env, state_dir=tmp_path / "state")
    hooks = {p.name: [(h.moment, h.said) for h in p.hooks] for p in loaded.manifest.projects}
    assert hooks["a"] == [(Moment.BEFORE, "two"), (Moment.AFTER, "one")]
    assert hooks["b"] == hooks["d"] == []
    (hook,) = loaded.manifest.projects[2].hooks
    assert hook.script == 'echo "${BM_SYNC_LOCAL}" "${greeting}"'
    assert (hook.timeout_s, hook.variables, hook.folder) == (
        120,
        (("greeting", "hi"), ("local", "mine")),
        tmp_path,
    )
    (warning,) = loaded.warnings
    assert (warning.code, warning.what) == ("BMS033", "hooks run 3 commands on this machine")


@pytest.mark.parametrize(
    ("text", "code", "column", "what"),
    [
        (
            "hooks: {before: ['ls ${mode}']}\nprojects: {}\n",
            "BMS050",
            18,
            "${mode} is a fact of one project, and this hook is for the whole run",
        ),
        (
            "projects: {a: {local: ./a, remote: null, hooks: {after: [x]}}}\n",
            "BMS050",
            42,
            "hooks are for projects with a remote",
        ),
        ("hooks: {befor: [x]}\nprojects: {}\n", "BMS004", 9, "unknown key 'befor' in hooks"),
        ("hooks: {before: x}\nprojects: {}\n", "BMS006", 17, "'x' is not a list of commands"),
        (
            "notify: [{type: ntfy, url: 'ftp://x/y'}]\nprojects: {}\n",
            "BMS051",
            28,
            "it does not begin with https:// or http://",
        ),
        (
            "notify: [{type: ping, url: 'https://u:pw@x/y'}]\nprojects: {}\n",
            "BMS051",
            28,
            "it has a password in it",
        ),
        (
            "notify: [{type: email, to: 'no address'}]\nprojects: {}\n",
            "BMS051",
            28,
            "'no address' is no address such as",
        ),
        (
            "notify: [{type: email, to: '-oX@x.org'}]\nprojects: {}\n",
            "BMS051",
            28,
            "is no address such as",
        ),
        (
            "notify: [{type: desktop, tags: [nobody]}]\nprojects: {}\n",
            "BMS017",
            33,
            "no project has the tag 'nobody'",
        ),
        (
            'notify: [{type: webhook, url: "https://x", headers: {"a b": c}}]\nprojects: {}\n',
            "BMS051",
            54,
            "'a b' is no name of a header",
        ),
        (
            'notify: [{type: webhook, url: "https://x", headers: {a: "b\\nc"}}]\nprojects: {}\n',
            "BMS051",
            57,
            "has characters that no header has",
        ),
        (
            'notify: [{type: webhook, url: "https://x", body: "${titel}"}]\nprojects: {}\n',
            "BMS050",
            50,
            "'${titel}' is no fact of a notice",
        ),
        (
            "notify: [{type: slak, url: 'https://x'}]\nprojects: {}\n",
            "BMS007",
            17,
            "'slak' is not one of",
        ),
        (
            "defaults2: {}\nprojects: {a: {local: ./a, conditions: {hours: ['25:00-26:00']}}}\n",
            "BMS004",
            1,
            "unknown key 'defaults2'",
        ),
        (
            "projects: {a: {local: ./a, conditions: {hours: ['25:00-26:00']}}}\n",
            "BMS011",
            49,
            "'25:00-26:00' is not a span of hours",
        ),
        (
            "projects: {a: {local: ./a, conditions: {power: battery}}}\n",
            "BMS007",
            48,
            "'battery' is not one of any and mains",
        ),
    ],
)
def test_a_slip_is_told_where_it_stands(
    tmp_path: Path, text: str, code: str, column: int, what: str
) -> None:
    first = next(p for p in problems(tmp_path, text) if p.severity == "error")
    assert (first.code, first.column) == (code, column), first
    assert what in first.what


def test_the_address_of_a_slack_webhook_is_kept_out_of_every_message(tmp_path: Path) -> None:
    (tmp_path / "sync.yaml").write_text(
        HEAD + "notify: [{type: slack, url: 'https://hooks.example.org/T0/canary'}]\nprojects: {}\n"
    )
    env = {"HOME": str(tmp_path)}
    loaded = manifest.load(tmp_path / "sync.yaml", env, state_dir=tmp_path / "state")
    assert [w.code for w in loaded.warnings] == ["BMS032"]
    assert "canary" not in str(loaded.warnings)
    from bm_sync.manifest import show

    assert "canary" not in show.text(loaded.manifest)
    assert "hooks.example.org" in show.text(loaded.manifest)


def test_a_manifest_that_others_may_write_runs_no_hook(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(HEAD + "hooks: {before: [x]}\nprojects: {}\n")
    file.chmod(0o666)
    with pytest.raises(manifest.ManifestError, match=r"others can write it \(mode 0666\)"):
        manifest.load(file, {"HOME": str(tmp_path)}, state_dir=tmp_path / "state")


DOCUMENT = Path(__file__).parents[2] / "docs/hooks.md"


@pytest.mark.parametrize("number", range(3))
def test_the_pieces_of_manifests_in_the_guide_are_valid(tmp_path: Path, number: int) -> None:
    piece = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)[number]
    parts = {
        "version: 1": "version: 1\n",
        "remotes:": "remotes: {s: {type: local, root: ./s}}\n",
        "projects:": "projects: {p: {local: ./p, tags: [team], remote: s}}\n",
        "defaults:": "defaults: {remote: s}\n",
    }
    rest = "".join(text for key, text in parts.items() if f"\n{key}" not in f"\n{piece}")
    (tmp_path / "sync.yaml").write_text(rest + piece)
    env = {"HOME": str(tmp_path)}
    loaded = manifest.load(tmp_path / "sync.yaml", env, state_dir=tmp_path / "state")
    assert {warning.code for warning in loaded.warnings} <= {"BMS033"}
