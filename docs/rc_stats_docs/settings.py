"""The configuration's reference, from the definition of the settings."""

from __future__ import annotations

import re
from collections.abc import Mapping

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rc_stats.locations import PREFIX
from rc_stats_docs.tables import table, text


def said() -> Mapping[str, str]:
    """Return what the settings' docstring says of each key."""
    from rc_stats.configuration import Settings  # noqa: PLC0415 - an extra

    attributes = (Settings.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^ +(\w+): (.+(?:\n {12,}.+)*)", attributes, re.MULTILINE)
    return {key: " ".join(words.split()) for key, words in found}


class SettingsReference(SphinxDirective):
    """``{settings}``: the table of the keys."""

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        from rc_stats.configuration import Settings  # noqa: PLC0415 - an extra

        words = said()
        return [
            table(
                ("Key", "In the environment", "What it is", "By default"),
                [
                    (
                        [text(f"`{key}`")],
                        [text(f"`{PREFIX}{key.upper()}`")],
                        [text(words.get(key, ""))],
                        [text(_spelt(field.default))],
                    )
                    for key, field in Settings.model_fields.items()
                ],
                widths=(18, 28, 38, 16),
            )
        ]


def _spelt(default: object) -> str:
    if default is None or default in ((), frozenset()):
        return "not set"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"


def register(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("settings", SettingsReference)
