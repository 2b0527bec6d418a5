"""What differs between two payloads: all of it and nothing else, in the words of the catalogue, whoever made them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import Collector, reply
from commands import ROOT, Cli, Done, on_terminal
from rc_stats import Anonymiser, Profile, UnusableInput, load_catalogue
from rc_stats.render.difference import HEAD, UNKNOWN, Difference, captured, diff_data, diff_text, difference
from rc_stats.wire import canonical
from sites import SEATS, Site, document
from strategies import KIT

GOLDEN = Path(__file__).parent / "golden"
CATALOGUE = load_catalogue()
BODY = (GOLDEN / "statistics.json.full.payload").read_bytes()
PAYLOAD: dict[str, Any] = json.loads(BODY)
ANONYMISERS = {profile: Anonymiser(CATALOGUE, profile) for profile in Profile}
HOSTILE = "\x1b[31mred\x1b]0;title\x07\u202egnp.exe\u2066\u200b\x85\u2028\r\n\x9b2J\ud7ff"


def payload_with(statistics: Any = None, **head: Any) -> bytes:
    """Return the example's payload with other statistics or another head."""
    return json.dumps({**PAYLOAD, **({} if statistics is None else {"statistics": statistics}), **head}).encode()


def between(old: bytes, new: bytes) -> Difference:
    """Return the difference between two payloads, called by one letter each."""
    return difference(captured(old, "a"), captured(new, "b"), CATALOGUE)


def leaves(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the way to each value that holds no others."""
    if isinstance(value, dict) and (value or not above):
        for key, inner in value.items():
            yield from leaves(inner, (*above, key))
    else:
        yield above, value


def signs(text: str) -> list[str]:
    """Return the lines of a difference that tell of values, without the head."""
    return [line for line in text.splitlines()[2:] if line.startswith(("- ", "+ "))]


def test_the_same_bytes() -> None:
    """A payload doesn't differ from itself, and that is said in one line."""
    found = between(BODY, BODY)
    assert (found.is_equal, found.head, found.sections) == (True, (), ())
    assert diff_text(found).splitlines()[2:] == ["The two are the same, byte for byte."]
    assert found.same == len(list(leaves(PAYLOAD["statistics"])))


def test_other_bytes_of_the_same_values() -> None:
    """Payloads with the same values and other bytes are not the same, and no value is shown."""
    found = between(BODY, payload_with())
    assert (found.is_equal, found.sections) == (False, ())
    assert diff_text(found).splitlines()[2] == f"The statistics are the same: {found.same} values."


def test_numbers_words_and_flags() -> None:
    """Of a number the gap is told as well; words and flags are put beside each other; units follow the number."""
    statistics = {**PAYLOAD["statistics"], "totalUsers": 1, "version": "8.8.0", "fips": False, "totalRooms": 4_420}
    text = diff_text(between(BODY, payload_with(statistics))).replace("\N{NO-BREAK SPACE}", " ")
    assert signs(text) == [
        *("-   8.7.0", "+   8.8.0"),
        *("-   on", "+   off"),
        *("-   247 users", "+     1 user  (246 fewer)"),
        *("-   4 412 rooms", "+   4 420 rooms  (8 more)"),
    ]
    assert "\n  How many user records the workspace has.  totalUsers\n" in text


def test_added_and_removed() -> None:
    """A value that one side lacks has one line, and is counted apart."""
    less = {key: value for key, value in PAYLOAD["statistics"].items() if key != "totalDirect"}
    found = between(payload_with(less), payload_with({**PAYLOAD["statistics"], "brandNew": 3}))
    text = diff_text(found).replace("\N{NO-BREAK SPACE}", " ")
    assert signs(text) == ["+   1 310 conversations", "+   3"]
    assert text.splitlines()[2] == f"2 values added; {found.same} the same."
    assert f"\n{UNKNOWN} (1)\n  brandNew\n" in text
    assert signs(diff_text(between(found.new.body, found.old.body)))[0].startswith("-   1")


def test_rows_of_a_table() -> None:
    """Of a table only the rows that differ are told, below what the table is."""
    languages = {**PAYLOAD["statistics"]["userLanguages"], "de": 65, "fr": 10}
    del languages["en"]
    text = diff_text(between(BODY, payload_with({**PAYLOAD["statistics"], "userLanguages": languages})))
    assert signs(text) == ["-   de  60 users", "+   de  65 users  (5 more)", "-   en  35 users", "+   fr  10 users"]
    assert text.count("userLanguages") == 1


def test_head() -> None:
    """What differs beside the statistics is told first, field by field."""
    catalogue = {"digest": f"sha256:{'0' * 64}", "version": 3}
    other = payload_with(period="2026-09", profile="strict", workspace="hosted", catalogue=catalogue, format=2)
    found = between(BODY, other)
    assert [change.path for change in found.head] == list(HEAD)
    text = diff_text(found)
    assert text.index("Head (5)") < text.index("period")
    assert {"-   2026-08", "+   2026-09", "-   standard", "+   strict", "+   hosted"} <= set(signs(text))
    assert "+   version 3, sha256:000000000000\N{HORIZONTAL ELLIPSIS}" in signs(text)


def test_true_is_not_one() -> None:
    """Values of different JSON types differ, though a lax comparison takes them for the same."""
    for old, new in ((True, 1), (0, False), (1, 1.0), (0, None), ("1", 1)):
        found = between(payload_with({"fips": old}), payload_with({"fips": new}))
        assert found.count("changed") == 1, (old, new)


@settings(max_examples=60)
@given(KIT.realistic(extended=False), KIT.realistic(extended=False), st.sampled_from(Profile))
def test_nothing_is_lost(old: dict[str, Any], new: dict[str, Any], profile: Profile) -> None:
    """Each value of each side is told or is the same on both, and each change is of a known metric with its words."""
    sides = [ANONYMISERS[profile](side, findings=False).statistics() for side in (old, new)]
    found = between(*(canonical({**PAYLOAD, "statistics": side}) for side in sides))
    before, after = (dict(leaves(side)) for side in sides)
    changes = [change for _, listed in found.sections for change in listed]
    named = {".".join(filter(None, (change.path, change.row))): change for change in changes}
    assert len(named) == len(changes)
    for keys in {**before, **after}:
        assert (".".join(keys) in named) == (before.get(keys) != after.get(keys) or (keys in before) != (keys in after))
    assert found.same + len(changes) == len({**before, **after})
    assert all(change.says for change in changes)


@settings(max_examples=60)
@given(KIT.values(max_leaves=20), KIT.values(max_leaves=20), st.sampled_from((40, 80, 120)), st.text(max_size=200))
def test_anything_can_be_shown(old: Any, new: Any, width: int, label: str) -> None:
    """Whatever stands in a payload of anybody, each line can be printed and fits, and the data is plain too."""
    bodies = []
    for value in (old, new):
        try:
            bodies.append(canonical({**PAYLOAD, "statistics": {"any": value, "totalUsers": value}, "period": value}))
        except TypeError:  # what no JSON has
            return
    found = difference(captured(bodies[0], label), captured(bodies[1], label), CATALOGUE)
    for line in diff_text(found, width=width).replace("\N{NO-BREAK SPACE}", " ").splitlines():
        assert line.isprintable(), ascii(line)
        assert len(line) <= width
    told = json.dumps(diff_data(found), ensure_ascii=False).replace("\N{NO-BREAK SPACE}", " ")
    assert told.isprintable()


def test_style_adds_nothing_but_style() -> None:
    """With styles the text is the same once they are taken away; what is gone and what is new have their own roles."""
    roles = set()

    def mark(text: str, role: str) -> str:
        roles.add(role)
        return f"\x1b[{len(role)}m{text}\x1b[0m"

    found = between(BODY, payload_with({**PAYLOAD["statistics"], "totalUsers": 9, "brandNew": 1}, period="2026-09"))
    assert diff_text(found) == re.sub(r"\x1b\[\d+m", "", diff_text(found, style=mark))
    assert {"added", "removed", "heading", "section", "quiet"} == roles


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"totalUsers": 5}',
        payload_with([]),
        payload_with(None, more=1),
        BODY[:-20],
        b'{"statistics":{}}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_payload(body: bytes) -> None:
    """What has not the shape of a payload is refused without any of it in the error."""
    with pytest.raises(UnusableInput) as caught:
        captured(body, "a")
    assert "totalUsers" not in str(caught.value)


