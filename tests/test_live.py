"""A live workspace is asked one thing, exactly so; its ways to fail are told apart, and no secret is told."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from canaries import assert_no_trace
from collector import (
    Behaviour,
    Collector,
    Identity,
    answer,
    drip,
    endless,
    hang,
    raw,
    redirect,
    reply,
    reset,
    tunnel,
)
from rc_stats import __version__
from rc_stats.errors import RcStatsError, TransportError, UnusableInput, UsageError
from rc_stats.live import AUTH_TOKEN, USER_ID, Credentials, LiveWorkspace, credentials_from
from rc_stats.sources import read_newest
from rc_stats.wire import MAX_DOCUMENT_BYTES

WHO: Final = "user-id-canary-3c1"
SECRET: Final = "auth-token-canary-9e4f"  # noqa: S105 -- planted, to be looked for in what is told
ROOM: Final = "room-name-canary"
EXAMPLE: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "examples" / "statistics.json").read_bytes()
)
BARE: Final = {key: value for key, value in EXAMPLE.items() if key != "success"}
FLAT: Final = json.dumps({**EXAMPLE, "success": True}).encode()
WRAPPED: Final = json.dumps({"statistics": EXAMPLE, "success": True}).encode()


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the files of certificates are."""
    return tmp_path_factory.mktemp("authorities")


@pytest.fixture
def server(authorities: Path) -> Iterator[Collector]:
    """Serve over TLS as a workspace does."""
    with Collector(authorities, usual=reply(body=FLAT)) as listening:
        yield listening


def workspace_at(url: str, server: Collector | None = None, **options: Any) -> LiveWorkspace:
    """Return the workspace at *url*, which trusts *server*."""
    certificates = None if server is None or server.context is None else server.certificates
    return LiveWorkspace(url, **{"user_id": WHO, "auth_token": SECRET, "certificates": certificates, **options})


def live(server: Collector, path: str = "", **options: Any) -> LiveWorkspace:
    """Return the workspace that *server* is."""
    return workspace_at(server.url + path, server, **options)


# What is asked, and what comes of it.


@pytest.mark.parametrize("identity", [Identity.GOOD, Identity.PLAIN])
@pytest.mark.parametrize(
    ("path", "target"),
    [("", "/"), ("/", "/"), ("/chat", "/chat/"), ("/chat/", "/chat/"), ("/a/b//", "/a/b/")],
)
def test_exactly_this_is_asked(authorities: Path, identity: Identity, path: str, target: str) -> None:
    """One GET of the statistics with the two credentials, and no header beyond those that are listed here."""
    with Collector(authorities, identity=identity, usual=reply(body=FLAT)) as server:
        assert workspace_at(server.url.rstrip("/") + path, server)() == FLAT
    expected = (
        f"GET {target}api/v1/statistics HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{server.port}\r\n"
        "Accept: application/json\r\n"
        "Accept-Encoding: identity\r\n"
        "Connection: close\r\n"
        f"User-Agent: rc-stats/{__version__.partition('.')[0]}\r\n"
        f"X-Auth-Token: {SECRET}\r\n"
        f"X-User-Id: {WHO}\r\n"
        "\r\n"
    )
    assert [received.raw for received in server.received] == [expected.encode()]


@pytest.mark.parametrize("body", [FLAT, WRAPPED], ids=["flat", "wrapped"])
def test_what_it_answers_is_a_source(server: Collector, body: bytes) -> None:
    """The bytes are returned as they came, and read as a document, in the form of now and in that of old versions."""
    server.then(reply(body=body))
    answered = live(server)()
    assert answered == body
    assert read_newest(io.BytesIO(answered)).document.body["totalRooms"] == EXAMPLE["totalRooms"]


def test_each_call_asks_anew_and_keeps_nothing(server: Collector) -> None:
    """A second call is the same request: no cookie comes back, and no connection stays."""
    server.usual = reply(body=FLAT, headers=[("Set-Cookie", "rc_token=1; Path=/")])
    source = live(server)
    assert source() == source() == FLAT
    first, second = server.received
    assert first.raw == second.raw
    assert server.count == 2


