"""Every hostile document of the corpus comes out as the file beside it says, and no planted token leaves."""

from __future__ import annotations

import base64
import io
import json
import runpy
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from canaries import assert_no_trace
from rc_stats import Anonymiser, Profile, load_catalogue
from rc_stats.anonymise import Report
from rc_stats.catalogue import PEOPLE_OPERATORS
from rc_stats.errors import UnusableInput, UsageError
from rc_stats.sources import read_newest

REDTEAM = Path(__file__).parent / "redteam"
EXPECTED = sorted(REDTEAM.glob("*.toml"))
KEYS = {"says", "outcome", "rule", "never", "absent", "drift", "nothing_else", "present", "findings"}
ACTIONS = {"kept", "coarsened", "counted", "withheld", "dropped", "wrong-type"}

_large = runpy.run_path(str(REDTEAM / "large.py"))
LARGE: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = _large["LARGE"]


@cache
def anonymiser() -> Anonymiser:
    """Return the packaged catalogue in the default profile."""
    return Anonymiser(load_catalogue(), Profile.STANDARD)


def document_beside(path: Path) -> Path:
    """Return the hostile document that the TOML file at *path* speaks about."""
    (document,) = (other for other in path.parent.glob(f"{path.stem}.*") if other.suffix != ".toml")
    return document


