"""The fast reader and the dict walker give the same bytes, evidence, findings and errors, of every input."""

from __future__ import annotations

import ast
import gc
import io
import json
import os
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rc_stats import (
    Anonymiser,
    Catalogue,
    DataType,
    Finding,
    Metric,
    Profile,
    RcStatsError,
    Report,
    Switches,
    Terms,
    Workspace,
    WorkspaceKind,
    clear,
    decide,
    disclosure,
    load_policy,
    what_if,
)
from rc_stats.catalogue import Treatment
from rc_stats.cli import run
from rc_stats.disclosure import UNLISTED
from rc_stats.fast import FastReader
from rc_stats.leaves import publishable
from rc_stats.listing import NoListingError, listing
from rc_stats.outline import Outline
from rc_stats.sources import read_documents
from rc_stats.testing.places import Document, Json, placed, steps_of
from rc_stats.testing.server import iso, long_form
from rc_stats.wire import canonical, parse
from strategies import CATALOGUE, LATE, as_bytes, documents

TESTS: Final = Path(__file__).parent
CORPUS: Final = sorted(path for path in (TESTS / "redteam").iterdir() if path.suffix in (".json", ".jsonl", ".bin"))
SAMPLES: Final = [
    *sorted(path for path in (TESTS / "data" / "samples").iterdir() if path.suffix in (".json", ".jsonl")),
    *sorted((TESTS.parent / "examples").glob("*.json")),
]
LARGE: Final[dict[str, Any]] = runpy.run_path(str(TESTS / "redteam" / "large.py"))

NOTHING: Final[frozenset[str]] = frozenset()
ASKED: Final = [
    (frozenset(DataType), NOTHING),
    (frozenset({DataType.USAGE, DataType.APP}), NOTHING),
    (frozenset({DataType.ACCOUNT}), NOTHING),
    (frozenset({DataType.USAGE}), frozenset({"version", "os.cpus.model", "services.ldap.users", "userLanguages"})),
    (frozenset[DataType](), NOTHING),
]
"""Data types and exceptions for which the statistics are asked."""


@cache
def anonymiser(profile: Profile) -> Anonymiser:
    """Return an anonymiser that reads fast from the first document on."""
    made = Anonymiser(CATALOGUE, profile)
    made.prepare()
    return made


@cache
def walker(profile: Profile) -> Anonymiser:
    """Return an anonymiser that has nothing but the dict walker, as long as it is asked for findings."""
    return Anonymiser(CATALOGUE, profile)


@cache
def reader(profile: Profile) -> FastReader:
    """Return the fast reader alone."""
    return FastReader(anonymiser(profile).plan)


def told(asked: Anonymiser, data: bytes, month: str, *, findings: bool) -> tuple[list[object], Counter[Finding]]:
    """Return all that comes of *data* but the findings, and these by how many there are of each."""
    try:
        report = asked(data, findings=findings, month=month)
    except RcStatsError as error:
        return [type(error), error.rule, str(error), error.__cause__, error.__context__], Counter()
    kept = report.previous.to_bytes() if report.previous is not None else None
    return [*leaving(report), report.evidence, report.month, kept], Counter(report.findings or ())


def leaving(report: Report) -> Iterator[object]:
    """Yield the bytes of *report* for everything that is asked; nested, its statistics are the same."""
    for wanted, without in ASKED:
        encoded = report.encoded(wanted, without)
        assert canonical(report.statistics(wanted, without)) == encoded + b"\n"
        yield encoded


def assert_same(data: bytes, *profiles: Profile) -> None:
    """Hold both ways of reading *data* to the same answer, with and without a month."""
    for profile in profiles or Profile:
        for month in ("", "2026-08"):
            wanted = told(walker(profile), data, month, findings=True)
            assert told(anonymiser(profile), data, month, findings=False) == (wanted[0], Counter())
            assert told(anonymiser(profile), data, month, findings=True) == wanted


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_of_the_corpus(path: Path) -> None:
    """Of every hostile document, as it is and as its source hands it out, both ways tell the same."""
    data = path.read_bytes()
    assert_same(data)
    try:
        bodies = [document.body for document in read_documents(io.BytesIO(data))]
    except RcStatsError:
        return
    for body in bodies:
        assert_same(as_bytes(body))


