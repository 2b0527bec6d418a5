"""What the verbs of a configured workspace share: the options, the settings, the store and the reporter."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rc_stats import locations
from rc_stats.errors import StoreError

if TYPE_CHECKING:
    from rc_stats.configuration import Loaded, Settings
    from rc_stats.store import Store

CONFIG: Final = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The configuration; RC_STATS_CONFIG or your own by default.",
)


def _name(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and (not text or not text.isprintable()):
        raise click.BadParameter("is no name of a catalogue")
    return text


CATALOGUE: Final = click.option(
    "--catalogue", metavar="NAME", callback=_name, help="Another's catalogue; ours by default."
)
YES: Final = click.option("--yes", "is_yes", is_flag=True, help="Don't ask.")


def loaded_from(config: Path | None) -> Loaded:
    """Return the settings of the file *config*, or the usual one, and of the environment."""
    from rc_stats.configuration import load

    return load(config, os.environ)


def settings_if_any(config: Path | None) -> Settings | None:
    """Return the settings if anything is configured; without, nothing of weight is loaded to find that out."""
    is_any = config or locations.has_settings(os.environ) or locations.configuration_file(os.environ)
    return loaded_from(config).settings if is_any else None


def store_if_any(settings: Settings | None) -> Store | None:
    """Return the store, open, if there is one already."""
    url, name = (None, "default") if settings is None else (settings.store, settings.name)
    if not locations.has_store(url, os.environ):
        return None
    from rc_stats.store import Store

    try:
        return Store.open(url, workspace=name, create=False)
    except StoreError as error:  # of a server's database only the server knows whether it holds a store
        if error.rule != "store-missing":
            raise
        return None


def is_store_missing(settings: Settings) -> bool:
    """Say whether there is no store yet, so that it would be made."""
    store = store_if_any(settings)
    if store is None:
        return True
    store.close()
    return False


def place_text(settings: Settings, *, is_new: bool) -> str:
    """Return the line that says which store it is, and whether it was made just now."""
    from rc_stats.store import place_of

    return f"Store: {place_of(settings.store)}{' (made just now)' if is_new else ''}\n"


def last_words(store: Store) -> Mapping[str, bool] | None:
    """Return what the store's history names; None where that is damaged, since a no is taken all the same."""
    try:
        return store.catalogues()
    except StoreError as error:
        if error.rule != "store-corrupt":
            raise
    return None


@contextmanager
def store_to_look_at(settings: Settings) -> Iterator[Store]:
    """Open the store for a look. If there is none, it is an empty one that is gone afterwards."""
    from tempfile import TemporaryDirectory

    from rc_stats.store import Store

    store = store_if_any(settings)
    if store is not None:
        with store:
            yield store
        return
    with (
        TemporaryDirectory(prefix="rc-stats-") as directory,
        Store.open(Path(directory) / "none.sqlite3", workspace=settings.name) as none,
    ):
        yield none
