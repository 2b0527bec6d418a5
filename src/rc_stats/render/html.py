"""The preview as one self-contained page: no script, nothing loaded from elsewhere, printable, light and dark."""

from __future__ import annotations

from rc_stats.errors import MissingExtra
from rc_stats.render.view import View
from rc_stats.render.words import many
from rc_stats.wire import packaged


def as_html(view: View) -> str:
    """
    Return *view* as an HTML page.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - a start without HTML need not wait for it
    except ImportError:
        raise MissingExtra("cli", "The HTML page") from None
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(packaged("preview.html.j2").decode())
    body = view.payload.body.decode() if view.payload is not None else ""
    return template.render(view=view, body=body, many=many)
