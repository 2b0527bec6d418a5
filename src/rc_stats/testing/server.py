"""An invented server and the documents that it makes, for any catalogue."""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Final

from rc_stats.catalogue import Catalogue, Metric
from rc_stats.testing.places import MISSING, Document, Json, Place, placed, steps_of, tree_of

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
"""Texts that look as they do in real documents, and tell who somebody is. All invented."""

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
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def iso(moment: datetime) -> str:
    """Return *moment* as JSON of the server has it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def long_form(moment: datetime, offset: str = "+0000", zone: str = " (Coordinated Universal Time)") -> str:
    """Return *moment* as JavaScript's ``String(date)`` has it, which gives away the server's time zone."""
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    day, month = days[moment.weekday()], months[moment.month - 1]
    return f"{day} {month} {moment:%d} {moment.year} {moment:%H:%M:%S} GMT{offset}{zone}"


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
        gaps: What part of the fields that are there is null, or missing after all.
    """

    catalogue: Catalogue
    random: Random
    density: float
    users: int
    gaps: float = 0.06
    tree: Place | None = field(default=None, repr=False)

    @cached_property
    def root(self) -> Place:
        """The places of the catalogue."""
        return self.tree or tree_of(self.catalogue)

    @property
    def has_sessions(self) -> bool:
        """Whether the catalogue is about users, languages and sessions, whose figures must agree."""
        words = {"language_code", "session_role"} <= set(self.catalogue.vocabularies)
        return words and "activeUsers" in self.catalogue.metrics

    def document(self) -> Document:
        """Return a whole document."""
        total = self.catalogue.facts.people
        people = {total: self.users} if total else {}
        if self.density and self.has_sessions:
            people |= self.people()
        document: Document = self.inside(self.root)
        for path, value in people.items():
            if path == total or self.random.random() < self.density:
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
        if place.metric is not None and self.random.random() < self.gaps:
            return None if "null" in place.metric.json else MISSING
        if place.is_map:
            return self.inside(place)
        if "[]" in place.children:
            return self.items(place.children["[]"])
        if "*" in place.children:
            inner = place.children["*"]
            rows = {name: self.value(inner) for name in self.random.sample(NAMES, self.random.randint(0, 3))}
            return {name: row for name, row in rows.items() if row is not MISSING}
        return MISSING if place.metric is None else self.leaf(place.metric)

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
            case "band" if metric.unit == "bytes":
                size = self.random.choice((512, 1024, 2048, 8192, 31_900, 131_072)) * 1024**2
                size -= self.random.randint(0, 1)
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
        vocabulary = self.catalogue.vocabularies[metric.vocabulary]
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
        pool = (*self.catalogue.vocabularies["language_code"].members[1:9], "pt-br", "zz-acme", "Quillbert")
        chosen = self.random.sample(pool, self.random.randint(0, 6))
        table = dict(zip(chosen, self.share(self.users, len(chosen)), strict=True))
        return {
            **{code: speakers for code, speakers in table.items() if speakers},
            "none": self.users - sum(table.values()),
        }

    def session_row(self, people: int) -> Document:
        """Return the row of one window: people, sessions and seconds, and the roles that they add up from."""
        names = self.random.sample(self.catalogue.vocabularies["session_role"].members, self.random.randint(1, 4))
        shares = self.share(people, len(names) - 1)
        roles = [
            {"role": name, "count": count, "sessions": count * 3, "time": count * 3671}
            for name, count in zip(names, [people - sum(shares), *shares], strict=True)
            if count
        ]
        return {"count": people, "sessions": people * 3, "time": people * 3671, "roles": roles}


def as_json(value: Json) -> Json:
    """Return *value* as it comes out of JSON: NaN and infinities, which JavaScript writes so, are null."""
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_json(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_IS_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


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
