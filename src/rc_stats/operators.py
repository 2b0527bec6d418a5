"""
The closed set of value-to-value operators.

An operator is a function from one JSON value to the value that may leave, or to a :class:`Refusal`. Every operator is
total: it takes any JSON value of any size in constant or linear time and never raises. None coerces: a boolean is not a
number and a text is not a count. Every operator gives back its own results unchanged, so that a payload which is fed
back gives the same payload, and so that anybody can check one.

The operators for people (``split``, ``table``, ``moment``) need more than one value and live in their own module; until
that module is there, the catalogue withholds such metrics in every profile.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any, Final

from rc_stats.wire import unwrap, whole

OTHER: Final = "other"
"""What an unlisted word becomes."""

LONGEST_WORD: Final = 100
"""Longer texts are no word of any list, version or date, and are not looked at further."""


class Refusal(Enum):
    """Why an operator gives no value. The member's value is the rule's code, and no part of the input."""

    NOT_SET = "not-set"
    WRONG_TYPE = "wrong-type"
    OUT_OF_RANGE = "out-of-range"
    NOT_A_VERSION = "not-a-version"
    NOT_A_DATE = "not-a-date"
    ROUNDS_TO_ZERO = "rounds-to-zero"

    rule: str

    def __init__(self, rule: str) -> None:
        """Keep the code as a plain attribute, which is faster to get at than an enumeration's value."""
        self.rule = rule


NOT_SET: Final = Refusal.NOT_SET
WRONG_TYPE: Final = Refusal.WRONG_TYPE
"""The two commonest under names of their own, since a member of an enumeration is slow to look up."""

Value = int | str | bool | tuple[tuple[str, int], ...]
"""What an operator lets through: a number, a word, a flag, or a number for each word of a closed list."""

Operator = Callable[[Any], Value | Refusal]
"""A compiled operator; the argument is any JSON value."""

