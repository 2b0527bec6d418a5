"""
The privacy policy as data: data types, workspace kinds, the 5 by 3 matrix, clauses with quotes, recipients.

The source is ``data/policy.toml``, which people review; this module reads its compiled form. A test holds every quote
against the policy's full text, so that a citation can't rot unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any

import orjson

from rc_stats.wire import packaged


class DataType(StrEnum):
    """A row of the policy's table of data types."""

    ACCOUNT = "account"
    USAGE = "usage"
    APP = "app"
    USER_CONTENT = "user_content"
    TRACKING = "tracking"


class WorkspaceKind(StrEnum):
    """A column of the policy's table, from the strictest to the laxest."""

    UNREGISTERED = "unregistered"
    REGISTERED = "registered"
    HOSTED = "hosted"


class Verdict(StrEnum):
    """What the matrix says of one data type in one kind of workspace, for statistics."""

    NEVER = "never"
    CONDITIONAL = "conditional"
    ALWAYS = "always"


class Condition(StrEnum):
    """What a conditional cell asks for."""

    OPTED_IN = "opted-in"
    SCOPE_NAMED = "scope-named"
    APPS_INSTALLED = "apps-installed"


@dataclass(frozen=True, slots=True)
class Clause:
    """
    One promise of the policy.

    Attributes:
        id: Anchor, unique in the policy.
        section: Heading under which the quote stands.
        quote: The policy's own words, verbatim and short.
        says: What the clause promises, in our words.
        effect: What rc-stats does because of it.
        citation: ``document@date#id``, as used in decisions and docstrings.
    """

    id: str
    section: str
    quote: str
    says: str
    effect: str
    citation: str


@dataclass(frozen=True, slots=True)
class Cell:
    """
    One cell of the matrix.

    Attributes:
        policy: ``yes`` or ``no``, as the policy's table begins.
        quote: The policy's own words in that cell.
        verdict: Ours, for statistics; never looser than the policy's.
        condition: What a conditional verdict asks for, else None.
        clause: Id of the clause that decides.
        note: Why this verdict, in our words.
    """

    data_type: DataType
    kind: WorkspaceKind
    policy: str
    quote: str
    verdict: Verdict
    condition: Condition | None
    clause: str
    note: str


@dataclass(frozen=True, slots=True)
class Subprocessor:
    """
    A company on the policy's list of subprocessors.

    Attributes:
        locations: Countries, as the list names them; empty where it names none.
        may_hold_statistics: Our reading of the stated purpose; True when in doubt.
        aliases: Other names of the same company on the list.
    """

    name: str
    group: str
    purpose: str
    locations: tuple[str, ...]
    may_hold_statistics: bool
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipient:
    """
    Who receives a payload, where, and with whose help.

    Attributes:
        url: HTTPS address of the collector.
        country: Where the recipient is.
        subprocessors: Those that may hold statistics.
        clause: Id of the clause that allows the transfer.
    """

    name: str
    url: str
    country: str
    subprocessors: tuple[Subprocessor, ...]
    clause: str


@dataclass(frozen=True, slots=True)
class Policy:
    """
    A privacy policy of one date.

    Attributes:
        document: Short name that citations begin with.
        effective: The date by which a consent remembers the policy.
        clauses: By id.
        matrix: By data type and workspace kind; all fifteen cells.
    """

    document: str
    title: str
    publisher: str
    effective: date
    subprocessors_updated: date
    clauses: Mapping[str, Clause]
    matrix: Mapping[tuple[DataType, WorkspaceKind], Cell]
    recipients: Mapping[str, Recipient]
    subprocessors: tuple[Subprocessor, ...]

    @property
    def recipient(self) -> Recipient:
        """The default recipient of statistics."""
        return next(iter(self.recipients.values()))


def policy_from_data(data: Mapping[str, Any]) -> Policy:
    """Return the policy that compiled *data* describes; :mod:`rc_stats.authoring` has checked it."""
    effective = date.fromisoformat(data["effective"])
    prefix = f"{data['document']}@{effective.isoformat()}#"
    clauses = {
        c["id"]: Clause(c["id"], c["section"], c["quote"], c["says"], c["effect"], prefix + c["id"])
        for c in data["clause"]
    }
    matrix = {}
    for c in data["cell"]:
        cell = Cell(
            DataType(c["data_type"]),
            WorkspaceKind(c["kind"]),
            c["policy"],
            c["quote"],
            Verdict(c["verdict"]),
            Condition(c["condition"]) if c.get("condition") else None,
            c["clause"],
            c["note"],
        )
        matrix[cell.data_type, cell.kind] = cell
    subprocessors = tuple(
        Subprocessor(
            s["name"],
            s["group"],
            s["purpose"],
            tuple(s["locations"]),
            s["may_hold_statistics"],
            tuple(s.get("aliases", ())),
        )
        for s in data["subprocessor"]
    )
    recipients = {
        key: Recipient(
            r["name"], r["url"], r["country"], tuple(s for s in subprocessors if s.may_hold_statistics), r["clause"]
        )
        for key, r in data["recipient"].items()
    }
    return Policy(
        document=data["document"],
        title=data["title"],
        publisher=data["publisher"],
        effective=effective,
        subprocessors_updated=date.fromisoformat(data["subprocessors_updated"]),
        clauses=clauses,
        matrix=matrix,
        recipients=recipients,
        subprocessors=subprocessors,
    )


@cache
def load_policy() -> Policy:
    """Return the packaged policy."""
    return policy_from_data(orjson.loads(packaged("policy.json")))
