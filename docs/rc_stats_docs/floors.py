"""The floor plan: the modules in the order of the import contract, what each is for, and what it really imports."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rc_stats_docs.tables import ROOT, parsed, table, text

PACKAGE: Final = "rc_stats"
SOURCE: Final = ROOT / "src" / PACKAGE
_BOX_HEIGHT: Final = 30
_GAP: Final = 10
_LETTER: Final = 8.4
_WIDTH: Final = 400
"""Of a picture: narrow, so that its letters can be read on a phone."""

_WAY: Final = (
    ("bytes", "sources"),
    ("Document", "anonymise, with catalogue, profile"),
    ("Report", "gate.clear, with a decision"),
    ("Payload", "transport"),
    ("Receipt", ""),
)
"""Each type of the data's way, and what makes the next of it."""


@cache
def _contracts() -> Sequence[Mapping[str, Any]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts: Sequence[Mapping[str, Any]] = project["tool"]["importlinter"]["contracts"]
    return contracts


def floors() -> list[list[str]]:
    """Return the modules of each floor, the highest floor first."""
    (layers,) = (contract["layers"] for contract in _contracts() if contract["type"] == "layers")
    return [[name.strip("() ") for name in re.split(r"[|:]", layer)] for layer in layers]


def core() -> frozenset[str]:
    """Return the modules that may know no network, process, database, log or clock."""
    (names,) = (contract["source_modules"] for contract in _contracts() if contract["type"] == "forbidden")
    return frozenset(name.removeprefix(f"{PACKAGE}.") for name in names)


def files(module: str) -> list[Path]:
    """Return the files of *module*, which may be a package."""
    single = SOURCE / f"{module}.py"
    return [single] if single.is_file() else sorted((SOURCE / module).rglob("*.py"))


def imports(module: str) -> frozenset[str]:
    """Return the modules of the package that *module* imports, at run time or inside a function."""
    return frozenset(name for path in files(module) for name in _imported(path)) - {module}


def _imported(path: Path) -> Iterator[str]:
    for node in _run(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            yield (node.module or "").split(".")[1]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A verb is imported by its name when it is called.
            yield from re.findall(rf"^{PACKAGE}\.(\w+)\.[\w.]+:\w+$", node.value)


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs: not what is for type checkers only."""
    yield node
    for child in ast.iter_child_nodes(node):
        is_guard = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not is_guard:
            yield from _run(child)


def purpose(module: str) -> str:
    """Return the first sentence of the docstring of *module*."""
    path = files(module)[0] if len(files(module)) == 1 else SOURCE / module / "__init__.py"
    first = (ast.get_docstring(parsed(path)) or "").split("\n\n")[0]
    return " ".join(first.split()).replace("``", "`")


def _lines(floor: Sequence[str]) -> list[list[tuple[str, float]]]:
    """Return the boxes of *floor* with their widths, in as many lines as they need."""
    lines: list[list[tuple[str, float]]] = [[]]
    for module in floor:
        box = (module, len(module) * _LETTER + 20)
        if lines[-1] and sum(width + _GAP for _, width in lines[-1]) + box[1] > _WIDTH:
            lines.append([])
        lines[-1].append(box)
    return lines


def plan() -> str:
    """Return the floors as a picture."""
    parts, top = [], 6.0
    for floor in floors():
        for line in _lines([module for module in floor if files(module)]):
            left = (_WIDTH - sum(width for _, width in line) - _GAP * (len(line) - 1)) / 2
            for module, width in line:
                parts.append(_box(module, left, top, width, "core" if module in core() else "edge"))
                left += width + _GAP
            top += _BOX_HEIGHT + 6
        parts.append(f'<line class="floor" x1="0" x2="{_WIDTH}" y1="{top:.0f}" y2="{top:.0f}"/>')
        top += 6
    title = "The modules, floor by floor; imports go down only"
    return _picture("floor-plan", title, top, parts)


def way() -> str:
    """Return the way of the data as a picture: each type, and below it the module that makes the next of it."""
    parts, top, left = [], 6.0, 90
    for name, maker in _WAY:
        parts.append(_box(name, left, top, 110, "core"))
        top += _BOX_HEIGHT
        if maker:
            middle = left + 55
            parts.append(
                f'<path class="arrow" d="M{middle} {top + 2:.0f}v30"/>'
                f'<path class="head" d="M{middle - 5} {top + 31:.0f}h10l-5 7z"/>'
                f'<text class="maker" x="{middle + 14}" y="{top + 24:.0f}">{escape(maker)}</text>'
            )
            top += 40
    return _picture(
        "data-way", "; ".join(f"{name}, then {maker}" if maker else name for name, maker in _WAY), top, parts
    )


def _box(words: str, left: float, top: float, width: float, kind: str) -> str:
    return (
        f'<g class="{kind}"><rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{_BOX_HEIGHT}" rx="5"/>'
        f'<text x="{left + width / 2:.0f}" y="{top + 20:.0f}">{escape(words)}</text></g>'
    )


def _picture(name: str, title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg class="picture" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-labelledby="{name}-title">'
        f'<title id="{name}-title">{escape(title)}</title>{"".join(parts)}</svg>'
    )


class FloorPlan(SphinxDirective):
    """``{floor-plan}``: the picture of the floors."""

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        self.env.note_dependency(ROOT / "pyproject.toml")
        return [nodes.raw("", plan(), format="html")]


class DataWay(SphinxDirective):
    """``{data-way}``: the picture of the way of the data."""

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        return [nodes.raw("", way(), format="html")]


class Modules(SphinxDirective):
    """``{modules}``: the table of the modules, the lowest floor first."""

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        every = [(number, module) for number, floor in enumerate(reversed(floors())) for module in floor]
        for _, module in every:
            for path in files(module):
                self.env.note_dependency(path)
        return [
            table(
                ("Floor", "Module", "What it is for", "Imports"),
                [
                    (
                        [nodes.paragraph(text=str(number))],
                        [text(f"`{module}`")],
                        [text(purpose(module))],
                        [text(", ".join(f"`{name}`" for name in sorted(imports(module))) or "nothing of the package")],
                    )
                    for number, module in every
                    if files(module)
                ],
                widths=(8, 16, 40, 36),
            )
        ]


def register(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("floor-plan", FloorPlan)
    app.add_directive("data-way", DataWay)
    app.add_directive("modules", Modules)
