"""
What the documentation generates from the code, so that it can't go stale.

::

    tables       docutils tables, and links to code
    enforcement  the policy's clauses beside the code that keeps them and the tests that hold it
    floors       the floor plan, from the import contract and the imports themselves
    states       what the gate answers in every state, by asking it
    periods      what a call to send does in every state of a period, by calling it
    protection   each rule of the protection, and the checks that fail without it
    commands     the command line, from its own definitions
    settings     the configuration, from its own definition
"""

from __future__ import annotations

from sphinx.application import Sphinx

from rc_stats_docs import commands, enforcement, floors, periods, protection, settings, states


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    for part in (commands, enforcement, floors, periods, protection, settings, states):
        part.register(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
