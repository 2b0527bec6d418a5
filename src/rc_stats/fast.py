"""
From bytes to the payload's bytes without a dict in between: the plan's listing, run on a typed parse.

msgspec reads the document into Structs that have the places of the plan and nothing else, checks the JSON type and the
bounds of each leaf, and skips the rest. The listing settles the leaves, and msgspec writes what is left.

It answers only where it is certain that the dict walker would give the same bytes. For everything else, a value of
a type that upstream isn't known to store or an input that isn't JSON, it gives no answer, and the walker is asked.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from rc_stats.errors import UnusableInput
from rc_stats.leaves import Leaves, Part
from rc_stats.listing import NoListingError, listing
from rc_stats.operators import Value
from rc_stats.people import Previous
from rc_stats.plan import Plan
from rc_stats.policy import DataType
from rc_stats.wire import BOM, MAX_DOCUMENT_BYTES, goes_deeper, parse

__all__ = ["FastReader", "NoListingError", "Settled"]

_STRIDE: Final = 251
_DIGITS = re.compile(rb"[0-9]{16}")
"""What an integer of over 4000 digits shows if only each 251st character is looked at."""

_MOST_ASKED: Final = 1_000
"""Kinds of questions that are kept in mind; there is one for each way in which workspaces agreed."""


def surely_parsed(data: bytes) -> bool:
    """
    Say whether what msgspec skips in *data* is certainly what the walker's parser takes as well.

    It checks the syntax of what it skips but not whether texts are UTF-8, goes as deep as the interpreter lets it, and
    takes integers of any length.
    """
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
    return not goes_deeper(data) and _DIGITS.search(data[::_STRIDE]) is None


class Settled(NamedTuple):
    """
    What may leave of one document, as its reader leaves it.

    Attributes:
        exact: The exact totals of people, in the listing's order.
        made_at, platform, apps: What the document tells about itself.
    """

    reader: FastReader
    document: Part
    exact: tuple[int | None, ...]
    made_at: datetime | None
    platform: str | None
    apps: bool | int | None

    def encoded(self, wanted: frozenset[DataType], without: frozenset[str]) -> bytes:
        """Return the statistics of the *wanted* data types *without* some payload paths, as canonical JSON."""
        return self.reader.encode(self.document, wanted, without)

    def statistics(self, wanted: frozenset[DataType], without: frozenset[str]) -> dict[str, Any]:
        """Return the same nested, freshly made."""
        statistics: dict[str, Any] = orjson.loads(self.encoded(wanted, without))
        return statistics

    def following(self, month: str) -> Previous:
        """Return what the report after one of *month* needs, as :meth:`rc_stats.people.Protection.following` does."""
        plan, places = self.reader.plan, self.reader.listing.places
        figures: dict[str, Value] = {}
        for slot in (plan.slots[index] for index in plan.people):
            value: Any = self.document
            for attribute in places.get(slot.metric.emit, ("",)):
                value = getattr(value, attribute, None)
            if value is not None:
                figures[slot.metric.emit] = tuple(sorted(value.items())) if isinstance(value, dict) else value
        totals = {path: n for path, n in zip(self.reader.listing.totals, self.exact, strict=True) if n is not None}
        return Previous(plan.catalogue.digest, plan.profile, month, MappingProxyType(totals), MappingProxyType(figures))


class FastReader:
    """
    A listing, ready to run.

    Args:
        plan: What to read.

    Raises:
        NoListingError: The plan can't be listed.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.listing = listing(plan)
        names = Leaves(plan).names()
        exec(compile(self.listing.text, "<plan>", "exec", dont_inherit=True), names)  # noqa: S102 - made from the catalogue, and shown
        self._document: type[Part] = names["Document"]
        self._decode: Callable[[bytes], Any] | None = None
        self._encode = msgspec.json.Encoder(order="deterministic").encode
        self._settle = names["settle"]
        self._gone: dict[tuple[frozenset[DataType], frozenset[str]], _Gone] = {}

    def __call__(self, data: bytes) -> Settled | None:
        """Return what may leave of *data*, or None where the walker must be asked."""
        if len(data) > MAX_DOCUMENT_BYTES or not surely_parsed(data):
            return None
        data = data.removeprefix(BOM)
        decode = self._decode
        if decode is None:
            decode = self._decode = self._in_order_of(data)
        try:
            document = decode(data)
        except (msgspec.DecodeError, RecursionError):
            return None
        document.__class__ = self._document
        exact, made_at, platform, apps = self._settle(document)
        return Settled(self, document, exact, made_at, platform, apps)

    def _in_order_of(self, data: bytes) -> Callable[[bytes], Any]:
        """
        Return a decoder that looks for the keys of a document in the order in which *data* has them.

        Servers write their keys in one order, and payloads are sorted. So documents are read into a class that differs
        from the listing's in nothing but the order of its places, and then taken for that one, which writes them.
        """
        try:
            order = {key: place for place, key in enumerate(parse(data))}
        except (UnusableInput, TypeError):
            order = {}
        fields = msgspec.structs.fields(self._document)
        places = [
            (one.name, one.type, msgspec.field(default=None, name=one.encode_name))
            for one in sorted(fields, key=lambda one: order.get(one.encode_name, len(order)))
        ]
        return msgspec.json.Decoder(msgspec.defstruct("Document", places, bases=(Part,))).decode

    def encode(self, document: Part, wanted: frozenset[DataType], without: frozenset[str]) -> bytes:
        """Return what *document* has of the *wanted* data types *without* some payload paths, as canonical JSON."""
        gone = self._gone.get((wanted, without))
        if gone is None:
            if len(self._gone) >= _MOST_ASKED:
                self._gone.clear()
            gone = self._gone[wanted, without] = self._left_out(wanted, without)
        encoded: bytes = self._encode(_without(document, gone) if gone else document)
        return encoded

    def _left_out(self, wanted: frozenset[DataType], without: frozenset[str]) -> _Gone:
        gone: dict[str, Any] = {}
        for path, place in self.listing.places.items():
            metric = self.plan.slots[self.plan.index_of[path]].metric
            if metric.data_type not in wanted or path in without:
                *steps, last = place
                inner = gone
                for step in steps:
                    inner = inner.setdefault(step, {})
                inner[last] = None
        return gone


_Gone = Mapping[str, Any]
"""Attribute to None, where it is left out, or to the same of what is inside."""


def _without(part: Any, gone: _Gone) -> Any:
    """Return a copy of *part* without what is *gone*; the original stays as it is."""
    kept = copy.copy(part)
    for attribute, inner in gone.items():
        value = getattr(kept, attribute)
        if value is not None:
            left = None if inner is None else _without(value, inner)
            setattr(kept, attribute, None if left is not None and left == type(left)() else left)
    return kept
