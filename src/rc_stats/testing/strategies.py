"""
Documents for Hypothesis, of any catalogue: as servers make them, and as an enemy would.

They are built from the catalogue, so that a new metric is covered on the day it is added. Two devices keep them fast
and their failures small. A full document is filled from a drawn seed, with what makes a case interesting drawn on top;
so a failure shrinks to an almost empty document with one or two values in it. And values come from the edges first:
bounds of a metric, sizes around the threshold, the years around which dates are not believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from random import Random
from typing import Final

from rc_stats.catalogue import Catalogue, Metric
from rc_stats.errors import MissingExtra
from rc_stats.testing.odd import EDGE_DATES, ODD_KEYS, ODD_NUMBERS, ODD_TEXTS
from rc_stats.testing.places import MISSING, Document, Json, Place, Steps, found, placed, steps_of, tree_of
from rc_stats.testing.server import (
    EPOCH,
    MODELS,
    NAMES,
    RELEASES,
    VERSIONS,
    Server,
    as_extended_json,
    as_json,
    iso,
    long_form,
    milliseconds,
)

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy
except ImportError:
    raise MissingExtra("testing", "Making documents for tests") from None

_OF_PEOPLE: Final = ("activeUsers", "activeGuests", "nonActiveUsers", "appUsers", "userLanguages", "unique")
"""What the paths of figures begin with that must agree with each other."""


@cache
def users() -> SearchStrategy[int]:
    """Return numbers of users, around the threshold first."""
    edges = (0, 1, 2, 9, 10, 11, 19, 20, 99, 100, 247, 10_000_000)
    return st.sampled_from(edges) | st.integers(0, 2000)


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


class Documents:
    """
    The strategies of one catalogue.

    Args:
        catalogue: What the documents are made for.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.metrics = tuple(catalogue.metrics.values())
        self.tree = tree_of(catalogue)
        self.places = tuple(self.tree.below())
        self.leaves = tuple(place for place in self.places if not place.children)
        self.lists = tuple(place for place in self.places if "[]" in place.children)
        self.words = tuple(sorted(catalogue.words)) or ("other",)
        self.segments = tuple(sorted({step for m in self.metrics for step in steps_of(m.path)} - {"[]", "*"}))
        self._leaf_values: dict[str, SearchStrategy[Json]] = {}
        self._payload_values: dict[str, SearchStrategy[Json]] = {}

    def __repr__(self) -> str:
        """Name the catalogue alone, so that a failing test stays readable."""
        return f"Documents({self.catalogue.name})"

    # As servers make them -----------------------------------------------------------------------------------------

    @cached_property
    def leaving(self) -> tuple[Metric, ...]:
        """The metrics of which something leaves in at least one profile."""
        kinds = self.catalogue.kinds
        return tuple(m for m in self.metrics if any(not t.withhold for t in kinds[m.kind].treatments.values()))

    @cached_property
    def leaving_kinds(self) -> dict[str, tuple[Metric, ...]]:
        """The same, those together that are treated alike, by what they have in common."""
        kinds: dict[str, tuple[Metric, ...]] = {}
        for metric in self.leaving:
            vocabulary = self.catalogue.vocabularies.get(metric.vocabulary)
            is_plain = vocabulary is None or not (vocabulary.groups or vocabulary.words or vocabulary.true_is)
            words = "" if is_plain else metric.vocabulary
            traits = (metric.kind, metric.operator, words, metric.bands, "cut" * metric.fractional)
            name = " ".join(filter(None, traits))
            kinds[name] = (*kinds.get(name, ()), metric)
        return kinds

    @cached_property
    def free(self) -> tuple[Metric, ...]:
        """The metrics of which a value can be changed without disturbing figures of people or a whole container."""
        agreeing = (self.catalogue.facts.people, *_OF_PEOPLE)
        return tuple(
            place.metric
            for place in self.places
            if place.metric is not None
            and place.steps[0] != agreeing[0]
            and not place.steps[0].startswith(agreeing[1:])
            and not (place.is_map and place.metric.is_dropped)
        )

    @cached_property
    def leaving_metrics(self) -> SearchStrategy[Metric]:
        """Metrics of which something leaves, the rare kinds as often as the common ones."""
        return st.one_of([st.sampled_from(metrics) for metrics in self.leaving_kinds.values()])

    def leaf_values(self, metric: Metric) -> SearchStrategy[Json]:
        """Return values that a real server may store at the place of *metric*, with the edges of its range."""
        if metric.path not in self._leaf_values:
            forms = [*self._forms(metric)]
            self._leaf_values[metric.path] = st.one_of(forms) if forms else st.just({})
        return self._leaf_values[metric.path]

    def _forms(self, metric: Metric) -> Iterable[SearchStrategy[Json]]:
        if "null" in metric.json:
            yield st.none()
        match metric.operator:
            case "flag":
                yield st.booleans()
            case "choice":
                listed = self.catalogue.vocabularies[metric.vocabulary].members
                yield st.sampled_from((*listed, *map(str.swapcase, listed), "", *NAMES[:3], *MODELS, "other"))
                if "boolean" in metric.json:
                    yield st.booleans()
            case "version":
                numbered = st.from_regex(r"v?[0-9]{1,3}(\.[0-9]{1,4}){0,3}(-[a-z0-9.]{1,8})?", fullmatch=True)
                yield st.sampled_from((*VERSIONS, *RELEASES, "")) | numbered
            case "month" | "moment":
                yield dates()
            case "band":
                edges = self._edges(metric)
                yield from (st.sampled_from(edges), st.floats(0, 20, allow_nan=False), st.integers(0, max(edges)))
            case "length":
                yield self._names(metric)
            case _:
                yield from _plain_forms(metric)

    def _edges(self, metric: Metric) -> list[int]:
        buckets = self.catalogue.bands[metric.bands].values()
        edges = {edge * b.scale + way for b in buckets for edge in b.edges for way in (-1, 0, 1)}
        return sorted(edges | {metric.minimum, metric.maximum, metric.maximum + 1})

    def _names(self, metric: Metric) -> SearchStrategy[Json]:
        if metric.path.endswith("*"):
            return st.dictionaries(st.sampled_from(NAMES), st.just({"enabled": True, "users": 3}), max_size=4)
        if metric.path == "os.cpus[]":
            sizes = st.sampled_from((0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64))
            return st.builds(lambda size, model: [{"model": model}] * size, sizes, st.sampled_from(MODELS))
        return st.lists(st.sampled_from(NAMES), max_size=4)

    def realistic(self, *, extended: bool | None = None) -> SearchStrategy[Document]:
        """
        Return documents as some server makes them: each field missing, null, empty or of a type that the catalogue
        names; the figures of people agree with each other.

        Args:
            extended: Whether numbers, dates and identifiers are wrapped as mongoexport has them; by default sometimes.
        """
        return _realistic(self, extended=extended)

    # As an enemy writes them --------------------------------------------------------------------------------------

    @cached_property
    def keys(self) -> SearchStrategy[str]:
        """Keys: the catalogue's own, words of its lists, look-alikes, dunder and dotted, very long, planted."""
        return st.one_of(
            st.sampled_from(self.segments),
            st.sampled_from(self.words),
            st.sampled_from(ODD_KEYS),
            tokens(),
            st.text(max_size=8),
        )

    @cached_property
    def scalars(self) -> SearchStrategy[Json]:
        """JSON values without others inside; numbers and texts in all sizes, NaN and lone surrogates included."""
        return st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-10, 200),
            st.sampled_from(ODD_NUMBERS),
            st.integers(),
            st.floats(),
            st.sampled_from(ODD_TEXTS),
            st.sampled_from(self.words),
            st.sampled_from((*VERSIONS, *RELEASES, *NAMES)),
            tokens(),
            st.text(max_size=12),
        )

    @cached_property
    def wrappers(self) -> SearchStrategy[Json]:
        """MongoDB's wrappers, mostly around what doesn't belong in them."""
        numbers = ("12", "-1", "12.5", "1e999", "9" * 20, "NaN", "0x10", "1_000", "\u0661")
        inner = st.one_of(self.scalars, st.sampled_from(numbers), dates())
        names = st.sampled_from(("$date", "$numberLong", "$numberInt", "$numberDouble", "$oid", "$binary"))
        wrapped = st.builds(lambda name, value: {name: value}, names, inner)
        return wrapped | st.builds(lambda name, value: {name: value}, names, wrapped)

    def values(self, *, max_leaves: int = 12) -> SearchStrategy[Json]:
        """Return any JSON value, as a parser gives it that lets everything through."""
        return st.recursive(
            self.scalars | self.wrappers,
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(self.keys, inner, max_size=4),
            max_leaves=max_leaves,
        )

    @cached_property
    def any_place(self) -> SearchStrategy[Place]:
        """Places that the catalogue speaks of, leaves more often than containers."""
        return st.sampled_from(self.places) | st.sampled_from(self.leaves)

    def payload_values(self, metric: Metric) -> SearchStrategy[Json]:
        """Return values that the payload of some profile has for *metric*, so that payloads fed back are tried too."""
        if metric.path not in self._payload_values:
            self._payload_values[metric.path] = st.one_of([*self._payload_forms(metric)])
        return self._payload_values[metric.path]

    def _payload_forms(self, metric: Metric) -> Iterable[SearchStrategy[Json]]:
        yield from (st.integers(0, 10**7), st.sampled_from(self.words), st.booleans())
        if metric.vocabulary:
            vocabulary = self.catalogue.vocabularies[metric.vocabulary]
            words = sorted({word for fold in (None, *vocabulary.groups) for word in vocabulary.outputs(fold)})
            yield st.sampled_from(words)
            yield st.dictionaries(st.sampled_from(words), st.integers(0, 10**7 + 1), max_size=4)
        if metric.bands:
            yield st.sampled_from([name for b in self.catalogue.bands[metric.bands].values() for name in b.names])
        if metric.operator == "version":
            yield st.sampled_from(("8", "8.7", "8.7.0"))
        if metric.operator == "month":
            yield st.sampled_from(("2026", "2026-08", "1999-12", "2100", "2099-13"))

    def hostile(self) -> SearchStrategy[Document]:
        """
        Return documents that an enemy had a hand in.

        On top of a realistic or an empty one: any JSON value at any place that the catalogue speaks of, containers too;
        keys that it doesn't know, anywhere; lists repeated; values wrapped and nested; texts that only a payload has.
        """
        return _hostile(self)

    def all(self) -> SearchStrategy[Document]:
        """Return realistic and hostile documents."""
        return self.realistic() | self.hostile()


