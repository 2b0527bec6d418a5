"""The faces: words for every rule, 80 columns, a page that stands alone, and no value of the document anywhere."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from canaries import assert_no_trace
from rc_stats import (
    Action,
    Anonymiser,
    Consent,
    Finding,
    Objections,
    Preview,
    Profile,
    Switches,
    Terms,
    Workspace,
    WorkspaceKind,
    load_catalogue,
    load_policy,
    preview,
    read_newest,
    what_if,
)
from rc_stats.operators import Refusal
from rc_stats.people import Held
from rc_stats.policy import DataType
from rc_stats.render import View, as_data, as_html, as_text, view_of
from rc_stats.render.layout import ROLES
from rc_stats.render.reference import metric_data, metric_text, outcome
from rc_stats.render.view import Row, drift_lines, spell, unit_of
from rc_stats.render.words import DONE, RULES, group_title, singular, why
from rc_stats.wire import parse

ROOT = Path(__file__).parent.parent
EXAMPLES = [ROOT / "examples" / name for name in ("statistics.json", "statistics-six.json")]
SAMPLES = sorted(path for path in (ROOT / "tests" / "data" / "samples").iterdir() if path.suffix in (".json", ".jsonl"))
NOW = datetime(2026, 8, 25, tzinfo=UTC)
EVERYTHING = frozenset({DataType.USAGE, DataType.APP, DataType.ACCOUNT})
REGISTERED = Workspace(WorkspaceKind.REGISTERED)
DOCUMENT: dict[str, object] = {"createdAt": "2026-08-24T03:12:00.000Z", "totalUsers": 50, "totalChannels": 7}

FACES: dict[str, Callable[[View], str]] = {
    "text": as_text,
    "json": lambda view: json.dumps(as_data(view), ensure_ascii=False),
    "html": as_html,
}


@cache
def anonymiser(profile: Profile = Profile.STANDARD) -> Anonymiser:
    """Return the packaged catalogue compiled for *profile*, once."""
    return Anonymiser(load_catalogue(), profile)


def terms(profile: Profile = Profile.STANDARD) -> Terms:
    """Return what is packaged."""
    return Terms(load_policy(), load_catalogue(), profile)


def previewed(
    document: Any = None,
    workspace: Workspace = REGISTERED,
    consent: Consent | None = None,
    *,
    profile: Profile = Profile.STANDARD,
    now: datetime = NOW,
    switches: Switches | None = None,
    offered: Terms | None = None,
) -> Preview:
    """Return a preview: of a small document, registered, as if the admin had agreed, unless told otherwise."""
    offered = offered or terms(profile)
    return preview(
        DOCUMENT if document is None else document,
        workspace,
        what_if(offered, at=now, scope=EVERYTHING) if consent is None else consent,
        terms=offered,
        now=now,
        switches=switches,
        scope=EVERYTHING,
        anonymiser=anonymiser(offered.profile),
    )


def agreed(at: datetime = NOW - timedelta(days=9), **changes: Any) -> Consent:
    """Return a real consent, with *changes*."""
    return replace(Consent().grant(terms(), at=at), **changes)


def scenarios() -> Iterator[tuple[str, Preview]]:
    """Yield the code of each rule that can close or narrow the gate, with a preview in which it does."""
    hosted = {**DOCUMENT, "deploy": {"platform": load_catalogue().facts.hosted_platform}}
    fields = dict(list(terms().fields().items())[5:])
    yield "workspace-unregistered", previewed(workspace=Workspace())
    yield "workspace-disagreement", previewed(hosted)
    yield "switch-rc-stats", previewed(switches=Switches(("RC_STATS_DISABLE",)))
    yield "switch-do-not-track", previewed(switches=Switches(("DO_NOT_TRACK",)))
    yield "switch-upstream", previewed(switches=Switches(("RC_DISABLE_STATISTICS_REPORTING",)))
    yield "consent-undecided", previewed(consent=Consent())
    yield "consent-declined", previewed(consent=Consent().decline(at=NOW))
    yield "consent-withdrawn", previewed(consent=agreed().withdraw(at=NOW))
    yield "consent-in-future", previewed(consent=agreed(NOW + timedelta(days=1)))
    yield "policy-changed", previewed(consent=agreed(policy_date=None))
    yield "catalogue-other", previewed(consent=agreed(catalogue="other"))
    yield "profile-finer", previewed(consent=agreed(profile=Profile.STRICT))
    yield "document-in-future", previewed(now=NOW - timedelta(days=30))
    yield "document-undated", previewed({"totalUsers": 50}, consent=agreed())
    yield "document-before-consent", previewed(consent=agreed(NOW - timedelta(hours=1)))
    recipient = load_policy().recipient
    yield "recipient-objection", previewed(workspace=objecting(frozenset({recipient.name})))
    yield "objection-unknown", previewed(workspace=objecting(frozenset({"Example Ltd"})))
    yield "recipient-country", previewed(workspace=objecting(frozenset(), frozenset({"Utopia"})))
    yield "apps-not-installed", previewed()
    yield "never-user-content", previewed()
    yield "never-tracking", previewed()
    yield "scope-account", previewed(consent=agreed())
    yield "scope-usage", previewed(consent=agreed(scope=frozenset({DataType.ACCOUNT})))
    yield "scope-app", previewed(consent=agreed(scope=frozenset({DataType.USAGE})))
    yield "nothing-left", previewed(consent=agreed(scope=frozenset({DataType.APP})))
    yield "catalogue-grown", previewed(consent=agreed(fields=fields, catalogue_digest="sha256:0"))


def objecting(subprocessors: frozenset[str], countries: frozenset[str] | None = None) -> Workspace:
    """Return a registered workspace whose admin objects."""
    return Workspace(WorkspaceKind.REGISTERED, Objections(subprocessors, countries))


ALL = dict(scenarios())
SCENARIOS = list(ALL)


@cache
def scenario(code: str) -> View:
    """Return the view of one of the scenarios, with its request."""
    return view_of(ALL[code], with_envelope=True)


# Words for every rule.


def test_every_rule_has_words() -> None:
    """Whatever can be the reason why a path stays has a sentence, and no sentence is left of a rule that is gone."""
    catalogue = load_catalogue()
    refusals = {refusal.value for refusal in Refusal}
    withheld = {t.withhold for kind in catalogue.kinds.values() for t in kind.treatments.values() if t.withhold}
    held = {held.value for held in Held}
    assert refusals | withheld | held | {"too-few-people", "unknown"} == set(RULES)


def test_every_kind_has_a_label() -> None:
    """Every kind of metric has a label of its own, and none is named like a rule, so that a code means one thing."""
    kinds = load_catalogue().kinds
    labels = [kind.label for kind in kinds.values()]
    assert [label for label in labels if not label.strip()] == []
    assert len(labels) == len(set(labels))
    assert set() == set(kinds) & set(RULES)


def test_every_action_has_words() -> None:
    """Every action of a value that leaves has a word, and every other action is a reason."""
    assert {Action.WITHHELD, Action.DROPPED, Action.WRONG_TYPE, Action.UNKNOWN} == set(Action) - set(DONE)


def test_words_are_sentences_without_an_end() -> None:
    """A reason can follow a colon or open a heading: lower case, one line, no full stop, not too long."""
    for code, words in RULES.items():
        assert words[0].islower(), code
        assert not words.endswith("."), code
        assert words.isprintable(), code
        assert len(words) <= 120, code


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("path", [*SAMPLES, *EXAMPLES], ids=lambda path: path.name)
def test_every_finding_has_words(path: Path, profile: Profile) -> None:
    """Every path that stays of a real document has a reason and a heading."""
    with path.open("rb") as stream:
        body = read_newest(stream).document.body
    for finding in anonymiser(profile)(body).findings or ():
        if finding.action not in DONE:
            assert why(finding, load_catalogue()), finding
            assert group_title(finding, load_catalogue()), finding


def test_every_rule_on_every_metric_has_words() -> None:
    """Each rule can be told of each metric, and of a path that is none."""
    catalogue = load_catalogue()
    for metric in catalogue.metrics.values():
        told = [why(Finding(metric.path, Action.DROPPED, metric.kind), catalogue)] if metric.is_dropped else []
        told += [why(Finding(metric.path, Action.WITHHELD, code), catalogue) for code in RULES]
        assert all(told)
    assert RULES["wrong-type"] == why(Finding("teams", Action.WRONG_TYPE, "wrong-type"), catalogue)


def test_scenarios_cover_every_code_of_the_gate() -> None:
    """Every rule that the gate can name is shown by the tests below; a naive clock can't come from the command line."""
    source = (ROOT / "src" / "rc_stats" / "gate.py").read_text(encoding="utf-8")
    known = set(re.findall(r'policy,\s+"([a-z-]+)"', source)) | set(re.findall(r'"(switch-[a-z-]+)"', source))
    known |= {f"consent-{state}" for state in ("undecided", "declined", "withdrawn")}
    known |= {"apps-not-installed", "catalogue-grown"}
    assert set() == known - {"clock-without-zone"} - set(SCENARIOS)


