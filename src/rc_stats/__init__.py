"""
Decide which of a Rocket.Chat workspace's statistics may leave it, show the exact bytes, and prove it.

The way of the data, and the types that say how far it has come::

    bytes ──sources──▶ Document ──anonymise──▶ Report ──gate.clear──▶ Payload
                                      ▲                     ▲
                            catalogue with profile    matrix with consent with switches

Everything public is exported here and loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rc_stats._version import __version__

if TYPE_CHECKING:
    from rc_stats.anonymise import Anonymiser, Evidence, Report
    from rc_stats.authoring import read_catalogue
    from rc_stats.catalogue import Catalogue, Metric, Profile, load_catalogue
    from rc_stats.circumstances import Effect, Objections, Reason, Switches, Workspace
    from rc_stats.consent import Consent, ConsentState, Terms, what_if
    from rc_stats.decision import Decision, decide
    from rc_stats.delivery import Receipt
    from rc_stats.errors import (
        CatalogueError,
        DriftFound,
        GateClosed,
        LeaseLost,
        MissingExtra,
        RcStatsError,
        StoreError,
        TransportError,
        UnusableInput,
        UsageError,
    )
    from rc_stats.findings import Action, Finding
    from rc_stats.gate import Envelope, Payload, clear, confirm, genuine, period_of, resume
    from rc_stats.lint import Problem, lint_catalogue
    from rc_stats.live import Credentials, LiveWorkspace, credentials_from
    from rc_stats.outcome import Offer, Outcome, Status, Verdict
    from rc_stats.people import Previous, read_previous
    from rc_stats.policy import DataType, Policy, Recipient, WorkspaceKind, load_policy
    from rc_stats.previewing import Preview, preview
    from rc_stats.reporter import Reporter
    from rc_stats.sources import Document, Newest, read_documents, read_newest
    from rc_stats.store import Store
    from rc_stats.transport import Transport
    from rc_stats.verification import Verification, verify

_HOMES = {
    "anonymise": ("Anonymiser", "Evidence", "Report"),
    "findings": ("Action", "Finding"),
    "authoring": ("read_catalogue",),
    "catalogue": ("Catalogue", "Metric", "Profile", "load_catalogue"),
    "consent": ("Consent", "ConsentState", "Terms", "what_if"),
    "errors": (
        "CatalogueError",
        "DriftFound",
        "GateClosed",
        "LeaseLost",
        "MissingExtra",
        "RcStatsError",
        "StoreError",
        "TransportError",
        "UnusableInput",
        "UsageError",
    ),
    "circumstances": ("Effect", "Objections", "Reason", "Switches", "Workspace"),
    "decision": ("Decision", "decide"),
    "gate": ("Envelope", "Payload", "clear", "confirm", "genuine", "period_of", "resume"),
    "delivery": ("Receipt",),
    "lint": ("Problem", "lint_catalogue"),
    "live": ("Credentials", "LiveWorkspace", "credentials_from"),
    "people": ("Previous", "read_previous"),
    "policy": ("DataType", "Policy", "Recipient", "WorkspaceKind", "load_policy"),
    "previewing": ("Preview", "preview"),
    "outcome": ("Offer", "Outcome", "Status", "Verdict"),
    "reporter": ("Reporter",),
    "sources": ("Document", "Newest", "read_documents", "read_newest"),
    "store": ("Store",),
    "transport": ("Transport",),
    "verification": ("Verification", "verify"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Action",
    "Anonymiser",
    "Catalogue",
    "CatalogueError",
    "Consent",
    "ConsentState",
    "Credentials",
    "DataType",
    "Decision",
    "Document",
    "DriftFound",
    "Effect",
    "Envelope",
    "Evidence",
    "Finding",
    "GateClosed",
    "LeaseLost",
    "LiveWorkspace",
    "Metric",
    "MissingExtra",
    "Newest",
    "Objections",
    "Offer",
    "Outcome",
    "Payload",
    "Policy",
    "Preview",
    "Previous",
    "Problem",
    "Profile",
    "RcStatsError",
    "Reason",
    "Receipt",
    "Recipient",
    "Report",
    "Reporter",
    "Status",
    "Store",
    "StoreError",
    "Switches",
    "Terms",
    "Transport",
    "TransportError",
    "UnusableInput",
    "UsageError",
    "Verdict",
    "Verification",
    "Workspace",
    "WorkspaceKind",
    "__version__",
    "clear",
    "confirm",
    "credentials_from",
    "decide",
    "genuine",
    "lint_catalogue",
    "load_catalogue",
    "load_policy",
    "period_of",
    "preview",
    "read_catalogue",
    "read_documents",
    "read_newest",
    "read_previous",
    "resume",
    "verify",
    "what_if",
]


def __getattr__(name: str) -> object:
    """Load the module that *name* lives in, so that ``import rc_stats`` alone costs next to nothing."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'rc_stats' has no attribute {name!r}")
    value = getattr(import_module(f"rc_stats.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name everything public."""
    return sorted({*__all__, *globals()})
