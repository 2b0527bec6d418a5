"""The history as the page shows it: how each period stands, what was sent in words, and its totals over time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rc_stats.catalogue import Catalogue, Metric
from rc_stats.errors import StoreError
from rc_stats.render.view import Section, place_of, sections_of, statistics_of, value_at
from rc_stats.render.words import grouped, many
from rc_stats.reporter import Reporter
from rc_stats.web.telling import Told, period_text, printable, told

if TYPE_CHECKING:
    from rc_stats.store import Entry, Store

CHARTED: Final = 60
"""So many of the newest reports are drawn."""

_FIRST: Final = ("totalUsers", "activeUsers", "totalRooms", "totalChannels", "totalMessages", "uploadsTotal")
"""Totals that are drawn before others."""

FIRST_CHARTS: Final = 6
"""So many charts are shown; the others are folded."""

ENTRIES: Final = 100
"""So many entries are on a page of the history."""


class Noted(NamedTuple):
    """What the history noted of a report when its bytes were frozen; *request* is the method, the URL and headers."""

    size: int
    sha256: str
    profile: str
    catalogue_digest: str
    request: tuple[str, str, tuple[tuple[str, str], ...]]


def noted(details: Mapping[str, Any]) -> Noted | None:
    """Return what the *details* of an entry say of a report; None if it was edited into something else."""
    try:
        envelope = details["envelope"]
        headers = tuple((printable(str(name)), printable(str(value))) for name, value in envelope["headers"])
        request = (printable(str(envelope["method"])), printable(str(envelope["url"])), headers)
        words = [printable(str(details[name])) for name in ("sha256", "profile", "catalogue_digest")]
        return Noted(int(details["size"]), words[0], words[1], words[2], request)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


@dataclass(slots=True)
class Period:
    """
    One reported period.

    Attributes:
        state: ``sent``, ``rejected``, ``unknown`` or ``pending``.
        ended_at: When it came to its end; None while it is pending.
        report: What the history noted when the bytes were frozen; None if that was edited.
    """

    name: str
    made_at: datetime
    report: Noted | None = field(repr=False)
    state: str = "pending"
    ended_at: datetime | None = None


def periods_of(entries: Iterable[Entry]) -> dict[str, Period]:
    """Return each reported period by its name, oldest first, with what *entries* say became of it."""
    found: dict[str, Period] = {}
    for entry in entries:
        if entry.kind == "report":
            found[entry.period] = Period(entry.period, entry.at, noted(entry.details))
            continue
        period = found.get(entry.period)
        if period is None:
            continue
        if entry.kind == "receipt":
            period.state, period.ended_at = "sent", entry.at
        elif period.state != "pending":
            continue
        elif entry.kind == "failure" and entry.details.get("is_final"):
            period.state, period.ended_at = "rejected", entry.at
        elif entry.kind == "discard" and entry.details.get("is_tried"):
            period.state, period.ended_at = "unknown", entry.at
        elif entry.kind == "discard":
            del found[entry.period]
    return found


def is_sent(reporter: Reporter, sha256: str) -> bool:
    """Say whether the bytes of this SHA-256 were delivered."""
    periods = periods_of(reporter.store.history(catalogue=reporter.terms.catalogue.name))
    sent = [period.report for period in periods.values() if period.state == "sent"]
    return any(report is not None and report.sha256 == sha256 for report in sent)


# Charts --------------------------------------------------------------------------------------------------------------

WIDTH: Final = 320
HEIGHT: Final = 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 10.0, 310.0, 22.0, 106.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a chart: a period, its value, and where it stands."""

    period: str
    value: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """
    A total over time, drawn from 0 to a round number.

    Attributes:
        lines: The marks joined, broken where a report withheld the value.
        rows: Period and value of every report, for the table; None where it was withheld.
        says: The sentence of the catalogue, without its end.
        tells: What the picture shows, in a sentence.
        top: The round number.
        baseline: Where 0 is.
    """

    path: str
    says: str
    unit: str
    lines: tuple[tuple[Mark, ...], ...]
    rows: tuple[tuple[str, int | None], ...]
    top: int

    baseline: float = _BOTTOM

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All points, oldest first."""
        return tuple(mark for line in self.lines for mark in line)

    @property
    def tells(self) -> str:
        """What the picture shows, in a sentence."""
        first, last = self.marks[0], self.marks[-1]
        if len(self.marks) == 1:
            return f"{grouped(last.value)} {self.unit} in {period_text(last.period)}, the only report that has it."
        values = [mark.value for mark in self.marks]
        return (
            f"From {grouped(first.value)} in {period_text(first.period)} to {grouped(last.value)} in "
            f"{period_text(last.period)}; lowest {grouped(min(values))}, highest {grouped(max(values))}."
        )


def charts_of(store: Store, catalogue: Catalogue, periods: Sequence[Period]) -> list[Chart]:
    """Return a chart of each total that was sent in *periods*, the best known first."""
    names = sorted((period.name for period in periods[-CHARTED:] if _is_period(period.name)), key=_day)
    bodies = [(name, store.payload(catalogue.name, name)) for name in names]
    reports = [(name, statistics_of(body)) for name, body in bodies if body is not None]
    charts = []
    for metric in sorted((m for m in catalogue.metrics.values() if m.operator == "count"), key=_rank):
        rows = tuple((name, _number(statistics, metric)) for name, statistics in reports)
        if any(value is not None for _, value in rows):
            charts.append(_chart(metric, rows))
    return charts


def _rank(metric: Metric) -> tuple[int, tuple[int, str]]:
    return (_FIRST.index(metric.emit) if metric.emit in _FIRST else len(_FIRST), place_of(metric.section))


def _number(statistics: Mapping[str, Any], metric: Metric) -> int | None:
    value = value_at(statistics, metric.emit)
    return value if type(value) is int and value >= 0 else None


def _chart(metric: Metric, rows: tuple[tuple[str, int | None], ...]) -> Chart:
    days = [_day(period) for period, _ in rows]
    span = days[-1] - days[0]
    top = _round_up(max(value for _, value in rows if value is not None))
    lines: list[list[Mark]] = [[]]
    for (period, value), day in zip(rows, days, strict=True):
        if value is None:
            lines.append([])
            continue
        share = (day - days[0]) / span if span else 0.5
        x, y = _LEFT + share * (_RIGHT - _LEFT), _BOTTOM - value / top * (_BOTTOM - _TOP)
        lines[-1].append(Mark(period, value, round(x, 1), round(y, 1)))
    drawn = tuple(tuple(line) for line in lines if line)
    return Chart(metric.emit, metric.says.removesuffix("."), metric.unit, drawn, rows, top)


def _is_period(name: str) -> bool:
    """Say whether *name* is that of a month or a day, as it is unless it was edited."""
    try:
        return _day(name) > 0
    except ValueError:
        return False


def _day(period: str) -> int:
    """Return the number of the first day of *period*."""
    return date.fromisoformat(period if period.count("-") > 1 else f"{period}-01").toordinal()


def _round_up(value: int) -> int:
    """Return the least of 1, 2, 2.5 and 5 times a power of ten that is not below *value*; 1 for 0."""
    power = 10 ** (len(str(value)) - 1) if value > 0 else 1
    return next(step * power // 4 for step in (4, 8, 10, 20, 40) if step * power >= 4 * max(value, 1))


# Pages ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class History:
    """
    The history.

    Attributes:
        periods: Newest first.
        entries: Newest first, a page of them.
        older: Number of the entry before which the next page begins; 0 if there is none.
        newer: Of the entry before which the last page began; 0 if that was the first page, or there is none.
        drawn, sent: How many reports the charts show, and how many were sent.
    """

    headline: str
    periods: tuple[Period, ...]
    charts: tuple[Chart, ...]
    more_charts: tuple[Chart, ...]
    entries: tuple[Told, ...]
    older: int
    newer: int
    is_first: bool
    drawn: int
    sent: int


def history_of(reporter: Reporter, before: int | None) -> History:
    """
    Return the history of the reporter's catalogue.

    Args:
        before: Show only entries below this number; None for the newest.
    """
    store, catalogue = reporter.store, reporter.terms.catalogue
    entries = [entry for entry in store.history() if entry.catalogue in ("", catalogue.name)]
    periods = periods_of(entry for entry in entries if entry.catalogue)
    sent = [period for period in periods.values() if period.state == "sent"]
    shown = [entry for entry in entries if before is None or entry.number < before]
    later = entries[len(shown) + ENTRIES :]
    charts = [] if before is not None else charts_of(store, catalogue, sent)
    return History(
        headline=_history_headline(sent),
        periods=tuple(reversed(periods.values())) if before is None else (),
        charts=tuple(charts[:FIRST_CHARTS]),
        more_charts=tuple(charts[FIRST_CHARTS:]),
        entries=tuple(told(entry) for entry in reversed(shown[-ENTRIES:])),
        older=shown[-ENTRIES].number if len(shown) > ENTRIES else 0,
        newer=later[0].number if later else 0,
        is_first=before is None,
        drawn=len(charts[0].rows) if charts else 0,
        sent=len(sent),
    )


def _history_headline(sent: list[Period]) -> str:
    if not sent:
        return "Nothing was sent yet."
    reports = many(len(sent), "report")
    return f"{reports} {'was' if len(sent) == 1 else 'were'} sent, the last for {period_text(sent[-1].name)}."


@dataclass(frozen=True, slots=True)
class PastReport:
    """
    One report of the past.

    Attributes:
        body: What was sent; None if it was destroyed.
        is_altered: What is kept are other bytes than those that were made, so none are shown.
    """

    period: Period
    body: bytes | None
    is_altered: bool
    sections: tuple[Section, ...]
    is_other_catalogue: bool

    @property
    def size(self) -> int:
        """How many values are shown."""
        return sum(len(section.rows) for section in self.sections)


def past_of(reporter: Reporter, name: str) -> PastReport | None:
    """Return the report of the period *name*; None if there is none."""
    store, catalogue = reporter.store, reporter.terms.catalogue
    period = periods_of(store.history(catalogue=catalogue.name, period=name)).get(name)
    if period is None:
        return None
    body, report = store.payload(catalogue.name, name), period.report
    is_altered = body is not None and (report is None or hashlib.sha256(body).hexdigest() != report.sha256)
    body = None if is_altered else body
    return PastReport(
        period,
        body,
        is_altered,
        () if body is None else sections_of(body, catalogue),
        report is not None and report.catalogue_digest != catalogue.digest,
    )


@dataclass(frozen=True, slots=True)
class Records:
    """
    What is kept.

    Attributes:
        periods: Those that can be erased, newest first.
        number, digest: Of the newest entry; None if that can't be read.
        is_readable: Whether all entries can be read.
    """

    periods: tuple[Period, ...]
    number: int | None
    digest: str
    is_readable: bool = True


def records_of(reporter: Reporter, faults: Sequence[str] | None = None) -> Records:
    """
    Return what is kept here, and as much of it as can be read where the books are damaged.

    Args:
        faults: What a check found, if there was one: then nothing keeps the page from telling it.

    Raises:
        StoreError: The books can't be read, and not because they are damaged.
    """
    store = reporter.store
    number, digest, is_readable = None, "", True
    periods: dict[str, Period] = {}
    try:
        number, digest = store.head()
        periods = periods_of(store.history(catalogue=reporter.terms.catalogue.name))
    except StoreError as error:
        if error.rule != "store-corrupt" and not faults:
            raise
        is_readable = False
    return Records(tuple(reversed(periods.values())), number, digest, is_readable)
