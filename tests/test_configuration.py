"""The configuration: one file, the environment above it, the origin of each value, and errors that hold no value."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import platformdirs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from canaries import assert_no_trace
from rc_stats import Profile, WorkspaceKind, load_policy, locations
from rc_stats.configuration import Loaded, Settings, load, masked
from rc_stats.errors import UsageError
from rc_stats.store import Store, place_of
from sites import SECRET, TOKEN, written

KEYS: Final = tuple(Settings.model_fields)

VALUES: Final[dict[str, tuple[Any, str, Any]]] = {
    "workspace": ("hosted", "registered", WorkspaceKind.REGISTERED),
    "profile": ("exact", "strict", Profile.STRICT),
    "source": ("/srv/one.json", "https://chat.example.org", "https://chat.example.org"),
    "credentials": ("/srv/one", "/srv/two", Path("/srv/two")),
    "store": ("/srv/one.sqlite3", "postgresql://rc@db.example/rc", "postgresql://rc@db.example/rc"),
    "name": ("one", "two", "two"),
    "catalogues": (
        ["/srv/one.toml"],
        "/srv/two.toml, /srv/three.toml",
        (Path("/srv/two.toml"), Path("/srv/three.toml")),
    ),
    "objections": (["AWS"], "Google , Cloudflare,", frozenset({"Google", "Cloudflare"})),
    "countries": ([], "United States", frozenset({"United States"})),
    "environment_proxies": (False, "true", True),
    "certificates": ("/srv/one.pem", "/srv/two.pem", Path("/srv/two.pem")),
    "collector": ("https://one.example/", "https://two.example", "https://two.example/"),
    "retention_days": (30, "90", 90),
}
"""By key: a value as the file has it, one as the environment has it, and what that one means."""


def at(directory: Path, content: str | bytes) -> Path:
    """Write a configuration file."""
    path = directory / "config.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def variable(key: str) -> str:
    """Return the environment variable of *key*."""
    return f"RC_STATS_{key.upper()}"


def refused(path: Path | None, environment: dict[str, str]) -> str:
    """Return the one line by which a configuration is refused."""
    with pytest.raises(UsageError) as caught:
        load(path, environment)
    assert caught.value.rule == "configuration"
    assert caught.value.remedy
    assert caught.value.__cause__ is None
    text = str(caught.value)
    assert text.isprintable()
    return text


def test_every_key_is_tried() -> None:
    """The table of these tests names every key that there is."""
    assert set(VALUES) == set(KEYS)


def test_the_strictest_by_default() -> None:
    """With nothing said the workspace is unregistered, the profile standard, and nobody is objected to or named."""
    loaded = load(None, {})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.settings.as_workspace().kind is WorkspaceKind.UNREGISTERED
    assert loaded.settings.recipient(load_policy()) == load_policy().recipient
    assert (loaded.file, loaded.settings.is_live, loaded.settings.retention_days) == (None, False, 400)


@given(in_file=st.sets(st.sampled_from(KEYS)), in_environment=st.sets(st.sampled_from(KEYS)))
@example(in_file=set(KEYS), in_environment=set(KEYS))
@example(in_file=set(KEYS), in_environment=set())
def test_the_environment_counts_before_the_file(
    tmp_path_factory: pytest.TempPathFactory, in_file: set[str], in_environment: set[str]
) -> None:
    """Whatever is said where, the environment's word counts before the file's, and each origin is known."""
    path = at(tmp_path_factory.getbasetemp(), written({key: VALUES[key][0] for key in in_file}))
    loaded = load(path, {variable(key): VALUES[key][1] for key in in_environment})
    only_file = load(path, {}).settings
    for key in KEYS:
        value, origin = getattr(loaded.settings, key), loaded.origins[key]
        if key in in_environment:
            assert (value, origin) == (VALUES[key][2], f"environment: {variable(key)}")
        elif key in in_file:
            assert (value, origin) == (getattr(only_file, key), "file")
            assert value != Settings.model_fields[key].default or key == "environment_proxies"
        else:
            assert (value, origin) == (Settings.model_fields[key].default, "default")
    assert loaded.file == path


def test_nothing_is_read_from_the_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the given environment counts, not that of the process, and no file that isn't named or the user's own."""
    for name in ("RC_STATS_PROFILE", "RC_STATS_profile"):
        monkeypatch.setenv(name, "exact")
    monkeypatch.chdir(tmp_path)
    at(tmp_path, 'profile = "exact"')
    (tmp_path / ".env").write_text("RC_STATS_PROFILE=exact", encoding="utf-8")
    assert Settings().profile is Profile.STANDARD
    assert load(None, {}).settings.profile is Profile.STANDARD


