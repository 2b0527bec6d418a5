"""Sphinx configuration: Markdown, no network, and whatever can be generated is generated from the code."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE))  # our own extension

from rc_stats._version import __version__  # noqa: E402 - after the path is set

project = "rc-stats"
author = "The rc-stats authors"
project_copyright = "The rc-stats authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "rc_stats_docs"]
exclude_patterns = ["_build", "rc_stats_docs", "enforcement.toml"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
root_doc = "index"
smartquotes = False  # an option is spelt with two hyphens
nitpicky = True
nitpick_ignore_regex = [
    # Of other projects: their pages are not looked up, since a build needs no network.
    (r"py:.*", r"(?!rc_stats).*"),
    # Types inside a module that are no part of what it offers.
    (r"py:.*", r"rc_stats\..*\._[A-Za-z]+"),
    (r"py:.*", r"rc_stats\.store\.database\..*"),
]

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4
suppress_warnings = ["ref.python"]  # two modules may use a word, each in its own sense

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 90
add_module_names = False

html_theme = "furo"
html_title = "rc-stats"
html_static_path = ["_static"]
html_css_files = ["rc-stats.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"sidebar_hide_name": False}
pygments_style = "default"
pygments_dark_style = "monokai"
