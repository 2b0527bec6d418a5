"""What is shown only on request: values of the document, how much a payload can tell; and the entry point itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rc_stats import Profile, load_catalogue
from rc_stats.__main__ import main
from rc_stats.capacity import total_bits
from rc_stats.cli import run
from rc_stats.render.view import raw_text

EXAMPLE = str(Path(__file__).parent.parent / "examples" / "statistics.json")
YES = ("--workspace", "registered", "--opt-in", "--at", "2026-08-25T00:00:00Z")
DOCUMENT = json.loads(Path(EXAMPLE).read_text(encoding="utf-8"))


@pytest.mark.parametrize("format_", ["text", "json", "html"])
def test_values_are_shown_on_request_only(format_: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What stays is spelt out with --show-values, and not without."""
    host = DOCUMENT["settings"]["email"]["smtp"]["smtpHost"]
    assert run(["preview", EXAMPLE, *YES, "--format", format_]) == 0
    assert host not in capsys.readouterr().out
    assert run(["preview", EXAMPLE, *YES, "--format", format_, "--show-values"]) == 0
    assert host in capsys.readouterr().out


def test_values_never_reach_the_payload(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """The bytes are the same, whatever is asked to be shown."""
    assert run(["preview", EXAMPLE, *YES, "--format", "payload"]) == 0
    plain = capsysbinary.readouterr().out
    assert run(["preview", EXAMPLE, *YES, "--format", "payload", "--show-values"]) == 0
    assert plain == capsysbinary.readouterr().out


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.b", "1"),
        ("a.c[]", "2 and 1 more"),
        ("a.d[].e", "'x'"),
        ("a.f.*", "True"),
        ("a.none", ""),
        ("a.rtl", r"'\u202e'"),
        ("a.long", "'" + "y" * 56 + "..."),
    ],
)
def test_raw_text(path: str, text: str) -> None:
    """A value is spelt in plain ASCII, cut short, and of several the first is spelt and the others are counted."""
    document = {"a": {"b": 1, "c": [2, 3], "d": [{"e": "x"}, 5], "f": {"k": True}, "rtl": "\u202e", "long": "y" * 99}}
    assert text == raw_text(document, path)
    assert raw_text(None, path) == ""


def test_capacity_is_shown_against_its_budget(capsys: pytest.CaptureFixture[str]) -> None:
    """Each profile tells at most what its budget in the catalogue says, and the sum is shown."""
    assert run(["metrics", "--capacity"]) == 0
    text = capsys.readouterr().out
    assert run(["metrics", "--capacity", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    catalogue = load_catalogue()
    for profile in Profile:
        bits = total_bits(catalogue, profile)
        assert bits <= catalogue.capacity[profile]
        assert f"{profile}: {bits} bits, budget {catalogue.capacity[profile]}" in text
        assert data[profile]["bits"] == bits
        assert round(sum(share["bits"] for share in data[profile]["shares"])) == pytest.approx(bits, abs=20)


def test_capacity_grows_with_what_is_told() -> None:
    """A stricter profile can tell less."""
    bits = [total_bits(load_catalogue(), profile) for profile in Profile]
    assert bits == sorted(bits, reverse=True)
    assert len(set(bits)) == len(bits)


def test_main_answers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The entry point answers the version at once and hands everything else to the verbs."""
    monkeypatch.setattr(sys, "argv", ["rc-stats", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("rc-stats ")
    monkeypatch.setattr(sys, "argv", ["rc-stats", "explain", "totalChannels"])
    assert main() == 0
    assert "totalChannels" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdout", None)
    assert main() == 2