@pytest.mark.parametrize("name", LARGE["LARGE"])
def test_of_large_documents(name: str) -> None:
    """Of documents with a million keys, a key of a megabyte and the like, both ways tell the same."""
    make, _ = LARGE["LARGE"][name]
    assert_same(make(), Profile.STANDARD)


@pytest.mark.parametrize("kind", LARGE["REPLACEMENTS"])
@pytest.mark.parametrize("container", LARGE["CONTAINERS"])
def test_of_replaced_containers(container: str, kind: str) -> None:
    """With a value of any JSON type in the place of a container, both ways tell the same."""
    assert_same(LARGE["with_container"](container, LARGE["REPLACEMENTS"][kind]), Profile.STANDARD, Profile.EXACT)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_of_the_samples(path: Path) -> None:
    """Of every sample both ways tell the same; all but canonical extended JSON, which wraps numbers, is read fast."""
    for document in read_documents(io.BytesIO(path.read_bytes())):
        data = orjson.dumps(document.body)
        assert_same(data)
        assert (reader(Profile.STANDARD)(data) is None) == ("canonical" in path.name)


# Documents whose leaves have the types that the catalogue names, which the fast reader answers itself.

DATES: Final = (
    *(iso(LATE - timedelta(days=days, milliseconds=1)) for days in (-2, -1, 0, 1, 7, 30, 31, 4000)),
    *("2026-08-31T23:59:59.999Z", "2026-09-01T00:00:00Z", "2026-08-31T23:30:00.000-0100", "1999-12-31T23:59:59.000Z"),
    *("2100-01-01T00:00:00.000Z", "2026-02-30T00:00:00.000Z", "2026-W32-1T12:10:31.265Z", "2026-08-31T23:59:59.9x9Z"),
    *("2026-08-31T23:59:59.\u0661\u0661\u0661Z", "2026-08-31t23:59:59.999Z", "2026-08-31T24:00:00.000Z"),
    *("", "yesterday", "2026-08", "2026", "within 7 days", "within 30 days", long_form(LATE)),
    *({"$date": iso(LATE)}, {"$date": 4070908800000}, {"$date": ""}, {"$date": -1}),
)
VERSIONS: Final = (
    *(
        "8.7.0",
        "8.7",
        "8",
        "v22.22.3",
        "08.7.0",
        "8.07.0",
        "8.7.00",
        "8.7.0-rc.3",
        "8.7.0octopus",
        "8.7.0.1",
        "100.1.1",
    ),
    *(
        "6.17.0-9001-generic",
        "8.1234.0",
        "8.7.0 ",
        "8.7.0\n",
        "8.7.0\u0661",
        "\uff18.7.0",
        "",
        "octopus",
        "0.61.0",
        "99.999.999",
    ),
)
SMALL: Final = (0, 1, 4, 5, 9, 10, 11, 14, 15, 19, 20, 21, 29, 30, 100)


def word(random: Random, metric: Metric) -> object:
    """Return a word of a list, spelt right, spelt otherwise, or another text."""
    members = CATALOGUE.vocabularies[metric.vocabulary].members
    member = random.choice(members)
    known = (member, member, member.upper(), f" {member}", f"x {member} y", member[:-1])
    return random.choice((*known, "", "octopus", "other", "\u0661", "x" * 101, None))