@pytest.mark.parametrize("code", SCENARIOS)
def test_every_rule_of_the_gate_is_told(code: str) -> None:
    """Each rule is shown by every face with what it found, its code, the clause and the policy's own words."""
    view = scenario(code)
    (rule,) = (rule for rule in (*view.closing, *view.narrowing) if rule.code == code)
    assert rule.message.endswith(".")
    assert rule.quote
    assert rule.citation.startswith("privacy-policy@")
    assert rule.remedy or code.startswith("never-") or code == "nothing-left"
    for name, face in FACES.items():
        shown = " ".join(face(view).split())
        if name == "html":
            shown = " ".join("".join(page_of(view).text).split())
        for part in (code, rule.citation, rule.message, rule.remedy):
            assert part in (shown if name != "json" else json.dumps(as_data(view), ensure_ascii=False)), (name, part)


@pytest.mark.parametrize("code", SCENARIOS)
def test_closed_view(code: str) -> None:
    """A view with a closing rule says no first, in every face; one without says yes."""
    view = scenario(code)
    assert bool(view.closing) != view.is_open
    starts = "Nothing would be sent: " if view.closing else ("This would be sent: ", "With a yes, this would be sent: ")
    assert view.headline.startswith(starts)
    assert view.headline.endswith(".")
    assert as_text(view).replace("\n", " ").startswith(view.headline)
    assert ("nothing-would-be-sent" if view.closing else "would-be-sent") == as_data(view)["verdict"]
    assert f'<h1 class="{"no" if view.closing else "yes"}">' in as_html(view)


