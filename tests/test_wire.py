"""JSON in and out: what is parsed, what is refused without a trace of the input, and the canonical bytes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rc_stats import wire
from rc_stats.errors import UnusableInput
from rc_stats.wire import MAX_DOCUMENT_BYTES, canonical, parse, unwrap, whole

TOKEN = "octopus-ltd"  # noqa: S105 -- planted in inputs, to be looked for in errors


def refused(data: bytes) -> UnusableInput:
    """Return the error that parsing *data* raises."""
    with pytest.raises(UnusableInput) as caught:
        parse(data)
    return caught.value


def told_by(error: BaseException) -> str:
    """Return all that a log could hold of *error* and of every error behind it."""
    told = []
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is None:
            continue
        told += [str(link), repr(link), repr(link.args), repr(vars(link)), repr(getattr(link, "__notes__", ""))]
        told += [repr(getattr(link, name, "")) for name in ("doc", "object", "filename")]
        links += [link.__cause__, link.__context__]
    return "\n".join(told)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b' \r\n{"a": 1}\r\n ', {"a": 1}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": {"b": 1}, "a": 2}', {"a": 2}),
        (b"[]", []),
        (b"null", None),
        (b"12.0", 12.0),
        (b"-0", 0),
        (b'"\\u00e9"', "é"),
        ('"é\N{OCTOPUS}"'.encode(), "é\N{OCTOPUS}"),
        (b"9223372036854775808", 2**63),
        (b"1e400", math.inf),
        (b"-1.5E+0400", -math.inf),
        (b"9" * 400, 10**400 - 1),
    ],
)
def test_parse(data: bytes, expected: object) -> None:
    """JSON gives its value; a byte order mark and space around it don't matter, the last of equal keys counts."""
    actual = parse(data)
    assert expected == actual
    assert type(expected) is type(actual)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "not-json"),
        (b" \n\t", "not-json"),
        (b"\xef\xbb\xbf", "not-json"),
        (b"NaN", "not-json"),
        (b'{"a": NaN}', "not-json"),
        (b'{"a": Infinity}', "not-json"),
        (b'{"a": -Infinity}', "not-json"),
        (b'{"a": 1e400', "not-json"),
        (b'{"a": 01e400}', "not-json"),
        (b'{"a": 1e400, "b": NaN}', "not-json"),
        (b'{"a": 1e400, "b": "\\ud800"}', "not-json"),
        (b"[" + b"9" * 5000 + b"]", "not-json"),
        (b'{"a": 1e400, "b": "\xff"}', "wrong-encoding"),
        (b'{"a": 1', "not-json"),
        (b'{"a": 1}}', "not-json"),
        (b'{"a": 1} {"a": 2}', "not-json"),
        (b"{'a': 1}", "not-json"),
        (b'{"a": 1,}', "not-json"),
        (b'{"a": "\\ud800"}', "not-json"),
        (b'{"a": 01}', "not-json"),
        (b"\x1f\x8b\x08\x00", "wrong-encoding"),
        ('{"a": 1}'.encode("utf-16"), "wrong-encoding"),
        ('{"a": 1}'.encode("utf-16-le"), "wrong-encoding"),
        ('{"a": 1}'.encode("utf-16-be"), "wrong-encoding"),
        ('{"a": 1}'.encode("utf-32"), "wrong-encoding"),
        ('{"a": "é"}'.encode("latin-1"), "wrong-encoding"),
        (b'{"a": "\xed\xa0\x80"}', "wrong-encoding"),
        (b"[" * 100_000, "too-deep"),
        (b"[" * 100_000 + b"]" * 100_000, "too-deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too-deep"),
    ],
    ids=lambda item: item if isinstance(item, str) else repr(item[:24]),
)
def test_parse_refuses(data: bytes, rule: str) -> None:
    """What is not JSON in UTF-8 is refused by a typed error that names the rule."""
    assert rule == refused(data).rule


def test_empty_says_so() -> None:
    """An empty input is called empty, and no position is given in it."""
    assert refused(b" \n").message == "The input is empty."


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"x", "line 1, column 1"),
        (b'{\n  "a": 1,\n  oops\n}', "line 3, column 3"),
        (b'\xef\xbb\xbf{"a": oops}', "line 1, column 7"),
    ],
)
def test_refusal_names_the_place(data: bytes, place: str) -> None:
    """The error names line and column of the fault; a byte order mark doesn't count."""
    assert f"The input is not JSON ({place})." == refused(data).message


@pytest.mark.parametrize(
    "data",
    [
        f'{{"{TOKEN}": {TOKEN}}}'.encode(),
        f'{{"a": "{TOKEN}"'.encode(),
        f'{{"a": "{TOKEN}"}} {TOKEN}'.encode(),
        f'{{"a": "{TOKEN}", "b": NaN}}'.encode(),
        f'{{"a": "{TOKEN}é"}}'.encode("latin-1"),
        f'{{"a": "{TOKEN}"}}'.encode("utf-16"),
        f'["{TOKEN}",'.encode() + b"[" * 100_000,
        TOKEN.encode(),
    ],
    ids=lambda data: repr(data[:30]),
)
def test_refusal_holds_no_text_of_the_input(data: bytes) -> None:
    """No part of the input is in the error, nor in any error that it was raised from, nor in their attributes."""
    error = refused(data)
    assert error.__cause__ is None
    assert error.__context__ is None
    told = told_by(error)
    assert TOKEN not in told
    assert "octopus" not in told.replace("\\x00", "")


