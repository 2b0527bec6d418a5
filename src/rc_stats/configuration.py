"""
The configuration: one TOML file, overridden by the environment, and for each value where it came from.

It holds no secret but a password in a database's URL, which is masked wherever it is shown. The credentials of a live
workspace are read apart. Any doubt is an error: an unknown key, an unknown variable or a wrong value is not skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

from rc_stats.addresses import Address, address_of
from rc_stats.catalogue import Profile
from rc_stats.circumstances import Objections, Workspace
from rc_stats.errors import MissingExtra, TransportError, UsageError
from rc_stats.locations import APART, PREFIX, configuration_file
from rc_stats.policy import Policy, Recipient, WorkspaceKind

try:
    from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_settings import (
        BaseSettings,
        PydanticBaseSettingsSource,
        SettingsConfigDict,
        TomlConfigSettingsSource,
    )
except ModuleNotFoundError as error:
    if error.name != "pydantic_settings":
        raise
    raise MissingExtra("cli", "A configuration file") from None

if TYPE_CHECKING:
    from rc_stats.live import LiveWorkspace

_MASK: Final = "***"
_SQLITE: Final = "sqlite:///"
_SERVERS: Final = ("postgresql://", "postgresql+psycopg://")
_UNSET: Final = {"collector": "the policy's recipient", "store": "a file in the user's state directory"}


def _split(value: Any) -> Any:
    """Return the parts of a text with commas; the environment knows no lists."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("is a number of days")  # noqa: TRY004 - pydantic wants this one
    return value