# The supposition is marked as one.


@pytest.mark.parametrize("code", SCENARIOS)
def test_what_if_is_marked(code: str) -> None:
    """What is shown and would not be sent is marked as a supposition by every face; what would be sent is not."""
    view = scenario(code)
    text, data, html = as_text(view), as_data(view)["payload"], as_html(view)
    if view.payload is None:
        assert "would be sent" not in text.replace("Nothing would be sent", "")
        assert data is None
        assert "What a yes would send" not in text + html
        return
    assert view.is_supposed == view.payload.is_hypothetical
    assert not (view.closing and not view.is_supposed), "a no shows bytes without the mark"
    assert view.is_supposed == data["is_hypothetical"]
    assert view.is_supposed == ("What a yes would send (a supposition: this is not sent)" in text)
    assert view.is_supposed != ("\nWhat would be sent\n" in text)
    assert view.is_supposed == ("This is a supposition. None of it is sent." in html)
    assert view.is_supposed == ("<h2>What a yes would send</h2>" in html)


def test_real_yes_is_not_marked() -> None:
    """A stored consent that covers the document is shown as what would be sent, without any mark."""
    view = view_of(previewed(consent=agreed()))
    assert (view.is_open, view.is_supposed) == (True, False)
    for name, face in FACES.items():
        assert "supposition" not in face(view), name
    assert "\nWhat would be sent\n" in as_text(view)


