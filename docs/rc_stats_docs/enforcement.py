"""
The policy's clauses beside what keeps each of them: ``enforcement.toml``, which people review, drawn as tables.

Quotes and meanings come from the packaged policy, and what a test claims from the test itself. :func:`problems` says
what is wrong with the file: the documentation doesn't build with any, and a test asks as well.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from rc_stats import load_catalogue, load_policy
from rc_stats.policy import DataType, WorkspaceKind
from rc_stats_docs.tables import ROOT, code, label, listed, parsed, quote, table, text

FILE: Final = ROOT / "docs" / "enforcement.toml"
SOURCE: Final = ROOT / "src" / "rc_stats"
_LOG: Final = logging.getLogger(__name__)
_SHIELD: Final = "\N{PRESENTATION FORM FOR VERTICAL COLON}"
_CITED: Final = re.compile(r"privacy-policy@\d{4}-\d\d-\d\d#([a-z-]+)((?:, #[a-z-]+)*)")


@dataclass(frozen=True, slots=True)
class Row:
    """
    What keeps one clause.

    Attributes:
        code: Dotted names of objects.
        tests: As ``test_gate.py::test_the_whole_matrix``.
        beyond: What no code can do; empty if there is nothing of the kind.
    """

    clause: str
    group: str
    code: tuple[str, ...]
    tests: tuple[str, ...]
    beyond: str


@cache
def rows() -> tuple[Row, ...]:
    """Return the rows of the file, in its order."""
    found: Mapping[str, Any] = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        Row(clause, group, tuple(row["code"]), tuple(row["tests"]), row.get("beyond", ""))
        for group, clauses in found.items()
        for clause, row in clauses.items()
    )


@cache
def _claims_of(file: str) -> Mapping[str, str]:
    path = ROOT / "tests" / file
    tests = [node for node in (parsed(path).body if path.is_file() else ()) if isinstance(node, ast.FunctionDef)]
    return {node.name: " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split()) for node in tests}


def claim(test: str) -> str:
    """Return what *test*, such as ``test_gate.py::test_a_pause``, claims; nothing if there is no such test."""
    file, _, name = test.partition("::")
    return _claims_of(file).get(name, "") if name.startswith("test_") else ""


def object_named(name: str) -> object:
    """
    Return the object with the dotted *name*.

    Raises:
        LookupError: There is none.
    """
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            found = getattr(found, part, None)
        if found is not None:
            return found
        break
    raise LookupError(name)


_BY_NAME: Final = ("rc_stats.rules", "rc_stats.circumstances")
"""Modules that give a clause to a reason by its name."""


def cited() -> Iterator[tuple[str, str]]:
    """Yield each clause that code cites, and the module that does: docstrings, reasons and the catalogue's kinds."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        if module not in _BY_NAME and "privacy-policy@" not in path.read_text(encoding="utf-8"):
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for first, more in _CITED.findall(ast.get_docstring(node) or ""):
                    yield from ((clause.strip(" #"), module) for clause in (first, *more.split(",")) if clause)
            elif isinstance(node, ast.Constant) and node.value in load_policy().clauses and module in _BY_NAME:
                yield str(node.value), module
    for kind in load_catalogue().kinds.values():
        yield kind.clause, "rc_stats.catalogue"


@cache
def problems() -> tuple[str, ...]:
    """Return what is wrong with the file, one line each."""
    clauses, known = load_policy().clauses, {row.clause: row for row in rows()}
    found = [f"{clause}: has no row" for clause in clauses if clause not in known]
    found += [f"{row.clause}: is no clause" for row in rows() if row.clause not in clauses]
    for row in rows():
        if not row.code or not row.tests:
            found.append(f"{row.clause}: needs code and tests")
        for name in row.code:
            try:
                object_named(name)
            except LookupError:
                found.append(f"{row.clause}: there is no {name}")
        found += [f"{row.clause}: there is no {test}" for test in row.tests if not claim(test)]
    for clause, module in sorted(set(cited())):
        if clause not in known:
            found.append(f"{clause}: is cited by {module} and has no row")
        elif not any(name == module or name.startswith(f"{module}.") for name in known[clause].code):
            found.append(f"{clause}: is cited by {module}, and its row names nothing of that")
    return tuple(found)


