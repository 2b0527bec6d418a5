"""Looks for a planted token in an output, in every disguise in which it could have left."""

from __future__ import annotations

from rc_stats.testing import traces


def assert_no_trace(haystack: bytes | str, token: str) -> None:
    """
    Fail if *token* is in *haystack* in any disguise, and say in which. The tokens of our tests are no secrets.

    Args:
        haystack: What was given out: a payload, a page, a log, an error.
        token: What must not be in it.
    """
    found = sorted(set(traces(haystack, token)))
    assert not found, f"the token {token!r} shows: {', '.join(found)}"
