"""
What the properties speak about: statistics documents as servers make them and as an enemy would, consents, clocks.

The strategies are built from the catalogue, so that a new metric is covered on the day it is added. Two devices keep
them fast and their failures small. A full document is filled from a drawn seed, with what makes a case interesting
drawn on top; so a failure shrinks to an almost empty document with one or two values in it. And values come from the
edges first: bounds of a metric, sizes around the threshold, the years around which dates are not believed.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache, cached_property
from random import Random
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from rc_stats import (
    Catalogue,
    Consent,
    ConsentState,
    DataType,
    Metric,
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

Json = Any
"""Any JSON value."""

Document = dict[str, Any]
Steps = tuple[str, ...]
"""A path taken apart: names, ``[]`` for an item of a list, ``*`` for a key that is data."""

CATALOGUE: Final = load_catalogue()
METRICS: Final = tuple(CATALOGUE.metrics.values())
MISSING: Final = object()
"""What stands for a field that a document doesn't have."""


def steps_of(path: str) -> Steps:
    """Take a path of the catalogue apart."""
    return tuple(re.findall(r"\[\]|\*|[^.\[\]*]+", path))


def spelt(steps: Iterable[str]) -> str:
    """Put a path together again."""
    return ".".join(steps).replace(".[]", "[]")


@dataclass
class Place:
    """A step of the way into a document, as the catalogue's paths have it; made without a look at the package's own."""

    steps: Steps = ()
    metric: Metric | None = field(default=None, repr=False)
    children: dict[str, Place] = field(default_factory=dict, repr=False)

    @cached_property
    def is_map(self) -> bool:
        """Whether the value here is a map with keys that the catalogue names."""
        return any(step not in ("[]", "*") for step in self.children)


def _tree() -> Place:
    root = Place()
    for metric in METRICS:
        place = root
        for step in steps_of(metric.path):
            place = place.children.setdefault(step, Place((*place.steps, step)))
        place.metric = metric
    return root


TREE: Final = _tree()


def _walk(place: Place) -> Iterator[Place]:
    for child in place.children.values():
        yield child
        yield from _walk(child)


PLACES: Final = tuple(_walk(TREE))
"""Every place that the catalogue speaks of, containers and leaves."""

LEAVES: Final = tuple(place for place in PLACES if not place.children)
LISTS: Final = tuple(place for place in PLACES if "[]" in place.children)


def placed(inner: Json, steps: Sequence[str], value: Json, name: str = "acme") -> Json:
    """
    Return *inner* with *value* at *steps*; what is in the way is replaced, and nothing is changed in place.

    Args:
        name: The key to use where the key is data.
    """
    if not steps:
        return value
    step, *rest = steps
    if step == "[]":
        items = list(inner) if isinstance(inner, list) and inner else [None]
        return [placed(items[0], rest, value, name), *items[1:]]
    key = name if step == "*" else step
    mapping = dict(inner) if isinstance(inner, Mapping) else {}
    return mapping | {key: placed(mapping.get(key), rest, value, name)}


def found(inner: Json, steps: Sequence[str]) -> Json:
    """Return what is at *steps* (of lists and maps that are data, in the first item), or :data:`MISSING`."""
    if not steps:
        return inner
    step, *rest = steps
    if step == "[]":
        return found(inner[0], rest) if isinstance(inner, list) and inner else MISSING
    if not isinstance(inner, Mapping) or not inner:
        return MISSING
    key = next(iter(inner)) if step == "*" else step
    return found(inner[key], rest) if key in inner else MISSING


# Texts that look as they do in real documents, and tell who somebody is. All invented.

NAMES: Final = (
    "acme-support",
    "Quillbert's Parcel Desk",
    "inbox@chat.example.org",
    "partner.example.net",
    "Gruppe Süd",
    "8f14e45f-ceea-467f-a8e5-5c1d2b3a4f60",
    "6a8c324029098a5df06bcf77",
    "https://chat.example.org/",
    "smtp.example.com",
    "587",
    "release/acme-logo",
    "eyJhbGciOiJSUzI1NiJ9.eyJ1bmlxdWVJZCI6ImFjbWUifQ.c2lnbmF0dXJl",
)
VERSIONS: Final = ("8.7.0", "8.7.0-rc.3", "6.6.0", "v22.22.3", "5.0", "7.0.14-acme", "0.61.0-develop", "1.58.0+acme")
RELEASES: Final = ("6.17.0-9001-example", "5.10.0", "4.13.0-9002-acme", "22.6.0", "10.0.20348")
MODELS: Final = (
    "AMD EPYC 7B13",
    "Intel(R) Xeon(R) CPU @ 2.20GHz",
    "Neoverse-N1",
    "Apple M2",
    "QEMU Virtual CPU of Acme",
    "",
    "Intel AMD hybrid",
)


