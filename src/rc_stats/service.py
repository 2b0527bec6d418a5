"""
From a configuration to a reporter: the store, the source, the transport, the terms and the recipient put together.

What is not needed is not made: an admin can opt out, or look at the history, while the workspace can't be reached, a
certificate is missing or the extra for sending isn't installed.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rc_stats.authoring import read_catalogue
from rc_stats.catalogue import Catalogue, Profile, load_catalogue
from rc_stats.configuration import Loaded, Settings
from rc_stats.consent import Terms
from rc_stats.errors import CatalogueError, UsageError
from rc_stats.gate import Switches
from rc_stats.policy import load_policy
from rc_stats.reporter import Reporter, Sender, Source
from rc_stats.sources import Document, read_newest
from rc_stats.store import Store

if TYPE_CHECKING:
    from rc_stats.transport import Transport


def now() -> datetime:
    """Return the time by this machine's clock, in UTC."""
    return datetime.now(UTC)


def reporter_of(
    loaded: Loaded,
    *,
    catalogue: str | None = None,
    clock: Callable[[], datetime] = now,
    environment: Mapping[str, str] = os.environ,
    store: Store | None = None,
    transport: Sender | None = None,
) -> Reporter:
    """
    Return the reporter that *loaded* configures. Its store is open; who asks for the reporter closes it.

    Args:
        catalogue: Name of the catalogue; the packaged one by default.
        environment: With the kill switches, read again each time, and the credentials of a live workspace.
        store: One that is open already.
        transport: One that is there already; by default it is made when something is to be sent.

    Raises:
        UsageError: ``catalogue`` if none of that name is configured.
        CatalogueError: The configured catalogue breaks its own rules, or is not content with what is its own.
        StoreError: The store can't be opened.
    """
    settings, policy = loaded.settings, load_policy()
    chosen = load_catalogue() if catalogue is None else catalogue_named(settings, catalogue)
    return Reporter(
        source_of(settings, environment),
        settings.as_workspace(),
        store or store_of(settings),
        transport or _Later(lambda: transport_of(settings)),
        clock,
        terms=Terms(policy, chosen, settings.profile),
        switches=lambda: Switches.from_environment(environment),
        recipient=settings.recipient(policy),
    )


def store_of(settings: Settings) -> Store:
    """
    Return the configured store, open; it is made if there is none.

    Raises:
        StoreError: It can't be opened.
    """
    return Store.open(settings.store, workspace=settings.name)


def transport_of(settings: Settings) -> Transport:
    """
    Return what delivers to the configured recipient.

    Raises:
        MissingExtra: The extra for sending is not installed.
        UsageError: The configured certificates can't be used.
    """
    from rc_stats.transport import Transport  # noqa: PLC0415 - an extra, and a network

    return Transport(certificates=settings.certificates, environment_proxies=settings.environment_proxies)


def source_of(settings: Settings, environment: Mapping[str, str]) -> Source:
    """Return where the configuration says that today's document comes from. What is wrong with it shows when asked."""
    if settings.source is None:
        return _no_source
    if not settings.is_live:
        return Path(settings.source)
    url = settings.source

    def ask() -> Document:
        return read_newest(io.BytesIO(settings.live(url, environment)())).document

    return ask


def _no_source() -> Document:
    raise UsageError(
        "No source of statistics is configured.",
        rule="no-source",
        remedy="Name a file or the URL of a workspace: source in the configuration, or RC_STATS_SOURCE.",
    )


def catalogues_of(settings: Settings) -> Iterator[tuple[str, Catalogue]]:
    """
    Yield the packaged catalogue and each configured one, by name.

    Raises:
        CatalogueError: One breaks its own rules, bears the name of another, or lets out what another keeps.
    """
    ours = load_catalogue()
    names = {ours.name}
    yield ours.name, ours
    for path in settings.catalogues:
        theirs = read_catalogue([path])
        problems = [*_loosened(theirs, ours)]
        if theirs.name in names:
            problems.append(f"the name {theirs.name} is taken")
        if problems:
            raise CatalogueError(problems)
        names.add(theirs.name)
        yield theirs.name, theirs


def catalogue_named(settings: Settings, name: str) -> Catalogue:
    """
    Return the catalogue *name*.

    Raises:
        UsageError: ``catalogue`` if there is none.
        CatalogueError: As :func:`catalogues_of`, of it or one before it.
    """
    names = []
    for found, catalogue in catalogues_of(settings):
        if found == name:
            return catalogue
        names.append(found)
    raise UsageError(
        "No catalogue of this name is configured.", rule="catalogue", remedy=f"There is: {', '.join(names)}."
    )


def _loosened(theirs: Catalogue, ours: Catalogue) -> Iterator[str]:
    """Name what *theirs* would let out of a place that *ours* speaks of, unless it says the very same."""
    spoken = [_steps(path) for path in ours.metrics]
    for metric in theirs.metrics.values():
        if metric.is_dropped or not any(_meet(_steps(metric.path), steps) for steps in spoken):
            continue
        if any(
            theirs.fields(profile)[metric.emit] != ours.fields(profile).get(metric.emit)
            for profile in Profile
            if metric.emit in theirs.fields(profile)
        ):
            yield f"metric {metric.path}: the packaged catalogue says what becomes of it"


def _steps(path: str) -> list[str]:
    return re.findall(r"[^.\[\]]+", path)


def _meet(one: list[str], other: list[str]) -> bool:
    """Say whether two paths are the same place, or one is inside the other; a star is any key."""
    return all(a == b or "*" in (a, b) for a, b in zip(one, other, strict=False))


class _Later:
    """A transport that is made when it is first needed."""

    def __init__(self, make: Callable[[], Transport]) -> None:
        self._make = make
        self._made: Transport | None = None

    def send(self, *arguments: Any, **named: Any) -> Any:
        return self._ready().send(*arguments, **named)

    async def send_async(self, *arguments: Any, **named: Any) -> Any:
        return await self._ready().send_async(*arguments, **named)

    def _ready(self) -> Transport:
        self._made = self._made or self._make()
        return self._made
