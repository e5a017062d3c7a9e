from __future__ import annotations

import pytest

from bm_sync.cli.acceptance import accept
from bm_sync.cli.catalogue import SUMMARIES
from bm_sync.cli.parser import parse
from bm_sync.errors import UsageError
from bm_sync.model.plan import Accept


def test_global_options_stand_before_or_after_the_command() -> None:
    before = parse(["--json", "-f", "x.yaml", "-v", "status"])
    after = parse(["status", "--json", "-f", "x.yaml", "-v"])
    assert vars(before) == vars(after)
    assert (before.json, before.manifest, before.verbose) == (True, "x.yaml", 1)


def test_names_and_options_stand_in_any_order() -> None:
    args = parse(["plan", "notes", "--keep-deleted", "archive", "--tag", "daily", "team-*"])
    assert args.targets == ["notes", "archive", "team-*"]
    assert (args.keep_deleted, args.tag) == (True, ["daily"])


def test_every_option_has_a_default() -> None:
    args = parse(["status"])
    assert (args.manifest, args.state_dir, args.rclone) == (None, None, None)
    assert (args.json, args.quiet, args.verbose, args.no_color) == (False, False, 0, False)


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (["plann"], "there is no command 'plann'", "did you mean 'plan'?"),
        (["frobnicate"], "there is no command 'frobnicate'", "see: bm-sync --help"),
        (["--jsn"], "bm-sync has no option '--jsn'", "did you mean '--json'?"),
        (["plan", "--keep-delete"], "no option '--keep-delete'", "did you mean '--keep-deleted'?"),
        (["plan", "--jobs", "0"], "--jobs: '0' is no whole number from 1", "bm-sync plan --help"),
        (["apply", "--progress", "liv"], "'liv' is none of auto, live,", "did you mean 'live'?"),
        (["ls"], "the following arguments are required: NAME", "see: bm-sync ls --help"),
        (["ls", "a", "b"], "bm-sync ls does not take 'b'", "see: bm-sync ls --help"),
        (["--json"], "no command is given", "see: bm-sync --help"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(words: list[str], what: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(words)
    assert what in raised.value.what
    assert hint in (raised.value.hint or "")


@pytest.mark.parametrize("command", SUMMARIES)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parse([command, "--help"])
    said = capsys.readouterr().out
    assert raised.value.code == 0
    assert said.startswith(f"usage: bm-sync {command} ")
    assert SUMMARIES[command] in said.replace("\n", " ")


def test_accept_takes_exact_figures_in_one_word_or_several() -> None:
    assert accept(["delete=148,overwrite=0", "device"]) == Accept(148, 0, None, device=True)
    assert accept(["bytes=9", "bytes=9"]) == Accept(bytes=9)
    assert accept(["listing=4"]) == Accept(listing=4)
    assert accept(["device=a b/c,device=d/", "device"]) == Accept(
        device=True, devices=("a b/c", "d")
    )
    assert accept([]) == Accept()


@pytest.mark.parametrize(
    "word", ["", "all", "delete", "delete=", "delete=-1", "delete=1e3", "delete=٣", "device="]
)
def test_accept_refuses_everything_else(word: str) -> None:
    with pytest.raises(UsageError, match="is not understood"):
        accept([word])


def test_accept_refuses_two_figures_for_one_guard() -> None:
    with pytest.raises(UsageError, match="names delete twice"):
        accept(["delete=1", "delete=2"])