@settings(max_examples=200)
@given(st.binary(max_size=40))
def test_parse_is_total(data: bytes) -> None:
    """Any bytes give a JSON value or the one typed error, with nothing of the input in the error."""
    refusal = None
    try:
        parse(data)
    except UnusableInput as error:
        refusal = error
    if refusal is not None:
        assert refusal.rule in {"not-json", "wrong-encoding", "too-deep"}
        assert refusal.__context__ is None


def test_largest_document() -> None:
    """A document of exactly the limit is read, and one byte more is refused, before it is parsed."""
    largest = b'"' + b"a" * (MAX_DOCUMENT_BYTES - 2) + b'"'
    assert len(parse(largest)) == MAX_DOCUMENT_BYTES - 2
    error = refused(largest + b" ")
    assert error.rule == "too-large"
    assert "16 MiB" in error.message


def test_limit_is_what_mongodb_holds() -> None:
    """The limit is 16 MiB, and its error says so for any limit."""
    assert MAX_DOCUMENT_BYTES == 16 * 1024 * 1024
    assert "than 3 MiB" in wire.too_large(3 * 1024 * 1024).message


@pytest.mark.parametrize(
    ("wrapper", "expected"),
    [
        ({"$numberInt": "12"}, 12),
        ({"$numberInt": "-12"}, -12),
        ({"$numberLong": "9007199254740993"}, 9007199254740993),
        ({"$numberLong": "99999999999999999999"}, 10**20 - 1),
        ({"$numberDouble": "12.0"}, 12.0),
        ({"$numberDouble": "12.5"}, 12.5),
        ({"$numberDouble": "1e3"}, 1000.0),
        ({"$numberDouble": "1.5E-3"}, 0.0015),
        ({"$numberDouble": "1e400"}, math.inf),
        ({"$date": "2026-08-03T12:10:31.265Z"}, "2026-08-03T12:10:31.265Z"),
        ({"$date": 1785759031265}, 1785759031265),
        ({"$date": {"$numberLong": "1785759031265"}}, 1785759031265),
        ({"$oid": "6a8c324029098a5df06bcf77"}, "6a8c324029098a5df06bcf77"),
    ],
)
def test_unwrap(wrapper: dict[str, Any], expected: object) -> None:
    """A wrapper of extended JSON gives the plain value that it stands for, of the right type."""
    actual = unwrap(wrapper)
    assert expected == actual
    assert type(expected) is type(actual)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": 1},
        {"a": "1"},
        {"$numberInt": 12},
        {"$numberInt": ""},
        {"$numberInt": " 12"},
        {"$numberInt": "12 "},
        {"$numberInt": "12\n"},
        {"$numberInt": "+12"},
        {"$numberInt": "1_000"},
        {"$numberInt": "0x1f"},
        {"$numberInt": "\N{ARABIC-INDIC DIGIT THREE}"},
        {"$numberInt": "1" * 21},
        {"$numberLong": "twelve"},
        {"$numberLong": None},
        {"$numberDouble": "NaN"},
        {"$numberDouble": "Infinity"},
        {"$numberDouble": "1e1000"},
        {"$numberInt": "12", "$numberLong": "12"},
        {"$numberInt": "12", "a": 1},
        {"$numberDecimal": "12"},
        {"$date": None},
        {"$date": True},
        {"$date": 1.5},
        {"$date": {"$numberInt": "12"}},
        {"$date": {"$numberLong": "x"}},
        {"$date": {"$numberLong": "1.5"}},
        {"$date": {"$numberLong": "1", "a": 1}},
        {"$oid": 12},
        {"$oid": {"$oid": "a"}},
        {"$numberInt": {"$numberInt": "12"}},
    ],
    ids=repr,
)
def test_unwrap_leaves_the_rest_alone(value: dict[str, Any]) -> None:
    """What is no wrapper, or holds anything else, is given back as the very object it was."""
    assert unwrap(value) is value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12.0, 12),
        (-0.0, 0),
        (8220839936.0, 8220839936),
        (2.0**53, 2**53),
        (-(2.0**53), -(2**53)),
        (2.0**53 + 2, None),
        (12.5, None),
        (11.999999999999998, None),
        (math.inf, None),
        (-math.inf, None),
        (math.nan, None),
    ],
)
def test_whole(value: float, expected: int | None) -> None:
    """A double is a whole number only if it holds one exactly, within what a double can count."""
    actual = whole(value)
    assert expected == actual
    assert actual is None or type(actual) is int


def test_canonical() -> None:
    """Canonical bytes have sorted keys, no spaces, UTF-8 text as it is and one newline at the end."""
    value = {"b": [1, True, None], "a": {"d": "é", "c": ""}}
    assert canonical(value) == '{"a":{"c":"","d":"é"},"b":[1,true,null]}\n'.encode()


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text('aé"\\\n\x00\u2028\U0001f419', max_size=5),
        st.lists,
        max_leaves=8,
    )
)
def test_canonical_is_read_back(value: object) -> None:
    """What canonical bytes say is read back as the same value, by this and by another parser."""
    assert value == parse(canonical(value))
    assert value == json.loads(canonical(value))


@given(st.permutations(["aa", "b", "Z", "é", "0"]))
def test_canonical_forgets_the_order(keys: list[str]) -> None:
    """The order in which keys came in doesn't show in the bytes."""
    assert canonical(dict.fromkeys(keys, 1)) == '{"0":1,"Z":1,"aa":1,"b":1,"é":1}\n'.encode()


def test_packaged() -> None:
    """A data file of the package is given as its bytes."""
    assert parse(wire.packaged("policy.json"))["document"] == "privacy-policy"
