"""
Hold `data/policy.toml` against the privacy policy that it quotes.

The policy's text belongs to its publisher and is not part of the repository: RCSTATS_TEST_POLICY_TEXT names a
file that holds it. Without one the tests that need it are skipped, except under CI, where they fail. The
others always run.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

POLICY_FILE = Path(__file__).parent.parent / "src" / "rc_stats" / "data" / "policy.toml"
POLICY: dict[str, Any] = tomllib.loads(POLICY_FILE.read_text(encoding="utf-8"))
CLAUSES: list[dict[str, Any]] = POLICY["clause"]
CELLS: list[dict[str, Any]] = POLICY["cell"]
SUBPROCESSORS: list[dict[str, Any]] = POLICY["subprocessor"]
DATES = {"effective": "effective_quote", "subprocessors_updated": "subprocessors_quote"}

QUOTE_LIMIT = 200  # characters
QUOTED_SHARE = 0.25  # of the policy's words, all quotes together

ROW_LABELS = {
    "account": "Account Data",
    "usage": "Usage Data",
    "app": "App Data",
    "user_content": "User content",
    "tracking": "Tracking and Cookies",
}
COLUMN_LABELS = {
    "unregistered": "Self Managed (not registered)",
    "registered": "Self Managed (registered)",
    "hosted": "Hosted",
}
CONDITIONS = {"opted-in", "scope-named", "apps-installed"}
GROUP_HEADINGS = {
    "Infrastructure Sub-processors \N{EN DASH} Service Data Storage and Processing": "infrastructure",
    "Service Specific Sub-processors": "service",
    "Innovation Service Specific Sub-processors": "innovation",
    "Rocket.Chat Affiliates": "affiliate",
    "Partners Joint Processors or Sub-processors": "partner",
}
REQUIRED_CLAUSES = {
    "account-data",
    "administrators-responsible",
    "app-data",
    "changes",
    "children",
    "consent-revoke",
    "do-not-track",
    "hosted-processor",
    "hosted-regions",
    "info-page",
    "kinds",
    "law-enforcement",
    "legal-basis-consent",
    "location-data",
    "no-names",
    "no-tracking-inside",
    "purposes",
    "registration",
    "retention",
    "rights-access",
    "rights-erase",
    "rights-object",
    "rights-portability",
    "rights-rectify",
    "rights-restrict",
    "rights-withdraw",
    "security",
    "self-managed-control",
    "statistics-sharing",
    "subprocessor-objection",
    "subprocessors",
    "third-party-apps",
    "toggle",
    "transfer",
    "user-content",
}


class Row(NamedTuple):
    """One row of the policy's list of subprocessors, with the table that it stands in."""

    group: str
    names: tuple[str, ...]
    cells: dict[str, str]


def cell_name(cell: dict[str, Any]) -> str:
    """Return how a failing test names *cell*."""
    return f"{cell['data_type']}-{cell['kind']}"


def quotes() -> Iterator[tuple[str, str]]:
    """Yield every quote of the file, with a name that says where it stands."""
    for key in DATES.values():
        yield key, POLICY[key]
    for clause in CLAUSES:
        yield f"clause {clause['id']}", clause["quote"]
    for cell in CELLS:
        yield f"cell {cell_name(cell)}", cell["quote"]
    for subprocessor in SUBPROCESSORS:
        yield f"subprocessor {subprocessor['name']}", subprocessor["quote"]


QUOTES = list(quotes())
each_quote = pytest.mark.parametrize("quote", [q for _, q in QUOTES], ids=[name for name, _ in QUOTES])
each_clause = pytest.mark.parametrize("clause", CLAUSES, ids=[c["id"] for c in CLAUSES])
each_cell = pytest.mark.parametrize("cell", CELLS, ids=[cell_name(c) for c in CELLS])
each_subprocessor = pytest.mark.parametrize("entry", SUBPROCESSORS, ids=[s["name"] for s in SUBPROCESSORS])


def normalised(text: str) -> str:
    """Return *text* with every run of white space as one space."""
    return " ".join(text.split())


def occurs(quote: str, text: str) -> bool:
    """Tell whether *quote* stands in *text* as whole words, white space aside."""
    pattern = rf"(?<!\w){re.escape(normalised(quote))}(?!\w)"
    return re.search(pattern, normalised(text)) is not None


@cache
def heading(line: str) -> str | None:
    """Return the title, without list or fold markers, if *line* reads as a heading of the policy."""
    title = line.strip()
    bold = re.fullmatch(r"- \*\*([^*]+)\*\*", title)
    if bold:
        return bold[1]
    title = title.removeprefix("▼ ")
    is_plain = 0 < len(title) <= 100 and "\t" not in title and not title.startswith(("- ", "<"))
    is_dated = title in {POLICY[key] for key in DATES.values()}
    return title if is_plain and not is_dated and title[-1] not in ".:;," else None


