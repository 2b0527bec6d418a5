"""
The catalogue: one entry per metric, and for each kind of metric what the three profiles make of it.

The source is ``data/catalogue/*.toml``, which people review; :mod:`rc_stats.authoring` checks and compiles it to
``data/catalogue.json``, which this module reads. Only this module makes a :class:`Catalogue`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, Final

import orjson

from rc_stats.disclosure import ACTIVE_WITHIN
from rc_stats.operators import Bands, Vocabulary, output_words
from rc_stats.policy import DataType
from rc_stats.wire import canonical, packaged

DROP: Final = "drop"
PEOPLE_OPERATORS: Final = frozenset({"split", "table", "moment"})
OPERATORS: Final = frozenset(
    {"count", "flag", "choice", "version", "length", "sum", "band", "month", DROP} | PEOPLE_OPERATORS
)
"""The closed set. ``length``, ``sum``, ``table`` and ``choice`` may stand on a path with ``[]`` or ``*``."""


class Profile(StrEnum):
    """How coarse a report is, from the finest to the coarsest."""

    EXACT = "exact"
    STANDARD = "standard"
    STRICT = "strict"

    @property
    def coarseness(self) -> int:
        """0 for the finest."""
        return list(Profile).index(self)


@dataclass(frozen=True, slots=True)
class Treatment:
    """
    What one profile does to one kind of metric.

    Attributes:
        withhold: Code of the rule by which nothing leaves; empty where something may.
        significant: Decimal digits kept, rounding down.
        step: Numbers are rounded down to a multiple of it.
        absent_zero: What rounds to 0 is left out.
        needs_people: Left out unless the workspace has at least this many users; 0 for no condition.
        parts: Parts of a version kept.
        precision: ``month`` or ``year``.
        bands: ``fine`` or ``coarse``.
        fold: Grouping of the vocabulary that replaces its members.
        frozen: A figure of people keeps its value for the calendar month.
        days: How far back a moment may be told to lie.
    """

    withhold: str = ""
    significant: int | None = None
    step: int = 1
    absent_zero: bool = False
    needs_people: int = 0
    parts: int = 3
    precision: str = "month"
    bands: str = "fine"
    fold: str | None = None
    frozen: bool = False
    days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A row of the disclosure rules.

    Attributes:
        clause: Id of the policy clause that its metrics cite.
        operators: Those that its metrics may use.
        treatments: One for each profile; empty where nothing ever leaves.
    """

    name: str
    label: str
    clause: str
    operators: tuple[str, ...]
    treatments: Mapping[Profile, Treatment]


@dataclass(frozen=True, slots=True)
class Metric:
    """
    One entry of the catalogue.

    Attributes:
        path: Wire name in the document: dots, ``[]`` for items of a list, ``*`` for a key that is data.
        emit: Wire name in the payload.
        unit: What one counts.
        json: The JSON types that upstream may store.
        says: One plain sentence: what the value is.
        useful: Why the recipient benefits; empty for what never leaves.
        reason: Why it stays, for what never leaves.
        first, last: Upstream versions, as far as known.
        added: Version of the catalogue that brought the entry.
        of: Path of the total that the counted people belong to.
        less: Paths of totals to take off it: users that can't be among the counted people.
        key: Field of an item that tells its category.
        linked: Tables of one count over several periods share this name, and a pattern of hidden rows.
    """

    path: str
    operator: str
    kind: str
    data_type: DataType
    section: str
    unit: str
    json: tuple[str, ...]
    says: str
    source: str
    added: int
    emit: str
    useful: str = ""
    reason: str = ""
    privacy: str = ""
    first: str = ""
    last: str = ""
    minimum: int = 0
    maximum: int = 0
    vocabulary: str = ""
    of: str = ""
    less: tuple[str, ...] = ()
    bands: str = ""
    key: str = ""
    linked: str = ""
    fractional: bool = False

    @property
    def is_dropped(self) -> bool:
        """Whether it never leaves, in any profile."""
        return self.operator == DROP


@dataclass(frozen=True, slots=True)
class Facts:
    """
    Where the document tells about itself; used only to make an answer stricter.

    Attributes:
        hosted_platform: The value of *platform* that marks a workspace hosted by the vendor.
    """

    people: str
    made_at: str
    apps: str
    platform: str
    hosted_platform: str


