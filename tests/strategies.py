"""
What the properties speak about: statistics documents of the packaged catalogue, consents, clocks.

The documents are those of :mod:`rc_stats.testing`, which plugin authors use as well.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from rc_stats import (
    Catalogue,
    Consent,
    ConsentState,
    DataType,
    Objections,
    Profile,
    Switches,
    Terms,
    Workspace,
    WorkspaceKind,
    load_catalogue,
    load_policy,
    what_if,
)
from rc_stats.consent import SCOPES
from rc_stats.testing.places import Document, Json
from rc_stats.testing.server import EPOCH
from rc_stats.testing.strategies import Documents

CATALOGUE: Final = load_catalogue()
METRICS: Final = tuple(CATALOGUE.metrics.values())
KIT: Final = Documents(CATALOGUE)


@cache
def documents() -> SearchStrategy[Document]:
    """Return realistic and hostile documents."""
    return KIT.all()


def as_bytes(value: Json) -> bytes:
    """Return JSON of *value*; what JSON doesn't have (NaN) is written as other parsers would."""
    return json.dumps(value).encode()


# What the gate is asked.

CLOSED_KINDS: Final = (WorkspaceKind.UNREGISTERED,)
LATE: Final = datetime(2098, 12, 31, 12, tzinfo=UTC)
"""The end of the time in which the gate believes the caller's clock."""


@st.composite
def moments(draw: DrawFn) -> datetime:
    """Return what the caller's clock may say, in any time zone, the edges of months and days first."""
    offset = timezone(timedelta(minutes=draw(st.sampled_from((0, 60, -60, 330, 14 * 60, -12 * 60)))))
    edges = ((2026, 8, 17, 12), (2026, 8, 31, 23), (2026, 9, 1, 0), (2028, 2, 29, 0), (2015, 1, 2, 0))
    edge = st.sampled_from(edges).map(lambda parts: datetime(*parts, tzinfo=UTC))
    last = int((LATE - EPOCH).total_seconds()) - 86400
    anywhen = st.integers(45 * 365 * 86400, last).map(lambda number: EPOCH + timedelta(seconds=number))
    return draw(edge | anywhen).astimezone(offset)


@cache
def scopes() -> SearchStrategy[frozenset[DataType]]:
    """Return what an admin can agree to."""
    return st.frozensets(st.sampled_from(SCOPES), min_size=1)


class OlderCatalogue(Catalogue):
    """A catalogue that takes less than a page when a failing test prints it."""

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(f"OlderCatalogue(version={self.version})")


class OfferedTerms(Terms):
    """Terms that take less than a page when a failing test prints them."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(f"OfferedTerms({self.catalogue.name} version {self.catalogue.version}, {self.profile})")


def _older(catalogue: Catalogue, version: int) -> Catalogue:
    """Return an older *catalogue*, which lacks some metrics and means something else by others."""
    kept = {path: metric for number, (path, metric) in enumerate(catalogue.metrics.items()) if number % 7 != version}
    changed = {
        path: replace(metric, maximum=metric.maximum // 2)
        for number, (path, metric) in enumerate(kept.items())
        if metric.operator == "count" and number % 5 == version
    }
    plain = {name.name: getattr(catalogue, name.name) for name in fields(catalogue)}
    return OlderCatalogue(
        **{**plain, "version": version, "metrics": {**kept, **changed}, "digest": f"sha256:{version:064x}"}
    )


OLDER_CATALOGUES: Final = tuple(_older(CATALOGUE, version) for version in range(3))


@cache
def terms() -> SearchStrategy[Terms]:
    """Return what is offered: the packaged policy and catalogue in some profile."""
    return st.builds(OfferedTerms, st.just(load_policy()), st.just(CATALOGUE), st.sampled_from(Profile))


@st.composite
def consents(draw: DrawFn) -> Consent:
    """
    Return a consent in any state that a record can have.

    Granted ones were given to today's terms, to an older catalogue, another catalogue, profile or policy, now or later;
    some records are damaged: a field is empty that a grant always fills.
    """
    offered = draw(terms())
    at = draw(moments())
    match draw(st.sampled_from(("granted", "granted", "granted", "what-if", "undecided", "declined", "withdrawn"))):
        case "undecided":
            return Consent()
        case "declined":
            return Consent().decline(at=at, by="admin")
        case "withdrawn":
            return Consent().grant(offered, at=at).withdraw(at=at)
        case "what-if":
            return what_if(offered, at=at, scope=draw(scopes()))
    older = draw(st.none() | st.sampled_from(OLDER_CATALOGUES))
    if older is not None:
        offered = replace(offered, catalogue=older)
    consent = Consent().grant(offered, at=at, by="admin", scope=draw(scopes()))
    return draw(
        st.just(consent)
        | st.sampled_from(
            (
                replace(consent, policy_date=date(2020, 1, 1)),
                replace(consent, policy_date=None),
                replace(consent, catalogue="acme"),
                replace(consent, profile=None),
                replace(consent, at=None),
                replace(consent, scope=frozenset()),
                replace(consent, scope=frozenset(DataType)),
                replace(consent, fields={}, catalogue_digest=""),
                replace(consent, state=ConsentState.WITHDRAWN),
            )
        )
    )


@cache
def workspaces() -> SearchStrategy[Workspace]:
    """Return what a caller says of a workspace: each kind, mostly without objections."""
    policy = load_policy()
    names = [name for s in policy.subprocessors for name in (s.name, *s.aliases)] + [policy.recipient.name, "Acme Ltd"]
    countries = sorted({place for s in policy.subprocessors for place in s.locations} | {policy.recipient.country})
    objections = st.builds(
        Objections,
        st.frozensets(st.sampled_from(names), max_size=2),
        st.none() | st.frozensets(st.sampled_from(countries), max_size=3) | st.just(frozenset(countries)),
    )
    return st.builds(Workspace, st.sampled_from(WorkspaceKind), st.just(Objections()) | objections)


@cache
def switches() -> SearchStrategy[Switches]:
    """Return the kill switches that some environment sets, mostly none."""
    names = st.sampled_from(
        ("RC_STATS_DISABLE", "DO_NOT_TRACK", "RC_DISABLE_STATISTICS_REPORTING", "RC_STATS_PROFILE", "PATH")
    )
    values = st.sampled_from(("", "0", "false", "FALSE", " 0 ", "1", "true", "TRUE", "no", "off", "\u0660"))
    environments = st.dictionaries(names, values, max_size=3)
    return st.just(Switches()) | environments.map(Switches.from_environment)