def _plain_forms(metric: Metric) -> Iterable[SearchStrategy[Json]]:
    if "boolean" in metric.json:
        yield st.just(value=False)
    if "string" in metric.json:
        yield st.sampled_from((*NAMES, ""))
    if "number" in metric.json:
        yield st.floats(0, 1e12, allow_nan=False) | st.integers(0, 10**12)
    if "integer" in metric.json:
        edges = [0, 1, 9, 10, 11, 95, 99, 100, 101, 999, 12_345, metric.maximum - 1, metric.maximum]
        numbers = st.sampled_from([number for number in edges if number >= 0]) | st.integers(0, 10**7)
        yield from (numbers, numbers.map(float), st.sampled_from((-1, metric.maximum + 1)))


def container_of(metric: Metric) -> Steps:
    """Return where to put a value that :meth:`Documents.leaf_values` made for *metric*."""
    steps = steps_of(metric.path)
    return steps[:-1] if metric.operator == "length" else steps


def _path_of(metric: Metric) -> str:
    return metric.path


@st.composite
def _realistic(draw: DrawFn, kit: Documents, *, extended: bool | None) -> Document:
    density = draw(st.sampled_from((0.0, 0.1, 0.3, 0.97)))
    random = Random(draw(st.integers(0, 2**32 - 1)))  # noqa: S311 - a document for a test
    document = Server(kit.catalogue, random, density, draw(users()), tree=kit.tree).document()
    for metric in draw(st.lists(st.sampled_from(kit.free), max_size=6, unique_by=_path_of)) if kit.free else []:
        document = placed(document, container_of(metric), draw(kit.leaf_values(metric)))
    total = kit.catalogue.facts.people
    if total and draw(st.sampled_from((False,) * 7 + (True,))):
        document = placed(document, steps_of(total), draw(st.sampled_from((None, True, "247", -1, 247.5))))
    document = {key: as_json(value) for key, value in document.items() if key != total or value is not None}
    if draw(st.booleans()) if extended is None else extended:
        is_canonical = draw(st.booleans())
        return {key: as_extended_json(value, is_canonical=is_canonical) for key, value in document.items()}
    return document