def sections(text: str) -> list[tuple[str, str]]:
    """Return the policy as (heading, text up to the next heading); a heading may occur more than once."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        title = heading(line)
        if title is not None:
            found.append((title, []))
        elif found:
            found[-1][1].append(line)
    return [(title, "\n".join(lines)) for title, lines in found]


def table_after(lines: list[str], start: int) -> list[dict[str, str]]:
    """Return the rows of the table whose header is ``lines[start]``, as column label to cell."""
    labels = lines[start].split("\t")
    rows = []
    for line in lines[start + 1 :]:
        if "\t" not in line:
            break
        cells = line.split("\t")
        assert len(cells) == len(labels), f"{cells[0]}: {len(cells)} cells under {len(labels)} labels"
        rows.append(dict(zip(labels, (cell.strip() for cell in cells), strict=True)))
    return rows


def matrix(text: str) -> dict[tuple[str, str], str]:
    """Return the policy's table of data types and workspace kinds, as (row label, column label) to cell."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("Data type\t")]
    assert len(starts) == 1, "the policy has exactly one table of data types"
    return {
        (row["Data type"], label): cell
        for row in table_after(lines, starts[0])
        for label, cell in row.items()
        if label != "Data type"
    }


def listed_subprocessors(text: str) -> list[Row]:
    """Return every row of the policy's list of subprocessors; a first cell may name several, after commas."""
    lines = text.splitlines()
    rows: list[Row] = []
    group = ""
    for number, line in enumerate(lines):
        group = GROUP_HEADINGS.get(line.strip(), group)
        if line.startswith("Entity Name\t"):
            found = table_after(lines, number)
            rows += [Row(group, tuple(cells["Entity Name"].split(", ")), cells) for cells in found]
    return rows


@pytest.fixture(scope="session")
def text() -> str:
    """Return the policy's full text, or skip; under CI a missing text fails."""
    name = os.environ.get("RCSTATS_TEST_POLICY_TEXT")
    if not name:
        reason = "RCSTATS_TEST_POLICY_TEXT is not set: it names a file with the privacy policy's text"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    path = Path(name)
    if not path.is_file():
        pytest.fail("RCSTATS_TEST_POLICY_TEXT is set, but names no file")
    return path.read_text(encoding="utf-8")


# What the file says of itself: no policy text needed.


def test_required_clauses_exist_once() -> None:
    """Every clause that other modules cite exists, and no id is used twice."""
    ids = [clause["id"] for clause in CLAUSES]

    assert set(ids) >= REQUIRED_CLAUSES, f"missing: {sorted(REQUIRED_CLAUSES - set(ids))}"
    assert sorted(set(ids)) == sorted(ids)


@each_clause
def test_clause_is_complete(clause: dict[str, Any]) -> None:
    """A clause has an id fit for an anchor, and says in our words what is promised and what follows."""
    assert {"id", "section", "quote", "says", "effect"} == set(clause)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", clause["id"])
    assert all(value.strip() for value in clause.values())


@each_clause
def test_our_words_do_not_say_anonymous(clause: dict[str, Any]) -> None:
    """Outside quotes we say "aggregated", not "anonymous"."""
    assert "anonym" not in f"{clause['says']} {clause['effect']}".lower()


@each_quote
def test_quote_is_short(quote: str) -> None:
    """A quote is one line of at most 200 characters, with nothing around it."""
    assert quote == normalised(quote)
    assert 0 < len(quote) <= QUOTE_LIMIT


def test_cells_fill_the_matrix() -> None:
    """There is exactly one cell for each data type and workspace kind."""
    cells = [(cell["data_type"], cell["kind"]) for cell in CELLS]

    assert sorted((row, column) for row in ROW_LABELS for column in COLUMN_LABELS) == sorted(cells)


@each_cell
def test_verdict_is_never_looser_than_the_policy(cell: dict[str, Any]) -> None:
    """Where the policy says no the verdict is never, and a condition stands only with conditional."""
    assert cell["policy"] in {"yes", "no"}
    assert cell["verdict"] in {"never", "conditional", "always"}
    if cell["policy"] == "no" or cell["kind"] == "unregistered":
        assert cell["verdict"] == "never"
    if cell["verdict"] == "conditional":
        assert cell["condition"] in CONDITIONS
    else:
        assert "condition" not in cell


@each_cell
def test_content_and_tracking_are_never_shared(cell: dict[str, Any]) -> None:
    """User content and tracking are no part of statistics in any kind of workspace."""
    if cell["data_type"] in {"user_content", "tracking"}:
        assert cell["verdict"] == "never"