def iso(moment: datetime) -> str:
    """Return *moment* as JSON of the server has it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def long_form(moment: datetime, offset: str = "+0000", zone: str = " (Coordinated Universal Time)") -> str:
    """Return *moment* as JavaScript's ``String(date)`` has it, which gives away the server's time zone."""
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    day, month = days[moment.weekday()], months[moment.month - 1]
    return f"{day} {month} {moment:%d} {moment.year} {moment:%H:%M:%S} GMT{offset}{zone}"


EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(moment: datetime) -> int:
    """Return *moment* as the number of milliseconds since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


@dataclass
class Server:
    """
    An invented server, and the documents that it makes: every field in one of the forms that real documents have.

    Attributes:
        random: All chance comes from here.
        density: What part of the catalogue's fields is there. Any field can be missing from a real document.
        users: Number of user records; the tables of people agree with it.
    """

    random: Random
    density: float
    users: int

    def document(self) -> Document:
        """Return a whole document."""
        people = self.people() if self.density else {"totalUsers": self.users}
        document: Document = self.inside(TREE)
        for path, value in people.items():
            if path == "totalUsers" or self.random.random() < self.density:
                document = placed(document, steps_of(path), value)
        return document

    def inside(self, place: Place) -> Document:
        """Return a map with the fields that the catalogue names below *place*."""
        filled = {}
        for step, child in place.children.items():
            if self.random.random() < self.density:
                value = self.value(child)
                if value is not MISSING:
                    filled[step] = value
        return filled

    def value(self, place: Place) -> Json:
        """Return a value for *place*."""
        if place.metric is not None and self.random.random() < 0.06:
            return None if "null" in place.metric.json else MISSING
        if place.is_map:
            return self.inside(place)
        if "[]" in place.children:
            return self.items(place.children["[]"])
        if "*" in place.children:
            inner = place.children["*"]
            rows = {name: self.value(inner) for name in self.random.sample(NAMES, self.random.randint(0, 3))}
            return {name: row for name, row in rows.items() if row is not MISSING}
        assert place.metric is not None
        return self.leaf(place.metric)

    def items(self, place: Place) -> list[Json]:
        """Return a list of values for *place*; processors of one machine are mostly alike."""
        size = self.random.choice((0, 1, 1, 2, 3, 8))
        items = [item for item in (self.value(place) for _ in range(size)) if item is not MISSING]
        is_alike = place.steps == ("os", "cpus", "[]") and self.random.random() < 0.8
        return items[:1] * size if is_alike else items

    def leaf(self, metric: Metric) -> Json:
        """Return a value for the place of *metric*, which holds no others."""
        match metric.operator:
            case "count" | "split" | "sum" | "table":
                return self.number(metric)
            case "flag":
                return self.random.random() < 0.5
            case "choice":
                return self.word(metric)
            case "version":
                return self.random.choice((*(RELEASES if metric.path == "os.release" else VERSIONS), ""))
            case "month" | "moment":
                return self.moment()
            case "band" if metric.path == "os.totalmem":
                size = self.random.choice((512, 1024, 2048, 8192, 31_900, 131_072)) * 1024**2 - self.random.randint(
                    0, 1
                )
                return float(size) if self.random.random() < 0.2 else size
            case "band":
                return round(self.random.uniform(0, 6), 2)
            case _:
                return self.kept(metric)

    def number(self, metric: Metric) -> Json:
        """Return a number; a real one can be false, a double, negative or far too large."""
        if "boolean" in metric.json and self.random.random() < 0.1:
            return False
        if metric.fractional and self.random.random() < 0.7:
            return self.random.uniform(0, 90_000)
        small = (0, 0, 1, 2, 3, 9, 10, 11, 19, 20, 99, 100, 104)
        number = self.random.choice(
            (*small, self.random.randint(0, 1000), self.random.randint(0, 10**7), metric.maximum, metric.maximum + 1)
        )
        chance = self.random.random()
        return float(number) if chance < 0.04 else -number if chance < 0.06 else number

    def word(self, metric: Metric) -> Json:
        """Return a word of the metric's list, mostly."""
        vocabulary = CATALOGUE.vocabularies[metric.vocabulary]
        if metric.path == "os.cpus[].model":
            return self.random.choice(MODELS)
        if "boolean" in metric.json and self.random.random() < 0.5:
            return True
        member = self.random.choice(vocabulary.members)
        return self.random.choice((member, member, member, member.upper(), "", self.random.choice(NAMES)))

    def moment(self) -> Json:
        """Return a moment in one of its forms."""
        moment = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=self.random.randint(0, 11 * 365 * 86400))
        forms = (iso(moment), iso(moment), long_form(moment), long_form(moment, "-0300", " (Brasilia Standard Time)"))
        return self.random.choice((*forms, "", {"$date": iso(moment)}, None))

    def kept(self, metric: Metric) -> Json:
        """Return a value of something that never leaves."""
        if metric.kind == "host-time":
            return self.moment()
        match self.random.choice(metric.json):
            case "integer":
                return self.random.randint(0, 10**6)
            case "number":
                return self.random.uniform(0, 10**5)
            case "boolean":
                return True
            case "string":
                return self.random.choice((*NAMES, ""))
            case "null":
                return None
            case _:
                return {}

    def people(self) -> dict[str, Json]:
        """Return the figures that must agree with the number of users: kinds, languages, and roles of three windows."""
        guests, inactive, apps = self.share(self.users, 3)
        values: dict[str, Json] = {
            "totalUsers": self.users,
            "activeUsers": self.users - guests - inactive - apps,
            "activeGuests": guests,
            "nonActiveUsers": inactive,
            "appUsers": apps,
            "userLanguages": self.languages(),
        }
        seen = 0
        for window in ("Yesterday", "LastWeek", "LastMonth"):
            seen = self.random.randint(seen, self.users) if self.users < 10**6 else self.users
            values[f"uniqueUsersOf{window}.data"] = [self.session_row(seen)] if seen else []
        return values

    def share(self, whole: int, parts: int) -> list[int]:
        """Return *parts* numbers, of which the sum is no more than *whole*; the later ones are smaller."""
        shares = []
        for _ in range(parts):
            part = self.random.randint(0, whole // 3)
            shares.append(part)
            whole -= part
        return shares

    def languages(self) -> Document:
        """Return how many users chose which language; users write the keys, and ``none`` is all others."""
        pool = (*CATALOGUE.vocabularies["language_code"].members[1:9], "pt-br", "zz-acme", "Quillbert")
        chosen = self.random.sample(pool, self.random.randint(0, 6))
        table = dict(zip(chosen, self.share(self.users, len(chosen)), strict=True))
        return {
            **{code: speakers for code, speakers in table.items() if speakers},
            "none": self.users - sum(table.values()),
        }

    def session_row(self, people: int) -> Document:
        """Return the row of one window: people, sessions and seconds, and the roles that they add up from."""
        names = self.random.sample(CATALOGUE.vocabularies["session_role"].members, self.random.randint(1, 4))
        shares = self.share(people, len(names) - 1)
        roles = [
            {"role": name, "count": count, "sessions": count * 3, "time": count * 3671}
            for name, count in zip(names, [people - sum(shares), *shares], strict=True)
            if count
        ]
        return {"count": people, "sessions": people * 3, "time": people * 3671, "roles": roles}


@cache
def users() -> SearchStrategy[int]:
    """Return numbers of users, around the threshold first."""
    edges = (0, 1, 2, 9, 10, 11, 19, 20, 99, 100, 247, 10_000_000)
    return st.sampled_from(edges) | st.integers(0, 2000)


EDGE_DATES: Final = (
    "2000-01-01T00:30:00.000+0100",
    "1999-12-31T23:30:00.000-01:00",
    "2099-12-31T23:30:00.000-0100",
    "2100-01-01T00:30:00.000+0100",
    "Sat Jan 01 2000 00:30:00 GMT+0100 (Central European Standard Time)",
    "2026-09-01T00:30:00.000+0100",
    "2026-08-31T24:00:00.000Z",
    "2026-08-31T23:59:60Z",
)
"""Dates of which the year or the month depends on the time zone."""


@cache
def dates() -> SearchStrategy[Json]:
    """Return dates in all forms that documents have, from years that are believed and years that are not."""
    edges = [
        datetime(year, month, day, hour, tzinfo=UTC)
        for year, month, day, hour in (
            (1970, 1, 1, 0),
            (1999, 12, 31, 23),
            (2000, 1, 1, 0),
            (2026, 8, 1, 0),
            (2099, 12, 31, 23),
            (2100, 1, 1, 0),
        )
    ]
    seconds = st.integers(
        milliseconds(datetime(1990, 1, 1, tzinfo=UTC)), milliseconds(datetime(2110, 1, 1, tzinfo=UTC))
    )
    moments = st.sampled_from(edges) | seconds.map(lambda number: EPOCH + timedelta(milliseconds=number))
    offsets = st.sampled_from(("+0000", "+0100", "-0100", "+1400", "-1130", "+0530", "+9959"))
    return st.one_of(
        st.sampled_from(EDGE_DATES),
        moments.map(iso),
        st.builds(lambda moment, offset: iso(moment).replace("Z", offset), moments, offsets),
        st.builds(lambda moment, o: iso(moment).replace("Z", f"{o[:3]}:{o[3:]}"), moments, offsets),
        st.builds(long_form, moments, offsets, st.sampled_from(("", " (UTC)", " (Coordinated Universal Time)"))),
        moments.map(milliseconds),
        moments.map(lambda moment: {"$date": iso(moment)}),
        moments.map(lambda moment: {"$date": {"$numberLong": str(milliseconds(moment))}}),
        st.sampled_from(("", None, "2026-13-01T00:00:00.000Z", "2026-02-30T00:00:00Z", "yesterday", "2026-08-17")),
    )


def leaf_values(metric: Metric) -> SearchStrategy[Json]:
    """Return values that a real server may store at the place of *metric*, with the edges of its range."""
    return _leaf_values(metric.path)


@cache
def _leaf_values(path: str) -> SearchStrategy[Json]:  # noqa: PLR0912
    metric = CATALOGUE.metrics[path]
    forms: list[SearchStrategy[Json]] = []
    if "null" in metric.json:
        forms.append(st.none())
    match metric.operator:
        case "flag":
            forms.append(st.booleans())
        case "choice":
            listed = CATALOGUE.vocabularies[metric.vocabulary].members
            forms.append(st.sampled_from((*listed, *map(str.swapcase, listed), "", *NAMES[:3], *MODELS, "other")))
            if "boolean" in metric.json:
                forms.append(st.booleans())
        case "version":
            numbered = st.from_regex(r"v?[0-9]{1,3}(\.[0-9]{1,4}){0,3}(-[a-z0-9.]{1,8})?", fullmatch=True)
            forms.append(st.sampled_from((*VERSIONS, *RELEASES, "")) | numbered)
        case "month" | "moment":
            forms.append(dates())
        case "band":
            edges = _edges(metric)
            forms.append(st.sampled_from(edges))
            forms.append(st.floats(0, 20, allow_nan=False))
            forms.append(st.integers(0, max(edges)))
        case "length":
            forms.append(_names(metric))
        case _:
            if "boolean" in metric.json:
                forms.append(st.just(value=False))
            if "string" in metric.json:
                forms.append(st.sampled_from((*NAMES, "")))
            if "number" in metric.json:
                forms.append(st.floats(0, 1e12, allow_nan=False) | st.integers(0, 10**12))
            if "integer" in metric.json:
                edges = [0, 1, 9, 10, 11, 95, 99, 100, 101, 999, 12_345, metric.maximum - 1, metric.maximum]
                numbers = st.sampled_from([number for number in edges if number >= 0]) | st.integers(0, 10**7)
                forms += [numbers, numbers.map(float), st.sampled_from((-1, metric.maximum + 1))]
    return st.one_of(forms) if forms else st.just({})


def _edges(metric: Metric) -> list[int]:
    buckets = CATALOGUE.bands[metric.bands].values()
    edges = {edge * b.scale + way for b in buckets for edge in b.edges for way in (-1, 0, 1)}
    return sorted(edges | {metric.minimum, metric.maximum, metric.maximum + 1})


def _names(metric: Metric) -> SearchStrategy[Json]:
    if metric.path.endswith("*"):
        return st.dictionaries(st.sampled_from(NAMES), st.just({"enabled": True, "users": 3}), max_size=4)
    if metric.path == "os.cpus[]":
        sizes = st.sampled_from((0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64))
        return st.builds(lambda size, model: [{"model": model}] * size, sizes, st.sampled_from(MODELS))
    return st.lists(st.sampled_from(NAMES), max_size=4)


def _container(metric: Metric) -> Steps:
    """Return where to put a value that :func:`leaf_values` made for *metric*."""
    steps = steps_of(metric.path)
    return steps[:-1] if metric.operator == "length" else steps


def _path_of(metric: Metric) -> str:
    return metric.path


def _by_kind(metrics: Iterable[Metric]) -> dict[str, tuple[Metric, ...]]:
    kinds: dict[str, tuple[Metric, ...]] = {}
    for metric in metrics:
        vocabulary = CATALOGUE.vocabularies.get(metric.vocabulary)
        is_plain = vocabulary is None or not (vocabulary.groups or vocabulary.words or vocabulary.true_is)
        words = "" if is_plain else metric.vocabulary
        traits = (metric.kind, metric.operator, words, metric.bands, "cut" * metric.fractional)
        name = " ".join(filter(None, traits))
        kinds[name] = (*kinds.get(name, ()), metric)
    return kinds


LEAVING_METRICS: Final = tuple(
    metric for metric in METRICS if any(not t.withhold for t in CATALOGUE.kinds[metric.kind].treatments.values())
)
"""The metrics of which something leaves in at least one profile."""

LEAVING_KINDS: Final = _by_kind(LEAVING_METRICS)
"""The same, those together that are treated alike, by what they have in common."""


@cache
def leaving_metrics() -> SearchStrategy[Metric]:
    """Return metrics of which something leaves, the rare kinds as often as the common ones."""
    return st.one_of([st.sampled_from(metrics) for metrics in LEAVING_KINDS.values()])


OF_PEOPLE: Final = (
    "totalUsers",
    "activeUsers",
    "activeGuests",
    "nonActiveUsers",
    "appUsers",
    "userLanguages",
    "unique",
)
FREE_METRICS: Final = tuple(
    place.metric
    for place in PLACES
    if place.metric is not None
    and not place.steps[0].startswith(OF_PEOPLE)
    and not (place.is_map and place.metric.is_dropped)
)
"""The metrics of which a value can be changed without disturbing the figures of people or a whole container."""


@st.composite
def realistic_documents(draw: DrawFn, *, extended: bool | None = None) -> Document:
    """
    Return a document as some server makes it: each field missing, null, empty or of a type that the catalogue names;
    the figures of people agree with each other.

    Args:
        extended: Whether numbers, dates and identifiers are wrapped as mongoexport has them; by default sometimes.
    """
    density = draw(st.sampled_from((0.0, 0.1, 0.3, 0.97)))
    server = Server(Random(draw(st.integers(0, 2**32 - 1))), density, draw(users()))  # noqa: S311
    document = server.document()
    for metric in draw(st.lists(st.sampled_from(FREE_METRICS), max_size=6, unique_by=_path_of)):
        document = placed(document, _container(metric), draw(leaf_values(metric)))
    if draw(st.sampled_from((False,) * 7 + (True,))):
        document["totalUsers"] = draw(st.sampled_from((None, True, "247", -1, 247.5)))
    document = {key: as_json(value) for key, value in document.items() if key != "totalUsers" or value is not None}
    if draw(st.booleans()) if extended is None else extended:
        is_canonical = draw(st.booleans())
        return {key: as_extended_json(value, is_canonical=is_canonical) for key, value in document.items()}
    return document


def as_json(value: Json) -> Json:
    """Return *value* as it comes out of JSON: NaN and infinities, which JavaScript writes so, are null."""
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_json(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_IS_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def as_extended_json(value: Json, *, is_canonical: bool) -> Json:
    """Return *value* as mongoexport writes it: relaxed, which wraps only dates, or canonical, which wraps numbers."""
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)).startswith("$"):
            return value
        return {key: as_extended_json(inner, is_canonical=is_canonical) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_extended_json(inner, is_canonical=is_canonical) for inner in value]
    if isinstance(value, str) and _IS_DATE.fullmatch(value):
        with contextlib.suppress(ValueError):  # 24:00 and leap seconds: no database holds them as dates
            moment = datetime.fromisoformat(value)
            return {"$date": {"$numberLong": str(milliseconds(moment))} if is_canonical else value}
    if is_canonical and type(value) is int:
        return {"$numberInt" if abs(value) < 2**31 else "$numberLong": str(value)}
    if is_canonical and type(value) is float:
        return {"$numberDouble": repr(value)}
    return value


