"""A configured workspace on this machine, as its admin has it: a configuration, a document, a store and a collector."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from collector import Collector
from commands import ROOT, Cli, Done
from rc_stats.catalogue import load_catalogue
from rc_stats.store import Store

NAME: Final = load_catalogue().name
SECRET: Final = "octopus-ltd"  # noqa: S105 -- planted where it must not come out
TOKEN: Final = "token-4711-squid"  # noqa: S105

OWN_CATALOGUE: Final = """
format = 1
name = "example-app"
title = "An example app"
version = 1
threshold = 10

[facts]
people = ""
made_at = "createdAt"
apps = "apps.totalInstalled"
platform = ""
hosted_platform = ""

[kinds.structural]
label = "totals of things"
clause = "statistics-sharing"
operators = ["count"]
[kinds.staying]
label = "only looked at"
clause = "statistics-sharing"
operators = ["drop"]

[[metric]]
path = "createdAt"
operator = "drop"
kind = "staying"
data_type = "usage"
section = "Deployment"
unit = "moments"
json = "string"
says = "When the document was made, looked at to judge its age."
reason = "it is only looked at"
source = "example.ts"
added = 1

[[metric]]
path = "apps.totalInstalled"
operator = "drop"
kind = "staying"
data_type = "app"
section = "Apps"
unit = "apps"
json = "integer"
says = "How many apps are installed, looked at to know whether there is one."
reason = "it is only looked at"
source = "example.ts"
added = 1
"""
SEATS: Final = """
[[metric]]
path = "exampleApp.seats"
operator = "count"
kind = "structural"
data_type = "app"
section = "Apps"
unit = "seats"
json = "integer"
minimum = 0
maximum = 1000
says = "How many seats the example app has."
useful = "Shows how large its users are."
source = "example.ts"
added = 1
"""


@cache
def _example() -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "examples" / "statistics.json").read_bytes())
    return found


def document(**changes: Any) -> bytes:
    """Return a document of a workspace, made just after now, so that a yes of now covers it."""
    made_at = datetime.now(UTC) + timedelta(hours=1)
    return json.dumps({**_example(), "createdAt": made_at.isoformat(), **changes}).encode()


def written(settings: Mapping[str, Any]) -> str:
    """Return *settings* as TOML."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


@dataclass
class Site:
    """
    The workspace.

    Attributes:
        settings: What the configuration file holds.
    """

    directory: Path
    collector: Collector
    cli: Cli
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write the document and the configuration."""
        self.write(document())
        self.configure(
            workspace="registered",
            source="statistics.json",
            store=str(self.store),
            collector=self.collector.url,
            certificates=str(self.collector.certificates),
        )

    @property
    def source(self) -> Path:
        """The document."""
        return self.directory / "statistics.json"

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.directory / "config.toml"

    @property
    def store(self) -> Path:
        """The store; only its directory is there from the start."""
        return self.directory / "store.sqlite3"

    def write(self, content: bytes) -> None:
        """Replace the document."""
        self.source.write_bytes(content)

    def configure(self, **changes: Any) -> None:
        """Change the configuration; None takes a key out."""
        self.settings = {key: value for key, value in {**self.settings, **changes}.items() if value is not None}
        self.file.write_text(written(self.settings), encoding="utf-8")

    def run(self, *words: object, stdin: bytes | None = None) -> Done:
        """Run a verb with the configuration."""
        return self.cli(*words, "--config", self.file, stdin=stdin)

    def agree(self, *words: object) -> Done:
        """Opt in."""
        done = self.run("opt-in", "--yes", *words)
        assert done.code == 0, done.err
        return done

    def books(self) -> Store:
        """Open the store."""
        return Store.open(self.store)

    def history(self, *words: object) -> list[Any]:
        """Return the history."""
        found: list[Any] = self.run("history", "list", "--format", "json", *words).data
        return found

    def status(self, *words: object) -> Any:
        """Return the status."""
        return self.run("status", "--format", "json", *words).data

    def third_party(self, *metrics: str, file: str = "own.toml", **changes: str) -> None:
        """Configure a catalogue of somebody else, with *metrics*, and with texts of it changed."""
        text = OWN_CATALOGUE
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (self.directory / file).write_text(text + "".join(metrics), encoding="utf-8")
        self.configure(catalogues=[file])