def test_what_is_set_to_nothing_is_not_set(tmp_path: Path) -> None:
    """A variable that is set to nothing leaves the file's word alone."""
    path = at(tmp_path, 'profile = "strict"\ncountries = []\n')
    loaded = load(path, {variable(key): "" for key in KEYS})
    assert (loaded.settings.profile, loaded.settings.countries) == (Profile.STRICT, frozenset())
    assert loaded.origins["profile"] == "file"


def test_which_file_is_read(tmp_path: Path) -> None:
    """A file that is named counts before that of the environment, and that before the user's own."""
    own, named, said = (tmp_path / name for name in ("rc-stats", "named", "said"))
    for directory in (own, named, said):
        directory.mkdir()
        at(directory, f'name = "{directory.name}"')
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert load(None, home).settings.name == "rc-stats"
    environment = {**home, "RC_STATS_CONFIG": str(named / "config.toml")}
    assert load(None, environment).settings.name == "named"
    assert load(said / "config.toml", environment).settings.name == "said"
    assert load(None, {"XDG_CONFIG_HOME": str(tmp_path / "none")}).file is None


def test_paths_are_taken_from_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path in the file counts from the file's directory, one in the environment from the process's."""
    monkeypatch.setenv("HOME", "/home/rc")
    text = 'source = "a.json"\nstore = "s/a.sqlite3"\ncredentials = "~/a"\ncatalogues = ["a.toml", "/b.toml"]\n'
    settings = load(at(tmp_path, text), {"RC_STATS_CERTIFICATES": "a.pem"}).settings
    assert settings.source == str(tmp_path / "a.json")
    assert settings.store == str(tmp_path / "s" / "a.sqlite3")
    assert settings.credentials == Path("/home/rc/a")
    assert settings.catalogues == (tmp_path / "a.toml", Path("/b.toml"))
    assert settings.certificates == Path("a.pem")
    text = 'store = "sqlite:///s/a.sqlite3"\ncatalogues = "a.toml, ~/b.toml"\n'
    settings = load(at(tmp_path, text), {}).settings
    assert settings.store == str(tmp_path / "s" / "a.sqlite3")
    assert settings.catalogues == (tmp_path / "a.toml", Path("/home/rc/b.toml"))
    urls = 'source = "https://chat.example.org"\nstore = "postgresql://db.example/rc"\n'
    assert load(at(tmp_path, urls), {}).settings.source == "https://chat.example.org"


WRONG: Final[dict[str, list[Any]]] = {
    "workspace": ["rented", 1, "Registered"],
    "profile": ["octopus-ltd", True],
    "source": [
        *("", "ftp://octopus-ltd/", "http://octopus-ltd.example", "https://rc:octopus-ltd@x.example", "https://"),
        *("~octopus-ltd/x.json", "octopus-ltd\0", "HTTPS://octopus-ltd.example", "https://x.example/?octopus-ltd"),
    ],
    "credentials": [1, ["octopus-ltd"], "octopus-ltd\0", "~octopus-ltd/x"],
    "store": [
        *("", "mysql://rc:octopus-ltd@db.example/rc", 1, "octopus-ltd\n", "~octopus-ltd/x", "sqlite:///~octopus-ltd/x"),
        *(
            "sqlite:///",
            "sqlite://octopus-ltd",
            "sqlite:///:memory:",
            "sqlite:///octopus-ltd?mode=ro",
            "sqlite:///a\0b",
        ),
    ],
    "name": ["", " ", "octopus-ltd\n", "octopus-ltd" * 10, 1],
    "catalogues": [1, [1], {"octopus-ltd": 1}, ["octopus-ltd\0"], ["~octopus-ltd/x"]],
    "objections": [1, [1], {"octopus-ltd": 1}],
    "countries": [1, [["octopus-ltd"]], True],
    "environment_proxies": ["octopus-ltd", 2, []],
    "certificates": [1, False, "octopus-ltd\0", "~octopus-ltd/x"],
    "collector": [
        *(
            "http://octopus-ltd.example",
            "octopus-ltd",
            "https://octopus-ltd@x.example/",
            "https://x.example/?octopus-ltd",
        ),
        *("https://x.example/#octopus-ltd", "https://x.example:octopus-ltd/", "https://x.example/ octopus-ltd", "", 1),
        *("HTTPS://octopus-ltd.example/", "https://öctopus-ltd.example/", "https://x.example/öctopus-ltd"),
        *("https://x.example:99999/octopus-ltd", "https://[octopus-ltd]/"),
    ],
    "retention_days": ["octopus-ltd", 0, -1, 1.5, 100_000, True, False],
}


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key, values in WRONG.items() for value in values],
    ids=ascii,
)
def test_a_wrong_value(tmp_path: Path, key: str, value: Any) -> None:
    """A wrong value is refused by naming its key and never what it is, in the file and in the environment."""
    text = f"{key} = {{ octopus-ltd = 1 }}" if isinstance(value, dict) else written({key: value})
    line = refused(at(tmp_path, text), {})
    assert f" {key} " in line
    assert_no_trace(line, SECRET)
    if isinstance(value, str) and value and "\0" not in value:
        line = refused(None, {variable(key): value})
        assert f" {variable(key)} " in line
        assert_no_trace(line, SECRET)


def test_all_faults_at_once(tmp_path: Path) -> None:
    """All wrong keys are named at once."""
    line = refused(at(tmp_path, 'profile = "x"\nretention_days = 0\nwish = 1\n'), {"RC_STATS_WORKSPACE": "x"})
    for key in ("profile", "retention_days", "wish: there is no such key", "RC_STATS_WORKSPACE"):
        assert key in line


@pytest.mark.parametrize("key", ["auth_token", "RC_STATS_AUTH_TOKEN", "user_id", "Profile", "wörkspace", "\\u001b[31m"])
def test_an_unknown_key(tmp_path: Path, key: str) -> None:
    """A key that there isn't is refused, so that a misspelt objection doesn't go unheard; its value isn't told."""
    line = refused(at(tmp_path, f'"{key}" = "{TOKEN}"\n'), {})
    assert "there is no such key" in line
    assert_no_trace(line, TOKEN)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RC_STATS_OBJECTION", "RC_STATS_OBJECTIONS"),
        ("RC_STATS_COUNTRY", "RC_STATS_COUNTRIES"),
        ("RC_STATS_DISABLED", "RC_STATS_DISABLE"),
        ("RC_STATS_USERID", "RC_STATS_USER_ID"),
        ("RC_STATS_CATALOGUE", "RC_STATS_CATALOGUES"),
    ],
)
def test_a_misspelt_variable(name: str, meant: str) -> None:
    """A variable that looks like one of ours is refused, with the one that was meant and without its value."""
    line = refused(None, {name: SECRET})
    assert f"{name} is no setting." in line
    assert line.endswith(f"Did you mean {meant}?")
    assert_no_trace(line, SECRET)


