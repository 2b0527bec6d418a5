"""The exception tree: who is under whom, which exit code each has, and what a message looks like."""

from __future__ import annotations

import inspect

import pytest

from rc_stats import errors
from rc_stats.errors import (
    CatalogueError,
    DriftFound,
    GateClosed,
    LeaseLost,
    MissingExtra,
    RcStatsError,
    StoreError,
    TransportError,
    UnusableInput,
    UsageError,
)

TREE: list[tuple[type[Exception], type[Exception], int]] = [
    (RcStatsError, Exception, 1),
    (UsageError, RcStatsError, 2),
    (MissingExtra, UsageError, 2),
    (GateClosed, RcStatsError, 3),
    (UnusableInput, RcStatsError, 4),
    (CatalogueError, UnusableInput, 4),
    (TransportError, RcStatsError, 5),
    (StoreError, RcStatsError, 6),
    (LeaseLost, StoreError, 6),
    (DriftFound, RcStatsError, 7),
]

EXAMPLES = [
    RcStatsError("It failed.", rule="failed"),
    UsageError("The option is wrong.", rule="option", remedy="Leave it out."),
    MissingExtra("cli", "The command line"),
    GateClosed("Nothing may leave.", rule="consent-undecided", remedy="Agree first."),
    UnusableInput("The input is empty.", rule="not-json"),
    CatalogueError(["metric a: no unit", "metric b: no source"]),
    TransportError("The collector did not answer.", rule="transport-timeout", status=503, retry_after=4.0),
    StoreError("The store can't be written.", rule="store-full", remedy="Make room."),
    LeaseLost("Another instance has taken over.", rule="lease-lost"),
    DriftFound("The document has 2 unknown paths.", rule="drift"),
]


@pytest.mark.parametrize(("error", "parent", "exit_code"), TREE, ids=lambda item: getattr(item, "__name__", str(item)))
def test_each_class_has_its_parent_and_exit_code(error: type[RcStatsError], parent: type, exit_code: int) -> None:
    """Each class stands under its parent in the tree and carries the exit code of the command line."""
    assert (parent,) == error.__bases__
    assert exit_code == error.exit_code


def test_the_table_names_every_class() -> None:
    """No exception class of the module is missing from the table, so none has an exit code by accident."""
    found = {cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)}
    assert {error for error, _, _ in TREE} == found


def test_no_error_looks_like_success() -> None:
    """No class has the exit code 0, and only the codes that the command line documents are used."""
    assert {1, 2, 3, 4, 5, 6, 7} == {error.exit_code for error, _, _ in TREE if issubclass(error, RcStatsError)}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_text_is_one_line(error: RcStatsError) -> None:
    """The text of an error is one line that holds message and rule, and ends with the remedy if there is one."""
    text = str(error)
    assert [text] == text.splitlines()
    assert text.startswith(f"{error.message} [{error.rule}]")
    assert text.endswith(error.remedy or f"[{error.rule}]")
    assert text == text.strip()


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_holds_nothing_but_its_message(error: RcStatsError) -> None:
    """An error carries its message, rule and remedy (and what its class adds), with no place for an input's value."""
    own = {"message", "rule", "remedy"}
    added = {
        MissingExtra: {"extra"},
        CatalogueError: {"problems"},
        TransportError: {"status", "is_final", "retry_after"},
    }
    extra: set[str] = added.get(type(error), set())
    assert own | extra == set(vars(error))
    assert (error.message,) == error.args


def test_text_without_remedy() -> None:
    """Without a remedy the text ends with the rule, and no space follows it."""
    assert str(UnusableInput("Too deep.", rule="too-deep")) == "Too deep. [too-deep]"


def test_missing_extra_names_the_command() -> None:
    """A missing extra is named, with the purpose and the command that installs it."""
    error = MissingExtra("cli", "The command line")
    assert error.extra == "cli"
    assert str(error) == (
        "The command line needs the extra 'cli'. [missing-extra] Install it with: pip install 'rc-stats[cli]'"
    )


@pytest.mark.parametrize(
    ("problems", "expected"),
    [
        (["a: b"], "The catalogue has 1 problem: a: b"),
        (["a: b", "c: d"], "The catalogue has 2 problems: a: b; c: d"),
        ([], "The catalogue has 0 problems: "),
    ],
)
def test_catalogue_error_names_all_problems(problems: list[str], expected: str) -> None:
    """All problems of a catalogue are in the message and kept as a tuple."""
    error = CatalogueError(problems)
    assert expected == error.message
    assert tuple(problems) == error.problems
    assert error.rule == "catalogue-lint"
