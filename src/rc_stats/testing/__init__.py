"""
For authors of plugins and catalogues: canaries, fakes and documents, to prove that nothing leaks and nothing is sent.

It needs no network. :func:`documents` needs Hypothesis, which the extra ``testing`` brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rc_stats.catalogue import Catalogue, load_catalogue
from rc_stats.testing.canary import Canary, canaries
from rc_stats.testing.fakes import Attempt, FixedClock, RecordingTransport
from rc_stats.testing.leaks import assert_no_leak, traces

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "Attempt",
    "Canary",
    "FixedClock",
    "RecordingTransport",
    "assert_no_leak",
    "canaries",
    "documents",
    "traces",
]


def documents(catalogue: Catalogue | None = None) -> SearchStrategy[dict[str, Any]]:
    """
    Return statistics documents for Hypothesis: as servers make them, and as an enemy would.

    Args:
        catalogue: What they are made for; the packaged one by default.

    Raises:
        MissingExtra: Hypothesis is not installed.
    """
    from rc_stats.testing.strategies import Documents  # noqa: PLC0415 - the rest of the kit works without Hypothesis

    return Documents(catalogue or load_catalogue()).all()