def test_deep_payload() -> None:
    """Values that are nested as deeply as a parser allows are compared, and told without a crash."""
    deep = b'{"a":' * 900 + b"[" * 50 + b"]" * 50 + b"}" * 900
    body = payload_with().replace(json.dumps(PAYLOAD["statistics"]).encode(), deep)
    found = between(BODY, body)
    assert found.count("added") == 1
    assert diff_text(found)


# The verb.


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return two payloads in files, one with hostile words in it."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_bytes(BODY)
    new.write_bytes(payload_with({**PAYLOAD["statistics"], "totalUsers": 251, HOSTILE: {HOSTILE: HOSTILE}}))
    return old, new


def test_two_files(cli: Cli, files: tuple[Path, Path]) -> None:
    """Two files are compared, called by their names alone, and the exit code is 0 whether they differ or not."""
    done = cli("diff", *files)
    assert (done.code, done.err) == (0, b"")
    assert done.text.splitlines()[0].startswith("--- old.json (2026-08, ")
    assert "+   251 users  (4 more)" in done.text
    assert str(files[0].parent) not in done.text
    assert done.text.replace("\N{NO-BREAK SPACE}", " ").replace("\n", "").isprintable()
    same = cli("diff", files[0], files[0])
    assert (same.code, same.text.splitlines()[2]) == (0, "The two are the same, byte for byte.")


def test_standard_input(cli: Cli, files: tuple[Path, Path]) -> None:
    """Either side may be standard input."""
    assert "(4 more)" in cli("diff", files[0], "-", stdin=files[1].read_bytes()).text
    assert "(4 fewer)" in cli("diff", "-", files[0], stdin=files[1].read_bytes()).text


