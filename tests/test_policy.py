"""The policy as data: fifteen cells, never looser than its source, and every citation leads somewhere."""

from __future__ import annotations

import ast
import re
from datetime import date
from itertools import product
from pathlib import Path

import pytest

import rc_stats
from rc_stats import load_catalogue, load_policy
from rc_stats.consent import SCOPES
from rc_stats.policy import Cell, Condition, DataType, Verdict, WorkspaceKind

SOURCES = sorted(Path(rc_stats.__file__).parent.glob("*.py"))
CELLS = list(load_policy().matrix.values())
PREFIX = "privacy-policy@2023-01-05#"

NEVER, CONDITIONAL, ALWAYS = Verdict.NEVER, Verdict.CONDITIONAL, Verdict.ALWAYS
EXPECTED: dict[tuple[str, str], tuple[Verdict, Condition | None]] = {
    ("account", "unregistered"): (NEVER, None),
    ("account", "registered"): (CONDITIONAL, Condition.SCOPE_NAMED),
    ("account", "hosted"): (CONDITIONAL, Condition.SCOPE_NAMED),
    ("usage", "unregistered"): (NEVER, None),
    ("usage", "registered"): (CONDITIONAL, Condition.OPTED_IN),
    ("usage", "hosted"): (ALWAYS, None),
    ("app", "unregistered"): (NEVER, None),
    ("app", "registered"): (CONDITIONAL, Condition.APPS_INSTALLED),
    ("app", "hosted"): (CONDITIONAL, Condition.APPS_INSTALLED),
    ("user_content", "unregistered"): (NEVER, None),
    ("user_content", "registered"): (NEVER, None),
    ("user_content", "hosted"): (NEVER, None),
    ("tracking", "unregistered"): (NEVER, None),
    ("tracking", "registered"): (NEVER, None),
    ("tracking", "hosted"): (NEVER, None),
}


def name_of(cell: Cell) -> str:
    """Return a cell's place as one word, for the names of tests."""
    return f"{cell.data_type}-{cell.kind}"


def test_the_matrix_is_complete() -> None:
    """The matrix has one cell for each data type in each kind of workspace: fifteen."""
    assert set(product(DataType, WorkspaceKind)) == set(load_policy().matrix)
    assert len(CELLS) == 15
    assert all((cell.data_type, cell.kind) == key for key, cell in load_policy().matrix.items())


@pytest.mark.parametrize(("data_type", "kind"), EXPECTED)
def test_verdicts(data_type: str, kind: str) -> None:
    """Each cell has the verdict and the condition that the rules ask for."""
    cell = load_policy().matrix[DataType(data_type), WorkspaceKind(kind)]
    assert EXPECTED[data_type, kind] == (cell.verdict, cell.condition)


@pytest.mark.parametrize("cell", CELLS, ids=name_of)
def test_a_verdict_is_never_looser_than_the_policy(cell: Cell) -> None:
    """Where the policy's table says no, the verdict is never; and the quote begins as the cell says."""
    assert cell.policy in ("yes", "no")
    assert cell.policy == "yes" or cell.verdict is NEVER
    if cell.policy == "no":
        assert cell.quote.startswith("no")


@pytest.mark.parametrize("cell", CELLS, ids=name_of)
def test_conditions_stand_with_conditional_verdicts(cell: Cell) -> None:
    """A conditional verdict has a condition, the others have none, and every cell says why."""
    assert (cell.verdict is CONDITIONAL) == (cell.condition is not None)
    assert cell.clause in load_policy().clauses
    assert cell.note.endswith(".")


@pytest.mark.parametrize("data_type", DataType)
def test_a_stricter_kind_allows_no_more(data_type: DataType) -> None:
    """From unregistered over registered to hosted, a verdict only gets laxer."""
    order = [NEVER, CONDITIONAL, ALWAYS]
    ranks = [order.index(load_policy().matrix[data_type, kind].verdict) for kind in WorkspaceKind]
    assert sorted(ranks) == ranks


