"""
Named checks over a catalogue. All problems are reported at once.

Each check is a generator over one metric (or over the whole catalogue) that yields what is wrong. The table at the end
names them; a name is stable, so that a reviewer can refer to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from rc_stats.capacity import total_bits
from rc_stats.catalogue import (
    DROP,
    OPERATORS,
    PEOPLE_OPERATORS,
    Catalogue,
    Metric,
    Profile,
    Treatment,
    default_emit,
)
from rc_stats.policy import DataType, Policy

_BOUNDED: Final = frozenset({"count", "sum", "length", "band", "split", "table"})
_LARGEST: Final = 2**53
_LISTED: Final = frozenset({"choice", "sum", "table"})
_ON_CONTAINERS: Final = frozenset({"length", "sum", "table", "split", "choice"})
_JSON_TYPES: Final = frozenset({"integer", "number", "boolean", "string", "object", "array", "null"})
_NEVER_SHARED: Final = frozenset({DataType.USER_CONTENT, DataType.TRACKING})


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: the check's name, where, and what is wrong."""

    check: str
    where: str
    what: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        where = self.where if self.where.isprintable() else ascii(self.where)
        return f"{where}: {self.what} ({self.check})"


Context = tuple[Catalogue, Policy]


def _user_content(metric: Metric, _: Context) -> Iterator[str]:
    if metric.data_type is DataType.USER_CONTENT and metric.operator not in (DROP, "length"):
        yield "user content can only be dropped or counted"


def _tracking(metric: Metric, _: Context) -> Iterator[str]:
    if metric.data_type is DataType.TRACKING and not metric.is_dropped:
        yield "tracking inside the workspace can only be dropped"


def _operator(metric: Metric, context: Context) -> Iterator[str]:
    if metric.operator not in OPERATORS:
        yield f"unknown operator {metric.operator}"
    elif metric.operator not in context[0].kinds[metric.kind].operators:
        yield f"operator {metric.operator} doesn't suit kind {metric.kind}"


def _free_text(metric: Metric, _: Context) -> Iterator[str]:
    if "string" in metric.json and not metric.is_dropped and metric.operator in ("count", "flag", "split"):
        yield "a text can't become a number: choose a closed list, a version or a date, or drop it"


def _sentence(metric: Metric, _: Context) -> Iterator[str]:
    if not metric.says.endswith(".") or len(metric.says) < 12 or not metric.says[0].isupper():
        yield "needs one plain sentence in 'says'"


def _printable(metric: Metric, _: Context) -> Iterator[str]:
    """Ask for texts that a terminal prints as they are: no escapes, and no marks that turn the direction of writing."""
    told = (metric.path, metric.emit, metric.section, metric.unit, metric.says, metric.useful, metric.reason)
    if not all(text.isprintable() for text in (*told, metric.source, metric.privacy, metric.first, metric.last)):
        yield "has a text with a character that can't be printed"


def _purpose(metric: Metric, _: Context) -> Iterator[str]:
    if metric.is_dropped and not metric.reason:
        yield "needs a reason for staying"
    if not metric.is_dropped and not metric.useful:
        yield "needs a sentence in 'useful'"


def _unit(metric: Metric, _: Context) -> Iterator[str]:
    if not metric.unit:
        yield "needs a unit"


def _provenance(metric: Metric, context: Context) -> Iterator[str]:
    if not metric.source:
        yield "needs an upstream source"
    if metric.added > context[0].version:
        yield "was added by a version of the catalogue that doesn't exist yet"
    if not set(metric.json) <= _JSON_TYPES:
        yield "names an unknown JSON type"


def _bound(metric: Metric, _: Context) -> Iterator[str]:
    if metric.operator in _BOUNDED and not 0 <= metric.minimum < metric.maximum <= _LARGEST:
        yield "needs bounds with 0 <= minimum < maximum"


def _word_list(metric: Metric, context: Context) -> Iterator[str]:
    catalogue = context[0]
    if metric.operator in _LISTED and metric.vocabulary not in catalogue.vocabularies:
        yield "needs a closed list of words"
    if metric.operator not in _LISTED and metric.vocabulary:
        yield "has a list of words that it can't use"
    needs_bands = metric.operator == "band" or metric.kind == "hardware"
    if needs_bands and metric.bands not in catalogue.bands:
        yield "needs named buckets"
    if metric.operator == "sum" and not metric.key:
        yield "needs the key that tells the kind"


def _fold(metric: Metric, context: Context) -> Iterator[str]:
    catalogue = context[0]
    vocabulary = catalogue.vocabularies.get(metric.vocabulary)
    for treatment in catalogue.kinds[metric.kind].treatments.values():
        if treatment.fold and vocabulary and set(vocabulary.groups.get(treatment.fold, {})) != set(vocabulary.members):
            yield f"grouping {treatment.fold} doesn't cover its list"