def leaves(value: Mapping[str, Any], parents: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and value of every leaf under *value*."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from leaves(inner, f"{parents}{key}.")
        else:
            yield f"{parents}{key}", inner


def told_by(error: BaseException) -> str:
    """Return all that a log could hold of *error* and of what it was raised from."""
    told = []
    link: BaseException | None = error
    while link is not None:
        told += [str(link), repr(link), repr(link.args), repr(vars(link))]
        told += [str(getattr(link, name)) for name in ("doc", "msg", "object") if hasattr(link, name)]
        link = link.__cause__ or link.__context__
    return "\n".join(told)


def check(raw: bytes, expected: Mapping[str, Any]) -> str:
    """Anonymise *raw*, hold the outcome against *expected*, and return all the text that came out."""
    try:
        document = read_newest(io.BytesIO(raw)).document
        report = anonymiser()(document.body)
    except UnusableInput as error:
        refusal = error
    else:
        assert expected["outcome"] in ("report", "either"), "the input was not refused"
        return check_report(report, expected)
    assert expected["outcome"] in ("refused", "either"), refusal.rule
    assert expected.get("rule", refusal.rule) == refusal.rule
    return told_by(refusal)


def check_report(report: Report, expected: Mapping[str, Any]) -> str:
    """Hold *report* against *expected*, and return all the text in it."""
    statistics = report.statistics()
    findings = list(report.findings or ())
    check_statistics(statistics, expected)
    assert anonymiser()(statistics).statistics() == statistics, "fed back, it gives something else"
    check_findings([(finding.path, str(finding.action)) for finding in findings], expected)
    told = [[finding.path, str(finding.action), finding.rule, repr(finding)] for finding in findings]
    return json.dumps({"statistics": statistics, "findings": told}, ensure_ascii=False)


def check_statistics(statistics: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Hold the payload's leaves against *expected*: present, absent, and nothing else where it says so."""
    actual = dict(leaves(statistics))
    present = expected.get("present", {})
    typed = {path: (type(value), value) for path, value in actual.items()}
    wanted = {path: (type(value), value) for path, value in present.items()}
    assert wanted == {path: value for path, value in typed.items() if path in wanted}
    if expected.get("nothing_else"):
        assert sorted(present) == sorted(actual)
    for path in expected.get("absent", ()):
        beneath = [other for other in actual if other == path or other.startswith(f"{path}.")]
        assert beneath == []
    assert {type(value) for value in actual.values()} <= {bool, int, str}


def check_findings(findings: list[tuple[str, str]], expected: Mapping[str, Any]) -> None:
    """Hold the findings against *expected*: the actions of some paths, and whether any path is unknown."""
    for path, action in expected.get("findings", {}).items():
        assert action in {done for other, done in findings if other == path}, path
    if "drift" in expected:
        assert expected["drift"] == any(action == "unknown" for _, action in findings)


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: path.stem)
def test_hostile_document(path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """The document has the outcome that the file beside it says, and none of its tokens is in what comes out."""
    expected = tomllib.loads(path.read_text(encoding="utf-8"))
    told = check(document_beside(path).read_bytes(), expected)
    for haystack in (told, caplog.text, *capsys.readouterr()):
        for token in expected.get("never", ()):
            assert_no_trace(haystack, token)


@pytest.mark.parametrize("name", LARGE)
def test_large_document(name: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """The document made at test time has its outcome, and none of its tokens is in what comes out."""
    make, expected = LARGE[name]
    told = check(make(), expected)
    for haystack in (told, caplog.text, *capsys.readouterr()):
        for token in expected.get("never", ()):
            assert_no_trace(haystack, token)


@pytest.mark.parametrize("kind", _large["REPLACEMENTS"])
@pytest.mark.parametrize("container", _large["CONTAINERS"])
def test_replaced_container(container: str, kind: str) -> None:
    """A value of any JSON type in a container's place harms none of the leaves outside it and shows nowhere."""
    raw = _large["with_container"](container, _large["REPLACEMENTS"][kind])
    present = {path: value for path, value in _large["PRESENT"].items() if not path.startswith(f"{container}.")}
    told = check(raw, {"outcome": "report", "present": present})
    assert_no_trace(told, _large["CANARY"])


def test_corpus_is_well_formed() -> None:
    """Every expectation is complete and in the format of the README, and every document has one."""
    documents = {path.stem for path in REDTEAM.iterdir() if path.suffix in (".json", ".jsonl", ".bin")}
    assert documents == {path.stem for path in EXPECTED}
    for path in EXPECTED:
        expected = tomllib.loads(path.read_text(encoding="utf-8"))
        assert expected.keys() <= KEYS, path.name
        assert expected["says"].endswith("."), path.name
        assert expected["outcome"] in ("report", "refused", "either"), path.name
        assert set(expected.get("findings", {}).values()) <= ACTIONS, path.name
        assert document_beside(path).stat().st_size <= 8192, path.name


def test_same_report() -> None:
    """Lists in another order, and documents with the two kinds of nothing, give equal statistics."""
    for one, other in (("shape-arrays", "shape-arrays-shuffled"), ("shape-missing", "shape-leaf-null")):
        first, second = (read_newest(io.BytesIO((REDTEAM / f"{name}.json").read_bytes())) for name in (one, other))
        assert anonymiser()(first.document.body).statistics() == anonymiser()(second.document.body).statistics()


PEOPLE = frozenset(metric.emit for metric in load_catalogue().metrics.values() if metric.operator in PEOPLE_OPERATORS)


def people_in(report: Report) -> dict[str, Any]:
    """Return the leaves of people of *report*."""
    told = dict(leaves(report.statistics()))
    return {path: value for path, value in told.items() if any(f"{path}.".startswith(f"{emit}.") for emit in PEOPLE)}


@pytest.mark.parametrize("month", ["2026-08", "2026-09"])
@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tables-newcomer-before", "tables-newcomer-after"),
        ("tables-newcomer-after", "tables-newcomer-before"),
        ("tables-threshold-09", "tables-threshold-10"),
        ("tables-threshold-10", "tables-threshold-09"),
        ("tables-19-people", "tables-20-people"),
    ],
)
def test_one_person_apart(one: str, other: str, profile: Profile, month: str) -> None:
    """After a report, one on a document a person apart tells no other figure of people, in this month or the next."""
    make = Anonymiser(load_catalogue(), profile)
    first, second = (read_newest(io.BytesIO((REDTEAM / f"{name}.json").read_bytes())) for name in (one, other))
    before = make(first.document.body, month="2026-08")
    after = make(second.document.body, month=month, previous=before.previous)
    frozen = {metric.emit for metric, treatment in load_catalogue().leaving(profile) if treatment.frozen}
    fresh = {path: value for path, value in people_in(after).items() if people_in(before).get(path) != value}
    assert [path for path in fresh if any(f"{path}.".startswith(f"{emit}.") for emit in frozen)] == []
    if profile is not Profile.EXACT:
        assert fresh == {}


CANARY = "Octopus-Ltd & Söhne"
_RAW = CANARY.encode()


@pytest.mark.parametrize(
    "haystack",
    [
        f"a {CANARY} b",
        f"a {CANARY.swapcase()} b",
        f"a {CANARY[::-1]} b",
        _RAW.hex(),
        _RAW.hex().upper(),
        base64.b64encode(_RAW).decode(),
        base64.b64encode(b"x" + _RAW + b"yz").decode(),
        base64.b64encode(b"xy" + _RAW + b"z").decode(),
        base64.urlsafe_b64encode(_RAW).decode(),
        quote(CANARY),
        "".join(f"%{byte:02x}" for byte in _RAW),
        CANARY.replace("&", "&amp;"),
        "".join(f"&#{ord(character)};" for character in CANARY),
        json.dumps(CANARY),
        "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in CANARY),
        "\u200b".join(CANARY),
        "{" + ",".join(f'"{character}":1' for character in CANARY) + "}",
        "\n".join(f"settings.{character}." for character in CANARY),
        CANARY.encode(),
    ],
)
def test_canary_is_found(haystack: bytes | str) -> None:
    """Each disguise of a token is recognised, or the tests above would prove nothing."""
    with pytest.raises(AssertionError):
        assert_no_trace(haystack, CANARY)


def test_canary_is_not_imagined() -> None:
    """An output without the token passes, and a token that is too short to mean anything is refused."""
    assert_no_trace(b'{"os":{"type":"Linux"},"totalUsers":247,"version":"8.7.0"}', CANARY)
    with pytest.raises(UsageError, match="by chance"):
        assert_no_trace("", "abcd")