def test_shown_values_are_those_of_the_payload() -> None:
    """The rows that a person sees are the leaves of the bytes, one for one."""
    for path in EXAMPLES:
        view = view_of(previewed(parse(path.read_bytes())))
        assert view.payload is not None
        statistics = parse(view.payload.body)["statistics"]
        rows = {row.path: row.value for section in view.sections for row in section.rows}
        for emit, value in rows.items():
            inner = statistics
            for step in emit.split("."):
                inner = inner[step]
            assert spell(inner) == value
        assert len(rows) == view.size
        assert set(leaves(statistics)) == {leaf for emit in rows for leaf in leaves_under(statistics, emit)}


def leaves(value: Any, parents: str = "") -> Iterator[str]:
    """Yield the dotted path of every leaf under *value*."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner, f"{parents}{key}.")
        else:
            yield f"{parents}{key}"


def leaves_under(statistics: Any, emit: str) -> list[str]:
    """Return the leaves of *statistics* that are at or below *emit*."""
    return [leaf for leaf in leaves(statistics) if leaf == emit or leaf.startswith(f"{emit}.")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, "on"),
        (False, "off"),
        (0, "0"),
        (999, "999"),
        (1000, "1\N{NO-BREAK SPACE}000"),
        (12345678, "12\N{NO-BREAK SPACE}345\N{NO-BREAK SPACE}678"),
        ("8.7.0", "8.7.0"),
        ({"widget": 1200, "other": 3}, "widget 1\N{NO-BREAK SPACE}200, other 3"),
    ],
)
def test_spell(value: Any, expected: str) -> None:
    """A flag reads on or off, a large number has groups that don't break, a map is a list."""
    assert expected == spell(value)