@each_cell
def test_cell_cites_a_clause(cell: dict[str, Any]) -> None:
    """The clause that decides a cell exists, and so does each clause that its note names."""
    ids = {clause["id"] for clause in CLAUSES}

    assert cell["clause"] in ids
    assert set(re.findall(r"clause ([a-z-]+)", cell["note"])) <= ids
    assert "anonym" not in cell["note"].lower()


@pytest.mark.parametrize("name", POLICY["recipient"])
def test_recipient_is_complete(name: str) -> None:
    """A recipient has an HTTPS address, a country, the source of the address, and a clause that exists."""
    recipient = POLICY["recipient"][name]

    assert {"name", "url", "country", "clause", "source"} == set(recipient)
    assert recipient["url"].startswith("https://")
    assert recipient["clause"] in {clause["id"] for clause in CLAUSES}


# What the file says of the policy: against its text.


@each_quote
def test_quote_is_verbatim(quote: str, text: str) -> None:
    """Every quote occurs in the policy, character by character, white space aside."""
    assert occurs(quote, text)


@each_clause
def test_quote_is_unambiguous(clause: dict[str, Any], text: str) -> None:
    """A clause's quote occurs only once, so that the citation has one meaning."""
    assert normalised(text).count(normalised(clause["quote"])) == 1


@each_clause
def test_quote_stands_under_its_section(clause: dict[str, Any], text: str) -> None:
    """A clause's quote stands after its section's heading and before the next heading."""
    bodies = [body for title, body in sections(text) if title == clause["section"]]

    assert bodies, f"the policy has no heading {clause['section']!r}"
    assert any(occurs(clause["quote"], body) for body in bodies)


@each_cell
def test_quote_stands_in_its_cell(cell: dict[str, Any], text: str) -> None:
    """A cell's quote stands in exactly that cell of the policy's table; a bare no is the whole cell."""
    place = ROW_LABELS[cell["data_type"]], COLUMN_LABELS[cell["kind"]]
    found = matrix(text)[place]

    assert occurs(cell["quote"], found)
    if cell["quote"] in {"yes", "no"}:
        assert cell["quote"] == found


@each_cell
def test_policy_word_begins_its_cell(cell: dict[str, Any], text: str) -> None:
    """The policy's yes or no is the first word of that cell of the table."""
    place = ROW_LABELS[cell["data_type"]], COLUMN_LABELS[cell["kind"]]

    assert cell["policy"] == matrix(text)[place].split()[0]


def test_table_has_no_other_cells(text: str) -> None:
    """The policy's table has the rows and columns that we know, and no others."""
    known = {(row, column) for row in ROW_LABELS.values() for column in COLUMN_LABELS.values()}

    assert known == set(matrix(text))


def test_subprocessors_are_the_policys_list(text: str) -> None:
    """Every named entity of the policy's list has exactly one entry in its group, and there are no others."""
    listed = [(row.group, name) for row in listed_subprocessors(text) for name in row.names]

    assert set(GROUP_HEADINGS.values()) == {group for group, _ in listed}
    assert sorted(listed) == sorted((entry["group"], entry["name"]) for entry in SUBPROCESSORS)


@each_subprocessor
def test_subprocessor_agrees_with_its_row(entry: dict[str, Any], text: str) -> None:
    """An entry's quote and locations stand in its own row; no location only where the list gives none."""
    rows = [row for row in listed_subprocessors(text) if entry["name"] in row.names]

    assert len(rows) == 1
    cells = rows[0].cells
    where = next(cell for label, cell in cells.items() if label.endswith("Location"))
    assert occurs(entry["quote"], " ".join(cells.values()))
    assert all(occurs(location, where) for location in entry["locations"])
    assert bool(where) == bool(entry["locations"])
    assert isinstance(entry["may_hold_statistics"], bool)


@pytest.mark.parametrize("key", DATES)
def test_date_is_the_quoted_one(key: str) -> None:
    """A date is the one that its quote states."""
    stated = re.search(r"([A-Z][a-z]+) (\d+)(?:st|nd|rd|th), (\d{4})", POLICY[DATES[key]])

    assert stated is not None
    day = datetime.strptime(" ".join((*stated.groups(), "+0000")), "%B %d %Y %z").date()
    assert isinstance(POLICY[key], date)
    assert day == POLICY[key]


def test_quotes_are_a_small_part(text: str) -> None:
    """All quotes together are less than a quarter of the policy's words."""
    quoted = sum(len(quote.split()) for _, quote in QUOTES)

    assert quoted < QUOTED_SHARE * len(text.split())