def _plain(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("is empty or holds what can't be printed")
    return text


def _path(text: str) -> str:
    """Return the path that *text* is, with a home of a user spelt out."""
    try:
        return str(Path(_plain(text)).expanduser())
    except RuntimeError:
        pass
    raise ValueError("begins with the home of a user who is not known")


def _address(text: str) -> Address:
    """Return the address that *text* is: one that a request may go to, without a user name or password in it."""
    rule = ""
    try:
        return address_of(text, prefix="configured")
    except TransportError as error:
        rule = error.rule
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise ValueError("holds a user name or password; those are read from the environment or the credentials file")
    if rule == "configured-insecure-url":
        raise ValueError("uses http, which is allowed to this machine only; use https")
    raise ValueError("is no address such as https://stats.example.org/, with a host in ASCII")


def _source(text: str) -> str:
    if "://" not in text:
        return _path(text)
    _address(text)
    if "?" in text:
        raise ValueError("has a query; give the address alone")
    return text


def _collector(text: str) -> str:
    _address(text)
    if "?" in text:
        raise ValueError("has a query, which would be shown and stored; give the address alone")
    return text if "/" in text.partition("://")[2] else f"{text}/"


def _store(text: str) -> str:
    file = _file_of(text)
    if "://" not in file:
        return _path(file)
    if not text.startswith(_SERVERS):
        raise ValueError("is a path, sqlite:///… or postgresql://…")
    return _plain(text)


def _file_of(store: str) -> str:
    """Return the path in the URL of an SQLite file; anything else as it is."""
    path = store.removeprefix(_SQLITE)
    return store if path != store and ("?" in path or path == ":memory:") else path


_File = Annotated[Path, AfterValidator(lambda path: Path(_path(str(path))))]
_Names = Annotated[frozenset[str], BeforeValidator(_split)]


class Settings(BaseSettings):
    """
    What an admin configures. It reads nothing by itself: :func:`load` does.

    Attributes:
        workspace: What the workspace is; a document can't prove it.
        profile: How coarse a report is: exact, standard or strict.
        source: Where today's document comes from: a file, or the URL of a live workspace.
        credentials: File with the credentials of a live workspace.
        store: Path or URL of the database; the user's state directory by default.
        name: The workspace's label in the store.
        catalogues: Catalogues of others, each with a consent and a payload of its own.
        objections: Subprocessors that the admin objects to.
        countries: Where statistics may be processed; None for anywhere.
        environment_proxies: Whether requests may go through the proxies that the environment names.
        certificates: File with further certificate authorities.
        collector: Another recipient's URL; the policy's recipient by default.
        retention_days: For how many days ``run`` and ``history prune`` keep the history.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=PREFIX, case_sensitive=True)

    workspace: WorkspaceKind = WorkspaceKind.UNREGISTERED
    profile: Profile = Profile.STANDARD
    source: Annotated[str, AfterValidator(_source)] | None = None
    credentials: _File | None = None
    store: Annotated[str, AfterValidator(_store)] | None = Field(default=None, repr=False)
    name: Annotated[str, AfterValidator(_plain), Field(max_length=100)] = "default"
    catalogues: Annotated[tuple[_File, ...], BeforeValidator(_split)] = ()
    objections: _Names = frozenset()
    countries: _Names | None = None
    environment_proxies: bool = False
    certificates: _File | None = None
    collector: Annotated[str, AfterValidator(_collector)] | None = None
    retention_days: Annotated[int, BeforeValidator(_no_flag), Field(ge=1, le=36_500)] = 400

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the names are pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given and nothing from the surroundings, so that each value's origin is known."""
        return (init_settings,)

    @property
    def is_live(self) -> bool:
        """Whether the source is a live workspace."""
        return self.source is not None and "://" in self.source

    def as_workspace(self) -> Workspace:
        """Return what the gate is told of the workspace."""
        return Workspace(self.workspace, Objections(self.objections, self.countries))

    def recipient(self, policy: Policy) -> Recipient:
        """Return who gets the statistics: the policy's recipient, or the configured one under its own name."""
        if self.collector is None:
            return policy.recipient
        address = address_of(self.collector, prefix="configured")
        country = "this machine" if address.is_local else "a country that nobody has named"
        return Recipient(
            f"The configured collector at {address.host.lower()}", self.collector, country, (), "statistics-sharing"
        )

    def live(self, url: str, environment: Mapping[str, str]) -> LiveWorkspace:
        """
        Return the live workspace at *url*, with the credentials of the configured file or of *environment*.

        Raises:
            MissingExtra: The extra for asking is not installed.
            UsageError: The credentials are missing or can't be used.
            TransportError: The URL can't be used.
        """
        from rc_stats.live import LiveWorkspace, credentials_from  # noqa: PLC0415 - an extra, and a network

        found = credentials_from(environment, self.credentials)
        return LiveWorkspace(
            url,
            user_id=found.user_id,
            auth_token=found.auth_token,
            certificates=self.certificates,
            environment_proxies=self.environment_proxies,
        )


class _Environment(PydanticBaseSettingsSource):
    """The variables of a given environment; what is set to nothing is not set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(Settings)
        self._environment = environment

    def get_field_value(self, _: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._environment.get(PREFIX + field_name.upper()) or None, field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = {name: self.get_field_value(field, name)[0] for name, field in Settings.model_fields.items()}
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    Settings, and where each came from.

    Attributes:
        origins: By key: ``default``, ``file`` or ``environment: RC_STATS_…``.
        file: The file that was read, if one was.
    """

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None

    def shown(self) -> Iterator[tuple[str, str, str]]:
        """Yield key, value and origin of each setting, for people; passwords are masked."""
        for key, origin in self.origins.items():
            yield key, _spelt(key, getattr(self.settings, key)), origin


def load(path: Path | None, environment: Mapping[str, str]) -> Loaded:
    """
    Return the settings of the file at *path*, overridden by *environment*.

    Args:
        path: None for the file that the environment names, or the user's own if there is one.

    Raises:
        UsageError: ``configuration``. It names the key and no value.
    """
    path = path or configuration_file(environment)
    of_file = {} if path is None else _read(path)
    of_environment = _Environment(environment)()
    _refuse_unknown(environment)
    fault = ""
    try:
        settings = Settings(**{**of_file, **of_environment})
    except ValidationError as error:
        fault = "; ".join(_faults(error, of_environment))
    if fault:
        raise _wrong(f"{fault}.")
    origins = {
        key: f"environment: {PREFIX}{key.upper()}" if key in of_environment else "file" if key in of_file else "default"
        for key in Settings.model_fields
    }
    return Loaded(settings, MappingProxyType(origins), path)


def _wrong(fault: str, remedy: str = "") -> UsageError:
    remedy = remedy or "Correct it, or take it out."
    return UsageError(f"The configuration is wrong: {fault}", rule="configuration", remedy=remedy)


def _read(path: Path) -> dict[str, Any]:
    try:
        path.open("rb").close()
        found = TomlConfigSettingsSource(Settings, path)()
    except OSError as error:
        fault = f"the file can't be read: {error.strerror}."
    except (ValueError, RecursionError) as error:
        line = re.search(r"at line \d+", str(error))
        fault = f"the file is not TOML{f' ({line[0]})' if line else ''}."
    else:
        return {key: _beside(path, key, value) for key, value in found.items()}
    raise _wrong(fault, "Correct the file, or name another: --config FILE or RC_STATS_CONFIG.")


def _beside(path: Path, key: str, value: Any) -> Any:
    """Return *value* with relative paths taken from the directory of the file that holds them."""
    if key == "catalogues" and isinstance(value := _split(value), list):
        return [_beside(path, "credentials", item) for item in value]
    if not isinstance(value, str) or key not in ("certificates", "credentials", "source", "store"):
        return value
    text = _file_of(value) if key == "store" else value
    is_complete = not text or "://" in text or text.startswith("~")  # a home is spelt out later
    return text if is_complete else str(path.absolute().parent / text)


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """Refuse a variable that is none of ours: an objection that is not heard would be worse than an error."""
    ours = {key.upper() for key in Settings.model_fields} | {name.removeprefix(PREFIX) for name in APART}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in ours:
            close = get_close_matches(name.removeprefix(PREFIX), ours, n=1, cutoff=0.75)
            remedy = f"Did you mean {PREFIX}{close[0]}?" if close else "Take it out of the environment."
            raise _wrong(f"{ascii(name)[1:-1]} is no setting.", remedy)


def _faults(error: ValidationError, of_environment: Mapping[str, Any]) -> Iterator[str]:
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        key = ascii(str(fault["loc"][0]))[1:-1]
        if fault["type"] == "extra_forbidden":
            yield f"{key}: there is no such key"
        else:
            message = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
            yield f"{f'{PREFIX}{key.upper()}' if key in of_environment else key} {message}"


def _spelt(key: str, value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case frozenset() | tuple():
            text = ", ".join(sorted(map(str, value)))
        case None if key == "countries":
            text = "anywhere"
        case _:
            text = "" if value is None else masked(str(value)) if key == "store" else str(value)
    return text or _UNSET.get(key, "none")


def masked(address: str) -> str:
    """Return the URL of a database without its password; in doubt with less."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address
    if "pass" in rest.partition("?")[2].lower():
        return f"{scheme}://{_MASK}"
    who, at, where = rest.rpartition("@")
    name = re.split(r"[:/?#]", who)[0]
    return f"{scheme}://{name}{f':{_MASK}' if name != who else ''}{at}{where}"