# Text in 80 columns.


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("path", [*SAMPLES, *EXAMPLES], ids=lambda path: path.name)
def test_text_fits(path: Path, profile: Profile) -> None:
    """The text of every sample and example fits 80 columns, with and without a yes, and ends with one newline."""
    with path.open("rb") as stream:
        newest = read_newest(stream)
    for consent in (None, Consent()):
        for workspace in (REGISTERED, Workspace(), Workspace(WorkspaceKind.HOSTED)):
            result = previewed(newest.document, workspace, consent, profile=profile)
            text = as_text(view_of(result, newest=newest, with_envelope=True))
            assert [line for line in text.splitlines() if len(line) > 80] == []
            assert text.endswith("\n")
            assert not text.endswith("\n\n")
            assert [line for line in text.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize("code", SCENARIOS)
def test_text_of_every_rule_fits(code: str) -> None:
    """The text fits 80 columns whatever rule decides."""
    assert [line for line in as_text(scenario(code)).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("count", [2, 50, 12_000])
@pytest.mark.parametrize("form", ["list", "lines", "array"])
def test_text_of_many_documents_fits(form: str, count: int) -> None:
    """The text fits 80 columns also when it tells of many documents, some without a date."""
    bare = ['{"totalUsers":1}'] * (count // 2) + [json.dumps(DOCUMENT)] * (count - count // 2)
    raw = {
        "list": f'{{"statistics":[{",".join(bare)}]}}',
        "array": f"[{','.join(bare)}]",
        "lines": "\n".join(bare),
    }[form]
    newest = read_newest(io.BytesIO(raw.encode()))
    text = as_text(view_of(previewed(newest.document), newest=newest))
    assert f"{count:,} documents".replace(",", " ") in " ".join(text.split())
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("count", [1, 12, 13, 400])
def test_text_of_drift_fits(count: int) -> None:
    """Drift is named line by line in 80 columns, and what is not shown is counted."""
    unknown = {
        f"totalRooms{'Messages' * (number % 3)}Zyx{chr(65 + number % 26) * number}": 1 for number in range(count)
    }
    text = as_text(view_of(previewed({**DOCUMENT, **unknown})))
    assert "Drift: " in text
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_long_key_of_known_words_fits() -> None:
    """A key that is spelt with the catalogue's words, and so not masked, doesn't push the text over 80 columns."""
    text = as_text(
        view_of(previewed({**DOCUMENT, "TotalRooms" * 8: 1, "uniqueUsersOfYesterday": {"TotalRooms" * 8: 1}}))
    )
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_groups_are_folded_and_counted() -> None:
    """Of a long group, and of drift, the first paths are shown and the rest is counted; no fold hides a single one."""
    unknown = {f"totalRooms{'Messages' * number}": 1 for number in range(1, 15)}
    view = view_of(previewed({**parse(EXAMPLES[0].read_bytes()), **unknown}))
    for most in (1, 10, 31, 1000):
        lines = [line.strip() for line in as_text(view, most=most).splitlines()]
        folded = [group.paths for group in view.groups if len(group.paths) > most + 1]
        expected = [len(paths) - most for paths in folded] + [len(view.drift) - most] * (len(view.drift) > most + 1)
        told = [line for line in lines if line.endswith("more: --all shows them")]
        assert [f"\N{HORIZONTAL ELLIPSIS} and {hidden} more: --all shows them" for hidden in expected] == told
        for paths in folded:
            assert not any(line.split("  ")[0] == paths[most].path for line in lines)


def test_unless_folded_everything_is_named() -> None:
    """Text that is not folded, JSON and HTML name every path that stays and everything that drifts."""
    unknown = {f"totalRooms{'Messages' * number}": 1 for number in range(1, 15)}
    view = view_of(previewed({**parse(EXAMPLES[0].read_bytes()), **unknown}))
    text, html, paths = as_text(view), as_html(view), [staying["path"] for staying in as_data(view)["stays"]]
    starts = [line.strip().split("  ")[0] for line in text.splitlines()]
    assert len(paths) == view.staying
    assert [path for path in paths if f"<code>{path}</code>" not in html] == []
    assert [path for path in paths if path not in starts] == []
    joined = "".join(text.split())
    assert [line for line in view.drift if "".join(line.split()) not in joined] == []
    assert "more:" not in text


@pytest.mark.parametrize("width", [1, 40, 59, 60, 80, 100, 113, 114, 120, 500])
def test_text_fits_any_width(width: int) -> None:
    """The text fits the width it is given, from 40 columns to 120, and always says the same words."""
    whole = view_of(previewed(parse(EXAMPLES[0].read_bytes())))
    codes = ("consent-undecided", "recipient-country", "catalogue-grown", "apps-not-installed")
    for view in (whole, *map(scenario, codes)):
        text = as_text(view, width=width)
        assert [line for line in text.splitlines() if len(line) > min(max(width, 40), 120)] == []
        assert sorted("".join(as_text(view).split())) == sorted("".join(text.split()))


def test_rows_of_a_table_are_not_broken() -> None:
    """A long table fills lines, and none ends between a row's name and its number."""
    codes = ("de", "en", "fr", "it", "nl", "pt-BR", "es", "pl")
    languages = {code: 1000 + 100 * number for number, code in enumerate(codes)}
    total = sum(languages.values())
    view = view_of(previewed({**DOCUMENT, "totalUsers": total, "activeUsers": total, "userLanguages": languages}))
    (row,) = (row for section in view.sections for row in section.rows if row.path == "userLanguages")
    assert set(codes) <= {part.split()[0] for part in row.parts}
    for width in range(40, 121):
        lines = [line.strip().rstrip(",") for line in as_text(view, width=width).splitlines()]
        first = next(number for number, line in enumerate(lines) if line.startswith(row.parts[0]))
        shown: list[str] = []
        while len(shown) < len(row.parts):
            shown += lines[first].split(", ")
            first += 1
        assert shown == list(row.parts), width


def test_values_stand_in_columns() -> None:
    """In each section the numbers end, the units begin and the sentences begin at the same column."""
    view = view_of(previewed(parse(EXAMPLES[0].read_bytes())))
    lines = as_text(view).splitlines()

    def columns(row: Row) -> set[tuple[int, int]]:
        """Return where the value ends and the sentence begins, as far as the lines tell."""
        head = f"{'' if row.parts else row.value} {row.unit}".rstrip()
        return {
            (column - len(rest) + len("" if row.parts else row.value), column)
            for line in lines
            for column in range(len(head) + 4, len(line))
            if (rest := line[:column].lstrip(" ")).rstrip(" ") == head.lstrip(" ")
            and row.says.startswith(line[column:])
        }

    for section in view.sections:
        assert set.intersection(*(columns(row) for row in section.rows if not row.parts)), section.name


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("people", "person"),
        ("priorities", "priority"),
        ("searches", "search"),
        ("inboxes", "inbox"),
        ("responses", "response"),
        ("service levels", "service level"),
        ("bytes", "byte"),
        ("users", "user"),
        ("staff", "staff"),
    ],
)
def test_singular(noun: str, expected: str) -> None:
    """A unit is told in the singular for one of it."""
    assert expected == singular(noun)


def test_units_follow_numbers() -> None:
    """An amount has its unit in the right number; a word, a flag and a number that is no amount have none."""
    metrics = load_catalogue().metrics
    for path, value, expected in (
        ("totalUsers", 0, "users"),
        ("totalUsers", 1, "user"),
        ("totalUsers", 2, "users"),
        ("userLanguages", {"de": 1}, "users"),
        ("fips", True, ""),
        ("version", "8.7.0", ""),
        ("migration.version", 335, ""),
        ("os.totalmem", "16 to 32 GiB", ""),
    ):
        metric = next(metric for metric in metrics.values() if metric.emit == path)
        assert expected == unit_of(metric, value), path


def test_one_is_singular() -> None:
    """One of something is told in the singular by every face."""
    plural = re.compile(r"(?<![\d.,\N{NO-BREAK SPACE}])1 (?:paths|values|bytes|documents|metrics|keys|rules)\b")
    small = {"createdAt": "2026-08-24T03:12:00.000Z", "totalUsers": 50}
    for document in (small, {**small, "zyx": 1}):
        for name, face in FACES.items():
            assert plural.findall(face(view_of(previewed(document)))) == [], name
    undated = read_newest(io.BytesIO(json.dumps([small, {"totalUsers": 1}]).encode()))
    assert "1 has no date" in dict(view_of(previewed(small), newest=undated).about)["Document"]


def test_style_adds_nothing_but_style() -> None:
    """With styles the text is the same once they are taken away, and each role is styled."""
    roles = set()

    def mark(text: str, role: str) -> str:
        roles.add(role)
        return f"\x1b[{len(role)}m{text}\x1b[0m"

    drifting = view_of(previewed({**DOCUMENT, "zyx": 1}))
    for view in (scenario("consent-undecided"), scenario("apps-not-installed"), drifting):
        for width in (40, 80, 120):
            assert as_text(view, width=width) == re.sub(r"\x1b\[\d+m", "", as_text(view, width=width, style=mark))
    assert {"yes", "no", "heading", "section", "value", "quiet", "warning"} == roles
    assert roles < set(ROLES)


# A page that stands alone.

VOID = {"meta", "br", "hr", "img", "input", "link", "col", "base", "embed", "source", "area", "wbr", "track"}
HARMLESS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "br", "dl", "dt", "dd", "ol"),
    *("ul", "li", "table", "caption", "thead", "tbody", "tr", "th", "td", "code", "pre", "blockquote", "span"),
    *("details", "summary", "section", "header", "footer"),
}
ATTRIBUTES = {"lang", "charset", "name", "content", "http-equiv", "class", "id", "open", "scope", "colspan"}


