"""The pictures show what the program shows, load nothing, and are those that the README names."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest

from commands import ROOT, on_terminal

PICTURES: Final = ROOT / "docs" / "pictures"
SVG: Final = PICTURES / "preview.svg"
PNG: Final = PICTURES / "page.png"
COLUMNS: Final = 92
_NAMESPACE: Final = "http://www.w3.org/2000/svg"


def lines() -> list[str]:
    """Return the lines of text in the picture of the terminal, from its top, with the title first."""
    rows: defaultdict[float, list[tuple[float, str]]] = defaultdict(list)
    for text in ElementTree.parse(SVG).getroot().iter(f"{{{_NAMESPACE}}}text"):  # noqa: S314 - our own file
        rows[float(text.get("y", 0)) if text.get("clip-path") else -1.0].append(
            (float(text.get("x", 0)), text.text or "")
        )
    return [unspaced("".join(part for _, part in sorted(rows[y]))) for y in sorted(rows)]


def unspaced(line: str) -> str:
    """Return a line without its spaces, which a drawing has between places and not in texts."""
    return "".join(line.split())


def test_the_terminal_is_real() -> None:
    """Every line in the picture is one of what `make preview` shows on a terminal of that width, in order."""
    title, *shown = [line for line in lines() if line]
    made = re.search(r"\$\(BIN\)/(rc-stats preview .*)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert made is not None
    assert title == unspaced(made[1])
    words = made[1].split()[1:]
    at = ("--at", "2026-08-17T12:00:00Z", "--no-pager")
    real = on_terminal([*words, *at], COLUMNS=str(COLUMNS), NO_COLOR="1").decode()
    left = iter([unspaced(line) for line in real.splitlines()])
    assert [line for line in shown if line != "\N{VERTICAL ELLIPSIS}" and line not in left] == []
    assert len(shown) > 25


def test_the_drawing_loads_nothing() -> None:
    """The drawing holds no address but the name of its format, and nothing that runs or shows something else."""
    drawn = SVG.read_text(encoding="utf-8")
    assert re.findall(r"https?:[^\"\s]*", drawn) == [_NAMESPACE]
    assert set(re.findall(r"url\((.)", drawn)) == {"#"}
    assert "@" not in drawn
    found = {element.tag.removeprefix(f"{{{_NAMESPACE}}}") for element in ElementTree.fromstring(drawn).iter()}  # noqa: S314
    assert found <= {"svg", "style", "defs", "clipPath", "rect", "g", "circle", "text"}


def test_the_photograph_is_small() -> None:
    """The picture of the page is a PNG of a size that a page can have."""
    photograph = PNG.read_bytes()
    assert photograph.startswith(b"\x89PNG\r\n\x1a\n")
    assert 20_000 < len(photograph) < 400_000
    assert b"tEXt" not in photograph


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")], ids=lambda page: page.name)
def test_what_a_page_shows_is_there(page: Path) -> None:
    """A picture on a page is a file in this repository, described in words; the README shows both."""
    named = re.findall(r"!\[([^]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert [source for words, source in named if not words or not (page.parent / source).is_file()] == []
    assert "<img" not in page.read_text(encoding="utf-8")
    if page.name == "README.md":
        assert {(page.parent / source).resolve() for _, source in named} == {SVG, PNG}