@pytest.mark.parametrize("name", ["RC_STATS_ALLOWED_IN", "RC_STATS_SUBPROCESSORS", "RC_STATS_KILL", "RC_STATS_é"])
def test_an_unknown_variable(name: str) -> None:
    """A variable with our prefix that there isn't is refused as well where none is near, without its value."""
    line = refused(None, {name: SECRET})
    assert " is no setting. " in line
    assert_no_trace(line, SECRET)


@pytest.mark.parametrize("name", ["RCSTATS_TEST_LINES", "_RC_STATS_COMPLETE", "RC_STATISTICS", "OBJECTION"])
def test_a_variable_of_others(name: str) -> None:
    """A variable without our prefix is somebody else's."""
    assert load(None, {name: SECRET}).settings == Settings()


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """A file that is missing or a directory is refused; what is named and can't be read is not taken for nothing."""
    for path in (tmp_path, tmp_path / "missing" / "octopus-ltd.toml"):
        assert_no_trace(refused(path, {}), SECRET)
        assert_no_trace(refused(None, {"RC_STATS_CONFIG": str(path)}), SECRET)
    (tmp_path / "rc-stats").mkdir()
    (tmp_path / "rc-stats" / "config.toml").mkdir()
    assert "can't be read" in refused(None, {"XDG_CONFIG_HOME": str(tmp_path)})