def test_only_scopes_can_ever_leave() -> None:
    """The data types that some cell lets through are the ones that a consent can name."""
    assert set(SCOPES) == {cell.data_type for cell in CELLS if cell.verdict is not NEVER}


def test_clauses() -> None:
    """Each clause is complete, is cited as document, date and id, and its quote is short."""
    policy = load_policy()
    for name, clause in policy.clauses.items():
        assert clause.id == name
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert clause.citation == f"{PREFIX}{name}"
        assert 0 < len(clause.quote) <= 200
        assert clause.section
        assert clause.says.endswith(".")
        assert clause.effect.endswith(".")


def test_head() -> None:
    """The policy names its document, publisher and dates."""
    policy = load_policy()
    assert policy.document == "privacy-policy"
    assert policy.publisher == "Rocket.Chat Technologies Corp."
    assert policy.effective == date(2023, 1, 5)
    assert policy.subprocessors_updated == date(2023, 5, 29)
    assert policy.title


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_citations_in_docstrings(path: Path) -> None:
    """Every clause that a docstring cites exists, with the date of the packaged policy."""
    text = path.read_text(encoding="utf-8")
    for line in re.findall(r"^ *Policy: (.+)$", text, re.MULTILINE):
        document, _, first = line.rstrip(".").partition("#")
        assert f"{document}#" == PREFIX
        for anchor in first.split(", #"):
            assert anchor in load_policy().clauses


def cited_by_the_gate() -> set[str]:
    """Return the clause ids in the code that decides: arguments of reasons, switches, and subscripts of clauses."""
    names = ("circumstances", "rules", "decision", "gate")
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES if path.stem in names]
    found = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_reason":
            found |= {node.args[2].value} if isinstance(node.args[2], ast.Constant) else set()
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "clauses":
            found |= {node.slice.value} if isinstance(node.slice, ast.Constant) else set()
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "SWITCHES":
            assert node.value is not None
            found |= {clause for _, clause in ast.literal_eval(node.value).values()}
    return {str(clause) for clause in found}


def test_citations_in_the_gate() -> None:
    """Every clause that the gate's code cites exists, and they are found at all."""
    cited = cited_by_the_gate()
    assert {"kinds", "toggle", "statistics-sharing", "do-not-track", "transfer", "third-party-apps"} <= cited
    assert set() == cited - set(load_policy().clauses)


def test_citations_of_kinds() -> None:
    """Every clause that a kind of metric cites exists."""
    clauses = {kind.clause for kind in load_catalogue().kinds.values()}
    assert clauses
    assert clauses <= set(load_policy().clauses)


def test_recipients() -> None:
    """The default recipient has an HTTPS address, a country, a clause, and the companies that may hold statistics."""
    policy = load_policy()
    recipient = policy.recipient
    assert recipient is next(iter(policy.recipients.values()))
    assert recipient.name == policy.publisher
    assert recipient.url == "https://collector.rocket.chat/"
    assert recipient.country == "United States"
    assert recipient.clause in policy.clauses
    assert tuple(s for s in policy.subprocessors if s.may_hold_statistics) == recipient.subprocessors
    assert 0 < len(recipient.subprocessors) < len(policy.subprocessors)


def test_subprocessors() -> None:
    """Each company on the list has a group and a purpose, stands in a group once, and other names go both ways."""
    companies = load_policy().subprocessors
    assert all(company.group and company.purpose for company in companies)
    assert len({(company.name, company.group) for company in companies}) == len(companies)
    names = {company.name for company in companies}
    aliases = {(company.name, alias) for company in companies for alias in company.aliases if alias in names}
    assert aliases == {(alias, name) for name, alias in aliases}


def test_the_policy_is_loaded_once() -> None:
    """Loading the policy twice gives the same object."""
    assert load_policy() is load_policy()