def test_for_machines(cli: Cli, files: tuple[Path, Path]) -> None:
    """JSON tells whether they differ, both heads, and each change."""
    data = cli("diff", *files, "--format", "json").data
    assert {"changes", "head", "is_equal", "new", "old", "same"} == set(data)
    assert data["is_equal"] is False
    assert data["changes"][0] == {
        "difference": "4 more",
        "new": "251 users",
        "old": "247 users",
        "path": "totalUsers",
        "row": None,
        "section": "Users",
        "what": "changed",
    }
    assert (data["old"]["period"], data["old"]["bytes"]) == ("2026-08", len(BODY))
    assert cli("diff", files[0], files[0], "--format", "json").data["is_equal"] is True


def test_colours_are_for_terminals(cli: Cli, files: tuple[Path, Path]) -> None:
    """On a terminal what is gone is red and what is new is green; in a pipe there is no escape."""
    shown = on_terminal(["diff", *files]).decode().replace("\r\n", "\n")
    assert "\x1b[31m-   247 users\x1b[0m" in shown
    assert "\x1b[32m+   251 users  (4 more)\x1b[0m" in shown
    plain = cli("diff", *files).text
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == plain
    assert "\x1b" not in plain


@pytest.mark.parametrize("words", [[], ["a"], ["a", "b", "c"], ["-", "-"], ["--sent", "a", "b"]], ids=" ".join)
def test_wrong_sides(cli: Cli, words: list[str]) -> None:
    """Too few or too many sides are wrong usage, and the error shows how to call it."""
    done = cli("diff", *words)
    assert (done.code, done.out) == (2, b"")
    assert "[sides]" in done.error


def test_sides_that_are_none(cli: Cli, tmp_path: Path, files: tuple[Path, Path]) -> None:
    """A missing file, and a file that is no payload, are unusable input."""
    assert (missing := cli("diff", files[0], tmp_path / "missing")).code == 4
    assert "[unreadable]" in missing.error
    assert (wrong := cli("diff", ROOT / "examples" / "statistics.json", files[0])).code == 4
    assert "[not-a-payload]" in wrong.error


@pytest.fixture
def site(tmp_path: Path, cli: Cli) -> Iterator[Site]:
    """Return a configured workspace whose admin has agreed."""
    with Collector(tmp_path) as collector:
        site = Site(tmp_path, collector, cli)
        site.agree()
        yield site


def numbers(done: Done) -> list[str]:
    """Return the lines of what was shown that tell of values."""
    assert done.code == 0, done.err
    return signs(done.text.replace("\N{NO-BREAK SPACE}", " "))


def test_last_sent_against_now(site: Site) -> None:
    """What was sent last is compared with what would be sent of the configured source, or of a named document."""
    site.collector.then(reply(503, headers=[("Retry-After", "3600")]))
    assert site.run("send").code == 5
    assert "[nothing-sent]" in (nothing := site.run("diff", "--sent")).error
    assert nothing.code == 2
    assert site.run("send").code == 0
    assert "The two are the same, byte for byte." in site.run("diff", "--sent").text
    site.write(document(totalChannels=90))
    done = site.run("diff", "--sent")
    assert numbers(done) == ["-   86 channels", "+   90 channels  (4 more)"]
    assert "+++ of now; for 20" in done.text
    assert "nothing is left to be sent (" in done.text
    other = site.directory / "other.json"
    other.write_bytes(document(totalChannels=80))
    assert numbers(site.run("diff", "--sent", other))[1] == "+   80 channels  (6 fewer)"
    assert numbers(site.run("diff", "--sent", "-", stdin=document(totalChannels=87)))[1].endswith("(1 more)")


def test_last_sent_against_a_no(site: Site) -> None:
    """With a closed gate the new side is what a yes would send, and says so; after an erasure there is no old one."""
    site.run("send")
    assert site.run("opt-out").code == 0
    site.write(document(totalChannels=90))
    done = site.run("diff", "--sent")
    assert "+++ would not be sent, but by a yes (" in done.text
    assert numbers(done)[-1].endswith("90 channels  (4 more)")
    assert site.run("history", "erase", "--yes").code == 0
    assert "[erased]" in (erased := site.run("diff", "--sent")).error
    assert erased.code == 2


def test_in_the_words_of_another_catalogue(site: Site, tmp_path: Path) -> None:
    """With the name of a configured catalogue its words are used."""
    site.third_party(SEATS)
    old, new = tmp_path / "old", tmp_path / "new"
    for path, seats in ((old, 12), (new, 15)):
        path.write_bytes(payload_with({"exampleApp": {"seats": seats}}))
    assert "How many seats the example app has." not in site.run("diff", old, new).text
    text = site.run("diff", old, new, "--catalogue", "example-app").text
    assert "How many seats the example app has.  exampleApp.seats\n-   12 seats\n+   15 seats  (3 more)\n" in text