def _table_order(metric: Metric, context: Context) -> Iterator[str]:
    vocabulary = context[0].vocabularies.get(metric.vocabulary)
    if metric.operator == "table" and (vocabulary is None or len(vocabulary.members) < 3):
        yield "a table needs a fixed public order of at least three categories"


def _people(metric: Metric, context: Context) -> Iterator[str]:
    catalogue = context[0]
    if metric.operator in ("split", "table") and not {metric.of, *metric.less} <= set(catalogue.metrics):
        yield "needs the total that its people belong to"
    if metric.operator not in PEOPLE_OPERATORS:
        return
    for profile, treatment in catalogue.kinds[metric.kind].treatments.items():
        if treatment.withhold:
            continue
        if profile is not Profile.EXACT and not treatment.frozen:
            yield f"a figure of people must be frozen for the month in profile {profile}"
        if metric.operator == "moment" and (not treatment.days or treatment.needs_people < 2 * catalogue.threshold):
            yield "a moment needs its days and twice the threshold of people"
        total = catalogue.metrics.get(metric.of)
        total_treatment = catalogue.treatment(total, profile) if total is not None else None
        if total is not None and (total_treatment is None or total_treatment.withhold):
            yield f"its total doesn't leave in profile {profile}"


def _placeholders(metric: Metric, _: Context) -> Iterator[str]:
    has_data_keys = "[]" in metric.path or "*" in metric.path
    if has_data_keys and not metric.is_dropped and metric.operator not in _ON_CONTAINERS:
        yield f"operator {metric.operator} can't stand on items or on keys that are data"


def _monotone(metric: Metric, context: Context) -> Iterator[str]:
    treatments = [context[0].treatment(metric, profile) for profile in Profile]
    lets_through = [treatment is not None and not treatment.withhold for treatment in treatments]
    if sorted(lets_through, reverse=True) != lets_through:
        yield "a stricter profile lets through what a laxer one withholds"
    leaving = [treatment for treatment in treatments if treatment is not None and not treatment.withhold]
    if any(not _is_coarser(strict, lax) for lax, strict in pairwise(leaving)):
        yield "a stricter profile tells more than a laxer one"


def _is_coarser(strict: Treatment, lax: Treatment) -> bool:
    """Say whether what *strict* gives is a function of what *lax* gives, or less."""
    many = 99
    return (
        strict.needs_people >= lax.needs_people
        and strict.absent_zero >= lax.absent_zero
        and (strict.significant or many) <= (lax.significant or many)
        and strict.step % lax.step == 0
        and strict.parts <= lax.parts
        and (strict.precision, lax.precision) != ("month", "year")
        and (strict.bands, lax.bands) != ("fine", "coarse")
        and (lax.fold is None or strict.fold == lax.fold)
        and strict.frozen >= lax.frozen
        and set(strict.days) <= set(lax.days)
    )


def _unique_emits(catalogue: Catalogue, _: Policy) -> Iterator[tuple[str, str]]:
    seen: dict[str, Metric] = {}
    for metric in catalogue.metrics.values():
        if metric.is_dropped:
            continue
        if metric.emit in seen:
            yield metric.path, f"stands at the same place in the payload as {seen[metric.emit].path}"
        seen[metric.emit] = metric
    for metric in catalogue.metrics.values():
        other = seen.get(default_emit(metric.path))
        is_elsewhere = other is not None and other.emit != default_emit(other.path) and other is not metric
        if other is not None and is_elsewhere and (metric.is_dropped or metric.emit != other.emit):
            yield other.path, f"stands in the payload where {metric.path} stands in the document"
    for emit, metric in seen.items():
        for end in range(len(emit)):
            if emit[end] == "." and emit[:end] in seen:
                yield metric.path, f"stands inside {seen[emit[:end]].path} in the payload"


def _one_type_each(catalogue: Catalogue, _: Policy) -> Iterator[tuple[str, str]]:
    owner: dict[str, DataType] = {}
    for metric in catalogue.metrics.values():
        if not metric.is_dropped and owner.setdefault(metric.emit.split(".")[0], metric.data_type) != metric.data_type:
            yield metric.path, "shares its first key with a metric of another data type"


def _titles(catalogue: Catalogue, _: Policy) -> Iterator[tuple[str, str]]:
    for where, text in (
        ("name", catalogue.name),
        ("title", catalogue.title),
        *((f"kind {kind.name}", f"{kind.name}{kind.label}") for kind in catalogue.kinds.values()),
    ):
        if not text.isprintable():
            yield where, "has a character that can't be printed"