def nested(value: Json, depth: int, key: str | None = "a") -> Json:
    """Return *value* in *depth* containers: maps with *key*, or lists."""
    for _ in range(depth):
        value = [value] if key is None else {key: value}
    return value


@st.composite
def _hostile(draw: DrawFn, kit: Documents) -> Document:
    document: Document = draw(st.just({}) | kit.realistic(extended=False))
    for _ in range(draw(st.integers(1, 5))):
        document = _spoilt(draw, kit, document)
    return document


def _spoilt(draw: DrawFn, kit: Documents, document: Document) -> Document:
    place = draw(kit.any_place)
    steps = place.steps
    name = draw(kit.keys) if "*" in steps else ""
    ways = (
        "any",
        "any",
        "extra",
        "nest",
        *(("payload", "edge") if kit.leaving else ()),
        *("repeat",) * bool(kit.lists),
    )
    spoilt: Document
    match draw(st.sampled_from(ways)):
        case "any":
            spoilt = placed(document, steps, draw(kit.values(max_leaves=6)), name)
        case "payload":
            leaving = draw(kit.leaving_metrics)
            spoilt = placed(document, leaving.emit.split("."), draw(kit.payload_values(leaving)), name)
        case "edge":
            metric = draw(kit.leaving_metrics)
            spoilt = placed(document, container_of(metric), draw(kit.leaf_values(metric)), name)
        case "extra":
            around = found(document, steps[:-1])  # the document itself, for a place at the top
            extra = draw(st.dictionaries(kit.keys, kit.values(max_leaves=4), min_size=1, max_size=4))
            spoilt = placed(document, steps[:-1], {**around, **extra} if isinstance(around, dict) else extra, name)
        case "repeat":
            place = draw(st.sampled_from(kit.lists))
            item = draw(kit.values(max_leaves=4))
            present = found(document, place.steps)
            items = [*present, item] if isinstance(present, list) else [item]
            spoilt = placed(document, place.steps, items * draw(st.integers(1, 30)), name)
        case _:
            inner = found(document, steps)
            inner = None if inner is MISSING else inner
            key = draw(st.none() | kit.keys)
            spoilt = placed(document, steps, nested(inner, draw(st.sampled_from((1, 1, 2, 60))), key), name)
    return spoilt