def test_a_file_that_can_not_be_looked_at(tmp_path: Path) -> None:
    """Where a file of the user's own is that this account can't look at, it is not taken for nothing."""
    (tmp_path / "rc-stats").mkdir()
    (tmp_path / "rc-stats" / "config.toml").symlink_to("config.toml")
    assert "can't be read" in refused(None, {"XDG_CONFIG_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"octopus-ltd",
        b'name = "octopus-ltd',
        b"a = " + b"[" * 10_000,
        b"\x00",
        b'name = "octopus-ltd"\n' * 2,
    ],
)
def test_a_file_that_is_not_toml(tmp_path: Path, content: bytes) -> None:
    """A file that is not TOML is refused by its line at most, without what is in it."""
    line = refused(at(tmp_path, content), {})
    assert "is not TOML" in line
    assert_no_trace(line, SECRET)


JUNK: Final = st.recursive(
    st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(values=st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=3))
def test_any_value_is_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    """Whatever stands in the file is settings, or one line of error that quotes no text of it."""
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    path = at(tmp_path_factory.getbasetemp(), text.encode("utf-8", "surrogatepass"))
    line = ""
    try:
        loaded = load(path, {})
    except UsageError as error:
        line = str(error)
    texts = [value for value in values.values() if isinstance(value, str) and len(value) > 8 and value.isalnum()]
    assert [text for text in texts if text in line] == []
    assert line.isprintable()
    assert line or {key for key, origin in loaded.origins.items() if origin == "file"} == set(values)


# What is shown.


def test_a_secret_is_masked_everywhere(tmp_path: Path) -> None:
    """A database's password is in no representation and not in what status shows."""
    url = f"postgresql://rc:{TOKEN}@db.example/rc?sslpassword={TOKEN}&sslmode=require"
    loaded = load(at(tmp_path, written({"store": url})), {})
    shown = {key: value for key, value, _ in loaded.shown()}
    assert shown["store"] == "postgresql://***"
    for text in (repr(loaded), repr(loaded.settings), str(loaded.settings), repr(list(loaded.shown()))):
        assert_no_trace(text, TOKEN)


@given(
    who=st.from_regex(r"[a-z]{0,4}", fullmatch=True),
    password=st.text(st.characters(exclude_categories=["Cs"]), min_size=5).filter(
        lambda text: text not in "://.***@rc?"
    ),
    where=st.sampled_from(["db.example", "db.example:5432/rc", "[::1]/rc", "", "db.example/rc?sslmode=require&a=b@c"]),
)
@example(who="rc", password="a/b?c#d@e:f", where="db.example/rc")  # noqa: S106 -- what is to be hidden
def test_no_password_survives_masking(who: str, password: str, where: str) -> None:
    """Whatever a password is made of, its whole is not in the masked URL, wherever it stands."""
    for url in (
        f"postgresql://{who}:{password}@{where}",
        f"postgresql://{where}{'&' if '?' in where else '?'}password={password.replace('&', '')}",
    ):
        assert password not in masked(url).replace(where, "")


@pytest.mark.parametrize("text", ["/srv/a.sqlite3", "C:\\a", "", "a@b:c"])
def test_a_path_is_not_masked(text: str) -> None:
    """What is no URL is shown as it is."""
    assert masked(text) == text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql://rc:token@db.example:5432/rc?sslmode=require",
            "postgresql://rc:***@db.example:5432/rc?sslmode=require",
        ),
        ("postgresql://rc@db.example/rc", "postgresql://rc@db.example/rc"),
        ("postgresql:///rc?host=/run", "postgresql:///rc?host=/run"),
        ("sqlite:////srv/a.sqlite3", "sqlite:////srv/a.sqlite3"),
    ],
)
def test_the_rest_of_a_url_is_shown(url: str, shown: str) -> None:
    """What is no password is shown, so that the admin knows which database it is."""
    assert masked(url) == shown


def test_what_is_shown_of_what_is_not_set() -> None:
    """Every setting has a text, also where nothing is set."""
    shown = list(load(None, {}).shown())
    assert [key for key, _, _ in shown] == list(KEYS)
    assert all(value for _, value, _ in shown)


