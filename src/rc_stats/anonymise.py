"""
From a statistics document to a report: read by the plan, apply the conditions that look at more than one place, freeze.

The report is built by pulling what the plan names; the document is never copied and pruned. So a key that the plan does
not name can't get in, wherever it stands and whatever it holds.

Policy: privacy-policy@2023-01-05#statistics-sharing, #no-names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rc_stats import operators
from rc_stats.catalogue import Catalogue, Profile
from rc_stats.errors import UnusableInput, UsageError
from rc_stats.explain import Explanation
from rc_stats.findings import Finding
from rc_stats.operators import Value
from rc_stats.people import MONTH, Previous, Protection, Situation
from rc_stats.plan import Plan
from rc_stats.policy import DataType
from rc_stats.wire import parse, unwrap

_SEAL: Final = object()
_LEAVING: Final = frozenset({int, str, bool, tuple})


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What the document tells about itself. The gate uses it only to make its answer stricter.

    Attributes:
        is_hosted: Whether the platform is the vendor's; None where the document doesn't say.
        has_apps: Whether apps are installed.
        made_at: When the document was made, if it says so in a known form.
    """

    is_hosted: bool | None
    has_apps: bool
    made_at: datetime | None


class Report:
    """
    What may leave of one document, before any consent was asked. Only an :class:`Anonymiser` makes one; it is frozen.

    Attributes:
        plan: The catalogue and profile that it was made by.
        evidence: What the document tells about itself.
        findings: What became of each path of the document; None if they were not asked for.
        previous: Its figures of people, to be kept for the next report; None if no month was told.
    """

    __slots__ = ("_values", "evidence", "findings", "plan", "previous")

    plan: Plan
    evidence: Evidence
    findings: tuple[Finding, ...] | None
    previous: Previous | None
    _values: tuple[Value | None, ...]

    def __init__(
        self,
        plan: Plan,
        values: Iterable[Any],
        evidence: Evidence,
        findings: tuple[Finding, ...] | None,
        previous: Previous | None = None,
        *,
        seal: object,
    ) -> None:
        """Refuse everybody but this module."""
        if seal is not _SEAL:
            raise TypeError("Only an Anonymiser makes a Report.")
        contents = {
            "plan": plan,
            "_values": tuple(values),
            "evidence": evidence,
            "findings": findings,
            "previous": previous,
        }
        for name, value in contents.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a report can't change."""
        raise AttributeError("A Report can't change.")

    def __delattr__(self, name: str) -> None:
        """Refuse: a report can't change."""
        raise AttributeError("A Report can't change.")

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue that the report was made by."""
        return self.plan.catalogue

    @property
    def profile(self) -> Profile:
        """How coarse the report is."""
        return self.plan.profile

    def statistics(
        self, wanted: frozenset[DataType] = frozenset(DataType), without: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """
        Return the nested statistics, freshly made, of the *wanted* data types.

        Args:
            wanted: Data types that may leave.
            without: Payload paths to leave out.
        """
        return self.plan.assemble(self._values, wanted, without)


class Anonymiser:
    """
    Make reports of documents, by one catalogue in one profile.

    Compiling takes milliseconds and is done once; calling is cheap and has no state.

    Args:
        catalogue: What may leave.
        profile: How coarse.
    """

    def __init__(self, catalogue: Catalogue, profile: Profile = Profile.STANDARD) -> None:
        """Compile the plan."""
        self.plan = Plan(catalogue, profile)
        self._readers = [
            (total.path, operators.count(total.minimum, total.maximum)) for total in self.plan.totals.values()
        ]

    def __call__(
        self,
        document: bytes | Mapping[str, Any],
        *,
        month: str = "",
        previous: Previous | None = None,
        findings: bool = True,
        show_keys: bool = False,
    ) -> Report:
        """
        Return the report of *document*, which is not changed.

        Args:
            document: One statistics document: UTF-8 JSON, or the mapping that a JSON parser made of it. Numbers and
                dates may be wrapped as MongoDB's extended JSON has them.
            month: The calendar month that the report counts for, by the caller's clock, such as ``2026-08``. Figures
                of people keep their values for a month, so without it none is kept for the next report.
            previous: Figures of people of the last report; None means that this is the first ever.
            findings: Also say what became of each path; without it the call is faster.
            show_keys: Spell unknown keys in the findings as they are, for the admin's own screen. They are data.

        Raises:
            UsageError: ``month``.
            UnusableInput: ``not-json``, ``not-an-object``, ``too-large``, ``too-deep`` or ``wrong-encoding``.
        """
        if month and not MONTH.fullmatch(month):
            raise UsageError("A month is told as 2026-08.", rule="month")
        if isinstance(document, bytes | bytearray):
            document = parse(bytes(document))
        if not isinstance(document, Mapping):
            raise not_an_object()
        plan = self.plan
        values = plan.read(document)
        totals = self._totals(document)
        users = totals.get(plan.catalogue.facts.people, 0)
        too_few = [index for needed, index in plan.conditions if needed > users]
        evidence = _evidence(plan.catalogue, document)
        protection = Protection(plan, values, Situation(totals, evidence.made_at, month, previous))
        protection.apply()
        explained = None
        if findings:
            explained = Explanation(plan, values, too_few, protection, show_keys=show_keys).of(document)
        for index in too_few:
            values[index] = None
        kept: list[Any] = [value if value.__class__ in _LEAVING else None for value in values]
        figures = {plan.slots[i].metric.emit: value for i in plan.people if (value := kept[i]) is not None}
        following = protection.following(figures) if month else None
        return Report(plan, kept, evidence, explained, following, seal=_SEAL)

    def _totals(self, document: Mapping[str, Any]) -> dict[str, int]:
        """Return the exact totals of people that *document* tells, by path."""
        read = ((path, operator(_at(document, path))) for path, operator in self._readers)
        return {path: total for path, total in read if type(total) is int}


def not_an_object() -> UnusableInput:
    """Return the error for JSON that is no statistics document."""
    return UnusableInput(
        "A statistics document is a JSON object; this is another kind of value.",
        rule="not-an-object",
        remedy="Pass what GET /api/v1/statistics answers.",
    )


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return unwrap(value) if isinstance(value, Mapping) else value


def _evidence(catalogue: Catalogue, document: Mapping[str, Any]) -> Evidence:
    facts = catalogue.facts
    platform = _at(document, facts.platform)
    apps = _at(document, facts.apps)
    made_at = operators.moment_of(_at(document, facts.made_at))
    return Evidence(
        is_hosted=platform.strip().lower() == facts.hosted_platform if isinstance(platform, str) else None,
        has_apps=type(apps) is int and apps > 0,
        made_at=made_at if isinstance(made_at, datetime) else None,
    )