# What an enemy writes.

WORDS: Final = tuple(sorted(CATALOGUE.words))
SEGMENTS: Final = tuple(sorted({step for metric in METRICS for step in steps_of(metric.path)} - {"[]", "*"}))
ODD_KEYS: Final = (
    "",
    "[]",
    "*",
    ".",
    "__proto__",
    "__class__",
    "__missing__",
    "constructor",
    "toString",
    "os.type",
    "settings.email.smtp.smtpHost",
    "services.oauth.custom.acme",
    "os.cpus[]",
    "totalUsers\x00",
    "\u202etotalUsers",
    "total\u200bUsers",
    "\uff54\uff4f\uff54\uff41\uff4c\uff35\uff53\uff45\uff52\uff53",
    "t\u043etalUsers",
    "TOTALUSERS",
    "totalusers",
    "$date",
    "$oid",
    "$numberInt",
    "$numberLong",
    "$numberDouble",
    "x" * 2000,
    "totalUsers" * 300,
    "\ud800",
)
ODD_NUMBERS: Final = (
    -1,
    -0.0,
    0.5,
    12.0,
    12.5,
    99999999.1,
    10**7 + 1,
    2**31,
    2**53,
    2**53 + 2,
    2**63,
    2**64,
    10**400,
    -(2**63),
    4915112345678,
    1e22,
    1e308,
    math.nan,
    math.inf,
    -math.inf,
)
ODD_TEXTS: Final = (
    "",
    " ",
    "12",
    "true",
    "8.7.0-acme@example.org",
    "\u0668.\u0667",
    "99.999.999",
    "08.007.0",
    "8.7.0\n",
    "2026",
    "2026-08",
    "1999-12",
    "2026-08-17",
    "\uff4cinux",
    "Linux\u200b",
    "LINUX",
    "europe",
    "other",
    "\ud800",
    "\x00",
    "x" * 3000,
    "acme\r\nX-Injected: 1",
)


