"""Each rule of the protection of people beside the checks that fail when it is taken away, read from the test."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rc_stats_docs.tables import ROOT, listed, parsed, table

FILE: Final = ROOT / "tests" / "test_protection_rules.py"


@cache
def _assigned() -> Mapping[str, ast.expr]:
    found = {}
    for node in parsed(FILE).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


def rules() -> list[tuple[str, tuple[str, ...]]]:
    """Return each rule with the names of the checks that catch its absence."""
    table_of = _assigned()["RULES"]
    assert isinstance(table_of, ast.List)  # noqa: S101 - for the type checker
    calls = [call for call in table_of.elts if isinstance(call, ast.Call)]
    return [(ast.literal_eval(call.args[0]), ast.literal_eval(call.args[1])) for call in calls]


def checks() -> Mapping[str, str]:
    """Return what each check looks for, by its name."""
    named = _assigned()["CHECKS"]
    assert isinstance(named, ast.Dict)  # noqa: S101 - for the type checker
    documented = {
        node.name: ast.get_docstring(node) or "" for node in parsed(FILE).body if isinstance(node, ast.FunctionDef)
    }
    return {
        str(ast.literal_eval(key)): " ".join(documented[value.id].split()).removeprefix("Yield ")
        for key, value in zip(named.keys, named.values, strict=True)
        if key is not None and isinstance(value, ast.Name)
    }


class ProtectionRules(SphinxDirective):
    """``{protection-rules}``: the table of rules."""

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        self.env.note_dependency(FILE)
        found = checks()
        return [
            table(
                ("The rule", "Without it, these checks fail: they find"),
                [
                    (
                        [nodes.paragraph(text=rule[0].upper() + rule[1:])],
                        [listed([(nodes.strong(text=f"{name}: "), nodes.Text(found[name])) for name in names])],
                    )
                    for rule, names in rules()
                ],
                widths=(36, 64),
            )
        ]


def register(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("protection-rules", ProtectionRules)