class Enforcement(SphinxDirective):
    """``{enforcement} GROUP``: the clauses of one group of the file, as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Draw the table."""
        self.env.note_dependency(FILE)
        chosen = [row for row in rows() if row.group == self.arguments[0]]
        if not chosen:
            raise self.error(f"{FILE.name} has no group {self.arguments[0]}")
        made = table(
            ("The policy says", "Here that means", "Kept by, and held to it by"),
            [self._cells(row) for row in chosen],
            widths=(25, 27, 48),
            classes=["enforcement"],
        )
        for row, drawn in zip(
            chosen, made.findall(lambda n: isinstance(n.parent, nodes.tbody) and isinstance(n, nodes.row)), strict=True
        ):
            name = f"clause-{row.clause}"
            drawn["ids"].append(name)
            standard: StandardDomain = self.env.domains.standard_domain
            standard.note_hyperlink_target(name, self.env.docname, name, row.clause)
        return [made]

    def _cells(self, row: Row) -> Sequence[Sequence[nodes.Node]]:
        clause = load_policy().clauses[row.clause]
        name = nodes.paragraph("", "", nodes.literal(text=clause.id), classes=["clause"])
        where = nodes.paragraph(
            "",
            "",
            nodes.Text(f"Under \N{LEFT DOUBLE QUOTATION MARK}{clause.section}\N{RIGHT DOUBLE QUOTATION MARK}"),
            classes=["where"],
        )
        meaning: list[nodes.Node] = [text(clause.effect)]
        if row.beyond:
            meaning.append(nodes.paragraph("", "", nodes.strong(text="Beyond us: "), nodes.Text(row.beyond)))
        tests = [(nodes.Text(f"{claim(test)} "), nodes.literal(text=test, classes=["test"])) for test in row.tests]
        return (
            (name, quote(clause.quote), where),
            meaning,
            (_heading("Code"), listed([(code(name),) for name in row.code]), _heading("Tests"), listed(tests)),
        )


def _heading(words: str) -> nodes.paragraph:
    return nodes.paragraph(text=words, classes=["part"])


class Matrix(SphinxDirective):
    """``{matrix}``: the fifteen cells of the policy's table, with our verdict on each."""

    def run(self) -> list[nodes.Node]:
        """Draw the table."""
        policy = load_policy()
        cells = [policy.matrix[data_type, kind] for data_type in DataType for kind in WorkspaceKind]
        return [
            table(
                ("Data type and workspace", "The policy's table", "For statistics", "Why"),
                [
                    (
                        [text(f"{cell.data_type.replace('_', ' ')}, {cell.kind}")],
                        [quote(cell.quote)],
                        [text(str(cell.verdict) + (f": {cell.condition}" if cell.condition else ""))],
                        [
                            nodes.paragraph(
                                "", "", nodes.Text(f"{cell.note} "), label(f"clause-{cell.clause}", cell.clause)
                            )
                        ],
                    )
                    for cell in cells
                ],
                widths=(18, 28, 18, 36),
            )
        ]


class Subprocessors(SphinxDirective):
    """``{subprocessors}``: who may hold statistics, as the packaged list says."""

    def run(self) -> list[nodes.Node]:
        """Draw the table."""
        return [
            table(
                ("Company", "Where", "For", "May hold statistics"),
                [
                    (
                        [nodes.paragraph(text=s.name)],
                        [nodes.paragraph(text=", ".join(s.locations) or "not said")],
                        [nodes.paragraph(text=s.purpose)],
                        [nodes.paragraph(text="yes, or in doubt" if s.may_hold_statistics else "no")],
                    )
                    for s in load_policy().subprocessors
                ],
                widths=(24, 18, 40, 18),
            )
        ]


def _linked(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:  # noqa: ARG001, PLR0917
    """Turn the citations of a docstring into links to their rows."""

    def links(found: re.Match[str]) -> str:
        clauses = [found[1], *(clause.strip(" #") for clause in found[2].split(",") if clause)]
        return ", ".join(f":ref:`{clause} <clause-{clause}>`" for clause in clauses)

    lines[:] = [_CITED.sub(links, line) for line in lines]


def _shielded(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:  # noqa: ARG001, PLR0917
    """Keep napoleon from taking the first words of a constant's or property's docstring for its type."""
    if what in ("attribute", "data", "property"):
        lines[:] = [line.replace(":", _SHIELD) for line in lines]


def _unshielded(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:  # noqa: ARG001, PLR0917
    lines[:] = [line.replace(_SHIELD, ":") for line in lines]


def _complain(app: Sphinx) -> None:  # noqa: ARG001
    """Warn of everything that is wrong with the file; a build with warnings fails."""
    for problem in problems():
        _LOG.warning("%s: %s", FILE.name, problem)


def register(app: Sphinx) -> None:
    """Register the directives and the links."""
    app.connect("builder-inited", _complain)
    app.connect("autodoc-process-docstring", _shielded, priority=400)
    app.connect("autodoc-process-docstring", _unshielded, priority=600)
    app.add_directive("enforcement", Enforcement)
    app.add_directive("matrix", Matrix)
    app.add_directive("subprocessors", Subprocessors)
    app.connect("autodoc-process-docstring", _linked, priority=700)
