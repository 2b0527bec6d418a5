"""The preview as one self-contained page: no script, nothing loaded from elsewhere, printable, light and dark."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rc_stats.errors import MissingExtra
from rc_stats.render.view import View
from rc_stats.render.words import many

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
"""What the report shares with the admin page: its parts and its style."""


@cache
def templates(*places: Path, extra: str = "cli") -> Environment:
    """
    Return the templates of *places* and the shared ones, with escaping on.

    Args:
        extra: What brings Jinja2 to who asks.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - other faces need not wait
    except ImportError:
        raise MissingExtra(extra, "The HTML page") from None
    loader = FileSystemLoader([*places, TEMPLATES])
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["many"] = many
    return environment


def as_html(view: View) -> str:
    """
    Return *view* as an HTML page.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    return templates().get_template("preview.html.j2").render(view=view)