# Possessive throughout: what follows the last number must end it, and no shorter match is tried instead.
_VERSION = re.compile(r"v?(\d{1,2}+)(?:\.(\d{1,3}+))?+(?:\.(\d{1,3}+))?+(?=[-+. ~]|\Z)", re.ASCII)
_PLAIN_VERSION = re.compile(  # Three numbers without leading zeros, so that they can be taken as they are.
    r"v?(((0|[1-9]\d?)\.(?:0|[1-9]\d{0,2}))\.(?:0|[1-9]\d{0,2}))(?=[-+. ~]|\Z)", re.ASCII
)
_USUAL = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:Z|([+-])(\d\d):?(\d\d))", re.ASCII)
_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_JAVASCRIPT = re.compile(
    rf"[A-Z][a-z]{{2}} ({'|'.join(_MONTHS)}) (\d\d) (\d{{4}}) (\d\d):(\d\d):(\d\d)"
    r" GMT([+-])(\d\d)(\d\d)(?: \([^()]*\))?",
    re.ASCII,
)
_MONTH = re.compile(r"(20\d\d)(-(?:0[1-9]|1[0-2]))?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEARS: Final = range(2000, 2100)
"""Years that a date can lie in; others are not plausible."""

VERSION_LIMITS: Final = (99, 999, 999)
"""The largest numbers of the parts of a version."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """
    A closed list of words.

    Attributes:
        members: As upstream spells them; for labels of people tables, in their fixed public order.
        true_is: The member that the JSON value ``true`` stands for, if any.
        empty_is: The member that an empty text stands for; None where it means "not set".
        words: Words by which a member is recognised inside a longer text, in lower case.
        groups: Coarser lists: grouping name to member to group.
    """

    name: str
    members: tuple[str, ...]
    true_is: str | None = None
    empty_is: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def outputs(self, fold: str | None = None) -> frozenset[str]:
        """Return every word that :func:`choice` can give for this list."""
        grouped = frozenset(group for grouping in self.groups.values() for group in grouping.values())
        return (grouped if fold else grouped | frozenset(self.members)) | {OTHER}


@dataclass(frozen=True, slots=True)
class Bands:
    """
    Named buckets over half-open intervals.

    Attributes:
        scale: Raw units in one unit of the edges.
        edges: Strictly increasing lower bounds; the first bucket has none.
        names: One more than *edges*.
    """

    unit: str
    scale: int
    edges: tuple[int, ...]
    names: tuple[str, ...]


def count(
    minimum: int,
    maximum: int,
    *,
    significant: int | None = None,
    step: int = 1,
    absent_zero: bool = False,
    fractional: bool = False,
) -> Operator:
    """
    Return an operator that passes an integer in ``[minimum, maximum]``, rounded down.

    Privacy: the range keeps a count from carrying a long number (a telephone number, a time stamp). Rounding is always
    down and by fixed steps, so floors nest: what a stricter profile says is a function of what a laxer one says, and
    having both tells nothing new. With *absent_zero*, zero, small and withheld look alike.

    Args:
        significant: Keep this many decimal digits.
        step: Round down to a multiple of this.
        absent_zero: Give no value where the rounded number is 0.
        fractional: Also take a number with a fraction (the catalogue says that upstream sends one) and cut it.
    """
    is_exact = significant is None and step == 1 and not absent_zero

    def rounded(value: int) -> int:
        if significant is not None:
            value = floor_significant(value, significant)
        return value - value % step

    lowest = rounded(minimum)  # so that the smallest result is taken when it comes back

    def operate(value: Any) -> Value | Refusal:
        if is_exact and value.__class__ is int and minimum <= value <= maximum:
            return value
        if type(value) is not int:
            number = _integer(value, fractional)
            if type(number) is Refusal:
                return number
            value = number
        if not lowest <= value <= maximum:
            return Refusal.OUT_OF_RANGE
        value = rounded(value)
        return Refusal.ROUNDS_TO_ZERO if absent_zero and value == 0 else value

    return operate


def _integer(value: Any, fractional: bool) -> int | Refusal:
    if type(value) is float:
        if fractional and math.isfinite(value):
            return math.floor(value)
        number = whole(value)
        return WRONG_TYPE if number is None else number
    return NOT_SET if value is None else WRONG_TYPE


def floor_significant(value: int, digits: int) -> int:
    """Return *value*, which is not negative, with all but its first *digits* decimal digits set to 0."""
    unit = 1
    while value >= 10**digits * unit:
        unit *= 10
    return value - value % unit


def flag(value: Any) -> Value | Refusal:
    """
    Pass a JSON boolean.

    Privacy: one bit, about a setting. A hundred of them together can tell workspaces apart; that reports of one
    workspace can be linked is assumed everywhere, and people are protected under that assumption.
    """
    if value is True or value is False:
        return value
    return NOT_SET if value is None else WRONG_TYPE


def choice(vocabulary: Vocabulary, *, fold: str | None = None) -> Operator:
    """
    Return an operator that passes a member of *vocabulary*, or ``other`` for any other text.

    The case of ASCII letters is ignored; the member is spelt as the list spells it. An empty text is "not set" unless
    the list says otherwise.

    Privacy: the output is one of a finite, published list, whatever the input. Look-alikes (full-width letters,
    zero-width characters) are not members, so no text can be smuggled in by shape.

    Args:
        fold: Name of a grouping of the list; its group replaces the member.
    """
    groups = vocabulary.groups[fold] if fold else {}
    table = {member.lower(): groups.get(member, member) for member in vocabulary.members}
    table |= {group.lower(): group for grouping in vocabulary.groups.values() for group in grouping.values()}
    exact = {member: table[member.lower()] for member in vocabulary.members}
    words = vocabulary.words

    def operate(value: Any) -> Value | Refusal:
        if type(value) is not str:
            if value is True and vocabulary.true_is is not None:
                return vocabulary.true_is
            return NOT_SET if value is None else WRONG_TYPE
        if value in exact:
            return exact[value]
        if not value:
            return NOT_SET if vocabulary.empty_is is None else vocabulary.empty_is
        if len(value) > LONGEST_WORD or not value.isascii():
            return OTHER
        text = value.lower()
        if text in table:
            return table[text]
        found = {words[word] for word in words.keys() & text.split()} if words else ()
        return found.pop() if len(found) == 1 else OTHER

    return operate


def agreed(operator: Operator, inner: str) -> Operator:
    """
    Return an operator on a list of objects: what *operator* makes of field *inner*, if all agree, else ``other``.

    Privacy: the number and order of the items don't show.
    """

    def operate(value: Any) -> Value | Refusal:
        if type(value) is not list:
            return NOT_SET if value is None else WRONG_TYPE
        texts = [item.get(inner) if isinstance(item, Mapping) else () for item in value]
        if not texts:
            return NOT_SET
        if all(type(text) is str and text == texts[0] for text in texts):
            return operator(texts[0])
        found = {operator(text) for text in texts}
        return found.pop() if len(found) == 1 else OTHER

    return operate


def version(parts: int) -> Operator:
    """
    Return an operator that passes the first *parts* numbers of a version, without any suffix.

    Two digits at most before the first dot, three after; ASCII digits only. ``8.7.0-rc.3`` gives ``8.7.0`` or ``8.7``.

    Privacy: a suffix can name the owner of a private build, so none survives; the bounded digits keep the numbers from
    carrying text.
    """

    def operate(value: Any) -> Value | Refusal:
        if type(value) is not str:
            return NOT_SET if value is None else WRONG_TYPE
        if not value:
            return NOT_SET
        plain = _PLAIN_VERSION.match(value)
        if plain is not None:
            return plain[4 - parts]
        match = _VERSION.match(value[:LONGEST_WORD])
        if match is None:
            return Refusal.NOT_A_VERSION
        major, minor, patch = match.groups()
        if parts == 1 or minor is None:
            return str(int(major))
        if parts == 2 or patch is None:
            return f"{int(major)}.{int(minor)}"
        return f"{int(major)}.{int(minor)}.{int(patch)}"

    return operate


def length(maximum: int) -> Operator:
    """
    Return an operator that replaces a list or a map by its size.

    Privacy: neither an item nor a key shows. The size itself is a structural total.
    """
    own = count(0, maximum)

    def operate(value: Any) -> Value | Refusal:
        if type(value) is list or isinstance(value, Mapping):
            return own(len(value))
        return own(value)

    return operate


def total_by(key: str, value_key: str, vocabulary: Vocabulary, maximum: int, *, rounded: Operator) -> Operator:
    """
    Return the ``sum`` operator: a list of objects becomes a sum for each member of *vocabulary*.

    Every item needs a count in field *value_key* and a kind in field *key*; one bad item refuses the whole, since a
    partial sum would be wrong. An unlisted kind adds to ``other``.

    Privacy: what an item is called does not show, only how much there is of each published kind.

    Args:
        maximum: Of each sum.
        rounded: The count operator applied to each sum.
    """
    kind_of = choice(vocabulary)
    item_count = count(0, maximum)
    order = {word: place for place, word in enumerate((*vocabulary.members, OTHER))}

    def operate(value: Any) -> Value | Refusal:
        if type(value) is list:
            pairs = ((i.get(key), i.get(value_key)) if isinstance(i, Mapping) else (True, True) for i in value)
        elif isinstance(value, Mapping):
            pairs = ((k if k in order else True, v) for k, v in value.items())
        else:
            return NOT_SET if value is None else WRONG_TYPE
        sums: dict[str, int] = {}
        for raw_kind, raw_count in pairs:
            kind = OTHER if raw_kind is None or raw_kind == "" else kind_of(raw_kind)
            number = item_count(unwrap(raw_count) if isinstance(raw_count, Mapping) else raw_count)
            if type(kind) is not str or type(number) is not int:
                return WRONG_TYPE
            sums[kind] = sums.get(kind, 0) + number
        rows = ((kind, rounded(number)) for kind, number in sums.items())
        kept = [(kind, number) for kind, number in rows if type(number) is int]
        return tuple(sorted(kept, key=lambda row: order[row[0]])) if kept else NOT_SET

    return operate


def renamed(fine: Bands, coarse: Bands, *, to_coarse: bool) -> Mapping[str, str]:
    """
    Return what the name of a bucket becomes when it comes back.

    A profile takes the names of both lists; a stricter one replaces a fine name by the coarse one around it. So what
    it tells is a function of what a laxer one tells, also of a document that holds such names.
    """
    lowest = (*fine.edges[:1], *fine.edges)
    around = {
        name: coarse.names[bisect_right(coarse.edges, edge)] for name, edge in zip(fine.names, lowest, strict=True)
    }
    around[fine.names[0]] = coarse.names[0]
    return (around if to_coarse else {name: name for name in fine.names}) | {name: name for name in coarse.names}


def band(bands: Bands, minimum: int, maximum: int, *, names: Mapping[str, str] | None = None) -> Operator:
    """
    Return an operator that replaces a number in ``[minimum, maximum]`` by the name of its bucket.

    Args:
        bands: The buckets.
        minimum, maximum: Bounds of the raw number.
        names: What names become when they come back, as :func:`renamed` gives it; by default themselves.

    Privacy: the edges are fixed in advance and do not depend on the data; a value one unit off tells nothing unless it
    crosses an edge.
    """
    edges = tuple(edge * bands.scale for edge in bands.edges)
    own = {name: name for name in bands.names} if names is None else names

    def operate(value: Any) -> Value | Refusal:
        if type(value) is str:
            return own.get(value, WRONG_TYPE)
        if type(value) not in (int, float):
            return NOT_SET if value is None else WRONG_TYPE
        if not minimum <= value <= maximum:
            return Refusal.OUT_OF_RANGE
        return bands.names[bisect_right(edges, value)]

    return operate


def sized(bands: Bands, maximum: int, *, names: Mapping[str, str] | None = None) -> Operator:
    """Return an operator that replaces a list by the name of the bucket that its size falls in; see :func:`band`."""
    own = band(bands, 1, maximum, names=names)

    def operate(value: Any) -> Value | Refusal:
        if type(value) is list:
            return own(len(value)) if value else NOT_SET
        return own(value) if value is None or type(value) is str else WRONG_TYPE

    return operate


def month(precision: str) -> Operator:
    """
    Return an operator that passes the month (``2026-08``) or the year (``2026``) of a date, in UTC.

    Privacy: an installation's time stamp is exact to the millisecond and never changes, which makes it a second
    identifier; a month holds many installations, a year more.

    Args:
        precision: ``month`` or ``year``.
    """
    size = 4 if precision == "year" else 7

    def operate(value: Any) -> Value | Refusal:
        if type(value) is str:
            if usual_moment(value) is not None:
                return value[:size]
            if _MONTH.fullmatch(value[:LONGEST_WORD]):
                return value[:size]
        moment = moment_of(value)
        return moment if isinstance(moment, Refusal) else moment.isoformat()[:size]

    return operate


def moment_of(value: Any) -> datetime | Refusal:
    """
    Return the UTC moment that *value* tells, in any of the forms that real documents have.

    ISO text with a zone, the long JavaScript text, or milliseconds since 1970 (extended JSON, already unwrapped).
    """
    if value.__class__ is str and (moment := usual_moment(value)) is not None:
        return moment
    if value is None or value == "":
        return NOT_SET
    if type(value) is int:
        if not 0 <= value < 2**43:
            return Refusal.OUT_OF_RANGE
        moment = _EPOCH + timedelta(milliseconds=value)
        return moment if moment.year in YEARS else Refusal.OUT_OF_RANGE
    if type(value) is not str:
        return WRONG_TYPE
    if len(value) > LONGEST_WORD:
        return Refusal.NOT_A_DATE
    return _from_text(value)


def usual_moment(text: str) -> datetime | None:
    """Return the moment of text as a server writes it, ``2026-08-03T12:10:31.265Z``; None where it has to be parsed."""
    if _USUAL.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text[:19] + "Z")
    except ValueError:
        return None


def _utc(text: str) -> datetime | Refusal:
    """Return the moment of ISO text that ends in Z, by far the commonest form, the fast way."""
    if int(text[:4]) not in YEARS:
        return Refusal.OUT_OF_RANGE
    try:
        return datetime.fromisoformat(f"{text[:19]}Z")
    except ValueError:
        return Refusal.NOT_A_DATE


def _from_text(text: str) -> datetime | Refusal:
    if text.endswith("Z") and _ISO.fullmatch(text):
        return _utc(text)
    if match := _ISO.fullmatch(text):
        year, month_, day, *clock = map(int, match.groups()[:6])
        sign, hours, minutes = match.groups()[6:]
    elif match := _JAVASCRIPT.fullmatch(text):
        name, *rest = match.groups()[:6]
        month_ = _MONTHS.index(name) + 1
        day, year, *clock = map(int, rest)
        sign, hours, minutes = match.groups()[6:]
    else:
        return Refusal.NOT_A_DATE
    if year not in YEARS:
        return Refusal.OUT_OF_RANGE
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    try:
        hour, minute, second = clock
        moment = datetime(year, month_, day, hour, minute, second, tzinfo=timezone(offset)).astimezone(UTC)
    except ValueError:
        return Refusal.NOT_A_DATE
    return moment if moment.year in YEARS else Refusal.OUT_OF_RANGE


def output_words(vocabularies: Sequence[Vocabulary], bands: Sequence[Bands]) -> frozenset[str]:
    """Return every word that any operator over these lists and buckets can give, ``other`` included."""
    words = {OTHER}
    for vocabulary in vocabularies:
        words |= vocabulary.outputs()
        for fold in vocabulary.groups:
            words |= vocabulary.outputs(fold)
    for buckets in bands:
        words |= set(buckets.names)
    return frozenset(words)
