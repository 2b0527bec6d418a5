"""
From a statistics document to a report: read by the plan, apply the conditions that look at more than one place, freeze.

The report is built by pulling what the plan names; the document is never copied and pruned. So a key that the plan does
not name can't get in, wherever it stands and whatever it holds.

Policy: privacy-policy@2023-01-05#statistics-sharing, #no-names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from rc_stats import operators
from rc_stats.catalogue import Catalogue, Profile
from rc_stats.errors import UnusableInput, UsageError
from rc_stats.explain import Explanation
from rc_stats.findings import Finding
from rc_stats.operators import Value
from rc_stats.people import MONTH, Previous, Protection, Situation
from rc_stats.plan import Plan
from rc_stats.policy import DataType
from rc_stats.wire import canonical, parse, unwrap

if TYPE_CHECKING:
    from rc_stats.fast import FastReader
    from rc_stats.outline import Outline

_SEAL: Final = object()
_LEAVING: Final = frozenset({int, str, bool, tuple})
_EVERY: Final = frozenset(DataType)

_PATIENCE: Final = 32
"""Documents that are read before the fast reader is made, which takes as long as to read more than as many."""


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


class _Leaving(Protocol):
    """What may leave of one document, however it was read."""

    def statistics(self, wanted: frozenset[DataType], without: frozenset[str]) -> dict[str, Any]:
        """Return it nested, freshly made."""

    def encoded(self, wanted: frozenset[DataType], without: frozenset[str]) -> bytes:
        """Return it as canonical JSON, without the newline at the end."""


@dataclass(frozen=True, slots=True)
class _Walked:
    """By slots, as the dict walker leaves it."""

    plan: Plan
    values: tuple[Value | None, ...]

    def statistics(self, wanted: frozenset[DataType], without: frozenset[str]) -> dict[str, Any]:
        return self.plan.assemble(self.values, wanted, without)

    def encoded(self, wanted: frozenset[DataType], without: frozenset[str]) -> bytes:
        return canonical(self.statistics(wanted, without))[:-1]


class Report:
    """
    What may leave of one document, before any consent was asked. Only an :class:`Anonymiser` makes one; it is frozen.

    Attributes:
        plan: The catalogue and profile that it was made by.
        evidence: What the document tells about itself.
        findings: What became of each path of the document; None if they were not asked for.
        month: The month that its figures of people count for; empty if none was told.
    """

    __slots__ = ("_following", "_leaving", "evidence", "findings", "month", "plan")

    plan: Plan
    evidence: Evidence
    findings: tuple[Finding, ...] | None
    month: str
    _leaving: _Leaving
    _following: Previous | Callable[[], Previous] | None

    def __init__(
        self,
        plan: Plan,
        leaving: Any,
        evidence: Evidence,
        findings: tuple[Finding, ...] | None,
        *,
        seal: object,
        month: str = "",
        following: Previous | Callable[[], Previous] | None = None,
    ) -> None:
        """Refuse everybody but this module."""
        if seal is not _SEAL:
            raise TypeError("Only an Anonymiser makes a Report.")
        set_ = object.__setattr__
        set_(self, "plan", plan)
        set_(self, "evidence", evidence)
        set_(self, "findings", findings)
        set_(self, "month", month)
        set_(self, "_leaving", leaving)
        set_(self, "_following", following)

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

    @property
    def previous(self) -> Previous | None:
        """Its figures of people, to be kept for the next report; None if no month was told."""
        following = self._following
        return following() if callable(following) else following

    def statistics(self, wanted: frozenset[DataType] = _EVERY, without: frozenset[str] = frozenset()) -> dict[str, Any]:
        """
        Return the nested statistics, freshly made, of the *wanted* data types.

        Args:
            wanted: Data types that may leave.
            without: Payload paths to leave out.
        """
        return self._leaving.statistics(wanted, without)

    def encoded(self, wanted: frozenset[DataType] = _EVERY, without: frozenset[str] = frozenset()) -> bytes:
        """Return the bytes of :meth:`statistics`, canonical but for the newline at the end; the faster way to them."""
        return self._leaving.encoded(wanted, without)


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
        self._fast: FastReader | None = None
        self._outline: Outline | None = None
        self._patience = _PATIENCE
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
            if previous is None and (self._fast is not None or (not findings and self._is_worth_it())):
                report = self._read_fast(bytes(document), month, findings=findings, show_keys=show_keys)
                if report is not None:
                    return report
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
        leaving = _Walked(plan, tuple(kept))
        return Report(plan, leaving, evidence, explained, seal=_SEAL, month=month, following=following)

    def prepare(self) -> None:
        """Make now what reads bytes fast; else it is made when it begins to pay, if no findings are asked for."""
        from rc_stats.fast import FastReader, NoListingError  # noqa: PLC0415 - who reads one document needs none of it
        from rc_stats.outline import Outline  # noqa: PLC0415

        self._patience = -1
        with suppress(NoListingError):
            reader = FastReader(self.plan)
            self._fast, self._outline = reader, Outline(reader)

    def _is_worth_it(self) -> bool:
        if self._patience > 0:
            self._patience -= 1
        elif self._patience == 0:
            self.prepare()
        return self._fast is not None

    def _read_fast(self, data: bytes, month: str, *, findings: bool, show_keys: bool) -> Report | None:
        """Return the report of *data*, the first of its workspace; None if the dict walker has to make it."""
        settled = self._fast(data) if self._fast is not None else None
        if settled is None:
            return None
        explained = None
        if findings and self._outline is not None:
            explained = self._outline.findings(parse(data), settled, show_keys=show_keys)
            if explained is None:
                return None
        evidence = _evidence_of(self.plan.catalogue, settled.platform, settled.apps, settled.made_at)
        following = partial(settled.following, month) if month else None
        return Report(self.plan, settled, evidence, explained, seal=_SEAL, month=month, following=following)

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
    made_at = operators.moment_of(_at(document, facts.made_at))
    told_at = made_at if isinstance(made_at, datetime) else None
    return _evidence_of(catalogue, _at(document, facts.platform), _at(document, facts.apps), told_at)


def _evidence_of(catalogue: Catalogue, platform: Any, apps: Any, made_at: datetime | None) -> Evidence:
    hosted = catalogue.facts.hosted_platform
    is_hosted = platform.strip().lower() == hosted if isinstance(platform, str) else None
    return Evidence(is_hosted, type(apps) is int and apps > 0, made_at)
