"""The page in a real browser: it runs nothing, loads nothing, and fits a phone."""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from html import escape, unescape
from pathlib import Path

import pytest
from browser import listening, look
from cli_outside import World

# No name of a file holds a slash; browsers read a backslash in an address as one.
IMAGE = r"""<img src=http:\\canary.invalid\NAME-image onerror="new Image().src='CANARY-onerror'">"""
SCRIPT = r"<script>new Image().src='CANARY-script'</script>"
HOSTILE = (
    f'">{IMAGE}.md',
    f"{SCRIPT}.md",  # its slash makes a folder
    "code\u202egnp.md",
    "two\nlines.md",
    os.fsdecode(b"caf\xe9.md"),
    f"{'w' * 200}.md",
)
CANARY = r"http:\\\\canary.invalid\\NAME"
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')

# A window is never narrower than 500 points; a frame in it is.
MEASURING = """<!doctype html><style>body { margin: 0; } iframe { border: 0; }</style>
<iframe width="360" height="800" srcdoc="PAGE"></iframe>
<script>
addEventListener("load", () => {
  const within = document.querySelector("iframe").contentWindow, page = within.document;
  const number = chosen => page.querySelectorAll(chosen).length;
  document.title = JSON.stringify({
    wide: page.documentElement.scrollWidth,
    screen: within.innerWidth,
    room: page.documentElement.clientWidth,
    ground: within.getComputedStyle(page.body).backgroundColor,
    foreign: number("img, script, iframe, link, object, [style]"),
    tables: number("main table"),
    drawings: number("main svg[role=img]"),
    told: number("svg[role=img][aria-label]"),
    text: page.body.innerText,
  });
});
</script>"""


def named(text: str, name: str) -> str:
    """Fill in where a hostile name would call, so that every page has an address of its own."""
    return text.replace("CANARY", CANARY).replace("NAME", name)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose files, folders and conflicts have hostile names, with a page about it."""
    made = World(tmp_path_factory.mktemp("hostile"))
    root = named(f"no{IMAGE}tes", "escaped")
    local = json.dumps(f"./{root}")
    made.write(
        "sync.yaml",
        "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\n"
        f"projects:\n  notes: {{local: {local}, remote: shelf, policy: ask}}\n"
        "policies: {ask: {conflict: {winner: stop}}}\n",
    )
    for name in HOSTILE:
        made.write(f"{root}/{named(name, 'escaped')}", "mine\n")
        made.write(f"cloud/notes/{named(name, 'escaped')}", "theirs\n")
    assert made.run("apply").code == 1  # a name that is not UTF-8 is left alone; all others wait
    assert made.run("report", "--html", "page.html").code == 0
    return made


def test_no_name_runs_or_loads_anything_and_the_page_would_stop_it_if_one_got_in(
    here: World,
) -> None:
    page = (here.root / "page.html").read_text("utf-8")
    raw = named(f"{IMAGE}{SCRIPT}</main>", "injected")
    injected = page.replace("</main>", raw)
    control = POLICY.sub("", injected).replace("injected", "control")
    assert control != injected != page
    bare = POLICY.sub("", page)
    for name, text in (("bare", bare), ("injected", injected), ("control", control)):
        (here.root / f"{name}.html").write_text(text, "utf-8")
    frames = "".join(
        f'<iframe src="{name}.html"></iframe>' for name in ("bare", "injected", "control")
    )
    outer = here.root / "outer.html"
    outer.write_text(f"<!doctype html>{frames}", "utf-8")
    with listening() as proxy:
        look(outer, proxy)
    for kind in ("image", "onerror", "script"):
        assert proxy.heard(f"control-{kind}")  # neither escaped nor stopped by the policy
        assert not proxy.heard(f"injected-{kind}"), "the policy alone did not stop it"
        assert not proxy.heard(f"escaped-{kind}"), "the escaping alone did not stop it"


def test_the_page_fits_a_phone_is_dark_where_that_is_wanted_and_tells_names_as_they_are(
    here: World,
) -> None:
    page = (here.root / "page.html").read_text("utf-8")
    outer = here.root / "outer.html"
    outer.write_text(MEASURING.replace("PAGE", escape(page)), "utf-8")
    shot = here.root / "shot.png"
    dark = ("--window-size=360,800", "--blink-settings=preferredColorScheme=0")
    with listening() as proxy:
        dom = look(outer, proxy, *dark, f"--screenshot={shot}")
    assert not proxy.heard("canary")
    found = json.loads(unescape(dom.partition("<title>")[2].partition("</title>")[0]))
    assert found["screen"] == 360
    assert found["wide"] <= found["room"]
    assert (found["foreign"], found["tables"]) == (0, 5)
    assert found["drawings"] == found["told"] == 5
    for words in ("<script>new Image", "code\\u202egnp.md", "two\\x0alines.md"):
        assert words in found["text"]
    assert found["ground"] == "rgb(20, 23, 27)"
    assert corner(shot) == (360, (20, 23, 27))


def corner(png: Path) -> tuple[int, tuple[int, ...]]:
    """Return the width of a picture and the colour of its first point (https://www.w3.org/TR/png/)."""
    data, at, packed = png.read_bytes(), 8, b""
    width, _, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert (depth, kind) in {(8, 2), (8, 6)}
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        packed += data[at + 8 : at + 8 + length] if name == b"IDAT" else b""
        at += length + 12
    first = zlib.decompress(packed)[
        1:4
    ]  # after the filter of the line, which has nothing before it
    return width, tuple(first)