def people(random: Random, metric: Metric, users: int) -> dict[str, int]:
    """Return people by category; they mostly add up to the users."""
    members = [*CATALOGUE.vocabularies[metric.vocabulary].members[: random.choice((3, 8, 200))], "acme", "Octopus"]
    labels = random.sample(members, random.randrange(min(len(members), 12) + 1))
    rows = {label: min(random.choice((*SMALL, users // 3)), 10_000_000) for label in labels}
    if labels and random.random() < 0.8:
        rows[labels[0]] = max(0, users - sum(list(rows.values())[1:]))
    if labels and random.random() < 0.2:
        rows[labels[0].upper()] = 12
    return rows


def scalar(random: Random, metric: Metric, users: int) -> object:
    """Return a value of a type that the catalogue names for a plain leaf."""
    match metric.operator:
        case "count":
            edges = (metric.minimum, metric.maximum, min(999, metric.maximum), min(1005, metric.maximum))
            number: object = random.choice((*edges, random.randint(metric.minimum, metric.maximum)))
            if "boolean" in metric.json and random.random() < 0.3:
                return random.random() < 0.5
            return random.choice((number, 17.5, 1e3, -0.5)) if "number" in metric.json else number
        case "split":
            around = {users, users - 9, users - 10, users - 11, users // 2, *SMALL}
            return random.choice(sorted(number for number in around if 0 <= number <= metric.maximum))
        case "flag":
            return random.random() < 0.5
        case "choice":
            return random.choice((word(random, metric), True)) if "boolean" in metric.json else word(random, metric)
        case "version":
            return random.choice(VERSIONS)
        case "band":
            scale = CATALOGUE.bands[metric.bands]["fine"]
            edge = random.choice(scale.edges) * scale.scale
            return random.choice((edge, edge - 1, edge + 1, float(edge), metric.minimum, metric.maximum, -1, 2**70))
        case _:
            return random.choice(DATES)


def usual(seed: int) -> Document:
    """Return a document of the usual types: leaves at their edges, some missing, some null, and keys that are new."""
    random = Random(seed)  # noqa: S311
    users = random.choice((*SMALL, 247, 1000, 10_000_000))
    rare = random.choice((0.02, 0.1, 0.5))
    document: Document = {}
    for path, metric in CATALOGUE.metrics.items():
        steps = steps_of(path)
        if metric.is_dropped or random.random() < rare or "[]" in steps or "*" in steps:
            continue
        document = placed(document, steps, None if random.random() < rare else scalar(random, metric, users))
    document |= {"totalUsers": users, "nonActiveUsers": random.choice((0, 0, 3, 12)), "appUsers": random.choice((0, 4))}
    for path, metric in CATALOGUE.metrics.items():
        if random.random() >= rare:
            document = listed(random, document, path, metric, users)
    document["createdAt"] = random.choice((iso(LATE), {"$date": iso(LATE)}, random.choice(DATES), None))
    new = {"acme": [{"a": 1.5e30, "b": "\U0001f419", "c": {"d": None}}], "octopusTotal": 7, "$x.y": -0.0}
    items = [*document.items(), *(new.items() if random.random() < 0.5 else ())]
    random.shuffle(items)
    return dict(items)


def listed(random: Random, document: Document, path: str, metric: Metric, users: int) -> Document:
    """Return *document* with a list or a map of *metric*, where it stands in one."""
    place = steps_of(path.partition("[]")[0].partition(".*")[0])
    texts = ["acme", "octopus-ltd", "x"] * random.choice((0, 1, 9))
    value: Json
    match metric.operator:
        case "length" if path.endswith("cpus[]"):
            models = random.choice((["AMD EPYC 7B13"], ["AMD", "amd"], ["Intel(R) Xeon", "AMD"], [None], ["", None]))
            value = [{"model": random.choice(models), "speed": 1.5} for _ in texts]
        case "length":
            value = {text: {} for text in texts} if path.endswith("*") else texts
        case "sum":
            kinds = [random.choice((word(random, metric), "acme")) for _ in texts]
            numbers = [random.choice((*SMALL, 10_000_000)) for _ in texts]
            value = [{metric.key: kind, "count": n, "id": "x"} for kind, n in zip(kinds, numbers, strict=True)]
            value += [{}] if random.random() < 0.1 else []
        case "table" if path.endswith("*"):
            value = people(random, metric, users)
        case "table":
            table = people(random, metric, users * 2 // 3)
            total = sum(table.values()) if random.random() < 0.8 else users
            roles: Json = [{metric.key: label, "count": n, "time": 5} for label, n in table.items()]
            odd: list[Json] = [{}, {metric.key: None, "count": 3}, {"count": 11}]
            roles += [random.choice(odd)] if random.random() < 0.1 else []
            row: Json = {"count": min(total, 10_000_000), "sessions": 1, "roles": roles}
            others: list[Json] = [[], [row, row], [{}], [{"count": 12, "roles": None}], [{"roles": roles}]]
            value = random.choice([[row]] * 6 + others)
        case _:
            return document
    changed: Document = placed(document, place, value)
    return changed


seeds = st.integers(0, 2**64 - 1)


@given(seeds)
def test_of_usual_documents(seed: int) -> None:
    """Of documents of the usual types, at all edges, both ways tell the same."""
    assert_same(as_bytes(usual(seed)))


def test_usual_documents_are_read_fast() -> None:
    """The fast reader answers nearly all of them itself, or the test above would compare the walker with itself."""
    made = [as_bytes(usual(seed)) for seed in range(100)]
    for profile in Profile:
        answered = sum(reader(profile)(data) is not None for data in made)
        assert answered >= 90


def test_usual_documents_are_explained_fast() -> None:
    """What is said of nearly all of them is looked up, also for the admin's own screen, and not told by the walker."""
    for profile in Profile:
        outline = Outline(reader(profile))
        answered = 0
        for seed in range(60):
            data = as_bytes(usual(seed))
            settled = reader(profile)(data)
            found = None if settled is None else outline.findings(parse(data), settled, show_keys=True)
            if found is not None:
                answered += 1
                assert Counter(found) == Counter(walker(profile)(data, show_keys=True).findings)
        assert answered >= 54


def test_what_is_looked_up_is_bounded() -> None:
    """However many kinds of documents there were, a map's findings are kept for few, and no unknown key is kept."""
    outline = Outline(reader(Profile.STANDARD))
    random = Random(7)  # noqa: S311
    for seed in range(200):
        document = {**usual(seed), f"acme{seed}": seed}
        keys = random.sample(sorted(document), len(document))
        data = as_bytes({key: document[key] for key in keys})
        settled = reader(Profile.STANDARD)(data)
        if settled is not None:
            outline.findings(parse(data), settled)
    kept = outline.root.shapes
    assert 0 < len(kept) <= 32
    assert not any(isinstance(part, str) and part.startswith("acme") for kind in kept for part in kind)


@given(documents())
def test_of_any_document(document: dict[str, Any]) -> None:
    """Of realistic and hostile documents both ways tell the same."""
    assert_same(as_bytes(document))


DEBRIS: Final = (
    *(b"", b"\xff", b"\x00", b"NaN", b"}", b'"', b"[" * 2000, b"\\ud800", b"\n{", b"-", b"1e309", b"9" * 400, b",,"),
    *(b'"a":1e400,', b'"x":[1,2.5e+308],', b'"x":-1E0400,', b'"x":' + b"9" * 400 + b",", b'"x":0e999,', b'"x":1e-999,'),
    *(b'"zz":"\xed\xa0\x80",', b'"zz":"\\udc00",', b'"\xff":1,', b'"e\\u0301":"\\ud83d\\udc19",', b'"x":"5e400",'),
    *(
        b'"totalUsers":5,',
        b'"totalUsers":null,',
        b'"os":{},',
        b'"os":[],',
        b'"os":null,',
        b'"userLanguages":{"en":50},',
    ),
    *(b'"total\\u0055sers":12,', b'"version":{"$oid":"1.2.3"},', b'"totalRooms":{"$numberInt":"12"},', b'"roles":{},'),
    *(b'"count":null,', b'"count":7,', b'"users":11,', b'"totalRooms":01,', b'"totalRooms":12.0,', b'"totalRooms":-0,'),
    *(
        b'"x":' + b"[" * 1500 + b"]" * 1500 + b",",
        b'"x":' + b'{"y":' * 1022 + b"1" + b"}" * 1022 + b",",
        b"\xef\xbb\xbf",
    ),
)


@given(seeds, st.data())
def test_of_damaged_documents(seed: int, data: st.DataObject) -> None:
    """With anything put in anywhere, mostly where a key can stand, both ways tell the same."""
    raw = as_bytes(usual(seed))
    for _ in range(data.draw(st.integers(1, 2))):
        keys = [place + 1 for place, byte in enumerate(raw) if byte in b"{,"]
        cut = data.draw(st.sampled_from(keys) | st.integers(0, len(raw)))
        raw = raw[:cut] + data.draw(st.sampled_from(DEBRIS)) + raw[cut:]
    assert_same(raw, data.draw(st.sampled_from(Profile)))


def test_of_a_payload() -> None:
    """Statistics that are fed back are the same both ways."""
    for profile in Profile:
        for seed in range(20):
            report = anonymiser(profile)(usual(seed))
            assert_same(report.encoded(), profile)


# What the fast reader is made of.

ROWS: Final = st.dictionaries(st.sampled_from(("a", "b", "c", "d", "e", UNLISTED)), st.sampled_from(SMALL), max_size=6)


@settings(max_examples=4 * settings().max_examples)
@given(
    st.lists(ROWS, min_size=1, max_size=3),
    st.sampled_from(("ab", "abc", "abcde", "edcba")),
    st.sampled_from((2, 5, 10)),
    st.sampled_from((1, 5)),
    st.integers(-12, 12),
)
def test_publishable(tables: list[dict[str, int]], order: str, threshold: int, step: int, off: int) -> None:
    """The rows that may be shown are those that the rules of disclosure name, of any tables and told totals."""
    tables = [{name: n for name, n in table.items() if name in order or name == UNLISTED} for table in tables]
    totals = [sum(table.values()) + off for table in tables]
    places = {name: place for place, name in enumerate((*order, UNLISTED))}
    rows = [{places[name]: n for name, n in table.items()} for table in tables]
    read = [(table, told, sum(table.values())) for table, told in zip(rows, totals, strict=True)]
    wanted = disclosure.publishable(tables, totals, tuple(order), threshold=threshold, step=step)
    shown = publishable(read, len(order), threshold=threshold, step=step)
    assert tuple(order[place] for place in sorted(shown)) == wanted


TEXTS: Final = (
    *(b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\\ud800", b"\\ud83d\\ude00", b"\x01"),
    *(b"\\x", b"\\u12g4", b"5e400", b"a 5e400 b", b" 5e400,", b":5e400,", b"\xf0\x9f\x90\x99", b"\x7f", b"\\/"),
)
NUMBERS: Final = (
    *(b"01", b"-01", b"1.", b".5", b"1e", b"1e+", b"-", b"+1", b"-0", b"1e400", b"-1e400", b"1E+0400", b"1.5e309"),
    *(
        b"1e-400",
        b"0e400",
        b"9" * 308,
        b"9" * 309,
        b"9" * 5000,
        b"1" * 199 + b"." + b"1" * 199 + b"e400",
        b"0x1",
        b"1_0",
    ),
    *(b"1" * 150 + b"e200", b"1" * 250 + b"e99", b"NaN", b"Infinity", b"5E400", b"1.7976931348623159e308"),
)
ODD: Final = (
    *(b'"' + text + b'"' for text in TEXTS),
    *(b'{"' + text + b'":1}' for text in TEXTS),
    *NUMBERS,
    *(b"[ " + number + b"]" for number in NUMBERS),
    *(
        b"nul",
        b"nullx",
        b"tru",
        b"[1,]",
        b"[,]",
        b'{"x":1,}',
        b'{"x"}',
        b"{x:1}",
        b"{'x':1}",
        b'{"x":1 "y":2}',
        b"[1 2]",
    ),
    *(b"/**/1", b'""""', b"1 ,", b"\x0c1", b"\xc2\xa01", b"{1:1}", b'"abc', b"\xef\xbb\xbf1", b"1}", b"]"),
    *(b"[" * n + b"]" * n for n in (900, 1022, 1023, 1024, 1025, 3000)),
    *(b'{"a":' * n + b"1" + b"}" * n for n in (900, 1022, 1023, 1024, 1025, 3000)),
)


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value[:24]))
def test_what_is_skipped_is_json(value: bytes) -> None:
    """A value that nobody reads makes a document unusable to both ways, or to none."""
    for data in (b'{"acme":' + value + b"}", b'{"totalRooms":12, "acme":[[],' + value + b'], "version":"8.7.0" }\n'):
        assert_same(data, Profile.STANDARD)


@settings(max_examples=4 * settings().max_examples)
@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: json.dumps(text).encode()))
def test_what_is_skipped_is_json_of_any_bytes(value: bytes) -> None:
    """The same of any bytes."""
    assert_same(b'{"acme":' + value + b"}", Profile.STANDARD)


def test_a_high_recursion_limit() -> None:
    """Where the interpreter lets parsers go deep, what is nested too deeply for one is so for both."""
    program = """
import sys
from rc_stats import Anonymiser, UnusableInput, load_catalogue
sys.setrecursionlimit(20_000)
anonymise = Anonymiser(load_catalogue())
anonymise.prepare()
for depth in (1000, 1022, 1023, 1024, 5000):
    rules = []
    for findings in (True, False):
        try:
            anonymise(b'{"acme":' + b"[" * depth + b"]" * depth + b"}", findings=findings)
            rules.append("")
        except UnusableInput as error:
            rules.append(error.rule)
    assert rules[0] == rules[1] == ("too-deep" if depth > 1023 else ""), (depth, rules)
for depth, rule in ((1023, ""), (1024, "too-deep"), (5000, "too-deep")):
    try:
        anonymise(b'{"totalUsers":1e400,"acme":' + b"[" * depth + b"]" * depth + b"}")
        found = ""
    except UnusableInput as error:
        found = error.rule
    assert found == rule, (depth, found)
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).stderr == b""


def calls_of(data: bytes) -> int:
    """Return how many calls, of Python and of C functions, it takes to read *data* fast and write what leaves."""
    made = anonymiser(Profile.STANDARD)
    made(data, findings=False).encoded()  # What is made once, at the first use, is not work of this document.
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # What listens to the collector, as Hypothesis does, would be counted.
    sys.setprofile(counted)
    try:
        report = made(data, findings=False)
        report.encoded()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.parametrize(
    "junk",
    [
        lambda n: b"".join(b'"acme%d":%d,' % (i, i) for i in range(n)),
        lambda n: b'"acme":[' + b",".join([b'{"a":{"b":[1,2]}}'] * n) + b"],",
        lambda n: b'"acme":"' + b"x" * n + b'",',
        lambda n: b'"version":"' + b"8.7.0 " * n + b'",',
        lambda n: b'"fileStoreType":"' + b"x y" * n + b'",',
        lambda n: b'"createdAt":"' + b"x" * n + b'",',
        lambda n: b'"enterprise":{"modules":[' + b",".join([b'{"a":[1]}'] * n) + b"]},",
        lambda n: b'"acme":[' + b"1e400," * n + b"0],",
        lambda n: b'"os":{"type":"Linux"},' * n,
    ],
    ids=["keys", "a value", "a text", "a version", "a word", "a date", "a list", "infinities", "twice"],
)
def test_work_does_not_grow_with_junk(junk: Callable[[int], bytes]) -> None:
    """However much there is of what doesn't leave, the interpreter does the same work; what grows is a scan in C."""
    few, many = (b'{"totalUsers":247,' + junk(n) + b'"totalRooms":12}' for n in (100, 20_000))
    assert reader(Profile.STANDARD)(many) is not None
    assert calls_of(many) <= calls_of(few)


def test_asking_changes_nothing() -> None:
    """A report gives the same bytes however often and in whatever order it is asked for a part of them."""
    made = anonymiser(Profile.EXACT)
    for seed in range(20):
        report = made(as_bytes(usual(seed)), findings=False, month="2026-08")
        first = [*leaving(report), report.previous]
        assert [*leaving(report), report.previous] == first
        report.statistics()["totalUsers"] = "changed"
        assert [*leaving(report), report.previous] == first


@pytest.mark.parametrize("profile", Profile)
def test_the_gate_gives_the_same_bytes(profile: Profile) -> None:
    """A payload has the same bytes and the same digest whichever way its report was made."""
    terms = Terms(load_policy(), CATALOGUE, profile)
    for path in SAMPLES[-2:]:
        data = path.read_bytes()
        bodies = []
        for findings in (True, False):
            report = anonymiser(profile)(orjson.loads(data), month="2098-12") if findings else None
            report = report or anonymiser(profile)(data, month="2098-12", findings=False)
            kind = WorkspaceKind.HOSTED if report.evidence.is_hosted else WorkspaceKind.REGISTERED
            decision = decide(
                Workspace(kind),
                what_if(terms, at=LATE, scope=frozenset({DataType.USAGE, DataType.ACCOUNT})),
                terms.policy.recipient,
                Switches(),
                LATE,
                terms=terms,
                evidence=report.evidence,
            )
            payload = clear(report, decision)
            bodies.append((payload.body, payload.sha256))
        assert bodies[0] == bodies[1]
        assert json.loads(bodies[0][0])["statistics"]


def test_it_is_made_when_it_pays() -> None:
    """The first documents, and whoever wants findings, are served without loading what the fast reader needs."""
    program = """
import sys
from rc_stats import Anonymiser, load_catalogue
anonymise = Anonymiser(load_catalogue())
for _ in range(32):
    assert anonymise(b'{"totalRooms": 12}', findings=False).statistics() == {"totalRooms": 12}
    anonymise(b'{"totalRooms": 12}')
assert "msgspec" not in sys.modules
anonymise(b'{"totalRooms": 12}', findings=False)
assert "msgspec" in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).stderr == b""


# The listing.

GOLDEN: Final = TESTS / "data" / "plan-standard.txt"
IS_WRITING: Final = os.environ.get("RCSTATS_TEST_GOLDEN_WRITE") == "1"


def test_the_listing() -> None:
    """The plan is printed as it was reviewed; RCSTATS_TEST_GOLDEN_WRITE=1 writes it anew."""
    text = reader(Profile.STANDARD).listing.text
    if IS_WRITING:
        GOLDEN.write_text(text, encoding="utf-8")
    assert GOLDEN.read_text(encoding="utf-8").split("\n") == text.split("\n")


@pytest.mark.parametrize("arguments", [["--plan"], ["--plan", "standard"]])
def test_the_listing_is_printed(arguments: list[str], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """The command prints what runs, and nothing else."""
    assert run(["metrics", *arguments]) == 0
    assert capsysbinary.readouterr() == (reader(Profile.STANDARD).listing.text.encode(), b"")


@pytest.mark.parametrize("profile", Profile)
def test_every_place_is_assigned_or_of_a_type_that_says_all(profile: Profile) -> None:
    """
    What the listing never assigns is a flag, or a count that leaves as it is within the bounds of its type.

    Where that takes so many people, it or a map that it stands in is set to None for fewer.
    """
    made = reader(profile)
    nodes = list(ast.walk(ast.parse(made.listing.text)))
    withheld = {
        (ast.unparse(node.test), target.attr)
        for node in nodes
        if isinstance(node, ast.If) and isinstance(node.body[0], ast.Assign)
        for target in node.body[0].targets
        if isinstance(target, ast.Attribute)
    }
    targets = [target for node in nodes if isinstance(node, ast.Assign) for target in node.targets]
    assigned = {target.attr for target in targets if isinstance(target, ast.Attribute)}
    assigned |= {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg is not None}
    leaving = {metric.emit: (metric, treatment) for metric, treatment in CATALOGUE.leaving(profile)}
    assert set(made.listing.places) == set(leaving)
    for emit, place in made.listing.places.items():
        metric, treatment = leaving[emit]
        if place[-1] not in assigned:
            needed = treatment.needs_people
            assert metric.operator in ("flag", "count"), emit
            assert treatment == Treatment(needs_people=needed), emit
            assert not needed or any((f"users < {needed}", step) in withheld for step in place), emit


def mended(**changes: Any) -> Catalogue:
    """Return the catalogue with one metric changed, and under another path if that is among the changes."""
    metrics = dict(CATALOGUE.metrics)
    metric = replace(metrics.pop("totalRooms"), **changes)
    return replace(CATALOGUE, metrics={**metrics, metric.path: metric})


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "a[].b"},
        {"path": "version.rooms", "emit": "version.rooms"},
        {"emit": "rooms.total"},
        {"maximum": 2**60},
        {"minimum": -5},
        {"path": "services-ldap.x", "emit": "services-ldap.x"},
        {"path": 'rooms"', "emit": 'rooms"'},
        {"path": "rooms\\", "emit": "rooms\\"},
        {"path": "os.cpus[].speed", "emit": "os.cpus.speed"},
    ],
    ids=str,
)
def test_what_cannot_be_listed_is_read_otherwise(changes: dict[str, Any]) -> None:
    """With a metric that the listing has no words for, there is none, and the anonymiser does without."""
    made = Anonymiser(mended(**changes), Profile.STANDARD)
    with pytest.raises(NoListingError):
        listing(made.plan)
    made.prepare()
    data = as_bytes({"totalUsers": 247, "a": [{"b": 3}], "version": "8.7.0", "totalRooms": 12})
    assert made(data, findings=False).encoded() == made(data).encoded()


@pytest.mark.parametrize("key", ["class", "_private", "2fa", "with space", "it's", "{x}", "%s", "größe", "self"])
def test_any_key_can_be_listed(key: str) -> None:
    """A key that is no name in Python, or means something there, is still read and written."""
    made = Anonymiser(mended(path=key, emit=key), Profile.STANDARD)
    made.prepare()
    reader_ = FastReader(made.plan)
    data = json.dumps({key: 12, "totalUsers": 247}).encode()
    assert reader_(data) is not None
    assert made(data, findings=False).statistics() == made(data).statistics() == {key: 12, "totalUsers": 247}