@dataclass(frozen=True)
class Catalogue:
    """
    A checked catalogue.

    Attributes:
        name: Stable short name; a consent is given to a catalogue by name.
        version: Grows with every change of meaning.
        threshold: k: fewer people than this are not shown.
        metrics: By path, in catalogue order; families are expanded.
        capacity: Budget in bits of what a payload can tell, by profile.
        digest: ``sha256:…`` over the meaning (paths, operators, bounds, words, treatments), not the prose.
    """

    name: str
    title: str
    version: int
    threshold: int
    facts: Facts
    kinds: Mapping[str, Kind]
    vocabularies: Mapping[str, Vocabulary]
    bands: Mapping[str, Mapping[str, Bands]]
    metrics: Mapping[str, Metric]
    digest: str
    capacity: Mapping[Profile, int] = field(default_factory=dict)

    def treatment(self, metric: Metric, profile: Profile) -> Treatment | None:
        """Return what *profile* does to *metric*; None where it never leaves."""
        return None if metric.is_dropped else self.kinds[metric.kind].treatments.get(profile)

    def leaving(self, profile: Profile) -> Iterator[tuple[Metric, Treatment]]:
        """Yield the metrics that *profile* lets through, with their treatment."""
        for metric in self.metrics.values():
            treatment = self.treatment(metric, profile)
            if treatment is not None and not treatment.withhold:
                yield metric, treatment

    def find(self, path: str) -> Metric | None:
        """
        Return the entry that *path* belongs to.

        Args:
            path: As the catalogue, the document (``os.cpus[0].model``) or the payload (``os.cpus.model``) spells it; of
                a list or map also without its brackets or star.
        """
        plain = re.sub(r"\[\d*\]", "[]", path)
        for spelling in (plain, f"{plain}[]", f"{plain}.*"):
            if spelling in self.metrics:
                return self.metrics[spelling]
        for metric in self.metrics.values():
            if re.fullmatch(re.escape(metric.path).replace(r"\*", r"[^.]+"), plain):
                return metric
        return next((m for m in self.metrics.values() if not m.is_dropped and m.emit == plain), None)

    def fields(self, profile: Profile) -> Mapping[str, str]:
        """
        Return the field set of *profile*: payload path to a digest of that metric's meaning.

        A consent keeps it. A path that is new, or whose meaning differs, was not agreed to.
        """
        return self._fields[profile]

    @cached_property
    def _fields(self) -> Mapping[Profile, Mapping[str, str]]:
        return {p: MappingProxyType({m.emit: self._meaning(m, t) for m, t in self.leaving(p)}) for p in Profile}

    def _meaning(self, metric: Metric, treatment: Treatment) -> str:
        words = self._word_digests[metric.vocabulary, metric.bands]
        meaning = [
            *(metric.path, metric.emit, metric.operator, metric.data_type, metric.minimum, metric.maximum),
            *(metric.key, metric.of, metric.linked, metric.less, metric.fractional, words, self.threshold),
            *(treatment.significant, treatment.step, treatment.absent_zero, treatment.needs_people),
            *(treatment.parts, treatment.precision, treatment.bands, treatment.fold),
            *(treatment.frozen, treatment.days),
        ]
        return hashlib.sha256(canonical(meaning)).hexdigest()[:16]

    @cached_property
    def _word_digests(self) -> Mapping[tuple[str, str], str]:
        pairs = {(metric.vocabulary, metric.bands) for metric in self.metrics.values()}
        return {pair: hashlib.sha256(canonical(self._words_of(*pair))).hexdigest() for pair in pairs}

    def _words_of(self, vocabulary: str, bands: str) -> list[Any]:
        meaning: list[Any] = []
        if vocabulary:
            v = self.vocabularies[vocabulary]
            groups = {name: dict(group) for name, group in v.groups.items()}
            meaning += [v.members, v.true_is, v.empty_is, dict(v.words), groups]
        if bands:
            meaning += [[name, b.scale, b.edges, b.names] for name, b in sorted(self.bands[bands].items())]
        return meaning

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word that a payload can hold as a value or as a key that is data."""
        buckets = [b for named in self.bands.values() for b in named.values()]
        return output_words(list(self.vocabularies.values()), buckets) | set(ACTIVE_WITHIN.values())


def catalogue_from_data(data: Mapping[str, Any]) -> Catalogue:
    """
    Return the catalogue that compiled *data* describes.

    Args:
        data: As :mod:`rc_stats.authoring` compiles it, checked there.
    """
    return Catalogue(
        name=data["name"],
        title=data["title"],
        version=data["version"],
        threshold=data["threshold"],
        facts=Facts(**data["facts"]),
        kinds={name: _kind(name, kind) for name, kind in data["kinds"].items()},
        vocabularies={name: _vocabulary(name, v) for name, v in data["vocabularies"].items()},
        bands={name: _bands(b) for name, b in data.get("bands", {}).items()},
        metrics={m["path"]: _metric(m) for m in data["metrics"]},
        digest=meaning_digest(data),
        capacity={Profile(name): bits for name, bits in data.get("capacity", {}).items()},
    )


def _kind(name: str, data: Mapping[str, Any]) -> Kind:
    treatments = {
        profile: Treatment(**{**data[profile], "days": tuple(data[profile].get("days", ()))})
        for profile in Profile
        if profile in data
    }
    return Kind(name, data["label"], data["clause"], tuple(data["operators"]), treatments)


def _vocabulary(name: str, data: Mapping[str, Any]) -> Vocabulary:
    groups = {
        grouping: {member: group for group, members in groups.items() for member in members}
        for grouping, groups in data.get("groups", {}).items()
    }
    words = {word: member for member, words in data.get("words", {}).items() for word in words}
    return Vocabulary(name, tuple(data["members"]), data.get("true_is"), data.get("empty_is"), words, groups)


def _bands(data: Mapping[str, Any]) -> Mapping[str, Bands]:
    return {
        name: Bands(data["unit"], data["scale"], tuple(data[name]["edges"]), tuple(data[name]["names"]))
        for name in ("fine", "coarse")
    }


def _metric(data: Mapping[str, Any]) -> Metric:
    plain = dict(data)
    plain["json"] = tuple(data["json"].split("|"))
    plain["data_type"] = DataType(data["data_type"])
    plain["less"] = tuple(data.get("less", ()))
    plain.setdefault("emit", default_emit(data["path"]))
    return Metric(**plain)


def default_emit(path: str) -> str:
    """Return where a metric stands in the payload unless it says otherwise: its path up to the first list or map."""
    return path.partition("[]")[0].partition(".*")[0]


_PROSE: Final = frozenset({"says", "useful", "reason", "privacy", "section", "source", "first", "last"})


def meaning_digest(data: Mapping[str, Any]) -> str:
    """Return ``sha256:…`` over the compiled *data* without its prose."""
    meaning = {
        **{key: value for key, value in data.items() if key not in ("title", "capacity")},
        "kinds": {name: _without(kind, {"label"}) for name, kind in data["kinds"].items()},
        "vocabularies": {name: _without(words, {"source"}) for name, words in data["vocabularies"].items()},
        "metrics": [_without(metric, _PROSE) for metric in data["metrics"]],
    }
    return "sha256:" + hashlib.sha256(canonical(meaning)).hexdigest()


def _without(entry: Mapping[str, Any], prose: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in prose}


@cache
def load_catalogue() -> Catalogue:
    """Return the packaged catalogue."""
    return catalogue_from_data(orjson.loads(packaged("catalogue.json")))


@dataclass(frozen=True, slots=True)
class Change:
    """
    One difference between two field sets.

    Attributes:
        path: Payload path.
        what: ``added``, ``changed`` or ``removed``; only the first two need a new yes.
    """

    path: str
    what: str


def field_changes(agreed: Mapping[str, str], offered: Mapping[str, str]) -> tuple[Change, ...]:
    """Return how *offered* differs from what was *agreed*, sorted by path."""
    changes = [Change(path, "removed") for path in agreed if path not in offered]
    for path, meaning in offered.items():
        if path not in agreed:
            changes.append(Change(path, "added"))
        elif agreed[path] != meaning:
            changes.append(Change(path, "changed"))
    return tuple(sorted(changes, key=lambda change: change.path))