class Page(HTMLParser):
    """Reads a page and complains about whatever is not closed, or could load, run or lead somewhere."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []
        self.style: list[str] = []
        self.meta: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Allow only harmless elements and attributes."""
        assert tag in HARMLESS, tag
        named = dict(attrs)
        assert set(named) <= ATTRIBUTES, named
        if tag == "meta":
            self.meta[str(named.get("http-equiv") or named.get("name") or "charset")] = str(
                named.get("content") or named.get("charset")
            )
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        """Keep the text, and the style apart."""
        (self.style if self.open and self.open[-1] == "style" else self.text).append(data)

    def handle_comment(self, data: str) -> None:
        """Allow no comment: nobody sees what it says."""
        raise AssertionError(data)


def page_of(view: View) -> Page:
    """Return the page of *view*, read."""
    page = Page()
    page.feed(as_html(view))
    page.close()
    assert page.open == []
    return page


@pytest.mark.parametrize("path", [*SAMPLES, *EXAMPLES], ids=lambda path: path.name)
def test_page_stands_alone(path: Path) -> None:
    """The page is well formed, runs no script, loads nothing, and forbids both to whatever may get in."""
    with path.open("rb") as stream:
        newest = read_newest(stream)
    for consent in (None, Consent()):
        html = as_html(view := view_of(previewed(newest.document, consent=consent), newest=newest, with_envelope=True))
        page = page_of(view)
        assert html.startswith("<!doctype html>\n")
        assert page.meta["charset"] == "utf-8"
        policy = page.meta["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy
        style = "".join(page.style)
        assert "url(" not in style
        assert "@import" not in style
        assert style.count("{") == style.count("}")


@pytest.mark.parametrize("code", SCENARIOS)
def test_page_of_every_rule(code: str) -> None:
    """The page is well formed and harmless whatever rule decides, and shows the bytes unchanged."""
    view = scenario(code)
    page = page_of(view)
    assert view.headline == next(text for text in page.text if text.strip())
    if view.payload is not None:
        assert view.payload.body.decode().strip() in "".join(page.text)


def test_page_is_told_in_its_language() -> None:
    """The page names its language, and no control or direction character is in it."""
    html = as_html(scenario("consent-undecided"))
    assert '<html lang="en">' in html
    assert [
        character
        for character in html
        if not (character.isprintable() or character == "\n") and character != "\N{NO-BREAK SPACE}"
    ] == []


# No value and no key of the document.

TOKENS = [
    "Quokkaville",
    '<script>alert("Quokkaville")</script>',
    "\"'><img src=x onerror=Quokkaville>",
    "\u202eQuokkaville\u2066.exe\u202c",
    "</pre></code></style>{{ Quokkaville }}{% raw %}&amp;",
    "\x1b[31mQuokkaville\r\n\x07",
    "https://quokkaville.example/?q=1",
]
CORE = "Quokkaville"


Tokens = Iterator[str]


def every_string(value: Any, tokens: Tokens) -> Any:
    """Return *value* with a token in the place of every text."""
    return mapped(value, lambda leaf: next(tokens) if isinstance(leaf, str) else leaf)


def every_leaf(value: Any, tokens: Tokens) -> Any:
    """Return *value* with a token in the place of every leaf."""
    return mapped(value, lambda _: next(tokens))


def every_string_longer(value: Any, tokens: Tokens) -> Any:
    """Return *value* with a token after every text, so that it begins as a good one does."""
    return mapped(value, lambda leaf: f"{leaf} {next(tokens)}" if isinstance(leaf, str) else leaf)


def mapped(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return *value* with every leaf but the date of the document replaced by what *leaf* makes of it."""
    if isinstance(value, dict):
        return {key: inner if key == "createdAt" else mapped(inner, leaf) for key, inner in value.items()}
    return [mapped(item, leaf) for item in value] if isinstance(value, list) else leaf(value)


def every_key_beside(value: Any, tokens: Tokens) -> Any:
    """Return *value* with keys and objects that hold a token in every object."""
    if isinstance(value, list):
        return [*(every_key_beside(item, tokens) for item in value), {next(tokens): next(tokens)}]
    if not isinstance(value, dict):
        return value
    inner = {key: every_key_beside(item, tokens) for key, item in value.items()}
    return {**inner, next(tokens): 1, f"total{next(tokens)}": {next(tokens): []}, f"{next(tokens)}.a[]": next(tokens)}


def every_key_longer(value: Any, tokens: Tokens) -> Any:
    """Return *value* with a token after every key."""
    if isinstance(value, dict):
        return {f"{key}{next(tokens)}": every_key_longer(item, tokens) for key, item in value.items()}
    return [every_key_longer(item, tokens) for item in value] if isinstance(value, list) else value


PLANTINGS = [every_string, every_leaf, every_string_longer, every_key_beside, every_key_longer]


@pytest.mark.parametrize("consent", [None, Consent()], ids=["yes", "no"])
@pytest.mark.parametrize("plant", PLANTINGS, ids=lambda plant: plant.__name__)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_no_value_or_key_shows(path: Path, plant: Callable[[Any, Tokens], Any], consent: Consent | None) -> None:
    """Markup, scripts, quotes, marks of direction and escapes in any value or key of a document show in no face."""
    document = parse(path.read_bytes())
    for tokens in (cycle([CORE]), cycle(TOKENS)):
        raw = json.dumps(plant(document, tokens)).encode()
        newest = read_newest(io.BytesIO(raw))
        view = view_of(previewed(newest.document, consent=consent), newest=newest, with_envelope=True)
        for face in FACES.values():
            shown = face(view)
            assert_no_trace(shown, CORE)
            assert [
                mark for mark in ("\u202e", "\u2066", "\x1b", "\x07", "\r", "onerror", "<script") if mark in shown
            ] == []
        page_of(view)


def test_planting_is_seen() -> None:
    """The tests above would fail if anything came through: the planted documents do hold the token everywhere."""
    document = parse(EXAMPLES[0].read_bytes())
    for plant in PLANTINGS:
        assert json.dumps(plant(document, cycle(TOKENS))).count(CORE) > 20
    with pytest.raises(AssertionError):
        assert_no_trace(json.dumps(every_key_beside({}, cycle(TOKENS))), CORE)


def test_template_escapes() -> None:
    """Even words that only the catalogue and the policy can bring are escaped on the page."""
    view = replace(
        scenario("consent-undecided"),
        headline='<b>"no"</b>',
        drift=("<script>alert(1)</script>", "&amp;"),
        about=(("<i>", "<img src=x>"),),
    )
    html = as_html(view)
    assert "<script" not in html
    assert "<img" not in html
    assert "&amp;amp;" in html
    assert "<title>&lt;b&gt;&#34;no&#34;&lt;/b&gt;</title>" in html
    page_of(view)


def test_drift_lines_are_sorted_and_counted() -> None:
    """Each unknown path is one line, sorted, with how many keys share it; a new JSON type is told as such."""
    findings = [
        Finding("totalRooms", Action.WRONG_TYPE, "wrong-type", is_drift=True),
        Finding("b", Action.UNKNOWN, "unknown", is_drift=True, times=1200),
        Finding("a", Action.UNKNOWN, "unknown", is_drift=True),
        Finding("totalUsers", Action.KEPT, "count", "totalUsers"),
    ]
    expected = ["a", "b (1\N{NO-BREAK SPACE}200 keys)", "totalRooms (a JSON type that is not known there)"]
    assert expected == drift_lines(findings)


# The catalogue as a reference.


def test_every_metric_is_explained() -> None:
    """Every metric is explained, in 80 columns but for a longer path: its profiles, clause and the policy's words."""
    catalogue, policy = load_catalogue(), load_policy()
    for metric in catalogue.metrics.values():
        text = metric_text(metric, catalogue, policy)
        data = metric_data(metric, catalogue, policy)
        assert [line for line in text.splitlines() if len(line) > 80 and len(line.split()) > 2] == [], metric.path
        flowing = " ".join(text.split())
        for part in (metric.path, metric.says, data["quote"], data["clause"]):
            assert " ".join(part.split()) in flowing, (metric.path, part)
        for profile in Profile:
            expected = "stays" if metric.is_dropped else data["profiles"][str(profile)]
            assert outcome(metric, catalogue, profile) == expected
        assert ("Never: " in text) == metric.is_dropped


def test_reference_agrees_with_the_plan() -> None:
    """What the reference calls withheld or staying is what the compiled plan has no slot for, in each profile."""
    catalogue = load_catalogue()
    for profile in Profile:
        slots = {slot.metric.path for slot in anonymiser(profile).plan.slots if not slot.is_silent}
        leaving = {
            m.path for m in catalogue.metrics.values() if outcome(m, catalogue, profile) not in ("stays", "withheld")
        }
        assert slots == leaving