def _clauses(catalogue: Catalogue, policy: Policy) -> Iterator[tuple[str, str]]:
    for kind in catalogue.kinds.values():
        if kind.clause not in policy.clauses:
            yield f"kind {kind.name}", f"cites an unknown clause {kind.clause}"


def _words(catalogue: Catalogue, _: Policy) -> Iterator[tuple[str, str]]:
    for name, vocabulary in catalogue.vocabularies.items():
        folded = {member.lower() for member in vocabulary.members}
        if len(folded) != len(vocabulary.members):
            yield f"vocabulary {name}", "has members that differ only by case"
        stood_for = {vocabulary.true_is, vocabulary.empty_is, *vocabulary.words.values()} - {None}
        if not stood_for <= set(vocabulary.members):
            yield f"vocabulary {name}", "lets something stand for a word that is not listed"
        every = [*vocabulary.members, *(g for groups in vocabulary.groups.values() for g in groups.values())]
        if not all(map(_is_plain_word, every)):
            yield f"vocabulary {name}", "has a member that is no short plain word"
        for grouping, groups in vocabulary.groups.items():
            if not set(groups) <= set(vocabulary.members):
                yield f"vocabulary {name}", f"grouping {grouping} names a word that is not listed"


def _is_plain_word(word: str) -> bool:
    return 0 < len(word) <= 60 and word.isascii() and word.isprintable()


def _buckets(catalogue: Catalogue, _: Policy) -> Iterator[tuple[str, str]]:
    for name, bands in catalogue.bands.items():
        for buckets in bands.values():
            if list(buckets.edges) != sorted(set(buckets.edges)) or len(buckets.names) != len(buckets.edges) + 1:
                yield f"bands {name}", "needs rising edges and one more name than edges"
            if len(set(buckets.names)) != len(buckets.names):
                yield f"bands {name}", "has a name twice"
            if not all(map(_is_plain_word, buckets.names)):
                yield f"bands {name}", "has a name that is no short plain word"
        if not set(bands["coarse"].edges) <= set(bands["fine"].edges):
            yield f"bands {name}", "coarse edges must be among the fine ones"


def _facts(catalogue: Catalogue, _: Policy) -> Iterator[tuple[str, str]]:
    facts = catalogue.facts
    for path in (facts.people, facts.made_at, facts.apps, facts.platform):
        if path and path not in catalogue.metrics:
            yield "facts", f"names the unknown path {path}"


def _capacity(catalogue: Catalogue, _: Policy) -> Iterator[tuple[str, str]]:
    for profile in Profile:
        budget = catalogue.capacity.get(profile)
        bits = total_bits(catalogue, profile) if budget is not None else 0
        if budget is not None and bits > budget:
            yield f"profile {profile}", f"can tell {bits} bits, over its budget of {budget}"


MetricCheck = Callable[[Metric, Context], Iterator[str]]
CatalogueCheck = Callable[[Catalogue, Policy], Iterator[tuple[str, str]]]

METRIC_CHECKS: Final[Mapping[str, MetricCheck]] = {
    "user-content": _user_content,
    "tracking": _tracking,
    "operator": _operator,
    "free-text": _free_text,
    "sentence": _sentence,
    "printable": _printable,
    "purpose": _purpose,
    "unit": _unit,
    "provenance": _provenance,
    "bound": _bound,
    "word-list": _word_list,
    "fold": _fold,
    "table-order": _table_order,
    "people": _people,
    "placeholders": _placeholders,
    "monotone": _monotone,
}
"""Checks over one metric, by name."""

CATALOGUE_CHECKS: Final[Mapping[str, CatalogueCheck]] = {
    "unique-emit": _unique_emits,
    "one-data-type": _one_type_each,
    "titles": _titles,
    "clause": _clauses,
    "words": _words,
    "buckets": _buckets,
    "facts": _facts,
    "capacity": _capacity,
}
"""Checks over the whole catalogue, by name."""


def lint_catalogue(catalogue: Catalogue, policy: Policy) -> tuple[Problem, ...]:
    """Return every problem of *catalogue*; a catalogue with problems is not used."""
    problems = [
        Problem(name, metric.path, what)
        for metric in catalogue.metrics.values()
        for name, check in METRIC_CHECKS.items()
        for what in check(metric, (catalogue, policy))
    ]
    problems += [
        Problem(name, where, what)
        for name, catalogue_check in CATALOGUE_CHECKS.items()
        for where, what in catalogue_check(catalogue, policy)
    ]
    return tuple(problems)
