"""Faces of a preview: text for a terminal, JSON for machines, HTML for a browser or a printer."""

from __future__ import annotations

from rc_stats.render.html import as_html
from rc_stats.render.layout import Style
from rc_stats.render.text import FOLDED, as_text
from rc_stats.render.view import View, as_data, reported, superseded, view_of

__all__ = ["FOLDED", "Style", "View", "as_data", "as_html", "as_text", "reported", "superseded", "view_of"]