def test_a_document_of_the_largest_size_is_read(authorities: Path) -> None:
    """16 MiB are read, and not a byte more."""
    start, end = FLAT[:-1] + b',"zzz":"', b'"}'
    filling = b"a" * (MAX_DOCUMENT_BYTES - len(start) - len(end))
    with Collector(identity=Identity.PLAIN) as server:
        server.then(reply(body=start + filling + end), reply(body=start + filling + b"a" + end))
        assert len(live(server)()) == MAX_DOCUMENT_BYTES
        with pytest.raises(UnusableInput) as caught:
            live(server)()
    assert caught.value.rule == "too-large"


# What can go wrong.

NOT_ALLOWED: Final = json.dumps({"success": False, "error": "error-not-allowed"}).encode()
NOT_ALLOWED_OLD: Final = json.dumps(
    {"success": False, "error": "Not allowed [error-not-allowed]", "errorType": "error-not-allowed"}
).encode()
REFUSALS: Final[dict[str, tuple[Behaviour, str]]] = {
    "no login": (reply(401, body=b'{"status":"error","message":"You must be logged in to do this."}'), "unauthorised"),
    "no permission": (reply(403, body=b'{"success":false}'), "forbidden"),
    "no permission, by name": (reply(400, body=NOT_ALLOWED), "forbidden"),
    "no permission, in old versions": (reply(400, body=NOT_ALLOWED_OLD), "forbidden"),
    "another fault": (reply(400, body=b'{"success":false,"error":"error-invalid-params"}'), "refused"),
    "another fault, no text": (reply(400, body=b'{"success":false,"error":["error-not-allowed"]}'), "refused"),
    "another fault, no JSON": (reply(400, body=b"error-not-allowed"), "refused"),
    "no such path": (reply(404, body=b"<html>"), "not-found"),
    "too many requests": (reply(429, body=b'{"success":false}'), "refused"),
    "a fault of the server": (reply(500, body=b'{"success":false}'), "refused"),
    "an empty success": (reply(204), "refused"),
    "another page": (reply(body=b"<!doctype html><title>Welcome</title>"), "not-a-workspace"),
    "an empty page": (reply(body=b""), "not-a-workspace"),
    "a list": (reply(body=b"[" + FLAT + b"]"), "not-a-workspace"),
    "another API": (reply(body=b'{"success":true,"users":[]}'), "not-a-workspace"),
    "no success": (reply(body=json.dumps(BARE).encode()), "not-a-workspace"),
    "failure": (reply(body=json.dumps({**EXAMPLE, "success": False}).encode()), "not-a-workspace"),
    "success in words": (reply(body=json.dumps({**EXAMPLE, "success": "true"}).encode()), "not-a-workspace"),
    "not UTF-8": (reply(body=FLAT[:-1] + b',"a":"\xff"}'), "not-a-workspace"),
    "cut JSON": (reply(body=FLAT[:-1]), "not-a-workspace"),
    "deep JSON": (reply(body=b"[" * 100_000), "not-a-workspace"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_told_apart(server: Collector, name: str) -> None:
    """Unknown credentials, a lacking permission, a wrong URL and what is no workspace have each a rule of their own."""
    behaviour, rule = REFUSALS[name]
    server.then(behaviour)
    with pytest.raises(UnusableInput) as caught:
        live(server)()
    assert caught.value.rule == f"live-{rule}"
    assert server.count == 1


def test_every_other_status_is_a_refusal(authorities: Path) -> None:
    """Only 200 is an answer; a redirect is none, and each status has one rule."""
    rules = {401: "live-unauthorised", 403: "live-forbidden", 404: "live-not-found"}
    with Collector(identity=Identity.PLAIN) as server:
        source = live(server)
        for status in (*range(201, 210), *range(300, 309), *range(400, 432), *range(500, 512), 599, 999):
            server.then(reply(status, body=b'{"success":true,"totalUsers":1}'))
            with pytest.raises(UnusableInput) as caught:
                source()
            assert caught.value.rule == rules.get(status, "live-refused")
            assert (str(status) in caught.value.message) == (status not in rules)


def test_the_permission_is_named(server: Collector) -> None:
    """Who lacks the permission is told which."""
    server.then(reply(403))
    with pytest.raises(UnusableInput, match="view-statistics"):
        live(server)()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_dont_follow_a_redirect(server: Collector, status: int) -> None:
    """Wherever an answer leads, nobody else is asked."""
    with Collector(identity=Identity.PLAIN, usual=reply(body=FLAT)) as elsewhere:
        for place in (elsewhere.url, "/elsewhere"):
            server.then(redirect(place, status))
            with pytest.raises(UnusableInput) as caught:
                live(server)()
            assert caught.value.rule == "live-refused"
    assert (elsewhere.count, server.count) == (0, 2)


FAULTS: Final[dict[str, tuple[Behaviour, str]]] = {
    "reset": (reset(), "live-connection"),
    "closed": (raw(b""), "live-connection"),
    "closed in the body": (raw(answer(body=FLAT)[:-1]), "live-connection"),
    "garbage": (raw(b"garbage\r\n\r\n"), "live-connection"),
    "says nothing": (hang(), "live-timeout"),
    "drips": (drip(answer(body=FLAT), every=0.02), "live-timeout"),
    "a long head": (endless(b"HTTP/1.1 200 OK\r\n", b"X-Many: a\r\n" * 1000), "live-connection"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_on_the_way_are_told_apart(server: Collector, name: str) -> None:
    """A connection that breaks is one thing, and a workspace that takes too long is another."""
    behaviour, rule = FAULTS[name]
    server.then(behaviour)
    with pytest.raises(TransportError) as caught:
        live(server, seconds=0.3 if rule == "live-timeout" else 30)()
    assert caught.value.rule == rule
    assert server.count == 1


@pytest.mark.parametrize("length", [b"Content-Length: 99999999999", b"Transfer-Encoding: chunked"])
def test_an_answer_without_end_is_given_up(length: bytes) -> None:
    """Of a document that never ends no more is read than a document may have."""
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    with Collector(identity=Identity.PLAIN) as server:
        server.then(endless(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n", chunk))
        with pytest.raises(UnusableInput) as caught:
            live(server)()
    assert caught.value.rule == "too-large"


def test_interim_answers_without_end_are_given_up() -> None:
    """The bound counts all that is read, also if there is never an answer."""
    with Collector(identity=Identity.PLAIN) as server:
        server.then(endless(b"", b"HTTP/1.1 103 Early Hints\r\nX-Long: " + b"a" * 90_000 + b"\r\n\r\n"))
        with pytest.raises(UnusableInput) as caught:
            live(server)()
    assert caught.value.rule == "too-large"


@pytest.mark.parametrize("identity", [Identity.EXPIRED, Identity.OTHER_NAME, Identity.UNKNOWN])
def test_a_stranger_gets_no_credentials(authorities: Path, identity: Identity) -> None:
    """A server that can't prove who it is learns nothing."""
    with Collector(authorities, identity=identity) as stranger, pytest.raises(TransportError) as caught:
        live(stranger)()
    assert (caught.value.rule, stranger.received, stranger.failures) == ("live-tls", (), 1)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://chat.example.org", "live-insecure-url"),
        ("http://192.0.2.1:3000", "live-insecure-url"),
        (f"https://somebody:{SECRET}@chat.example.org", "live-url"),
        ("https://chat.example.org?next=/", "live-url"),
        ("https://chat.example.org/?next=", "live-url"),
        ("https://chat.example.org/#", "live-url"),
        ("chat.example.org", "live-url"),
        ("", "live-url"),
        ("https://chat.example.org/\r\nX: y", "live-url"),
    ],
)
def test_no_other_url_is_asked(url: str, rule: str) -> None:
    """Plain HTTP beyond this machine, and what is no simple HTTPS URL, is refused from the start."""
    with pytest.raises(TransportError) as caught:
        workspace_at(url)
    assert (caught.value.rule, caught.value.is_final) == (rule, True)
    assert SECRET not in str(caught.value)


def test_proxies_count_only_if_the_admin_says_so(server: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable alone sends nothing through a proxy; if allowed, credentials are in a tunnel; others are refused."""
    with Collector(identity=Identity.PLAIN, usual=tunnel()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert live(server)() == FLAT
        assert proxy.count == 0
        assert live(server, environment_proxies=True)() == FLAT
        assert proxy.received[0].line.startswith("CONNECT ")
        assert SECRET.encode() not in proxy.received[0].raw
        monkeypatch.setenv("HTTPS_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        with pytest.raises(TransportError) as caught:
            live(server, environment_proxies=True)()
        assert caught.value.rule == "live-proxy"
        assert (proxy.count, server.count) == (1, 2)
    assert server.received[0].raw == server.received[1].raw


# Credentials.


def test_credentials_of_the_environment() -> None:
    """Two variables give them."""
    assert credentials_from({USER_ID: WHO, AUTH_TOKEN: SECRET, "OTHER": "x"}) == Credentials(WHO, SECRET)
    assert (USER_ID, AUTH_TOKEN) == ("RC_STATS_USER_ID", "RC_STATS_AUTH_TOKEN")


@pytest.mark.parametrize("environment", [{}, {USER_ID: WHO}, {AUTH_TOKEN: SECRET}, {USER_ID: "", AUTH_TOKEN: SECRET}])
def test_missing_credentials_are_named(environment: dict[str, str]) -> None:
    """If one of the two is missing or empty, the error names the variables and not what the other holds."""
    with pytest.raises(UsageError) as caught:
        credentials_from(environment)
    assert caught.value.rule == "live-credentials"
    assert USER_ID in str(caught.value)
    assert AUTH_TOKEN in str(caught.value)
    assert SECRET not in str(caught.value)


def secret_file(directory: Path, content: bytes | str, mode: int = 0o600) -> Path:
    """Return a file of credentials."""
    file = directory / "credentials"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    "content",
    [
        f"user_id={WHO}\nauth_token={SECRET}\n",
        f"user_id={WHO}\nauth_token={SECRET}",
        f"auth_token = {SECRET}\r\n\r\nuser_id = {WHO}\r\n",
        f"\n  user_id={WHO}  \n\n  auth_token={SECRET}\t\n\n",
    ],
)
def test_credentials_of_a_file(tmp_path: Path, content: str) -> None:
    """Two lines give them, in any order, and the file goes before the environment."""
    file = secret_file(tmp_path, content)
    assert credentials_from({USER_ID: "other", AUTH_TOKEN: "other"}, file) == Credentials(WHO, SECRET)


def test_a_token_may_hold_any_sign(tmp_path: Path) -> None:
    """What stands behind the first equals sign is the token, further ones included."""
    file = secret_file(tmp_path, f"user_id={WHO}\nauth_token=a=b==#;\n")
    assert credentials_from({}, file).auth_token == "a=b==#;"  # noqa: S105 -- what the file says


@pytest.mark.parametrize(
    "content",
    [
        "",
        f"user_id={WHO}\n",
        f"auth_token={SECRET}\n",
        f"{WHO}\n{SECRET}\n",
        f"user_id={WHO}\nauth_token=\n",
        f"user_id={WHO}\nuser_id={WHO}\n",
        f"user_id={WHO}\nauth_token={SECRET}\nauth_token={SECRET}\n",
        f"user_id={WHO}\nauth_token={SECRET}\nother=1\n",
        f"user_id={WHO}\nauth_token={SECRET} {SECRET}\n",
        f"USER_ID={WHO}\nAUTH_TOKEN={SECRET}\n",
        f"user_id={WHO}\nauth_token={SECRET}ä\n",
        b"\xff\xfeu\x00s\x00e\x00r\x00",
        f"user_id={WHO}\nauth_token=" + "a" * 5000,
        f"user_id={WHO}\n" + "\n" * 5000 + f"auth_token={SECRET}\n",
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: bytes | str) -> None:
    """Anything but the two lines is an error, which doesn't quote the file."""
    with pytest.raises(UsageError) as caught:
        credentials_from({}, secret_file(tmp_path, content))
    assert caught.value.rule == "live-credentials-file"
    told = str(caught.value) + repr(caught.value.__context__)
    assert not [word for word in (WHO, SECRET, str(tmp_path)) if word in told]


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
def test_a_file_that_others_may_use_is_refused(tmp_path: Path) -> None:
    """If the group or anybody may read, write or run it, it is not used."""
    file = secret_file(tmp_path, f"user_id={WHO}\nauth_token={SECRET}\n")
    for mode in range(0o601, 0o700):
        file.chmod(mode)
        with pytest.raises(UsageError) as caught:
            credentials_from({}, file)
        assert caught.value.rule == "live-credentials-file"
        assert "chmod 600" in str(caught.value)
    for mode in (0o400, 0o600, 0o700):
        file.chmod(mode)
        assert credentials_from({}, file) == Credentials(WHO, SECRET)


@pytest.mark.parametrize("name", ["missing", ".", "no\0path"])
def test_a_file_that_cant_be_read_is_refused(tmp_path: Path, name: str) -> None:
    """Where there is no file to read, it says so; the environment doesn't step in."""
    file = tmp_path / name
    with pytest.raises(UsageError) as caught:
        credentials_from({USER_ID: WHO, AUTH_TOKEN: SECRET}, file)
    assert caught.value.rule == "live-credentials-file"


@pytest.mark.parametrize("name", ["user_id", "auth_token"])
@pytest.mark.parametrize("value", ["", " ", "a b", "a\r\nX-Evil: 1", "a\n", "ä", "a\x00", "a" * 1001])
def test_credentials_of_another_form_are_refused(name: str, value: str) -> None:
    """What can't be a header by itself is refused before anything is asked."""
    given = {"user_id": WHO, "auth_token": SECRET, name: value}
    with pytest.raises(UsageError) as caught:
        LiveWorkspace("https://chat.example.org", user_id=given["user_id"], auth_token=given["auth_token"])
    assert caught.value.rule == "live-credentials"


# What is told.


def told_by(error: BaseException | None) -> str:
    """Return all that *error* and whatever hangs on it could tell a log."""
    told = ""
    while error is not None:
        told += f"{error} {error!r} {error.args!r} {vars(error)!r} {''.join(traceback.format_exception(error))}"
        error = error.__cause__ or error.__context__
    return told


ECHO: Final = f"{WHO} {SECRET} {ROOM} 918273645"
TELLTALE: Final[dict[str, Behaviour]] = {
    "a yes": reply(body=FLAT[:-1] + f',"zzz":"{ROOM}","n":918273645}}'.encode()),
    "a reason": raw(f"HTTP/1.1 401 {ECHO}\r\nX-Echo: {ECHO}\r\n\r\n".encode()),
    "a body": reply(400, body=json.dumps({"error": f"error-not-allowed {ECHO}"}).encode()),
    "no JSON": reply(body=f'{{"success":true,"totalUsers":{ECHO}'.encode()),
    "no workspace": reply(body=json.dumps({"success": True, "other": ECHO}).encode()),
    "no status": raw(f"{ECHO}\r\n\r\n".encode()),
    "a bad header": raw(f"HTTP/1.1 200 OK\r\n{ECHO}\r\n\r\n".encode()),
    "cookies": reply(500, headers=[("Set-Cookie", f"rc_token={SECRET}")]),
    "the request itself": lambda connection: connection.send(connection.read().raw),
    "nothing": hang(),
}


@pytest.mark.parametrize("name", TELLTALE)
def test_nothing_tells_a_secret(
    server: Collector, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    """No log, error, repr or output holds a credential or a value of the document, whatever the workspace answers."""
    caplog.set_level(logging.DEBUG)
    server.usual = TELLTALE[name]
    source = live(server, seconds=0.3 if name == "nothing" else 30)
    told = repr(source) + repr(Credentials(WHO, SECRET))
    error = None
    try:
        source()
    except RcStatsError as caught:
        error = caught
    told += told_by(error) + "".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records)
    assert "connect_tcp" in told, "the logs were really collected"
    for secret in (WHO, SECRET, ROOM, "918273645"):
        assert_no_trace(told, secret)
    assert error is None or (error.__cause__, error.__context__) == (None, None)
    assert capfd.readouterr() == ("", "")


def test_one_source_serves_many_threads(server: Collector) -> None:
    """Several calls at once get an answer each."""
    source = live(server)
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(source())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [FLAT] * 6


def test_it_names_the_workspace(server: Collector) -> None:
    """What is shown of it is where it is."""
    assert repr(live(server)) == f"LiveWorkspace({server.url!r})"


def test_without_the_extra_it_says_so() -> None:
    """Where the optional library is not installed, the error names the extra that brings it."""
    program = """
import sys
sys.modules["httpx2"] = None
try:
    import rc_stats.live
except Exception as error:
    sys.exit(0 if getattr(error, "extra", "") == "http" else 1)
sys.exit(2)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