def test_settings_can_not_change() -> None:
    """Settings are read once and stay as they are."""
    settings: Any = Settings()
    with pytest.raises(ValidationError):
        settings.profile = Profile.EXACT
    assert isinstance(load(None, {}), Loaded)


# Who gets it.


@pytest.mark.parametrize(
    ("collector", "country"),
    [
        ("https://stats.example.org", "a country that nobody has named"),
        ("http://127.0.0.1:8080/x", "this machine"),
        ("https://localhost/", "this machine"),
        ("http://[::1]:8080/", "this machine"),
    ],
)
def test_a_collector_of_ones_own(collector: str, country: str) -> None:
    """Another recipient has its own name, no subprocessors of the policy's, and a clause that the policy has."""
    recipient = load(None, {"RC_STATS_COLLECTOR": collector}).settings.recipient(load_policy())
    assert recipient.url in (collector, f"{collector}/")
    assert (recipient.country, recipient.subprocessors) == (country, ())
    assert recipient.name.startswith("The configured collector at ")
    assert recipient.clause in load_policy().clauses
    assert recipient.name != load_policy().recipient.name


def test_objections_and_countries() -> None:
    """Objections and countries reach the gate as they were said; no countries at all is nowhere."""
    told = load(None, {"RC_STATS_OBJECTIONS": "AWS", "RC_STATS_COUNTRIES": "Germany,France"}).settings.as_workspace()
    assert told.objections.subprocessors == {"AWS"}
    assert told.objections.countries == frozenset({"Germany", "France"})
    assert load(None, {}).settings.as_workspace().objections.countries is None


# Where things are.


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere platformdirs is asked")
@pytest.mark.parametrize("home", [None, "", "/srv/state", "relative"])
def test_the_usual_store_is_where_platformdirs_says(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    """The place of the store is known without platformdirs, and is the same."""
    monkeypatch.delenv("XDG_STATE_HOME")
    if home is not None:
        monkeypatch.setenv("XDG_STATE_HOME", home)
    expected = platformdirs.user_state_path("rc-stats", appauthor=False) / "rc-stats.sqlite3"
    assert locations.store_file(os.environ) == expected


def test_the_usual_store_is_where_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store that is made without a URL is found there, and not before it is made."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert not locations.has_store(None, os.environ)
    Store.open().close()
    assert locations.has_store(None, os.environ)


def test_where_a_store_is(tmp_path: Path) -> None:
    """A file is looked for, as a path or a URL; of a server's database only asking it would tell."""
    path = tmp_path / "store.sqlite3"
    for url in (str(path), f"sqlite:///{path}"):
        assert not locations.has_store(url, {})
    path.touch()
    for url in (str(path), f"sqlite:///{path}", "postgresql://db.example/rc"):
        assert locations.has_store(url, {})


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://rc:a%40b@db.example:5432/rc?sslmode=require&sslpassword=a%40b", "db.example:5432/rc"),
        ("postgresql+psycopg://rc:a@b@db.example/rc", "db.example/rc"),
        ("postgresql:///rc?host=/run/postgresql&password=a@b", "/run/postgresql/rc"),
        ("postgresql://rc@/?dbname=books", "this machine/books"),
        ("sqlite:////srv/a.sqlite3", "/srv/a.sqlite3"),
        ("/srv/a.sqlite3", "/srv/a.sqlite3"),
    ],
)
def test_which_store_it_is(url: str, place: str) -> None:
    """A store is told by its path, or by host and database; no user name, password or option is in that."""
    assert place_of(url) == place


@pytest.mark.parametrize(
    "name", ["RC_STATS_DISABLE", "RC_STATS_USER_ID", "RC_STATS_AUTH_TOKEN", "RC_STATS_CONFIG", "HOME"]
)
def test_what_is_no_setting(name: str) -> None:
    """The kill switch, the credentials and the place of the file are read elsewhere, and need no configuration."""
    assert not locations.has_settings({name: "1", "RC_STATS_PROFILE": ""})
    assert locations.has_settings({name: "1", "RC_STATS_PROFILE": "strict"})


def test_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account without a home has no file and no store of its own, which is no error."""

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    assert (locations.configuration_file({}), locations.store_file({})) == (None, None)
    assert load(None, {}).settings == Settings()