@cache
def tokens() -> SearchStrategy[str]:
    """
    Return texts to plant: long enough, and of a shape that no output holds by chance.

    Some look like what identifies somebody: an address, a host, a name with a space, a look-alike.
    """
    core = st.text(alphabet="bdfgjkqvwxzBDFGJKQVWXZ23456789", min_size=7, max_size=20).map("Qx{}".format)
    shapes = (
        "{}",
        "{}",
        "{}@example.org",
        "https://{}.example.net/",
        "{} & Söhne",
        "\uff31\uff38{}",
        "'{}\"<b>",
        "{}\u200b{}",
    )
    return st.builds(lambda shape, text: shape.replace("{}", text), st.sampled_from(shapes), core)


@cache
def keys() -> SearchStrategy[str]:
    """Return keys: the catalogue's own, words of its lists, look-alikes, dunder and dotted, very long, planted."""
    return st.one_of(
        st.sampled_from(SEGMENTS), st.sampled_from(WORDS), st.sampled_from(ODD_KEYS), tokens(), st.text(max_size=8)
    )


@cache
def scalars() -> SearchStrategy[Json]:
    """Return JSON values without others inside; numbers and texts in all sizes, NaN and lone surrogates included."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-10, 200),
        st.sampled_from(ODD_NUMBERS),
        st.integers(),
        st.floats(),
        st.sampled_from(ODD_TEXTS),
        st.sampled_from(WORDS),
        st.sampled_from((*VERSIONS, *RELEASES, *NAMES)),
        tokens(),
        st.text(max_size=12),
    )


@cache
def wrappers() -> SearchStrategy[Json]:
    """Return MongoDB's wrappers, mostly around what doesn't belong in them."""
    inner = st.one_of(
        scalars(), st.sampled_from(("12", "-1", "12.5", "1e999", "9" * 20, "NaN", "0x10", "1_000", "\u0661")), dates()
    )
    names = st.sampled_from(("$date", "$numberLong", "$numberInt", "$numberDouble", "$oid", "$binary"))
    wrapped = st.builds(lambda name, value: {name: value}, names, inner)
    return wrapped | st.builds(lambda name, value: {name: value}, names, wrapped)


@cache
def json_values(*, max_leaves: int = 12) -> SearchStrategy[Json]:
    """Return any JSON value, as a parser gives it that lets everything through."""
    return st.recursive(
        scalars() | wrappers(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys(), inner, max_size=4),
        max_leaves=max_leaves,
    )


def nested(value: Json, depth: int, key: str | None = "a") -> Json:
    """Return *value* in *depth* containers: maps with *key*, or lists."""
    for _ in range(depth):
        value = [value] if key is None else {key: value}
    return value


@st.composite
def hostile_documents(draw: DrawFn) -> Document:
    """
    Return a document that an enemy had a hand in.

    On top of a realistic or an empty one: any JSON value at any place that the catalogue speaks of, containers too;
    keys that it doesn't know, anywhere; lists repeated; values wrapped and nested; texts that only a payload has.
    """
    document: Document = draw(st.just({}) | realistic_documents(extended=False))
    for _ in range(draw(st.integers(1, 5))):
        document = _spoilt(draw, document)
    return document


_ANY_PLACE: Final = st.sampled_from(PLACES) | st.sampled_from(LEAVES)


def _spoilt(draw: DrawFn, document: Document) -> Document:
    place = draw(_ANY_PLACE)
    steps = place.steps
    name = draw(keys()) if "*" in steps else ""
    spoilt: Document
    match draw(st.sampled_from(("any", "any", "payload", "edge", "extra", "repeat", "nest"))):
        case "any":
            spoilt = placed(document, steps, draw(json_values(max_leaves=6)), name)
        case "payload":
            leaving = draw(leaving_metrics())
            spoilt = placed(document, leaving.emit.split("."), draw(payload_values(leaving)), name)
        case "edge":
            metric = draw(leaving_metrics())
            spoilt = placed(document, _container(metric), draw(leaf_values(metric)), name)
        case "extra":
            around = found(document, steps[:-1])  # the document itself, for a place at the top
            extra = draw(st.dictionaries(keys(), json_values(max_leaves=4), min_size=1, max_size=4))
            spoilt = placed(document, steps[:-1], {**around, **extra} if isinstance(around, dict) else extra, name)
        case "repeat":
            place = draw(st.sampled_from(LISTS))
            item = draw(json_values(max_leaves=4))
            present = found(document, place.steps)
            items = [*present, item] if isinstance(present, list) else [item]
            spoilt = placed(document, place.steps, items * draw(st.integers(1, 30)), name)
        case _:
            inner = found(document, steps)
            inner = None if inner is MISSING else inner
            key = draw(st.none() | keys())
            spoilt = placed(document, steps, nested(inner, draw(st.sampled_from((1, 1, 2, 60))), key), name)
    return spoilt


def payload_values(metric: Metric) -> SearchStrategy[Json]:
    """Return values that the payload of some profile has for *metric*, so that payloads fed back are tried as well."""
    return _payload_values(metric.path)


@cache
def _payload_values(path: str) -> SearchStrategy[Json]:
    metric = CATALOGUE.metrics[path]
    forms: list[SearchStrategy[Json]] = [st.integers(0, 10**7), st.sampled_from(WORDS), st.booleans()]
    if metric.vocabulary:
        vocabulary = CATALOGUE.vocabularies[metric.vocabulary]
        words = sorted({word for fold in (None, *vocabulary.groups) for word in vocabulary.outputs(fold)})
        forms.append(st.sampled_from(words))
        forms.append(st.dictionaries(st.sampled_from(words), st.integers(0, 10**7 + 1), max_size=4))
    if metric.bands:
        forms.append(st.sampled_from([name for b in CATALOGUE.bands[metric.bands].values() for name in b.names]))
    if metric.operator == "version":
        forms.append(st.sampled_from(("8", "8.7", "8.7.0")))
    if metric.operator == "month":
        forms.append(st.sampled_from(("2026", "2026-08", "1999-12", "2100", "2099-13")))
    return st.one_of(forms)


@cache
def documents() -> SearchStrategy[Document]:
    """Return realistic and hostile documents."""
    return realistic_documents() | hostile_documents()


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
