"""What is posted is what the preview showed, byte by byte, to one place, in bounds, and the gate is asked each time."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import stamina
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from canaries import assert_no_trace
from collector import (
    Behaviour,
    Collector,
    Connection,
    Identity,
    answer,
    drip,
    endless,
    hang,
    hold,
    raw,
    redirect,
    reply,
    reset,
    tunnel,
    unread,
)
from rc_stats.addresses import address_of
from rc_stats.catalogue import Profile
from rc_stats.consent import Consent
from rc_stats.errors import GateClosed, LeaseLost, RcStatsError, StoreError, TransportError, UsageError
from rc_stats.gate import Decision, Payload, Switches, clear
from rc_stats.https import Answer, Client, Fault
from rc_stats.policy import DataType, Recipient
from rc_stats.transport import MAX_ANSWER_BYTES, MAX_TOKEN_BYTES, Receipt, Transport, _retry_after
from sending import (
    AGREED,
    CANARY,
    EVERYTHING,
    QUICK,
    USAGE,
    Asked,
    Send,
    on_the_wire,
    report_in,
    send_async,
    send_sync,
    transport_to,
)

TOKEN: Final = "stats-token-canary-5f0c"  # noqa: S105 -- given by the server, to be looked for in what is told
PASSWORD: Final = "proxy-password-canary-77d1"  # noqa: S105 -- the same
SYSTEMS_OWN: Final = Transport(**QUICK)
OK: Final = reply(body=json.dumps({"statsToken": TOKEN}).encode())

both = pytest.mark.parametrize("send", [send_sync, send_async], ids=["sync", "async"])


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the files of certificates are."""
    return tmp_path_factory.mktemp("authorities")


@pytest.fixture
def collector(authorities: Path) -> Iterator[Collector]:
    """Serve over TLS, and say yes unless told otherwise."""
    with Collector(authorities, usual=OK) as listening:
        yield listening


@pytest.fixture
def plain() -> Iterator[Collector]:
    """Serve without TLS."""
    with Collector(identity=Identity.PLAIN, usual=OK) as listening:
        yield listening


# What arrives.


@both
@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("scope", [frozenset({USAGE}), EVERYTHING], ids=["usage", "everything"])
def test_what_arrives_is_what_the_preview_shows(
    collector: Collector, send: Send, profile: Profile, scope: frozenset[DataType]
) -> None:
    """The raw bytes received are the envelope's line and headers, in their order, then the body, and nothing else."""
    asked = Asked(collector.url, profile, scope)
    assert send(transport_to(collector), asked) == Receipt(200, TOKEN)
    assert [received.raw for received in collector.received] == [on_the_wire(asked.payload)]
    assert collector.received[0].headers == asked.payload.envelope.headers
    assert collector.received[0].body == asked.payload.body
    assert collector.count == 1


@pytest.mark.parametrize("path", ["", "in", "in/v1/", "in?source=a&b=%20c", "%C3%A4/..//./x;y=1", "'()*!$&,:@~+-._="])
def test_any_url_is_sent_as_it_is_spelt(plain: Collector, path: str) -> None:
    """The path and query are not normalised, decoded or encoded on the way."""
    asked = Asked(plain.url + path)
    send_sync(transport_to(plain), asked)
    assert plain.received[0].raw == on_the_wire(asked.payload)
    assert plain.received[0].line == f"POST /{path} HTTP/1.1"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_url_without_a_path_asks_for_the_root(collector: Collector, host: str) -> None:
    """Without a path the request is for the root; by address or by name, the host is told as it is spelt."""
    asked = Asked(f"https://{host}:{collector.port}")
    send_sync(transport_to(collector), asked)
    assert collector.received[0].raw == on_the_wire(asked.payload)
    assert collector.received[0].header("Host") == f"{host}:{collector.port}"


def test_plain_http_reaches_ipv6_loopback() -> None:
    """The other loopback address may be asked without TLS as well, and is spelt with its brackets."""
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listening:
        asked = Asked(f"http://[::1]:{listening.getsockname()[1]}/")
        thread = threading.Thread(target=send_sync, args=(SYSTEMS_OWN, asked))
        thread.start()
        connected, _ = listening.accept()
        with connected:
            received = b""
            while len(received) < len(on_the_wire(asked.payload)):
                received += connected.recv(65536)
            connected.sendall(answer())
        thread.join()
        assert received == on_the_wire(asked.payload)
        assert received.startswith(b"POST / HTTP/1.1\r\nHost: [::1]:")


@both
def test_every_attempt_sends_the_same_bytes(collector: Collector, send: Send) -> None:
    """A request that is tried again is the same request, whatever the server said before, with the same key."""
    collector.then(reply(503, headers=[("Set-Cookie", "a=b")]), raw(b"garbage\r\n\r\n"))
    asked = Asked(collector.url)
    send(transport_to(collector), asked)
    assert [received.raw for received in collector.received] == [on_the_wire(asked.payload)] * 3
    assert collector.keys == {dict(asked.payload.envelope.headers)["Idempotency-Key"]}


def test_cookies_are_never_returned(collector: Collector) -> None:
    """A cookie that the recipient sets is in no later request: not in a retry, not in the next sending."""
    collector.usual = reply(200, headers=[("Set-Cookie", "session=1; Path=/"), ("Set-Cookie", "b=2")])
    collector.then(reply(503, headers=[("Set-Cookie", "early=1; Path=/")]))
    asked, transport = Asked(collector.url), transport_to(collector)
    for _ in range(3):
        send_sync(transport, asked)
    assert {received.raw for received in collector.received} == {on_the_wire(asked.payload)}
    assert b"ookie" not in on_the_wire(asked.payload)


def test_one_transport_serves_many_threads(collector: Collector) -> None:
    """Several payloads sent at once through one transport arrive whole, each by itself."""
    transport = transport_to(collector)
    asked = [Asked(collector.url, profile) for profile in Profile] * 3
    threads = [threading.Thread(target=send_sync, args=(transport, one)) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(received.raw for received in collector.received) == sorted(on_the_wire(a.payload) for a in asked)


def test_the_token_is_never_sent_again(collector: Collector) -> None:
    """What the recipient gave as a token is in no later request."""
    asked, transport = Asked(collector.url), transport_to(collector)
    assert send_sync(transport, asked).token == TOKEN
    send_sync(transport, asked)
    assert all(TOKEN.encode() not in received.raw for received in collector.received)


# What the answer means.


@pytest.mark.parametrize("hundred", [200, 300, 400, 500])
def test_every_status_ends_it_or_is_tried_again(plain: Collector, hundred: int) -> None:
    """2xx is a receipt; 408, 425, 429 and 5xx are tried again; another status is final, a redirect by its own rule."""
    asked, transport = Asked(plain.url), transport_to(plain, attempts=2)
    for status in range(hundred, hundred + 100):
        plain.usual = reply(status)
        before = plain.count
        is_retried = status >= 500 or status in (408, 425, 429)
        if status < 300:
            assert send_sync(transport, asked) == Receipt(status, None)
        else:
            with pytest.raises(TransportError) as caught:
                send_sync(transport, asked)
            assert caught.value.rule == ("transport-redirect" if status < 400 else "transport-status")
            assert (caught.value.status, caught.value.is_final) == (status, not is_retried)
            assert caught.value.retry_after is None
        assert plain.count - before == (2 if is_retried else 1), status


@pytest.mark.parametrize("status", [600, 799, 999])
def test_an_unknown_status_counts_as_a_fault_of_the_server(plain: Collector, status: int) -> None:
    """A status of no known class says nothing about the payload, so it is not final."""
    plain.usual = reply(status)
    with pytest.raises(TransportError) as caught:
        send_sync(transport_to(plain), Asked(plain.url))
    assert (caught.value.rule, caught.value.status, caught.value.is_final) == ("transport-status", status, False)
    assert plain.count == 3


@pytest.mark.parametrize("status", [100, 102, 103])
def test_interim_answers_are_passed_over(plain: Collector, status: int) -> None:
    """A 1xx before the answer is not the answer."""
    plain.then(raw(f"HTTP/1.1 {status} Wait\r\n\r\n".encode() * 3 + answer(201)))
    assert send_sync(transport_to(plain), Asked(plain.url)).status == 201


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_both_versions_are_understood(plain: Collector, version: str) -> None:
    """An answer in HTTP/1.0 counts, with or without the length of its body."""
    body = json.dumps({"statsToken": TOKEN}).encode()
    head = f"{version} 200 OK\r\n\r\n".encode()
    plain.then(reply(version=version, body=body), raw(head + body))
    transport, asked = transport_to(plain), Asked(plain.url)
    assert [send_sync(transport, asked) for _ in range(2)] == [Receipt(200, TOKEN)] * 2


TOKENS: Final[list[tuple[str, bytes, str | None]]] = [
    ("a token", b'{"statsToken":"abc"}', "abc"),
    ("the last of two", b'{"statsToken":"a","statsToken":"b"}', "b"),
    ("the longest", b'{"statsToken":"' + b"a" * MAX_TOKEN_BYTES + b'"}', "a" * MAX_TOKEN_BYTES),
    ("too long", b'{"statsToken":"' + b"a" * (MAX_TOKEN_BYTES + 1) + b'"}', None),
    ("too many bytes", ('{"statsToken":"' + "ä" * (MAX_TOKEN_BYTES // 2 + 1) + '"}').encode(), None),
    ("empty", b'{"statsToken":""}', None),
    ("a number", b'{"statsToken":5}', None),
    ("null", b'{"statsToken":null}', None),
    ("a list", b'{"statsToken":["a"]}', None),
    ("elsewhere", b'{"data":{"statsToken":"a"}}', None),
    ("no token", b"{}", None),
    ("an array", b'["statsToken"]', None),
    ("no JSON", b"<html>Welcome</html>", None),
    ("nothing", b"", None),
    ("not UTF-8", b'{"statsToken":"\xff"}', None),
    ("half a pair", b'{"statsToken":"\\ud800"}', None),
    ("deep", b"[" * 30_000, None),
    ("gzip", b"\x1f\x8b\x08\x00", None),
]


@pytest.mark.parametrize(("body", "token"), [case[1:] for case in TOKENS], ids=[case[0] for case in TOKENS])
def test_only_a_token_is_taken_from_the_answer(plain: Collector, body: bytes, token: str | None) -> None:
    """The receipt holds the token if there is one of text, not empty and not too long; anything else is a plain yes."""
    plain.then(reply(202, body=body))
    assert send_sync(transport_to(plain), Asked(plain.url)) == Receipt(202, token)


def test_a_token_in_chunks_is_read(plain: Collector) -> None:
    """A chunked answer is put together."""
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in b'{"statsToken":"abc"}') + b"0\r\n\r\n"
    plain.then(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))
    assert send_sync(transport_to(plain), Asked(plain.url)) == Receipt(200, "abc")


def test_an_answer_given_before_the_request_was_read_counts(collector: Collector) -> None:
    """A server that refuses without listening is heard."""
    collector.then(unread(answer(413)))
    with pytest.raises(TransportError) as caught:
        send_sync(transport_to(collector), Asked(collector.url))
    assert (caught.value.rule, caught.value.status) == ("transport-status", 413)


# Waiting.


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_more_than_the_longest_wait_gives_up(plain: Collector, status: int, form: str) -> None:
    """A recipient that asks for more time than is waited is not asked again now, and the error tells how long."""
    value = "3600" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    plain.usual = reply(status, headers=[("Retry-After", value)])
    with pytest.raises(TransportError) as caught:
        send_sync(transport_to(plain, longest_wait=60), Asked(plain.url))
    assert caught.value.retry_after == pytest.approx(3600, abs=300)
    assert (caught.value.status, caught.value.is_final, plain.count) == (status, False, 1)


def test_what_the_recipient_asks_for_is_waited(plain: Collector) -> None:
    """Within the longest wait, Retry-After replaces the usual wait, which would be most of a minute here."""
    plain.then(reply(503, headers=[("Retry-After", "1")]))
    asked = Asked(plain.url)
    transport = transport_to(plain, longest_wait=50, first_wait=50)
    assert send_sync(transport, asked).status == 200
    assert (plain.count, asked.asked) == (2, 2)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", None),
        ("1", 1.0),
        (" 120 ", 120.0),
        ("007", 7.0),
        ("1.5", None),
        ("-5", None),
        ("+5", None),
        ("1e3", None),
        ("²", None),
        ("", None),
        ("soon", None),
        ("Mon, 01 Jan 2001 00:00:00 GMT", None),
        ("Fri, 99 Foo 99999 99:99:99 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 366 * 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 -0000", 366 * 86_400.0),
        ("Friday, 31-Dec-99 23:59:59 GMT", None),
        ("1 Dec 2001 00:00:00 +99999999999999999999", None),
        ("1 Dec 99999999999999999999 00:00:00 GMT", None),
        ("9" * 400, 366 * 86_400.0),
        ("9" * 60_000, 366 * 86_400.0),
    ],
)
def test_each_form_of_retry_after(value: str, seconds: float | None) -> None:
    """A number of seconds or a date counts; the past, nothing and nonsense ask for nothing; for ever is a year."""
    assert _retry_after(value) == seconds


@given(st.one_of(st.text(), st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,30} \d+:\d+:\d+ [-+A-Z0-9]*")))
def test_no_retry_after_is_an_error(value: str) -> None:
    """Whatever stands there, it is a number of seconds above zero or nothing."""
    seconds = _retry_after(value)
    assert seconds is None or 0 < seconds <= 366 * 86_400


def test_the_wait_of_the_recipient_replaces_ours() -> None:
    """What the retries are told to wait is what the recipient asks for, if it is no more than the longest wait."""
    transport = Transport(longest_wait=60, first_wait=1)

    def wait(retry_after: float | None, status: int = 503) -> bool | float:
        error = TransportError("", rule="transport-status", status=status, retry_after=retry_after)
        return transport._backoff(error)

    assert (wait(None), wait(7.0), wait(60.0), wait(60.1)) == (True, 7.0, 60.0, False)


# Where it goes.


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@both
def test_redirects_are_refused(collector: Collector, plain: Collector, send: Send, status: int) -> None:
    """A redirect is a final failure, and the place it names is not asked: not elsewhere, not on the same server."""
    for place in (plain.url, collector.url + "elsewhere", "/elsewhere", "//[", ""):
        collector.then(redirect(place, status))
        with pytest.raises(TransportError) as caught:
            send(transport_to(collector), Asked(collector.url))
        assert (caught.value.rule, caught.value.is_final) == ("transport-redirect", True)
        assert caught.value.status == status
    assert (plain.count, collector.count) == (0, 5)


PROXY_VARIABLES: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Serve as a proxy that every variable names, with a password."""
    with Collector(identity=Identity.PLAIN, usual=tunnel()) as listening:
        for name in PROXY_VARIABLES:
            monkeypatch.setenv(name, f"http://somebody:{PASSWORD}@127.0.0.1:{listening.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield listening


@both
def test_proxies_of_the_environment_are_ignored(collector: Collector, proxy: Collector, send: Send) -> None:
    """Unless the admin says so, no variable makes the request go through a proxy."""
    asked = Asked(collector.url)
    send(transport_to(collector), asked)
    assert collector.received[0].raw == on_the_wire(asked.payload)
    assert proxy.count == 0


def test_a_proxy_that_the_admin_allows_is_used(collector: Collector, proxy: Collector) -> None:
    """Through a proxy the recipient gets the same bytes over TLS; the proxy learns the address and its own password."""
    asked = Asked(collector.url)
    send_sync(transport_to(collector, environment_proxies=True), asked)
    assert collector.received[0].raw == on_the_wire(asked.payload)
    (received,) = proxy.received
    assert received.line == f"CONNECT 127.0.0.1:{collector.port} HTTP/1.1"
    assert {name for name, _ in received.headers} == {"Proxy-Authorization", "Host", "Accept"}
    assert received.body == b""


def test_the_proxy_for_all_is_used_where_there_is_no_other(
    collector: Collector, proxy: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ALL_PROXY counts if HTTPS_PROXY isn't set, also without a scheme."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ALL_PROXY", f"127.0.0.1:{proxy.port}")
    send_sync(transport_to(collector, environment_proxies=True), Asked(collector.url))
    assert (proxy.count, collector.count) == (1, 1)


@pytest.mark.parametrize("value", ["127.0.0.1", "*", "example.org,127.0.0.1"])
def test_exceptions_of_the_environment_count(
    collector: Collector, proxy: Collector, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """Where the admin allows proxies, NO_PROXY says for whom none is used."""
    monkeypatch.setenv("NO_PROXY", value)
    send_sync(transport_to(collector, environment_proxies=True), Asked(collector.url))
    assert (proxy.count, collector.count) == (0, 1)


def test_plain_http_is_never_proxied(plain: Collector, proxy: Collector) -> None:
    """What may go to this machine without TLS doesn't leave it through a proxy."""
    send_sync(transport_to(plain, environment_proxies=True), Asked(plain.url))
    assert (proxy.count, plain.count) == (0, 1)


@pytest.mark.parametrize(
    "value",
    [
        "socks5://127.0.0.1:{port}",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}:1",
        "http://",
        "http://[x",
        "ä",
        "http://h:99999",
    ],
)
def test_a_proxy_of_another_kind_is_refused(
    collector: Collector, proxy: Collector, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A proxy that can't be used stops the sending: nothing goes past it, and nothing is tried again."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, value.format(port=proxy.port))
    asked = Asked(collector.url)
    with pytest.raises(TransportError) as caught:
        send_sync(transport_to(collector, environment_proxies=True), asked)
    assert (caught.value.rule, caught.value.is_final) == ("transport-proxy", False)
    assert (proxy.count, collector.count, asked.asked) == (0, 0, 1)


def test_a_proxy_that_refuses_is_a_failed_connection(collector: Collector, proxy: Collector) -> None:
    """If the proxy says no, nothing has reached the recipient; it is tried again."""
    proxy.usual = reply(407)
    with pytest.raises(TransportError) as caught:
        send_sync(transport_to(collector, environment_proxies=True), Asked(collector.url))
    assert (caught.value.rule, caught.value.is_final) == ("transport-connection", False)
    assert (proxy.count, collector.count) == (3, 0)


INSECURE: Final = [
    *("http://collector.example.org/", "http://192.0.2.1/", "http://0.0.0.0/", "http://[::]/", "http://[::2]/"),
    *("http://localhost.example.org/", "http://127.0.0.1.example.org/", "http://127.1/", "http://0x7f.0.0.1/"),
    *("http://2130706433/", "http://126.255.255.255/", "http://128.0.0.1/", "http://[::ffff:192.0.2.1]/"),
    *("http://localhost./", "http://[::ffff:127.0.0.1]/", "http://127.0.0.01/", "http://[1::1]/", "http://LOCALHOST/"),
]
UNUSABLE: Final = [
    *("", "https://", "https:///", "collector.example.org", "//collector.example.org/", "file:///etc/hostname"),
    *("ftp://127.0.0.1/", "HTTPS://127.0.0.1/", "https://127.0.0.1:0/", "https://127.0.0.1:65536/"),
    *("https://127.0.0.1:/", "https://127.0.0.1:-1/", "https://somebody:{p}@127.0.0.1/", "https://somebody@127.0.0.1/"),
    *(
        "https://127.0.0.1/#part",
        "https://127.0.0.1#part",
        "https://127.0.0.1?query",
        "https://127.0.0.1\\@example.org/",
    ),
    *("https://127.0.0.1/a b", "https://127.0.0.1/\r\nX: y", "https://127.0.0.1\r\nX: y/", "https://127.0.0.1/\n"),
    *("https://127.0.0.1/ä", "https://exämple.org/", "https://[::1/", "https://::1/", " https://127.0.0.1/"),
    *("http://somebody:{p}@localhost/", "https://127.0.0.1/\x00", "https://127.0.0.1/\x7f"),
]


@pytest.mark.parametrize("url", INSECURE + UNUSABLE)
@both
def test_no_other_url_is_asked(send: Send, url: str) -> None:
    """Plain HTTP beyond this machine, and what is no simple HTTPS URL, is refused for good; the permit is not asked."""
    url = url.replace("{p}", PASSWORD)
    asked = Asked(url)
    with pytest.raises(TransportError) as caught:
        send(SYSTEMS_OWN, asked)
    rule = "transport-insecure-url" if url in INSECURE else "transport-url"
    assert (caught.value.rule, caught.value.is_final, asked.asked) == (rule, True, 0)
    assert not [word for word in (PASSWORD, "example", "127.", "localhost") if word in str(caught.value)]


def test_a_name_for_this_machine_that_leads_elsewhere_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If localhost is looked up as another machine's address, plain HTTP goes nowhere."""

    def elsewhere(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    with pytest.raises(TransportError) as caught:
        send_sync(SYSTEMS_OWN, Asked("http://localhost:9/"))
    assert caught.value.rule == "transport-connection"


# Whom it trusts.


@pytest.mark.parametrize("identity", [Identity.EXPIRED, Identity.OTHER_NAME, Identity.UNKNOWN])
@both
def test_a_server_that_is_not_who_it_should_be_gets_nothing(authorities: Path, send: Send, identity: Identity) -> None:
    """A certificate that is expired, another's or of nobody known ends it: nothing sent, not tried again, not final."""
    with Collector(authorities, identity=identity) as stranger:
        asked = Asked(stranger.url)
        with pytest.raises(TransportError) as caught:
            send(transport_to(stranger), asked)
    assert (caught.value.rule, caught.value.is_final, caught.value.status) == ("transport-tls", False, None)
    assert (stranger.received, stranger.count, asked.asked) == ((), 1, 1)
    assert stranger.failures == 1


def test_only_the_system_is_trusted_by_default(collector: Collector) -> None:
    """Without a file of certificates an authority that the system doesn't know is not trusted."""
    with pytest.raises(TransportError) as caught:
        send_sync(SYSTEMS_OWN, Asked(collector.url))
    assert (caught.value.rule, collector.received) == ("transport-tls", ())


def test_a_server_without_tls_gets_nothing(plain: Collector) -> None:
    """Asked over TLS, a plain server learns no byte of the payload."""
    asked = Asked(f"https://127.0.0.1:{plain.port}/")
    plain.usual = raw(answer())
    with pytest.raises(TransportError):
        send_sync(transport_to(plain, seconds=0.3, attempts=1), asked)
    plain.close()
    assert all(asked.payload.body[:20] not in received.raw for received in plain.received)
    assert all(b"POST" not in received.raw for received in plain.received)


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_without_certificates_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing, empty or of something else is an error from the start, not a quiet distrust."""
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        Transport(certificates=file)
    assert caught.value.rule == "certificates"
    assert str(tmp_path) not in str(caught.value)


def test_a_path_of_certificates_that_is_none() -> None:
    """What can't be the path of a file is refused like a file that is missing."""
    with pytest.raises(UsageError, match="certificates"):
        Transport(certificates=Path("authority\0.pem"))


# What bounds it.

SLOW: Final[dict[str, Behaviour]] = {
    "says nothing": hang(),
    "shakes no hands": hang(reads=False),
    "drips its head": drip(answer(headers=[("X-Long", "a" * 5000)]), every=0.02),
    "drips its body": drip(answer(body=b"[" + b" " * 5000 + b"]"), every=0.02),
    "drips interim answers": drip(b"HTTP/1.1 102 Wait\r\n\r\n" * 500, every=0.02, size=21),
    "stops in its body": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
}


def drip_a_handshake(connection: Connection) -> None:
    """Begin a TLS record that never ends, byte by byte."""
    connection.send(b"\x16\x03\x03\x40\x00")
    while not connection.collector.closing.is_set():
        connection.send(b"\x02")
        connection.wait(0.02)


def stop_in_the_body(connection: Connection) -> None:
    """Send half an answer and keep the connection."""
    connection.read()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
    connection.wait(60)


@pytest.mark.parametrize(
    "behaviour",
    [*(SLOW[name] for name in list(SLOW)[:-1]), drip_a_handshake, stop_in_the_body],
    ids=[*list(SLOW)[:-1], "drips its handshake", "stops in its body"],
)
def test_the_time_of_an_attempt_is_bounded(collector: Collector, behaviour: Behaviour) -> None:
    """A server that is slow in any step is given up when the attempt's time is over, and it may be tried again."""
    collector.then(behaviour)
    asked = Asked(collector.url)
    with pytest.raises(TransportError) as caught:
        send_sync(transport_to(collector, seconds=0.3, attempts=1), asked)
    assert (caught.value.rule, caught.value.is_final) == ("transport-timeout", False)
    assert asked.seen == [caught.value]


def test_no_time_at_all_is_too_little(collector: Collector) -> None:
    """An attempt whose time is over before it begins is a time-out like others."""
    with pytest.raises(TransportError) as caught:
        send_sync(transport_to(collector, seconds=1e-9), Asked(collector.url))
    assert (caught.value.rule, collector.received) == ("transport-timeout", ())


def test_a_resolver_that_hangs_is_left_behind(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking up the name is part of the attempt's time."""
    release = threading.Event()
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: release.wait(60) and look_up(*a, **k))
    asked = Asked(f"https://localhost:{collector.port}/")
    with pytest.raises(TransportError) as caught:
        send_sync(transport_to(collector, seconds=0.2, attempts=1), asked)
    release.set()
    assert (caught.value.rule, collector.count) == ("transport-timeout", 0)


def test_time_outs_are_tried_again(plain: Collector) -> None:
    """After a time-out the request is sent once more."""
    plain.then(hang())
    asked = Asked(plain.url)
    assert send_sync(transport_to(plain, seconds=0.7, attempts=9), asked).status == 200
    assert isinstance(asked.seen[0], TransportError)
    assert asked.seen[0].rule == "transport-timeout"


@pytest.mark.parametrize("length", [b"Content-Length: 99999999999", b"Transfer-Encoding: chunked", b"X-Open: end"])
def test_a_yes_counts_whatever_its_size(collector: Collector, length: bytes) -> None:
    """Of a 2xx with a body without end no more than the limit is read: it is a receipt without a token."""
    chunk = b"400\r\n" + b"a" * 1024 + b"\r\n"
    collector.then(endless(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n", chunk))
    assert send_sync(transport_to(collector, attempts=1), Asked(collector.url)) == Receipt(200, None)


def test_a_body_that_nobody_needs_is_not_read(collector: Collector) -> None:
    """Of a refusal only the head is waited for, so that one whose body never comes is a refusal all the same."""

    def refuse_at_length(connection: Connection) -> None:
        connection.read()
        connection.send(b"HTTP/1.1 422 No\r\nContent-Length: 50\r\n\r\n{")
        connection.wait(60)

    collector.then(refuse_at_length)
    with pytest.raises(TransportError) as caught:
        send_sync(transport_to(collector, attempts=1, seconds=5), Asked(collector.url))
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("head", "chunk"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Many: " + b"a" * 1000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a" * 1024),
        (b"HTTP/1.1 200 ", b"OK" * 512),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"),
    ],
    ids=["many headers", "a long header", "a long reason", "interim answers"],
)
def test_a_head_without_end_is_given_up(collector: Collector, head: bytes, chunk: bytes) -> None:
    """If the limit is reached before there is a status, nothing is known: not final, and not tried again now."""
    collector.then(endless(head, chunk))
    with pytest.raises(TransportError) as caught:
        send_sync(transport_to(collector), Asked(collector.url))
    assert (caught.value.rule, caught.value.is_final, caught.value.status) == ("transport-too-large", False, None)
    assert collector.count == 1


def test_the_limit_is_the_limit(plain: Collector) -> None:
    """An answer of exactly the limit is read whole, and with one byte more its body is not."""
    start, end = b'{"statsToken":"abc","x":"', b'"}'
    empty = answer(body=b"", headers=[("Content-Length", "99999")])
    room = MAX_ANSWER_BYTES - len(empty) - len(start) - len(end)
    plain.then(reply(body=start + b"a" * room + end), reply(body=start + b"a" * (room + 1) + end))
    transport, asked = transport_to(plain), Asked(plain.url)
    assert [send_sync(transport, asked).token for _ in range(2)] == ["abc", None]


def leave_during_the_handshake(connection: Connection) -> None:
    """Hear the client's hello, and hang up politely."""
    connection.socket.recv(65536)


BROKEN: Final[dict[str, Behaviour]] = {
    "closed in the handshake": leave_during_the_handshake,
    "reset before the handshake": reset(reads=False),
    "reset after the request": reset(),
    "closed after the request": raw(b""),
    "closed in the head": raw(b"HTTP/1.1 200 OK\r\nContent-"),
    "closed in the body": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
    "garbage": raw(b"\x00\xff garbage\r\n\r\n"),
    "another protocol": raw(b"SSH-2.0-Example\r\n"),
    "HTTP/2": raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a bad header": raw(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
    "a bad length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"),
    "two lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "a bad chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "switched protocols": raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"),
}


@pytest.mark.parametrize("name", BROKEN)
@both
def test_what_is_no_answer_is_tried_again(collector: Collector, send: Send, name: str) -> None:
    """A broken connection, or a server that speaks something else, is tried as often as is allowed, and isn't final."""
    collector.usual = BROKEN[name]
    asked = Asked(collector.url)
    with pytest.raises(TransportError) as caught:
        send(transport_to(collector, attempts=2), asked)
    assert (caught.value.rule, caught.value.is_final, caught.value.status) == ("transport-connection", False, None)
    assert (collector.count, asked.asked) == (2, 2)


def test_nobody_listening_is_a_failed_connection() -> None:
    """Where nobody listens, it is tried again and told so."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    asked = Asked(f"https://127.0.0.1:{port}/")
    with pytest.raises(TransportError) as caught:
        send_sync(SYSTEMS_OWN, asked)
    assert (caught.value.rule, asked.asked) == ("transport-connection", 3)


@pytest.mark.parametrize("fault", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), OSError(5, "io")])
def test_a_name_that_cant_be_looked_up_is_a_failed_connection(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """If a name has no address, now or ever, it is tried again and told so."""

    def look_up(*_: Any, **__: Any) -> Any:
        raise fault

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    asked = Asked("https://collector.example.org/")
    with pytest.raises(TransportError) as caught:
        send_sync(SYSTEMS_OWN, asked)
    assert (caught.value.rule, asked.asked) == ("transport-connection", 3)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_the_next_address_is_tried(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """If nobody listens at a name's first address, the second counts."""
    found = socket.getaddrinfo("127.0.0.2", collector.port) + socket.getaddrinfo("127.0.0.1", collector.port)
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: found if host == "localhost" else look_up(host, *a, **k)
    )
    assert send_sync(transport_to(collector, attempts=1), Asked(f"https://localhost:{collector.port}/")).status == 200


def take_nothing(connection: Connection) -> None:
    """Shake hands and read nothing."""
    connection.secure()
    connection.wait(60)


def stop_taking(connection: Connection) -> None:
    """Read a little of the request and cut the connection."""
    connection.secure()
    connection.socket.recv(4096)
    connection.reset()


def upload(server: Collector, seconds: float = 30.0) -> Answer | Fault:
    """Send 32 MiB to *server*."""
    certificates = None if server.context is None else server.certificates
    client = Client(certificates=certificates, environment_proxies=False, seconds=seconds)
    headers = [("Host", "127.0.0.1"), ("Content-Length", str(2**25))]
    return client.ask(address_of(server.url, prefix="test"), "POST", headers, bytes(2**25), most=1000, with_body=())


@pytest.mark.parametrize("identity", [Identity.GOOD, Identity.PLAIN])
def test_sending_is_bounded_too(authorities: Path, identity: Identity) -> None:
    """A server that takes nothing of a large request is given up, and one that hangs up is a failed connection."""
    with Collector(authorities, identity=identity) as server:
        server.then(take_nothing, stop_taking)
        assert upload(server, 0.3) is Fault.TIMEOUT
        assert upload(server) is Fault.CONNECTION


def test_sending_slowly_is_bounded_too(plain: Collector) -> None:
    """A server that takes a large request bit by bit is given up when the time is over, and has not got it all."""
    taken: list[int] = []
    ended = threading.Event()

    def take_little(connection: Connection) -> None:
        with contextlib.suppress(ConnectionError):
            while more := connection.socket.recv(65536):
                taken.append(len(more))
                connection.wait(0.005)
        ended.set()

    plain.usual = take_little
    assert upload(plain, 0.3) is Fault.TIMEOUT
    assert ended.wait(60)
    assert sum(taken) < 2**25


def test_an_answer_in_the_middle_of_sending_counts(plain: Collector) -> None:
    """A server that refuses a large request half-way, and hangs up, is heard."""

    def refuse_early(connection: Connection) -> None:
        connection.socket.recv(4096)
        connection.send(answer(413))
        connection.reset()

    plain.usual = refuse_early
    got = upload(plain)
    assert isinstance(got, Answer)
    assert got.status == 413


# What is refused.


def forged(payload: Payload) -> Payload:
    """Return an object of the payload's class that the gate has not made."""
    imitation = object.__new__(Payload)
    object.__setattr__(imitation, "_contents", payload._contents)
    return imitation


def changed(payload: Payload) -> Payload:
    """Return *payload* with other bytes forced into it."""
    object.__setattr__(payload._contents, "body", payload.body.replace(str(CANARY).encode(), b"1"))
    return payload


def redirected(payload: Payload) -> Payload:
    """Return *payload* with another URL forced into its envelope."""
    object.__setattr__(payload._contents.envelope, "url", payload.envelope.url + "elsewhere")
    return payload


def hypothetical(payload: Payload) -> Payload:
    """Return what a yes would send."""
    asked = Asked(payload.envelope.url)
    asked.suppose()
    return clear(report_in(), asked.decision())


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (forged, "forged-payload"),
        (changed, "forged-payload"),
        (redirected, "forged-payload"),
        (hypothetical, "hypothetical"),
        (lambda payload: payload.body, "forged-payload"),
        (lambda _: None, "forged-payload"),
        (lambda payload: {"body": payload.body}, "forged-payload"),
    ],
    ids=["forged", "changed", "redirected", "hypothetical", "bytes", "nothing", "a dictionary"],
)
@both
def test_only_a_genuine_payload_is_sent(collector: Collector, send: Send, make: Callable[..., Any], rule: str) -> None:
    """What the gate has not made, what was changed since, and what nobody agreed to is refused without a connection."""
    asked = Asked(collector.url)
    bad = make(asked.payload)
    with pytest.raises(GateClosed) as caught:
        send(transport_to(collector), asked, bad)
    assert caught.value.rule == rule
    assert (collector.count, asked.asked) == (0, 0)


def withdrawn(asked: Asked) -> None:
    """Take the yes back."""
    asked.withdraw()


def switched_off(asked: Asked) -> None:
    """Set a kill switch."""
    asked.switches = Switches(("RC_STATS_DISABLE",))


def narrowed(asked: Asked) -> None:
    """Agree to less."""
    asked.consent = Consent().grant(asked.terms, at=AGREED, scope={USAGE}, recipient=asked.recipient)


def moved(asked: Asked) -> None:
    """Agree to another recipient."""
    asked.recipient = Recipient("Example", asked.recipient.url + "elsewhere", "Germany", (), "transfer")
    asked.consent = Consent().grant(asked.terms, at=AGREED, scope=EVERYTHING, recipient=asked.recipient)


def forged_decision(asked: Asked) -> None:
    """Answer with a copy of an open decision."""
    taken = asked.decision()
    asked.decision = lambda: replace(taken)  # type: ignore[method-assign]


CLOSING: Final = [
    (withdrawn, "consent-withdrawn"),
    (switched_off, "switch-rc-stats"),
    (narrowed, "decision-mismatch"),
    (moved, "decision-mismatch"),
    (forged_decision, "forged-decision"),
]


@pytest.mark.parametrize(("close", "rule"), CLOSING, ids=[close.__name__ for close, _ in CLOSING])
@pytest.mark.parametrize("after", [0, 1, 2])
@both
def test_the_gate_is_asked_again_right_before_each_request(
    collector: Collector, send: Send, close: Callable[[Asked], None], rule: str, after: int
) -> None:
    """A gate that closes before the first request, or between two, ends it at once: no request follows."""
    collector.usual = reply(503)
    asked = Asked(collector.url)
    asked.before = lambda number: close(asked) if number == after else None
    with pytest.raises(GateClosed) as caught:
        send(transport_to(collector), asked)
    assert caught.value.rule == rule
    assert (collector.count, asked.asked) == (after, after + 1)


@pytest.mark.parametrize("error", [StoreError, LeaseLost, GateClosed])
@pytest.mark.parametrize("after", [0, 1])
@both
def test_a_permit_that_is_refused_ends_it(
    collector: Collector, send: Send, error: type[RcStatsError], after: int
) -> None:
    """What the permit raises is raised as it is, at once, and no request follows."""
    collector.usual = reply(503)
    asked = Asked(collector.url)
    refusal = error("No.", rule="a-test")

    def refuse(number: int) -> None:
        if number == after:
            raise refusal

    asked.before = refuse
    with pytest.raises(error) as caught:
        send(transport_to(collector), asked)
    assert caught.value is refusal
    assert collector.count == after


@both
def test_a_failure_that_cant_be_recorded_ends_it(collector: Collector, send: Send) -> None:
    """If the permit fails when it is left, nothing more is sent."""
    collector.usual = reply(503)
    asked = Asked(collector.url)

    def fail(_: BaseException | None) -> None:
        raise StoreError("The disk is full.", rule="store-full")

    asked.after = fail
    with pytest.raises(StoreError):
        send(transport_to(collector), asked)
    assert collector.count == 1


@both
def test_a_permit_cant_make_a_failure_a_success(collector: Collector, send: Send) -> None:
    """A permit that swallows why an attempt ended doesn't give a receipt."""
    collector.usual = reply(503)
    asked = Asked(collector.url)

    @contextmanager
    def swallowing() -> Iterator[Decision]:
        with contextlib.suppress(TransportError):
            yield asked.decision()

    with pytest.raises(GateClosed) as caught:
        send(transport_to(collector), swallowing, asked.payload)
    assert (caught.value.rule, collector.count) == ("permit", 1)


# The permit.


class Step(NamedTuple):
    """What a server does, and what follows from it: a receipt, another attempt, or the end with this rule."""

    name: str
    behaviour: Behaviour
    rule: str
    is_retried: bool


STEPS: Final = [
    Step("yes", OK, "", is_retried=False),
    Step("busy", reply(503), "transport-status", is_retried=True),
    Step("limited", reply(429, headers=[("Retry-After", "0")]), "transport-status", is_retried=True),
    Step("later", reply(429, headers=[("Retry-After", "9")]), "transport-status", is_retried=False),
    Step("no", reply(400), "transport-status", is_retried=False),
    Step("elsewhere", redirect("/"), "transport-redirect", is_retried=False),
    Step("cut", reset(), "transport-connection", is_retried=True),
    Step("garbage", raw(b"garbage\r\n\r\n"), "transport-connection", is_retried=True),
]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=4, max_size=4),
    attempts=st.integers(1, 4),
    withdrawn_after=st.integers(1, 6),
    send=st.sampled_from([send_sync, send_async]),
)
def test_any_course_of_events(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step], attempts: int, withdrawn_after: int, send: Send
) -> None:
    """
    Whatever a server does in turn, the permit is asked once before each request and sees how each ended; the sending
    ends with the first receipt, final answer or closed gate, or when there are no attempts left.
    """
    with Collector(identity=Identity.PLAIN) as collector:
        collector.then(*(step.behaviour for step in steps))
        asked = Asked(collector.url)
        before: list[tuple[int, int]] = []

        def look(number: int) -> None:
            before.append((number, collector.count))
            if number == withdrawn_after:
                asked.withdraw()

        asked.before = look
        error: RcStatsError | None = None
        try:
            send(transport_to(collector, attempts=attempts), asked)
        except RcStatsError as caught:
            error = caught
        made = next((n for n, step in enumerate(steps[:attempts], 1) if not step.is_retried), attempts)
        is_closed = withdrawn_after < made
        requests = min(made, withdrawn_after)
        rules = [step.rule for step in steps[:requests]] + ["consent-withdrawn"] * is_closed
        assert [seen.rule if isinstance(seen, RcStatsError) else "" for seen in asked.seen] == rules
        assert (error.rule if error else "") == rules[-1]
        assert before == [(n, n) for n in range(len(rules))]
        assert [received.raw for received in collector.received] == [on_the_wire(asked.payload)] * requests


@both
def test_the_receipt_is_recorded_under_the_permit(collector: Collector, send: Send) -> None:
    """The receipt is told before the permit is left, once, and not after a failure."""
    collector.then(reply(503))
    asked = Asked(collector.url)
    order: list[object] = []
    asked.before = order.append
    asked.after = lambda error: order.append(type(error))
    send(transport_to(collector), asked, record=order.append)
    assert order == [0, TransportError, 1, Receipt(200, TOKEN), type(None)]


@both
def test_a_receipt_that_cant_be_recorded_is_an_error(collector: Collector, send: Send) -> None:
    """If the record fails, the permit sees it, it is raised, and nothing is sent again."""
    asked = Asked(collector.url)

    def record(_: Receipt) -> None:
        raise StoreError("The disk is full.", rule="store-full")

    with pytest.raises(StoreError) as caught:
        send(transport_to(collector), asked, record=record)
    assert asked.seen == [caught.value]
    assert collector.count == 1


# A change of mind.


@pytest.mark.parametrize("status", [200, 503])
def test_withdrawing_while_a_request_is_in_flight(collector: Collector, status: int) -> None:
    """What is in flight can't be called back: its answer counts if it is a yes, and nothing follows if it isn't."""
    release = threading.Event()
    collector.then(hold(release, answer(status)))
    asked = Asked(collector.url)
    ended: list[object] = []

    def run() -> None:
        try:
            ended.append(send_sync(transport_to(collector), asked))
        except GateClosed as error:
            ended.append(error.rule)

    thread = threading.Thread(target=run)
    thread.start()
    collector.wait_for(1)
    asked.withdraw()
    release.set()
    thread.join()
    assert ended == ([Receipt(200, None)] if status == 200 else ["consent-withdrawn"])
    assert len(collector.received) == 1


@both
def test_withdrawing_while_it_waits_to_try_again(collector: Collector, send: Send) -> None:
    """A yes that is taken back during the wait ends it: there is no second request."""
    collector.usual = reply(503)
    asked = Asked(collector.url)
    asked.after = lambda _: asked.withdraw()
    with pytest.raises(GateClosed) as caught:
        send(transport_to(collector), asked)
    assert (caught.value.rule, collector.count) == ("consent-withdrawn", 1)


def test_cancelling_while_it_waits_takes_effect_at_once(collector: Collector) -> None:
    """A wait of half a minute is broken off by a cancellation, and no request follows."""
    collector.usual = reply(503)
    asked = Asked(collector.url)
    transport = transport_to(collector, longest_wait=30, first_wait=30)

    async def run() -> None:
        failed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell(_: BaseException | None) -> None:
            loop.call_soon_threadsafe(failed.set)

        asked.after = tell
        task = asyncio.create_task(transport.send_async(asked.payload, asked))
        await failed.wait()
        await asyncio.sleep(0.05)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert (collector.count, asked.asked) == (1, 1)


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("times", [1, 3])
def test_cancelling_in_flight_waits_for_the_answer_to_be_recorded(
    collector: Collector, status: int, times: int
) -> None:
    """A request under way is answered and recorded before the cancellation is passed on, however often that comes."""
    release = threading.Event()
    collector.then(hold(release, answer(status)))
    asked = Asked(collector.url)
    recorded: list[Receipt] = []

    async def run() -> None:
        task = asyncio.create_task(transport_to(collector).send_async(asked.payload, asked, recorded.append))
        await asyncio.to_thread(collector.wait_for, 1)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.01)
        assert not task.done()
        assert asked.seen == []
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(run())
    assert recorded == ([Receipt(200, None)] if status == 200 else [])
    (seen,) = asked.seen
    assert (seen is None) == (status == 200)
    assert collector.count == 1


def test_a_time_limit_of_the_caller_counts(collector: Collector) -> None:
    """A time-out of the caller's own takes effect, after the attempt was finished."""
    release = threading.Event()
    collector.then(hold(release))
    asked = Asked(collector.url)

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await transport_to(collector).send_async(asked.payload, asked)

    timer = threading.Timer(0.3, release.set)
    timer.start()
    asyncio.run(run())
    timer.join()
    assert asked.seen == [None]


def test_others_work_while_a_request_is_in_flight(collector: Collector) -> None:
    """The async form doesn't hold up the event loop: the server's answer is released by another task."""
    release = threading.Event()
    collector.then(hold(release))
    asked = Asked(collector.url)

    async def run() -> Receipt:
        task = asyncio.create_task(transport_to(collector).send_async(asked.payload, asked))
        await asyncio.to_thread(collector.wait_for, 1)
        release.set()
        return await task

    assert asyncio.run(run()).status == 200


# What it tells.


def told_by(error: BaseException) -> str:
    """Return all that *error* and whatever hangs on it could tell a log."""
    texts: list[str] = []
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            texts += [str(one), repr(one), repr(one.args), repr(vars(one)), *getattr(one, "__notes__", [])]
            texts += traceback.format_exception(one)
            pending += [one.__cause__, one.__context__]
    return "\n".join(texts)


@contextmanager
def all_logs() -> Iterator[io.StringIO]:
    """Collect every log record, with all that was attached to it, whatever its level."""
    stream = io.StringIO()

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            stream.write(f"{record.getMessage()} {vars(record)!r}\n")

    root, handler = logging.getLogger(), Everything()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


SECRETS: Final = (str(CANARY), TOKEN, PASSWORD, "set-cookie-canary-90")
ECHO: Final = f"{CANARY} {TOKEN} set-cookie-canary-90"
TELLTALE: Final[dict[str, Behaviour]] = {
    "a yes": OK,
    "a yes that repeats everything": raw(
        f"HTTP/1.1 200 {ECHO}\r\nX-Echo: {ECHO}\r\nSet-Cookie: {ECHO}\r\nContent-Length: 0\r\n\r\n".encode()
    ),
    "busy": raw(f"HTTP/1.1 503 {ECHO}\r\nX-Echo: {ECHO}\r\nRetry-After: {ECHO}\r\n\r\n{ECHO}".encode()),
    "later": raw(f"HTTP/1.1 429 {ECHO}\r\nRetry-After: 9\r\n\r\n".encode()),
    "no": raw(f"HTTP/1.1 400 {ECHO}\r\nX-Echo: {ECHO}\r\n\r\n{ECHO}".encode()),
    "elsewhere": raw(f"HTTP/1.1 302 {ECHO}\r\nLocation: https://127.0.0.1/{TOKEN}\r\n\r\n".encode()),
    "a status line of its own": raw(f"{ECHO}\r\n\r\n".encode()),
    "a bad header": raw(f"HTTP/1.1 200 OK\r\n{ECHO}\r\n\r\n".encode()),
    "a bad length": raw(f"HTTP/1.1 200 OK\r\nContent-Length: {ECHO}\r\n\r\n".encode()),
    "a bad chunk": raw(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{ECHO}\r\n".encode()),
    "half an answer": raw(f"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{ECHO}".encode()),
    "too long a head": endless(b"HTTP/1.1 200 OK\r\n", f"X-Echo: {ECHO}\r\n".encode()),
    "the request itself": lambda connection: connection.send(connection.read().raw),
    "the body itself": lambda connection: connection.send(connection.read().body),
    "cut": reset(),
    "nothing": hang(),
}


@pytest.mark.parametrize("name", TELLTALE)
@both
def test_nothing_tells_a_value(
    collector: Collector, proxy: Collector, capfd: pytest.CaptureFixture[str], send: Send, name: str
) -> None:
    """No log at any level, error, what hangs on it, repr or output holds a value, a token, a cookie or a password."""
    collector.usual = TELLTALE[name]
    asked = Asked(collector.url)
    transport = transport_to(collector, environment_proxies=True, attempts=2, seconds=0.3 if name == "nothing" else 30)
    told = repr(transport)
    error = None
    with all_logs() as logs:
        try:
            told += repr(send(transport, asked))
        except TransportError as caught:
            error = caught
    if error is not None:
        told += told_by(error)
        assert (error.__cause__, error.__context__) == (None, None)
    told += logs.getvalue() + "".join(map(repr, asked.seen))
    assert "connect_tcp" in told, "the logs were really collected"
    assert "stamina" not in logs.getvalue()
    for secret in SECRETS:
        assert_no_trace(told, secret)
    assert str(asked.payload.body) not in told
    assert capfd.readouterr() == ("", "")


def test_errors_by_the_async_form_tell_nothing_when_nobody_looks(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """A sending that was cancelled and failed leaves no complaint of asyncio behind."""
    release = threading.Event()
    collector.then(hold(release, answer(400)))
    asked = Asked(collector.url)

    async def run() -> None:
        task = asyncio.create_task(transport_to(collector).send_async(asked.payload, asked))
        await asyncio.to_thread(collector.wait_for, 1)
        task.cancel()
        release.set()
        await asyncio.wait([task])

    asyncio.run(run())
    gc.collect()
    assert caplog.records == []


@pytest.fixture
def _stamina_as_it_was() -> Iterator[None]:
    """Put stamina's hooks back."""
    yield
    set_on_retry_hooks(None)


@pytest.mark.usefixtures("_stamina_as_it_was")
@both
def test_hooks_of_others_see_their_retries_and_not_ours(plain: Collector, send: Send) -> None:
    """A program's own hooks for retries keep working for its own retries, and are not told of ours."""
    seen: list[str] = []

    def hook(details: RetryDetails) -> None:
        seen.append(repr(details.caused_by))

    set_on_retry_hooks([hook])
    plain.usual = reply(503)
    for _ in range(2):
        with pytest.raises(TransportError):
            send(transport_to(plain), Asked(plain.url))
    assert seen == []
    assert len(get_on_retry_hooks()) == 1
    with contextlib.suppress(KeyError):
        for attempt in stamina.retry_context(on=KeyError, attempts=2, wait_initial=0, wait_jitter=0):
            with attempt:
                raise KeyError("theirs")
    assert seen == ["KeyError('theirs')"]


@pytest.mark.usefixtures("_stamina_as_it_was")
def test_a_program_in_testing_mode_isnt_kept_waiting(plain: Collector) -> None:
    """Where a program has put stamina into its testing mode, there is one attempt and no wait."""
    plain.usual = reply(503)
    with stamina.set_testing(True), pytest.raises(TransportError):
        send_sync(transport_to(plain, longest_wait=3000, first_wait=3000), Asked(plain.url))
    assert plain.count == 1


PROGRAM: Final = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from sending import QUICK, Asked
from rc_stats.errors import TransportError
from rc_stats.transport import Transport
asked = Asked(sys.argv[1])
transport = Transport(certificates=Path(sys.argv[2]), **QUICK)
try:
    transport.send(asked.payload, asked)
except TransportError as error:
    raise SystemExit(error.exit_code)
"""


def test_nothing_is_printed_where_nothing_is_configured(collector: Collector) -> None:
    """In a process of its own without any logging configured, retries and failures print nothing anywhere."""
    collector.usual = reply(503)
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    run = subprocess.run(
        [sys.executable, "-c", program, collector.url, str(collector.certificates)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (run.returncode, run.stdout, run.stderr) == (TransportError.exit_code, b"", b"")
    assert len(collector.keys) == 1
    assert collector.count == 3


# How it is made.


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": -1},
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": float("inf")},
        {"seconds": float("nan")},
        {"first_wait": -1},
        {"first_wait": 2, "longest_wait": 1},
        {"longest_wait": float("inf")},
        {"longest_wait": float("nan")},
    ],
    ids=repr,
)
def test_settings_without_a_bound_are_refused(options: dict[str, float]) -> None:
    """There is no way to ask for endless attempts, waits or requests, or for none."""
    with pytest.raises(UsageError):
        Transport(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", ["httpx2", "httpcore2", "stamina"])
def test_without_the_extra_it_says_so(module: str) -> None:
    """Where the optional libraries are not installed, the error names the extra that brings them."""
    program = f"""
import sys
sys.modules[{module!r}] = None
try:
    import rc_stats.transport
except ImportError:
    sys.exit("an import error")
except Exception as error:
    assert type(error).__name__ == "MissingExtra" and error.extra == "http", error
else:
    sys.exit("it was imported")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_receipt_hides_its_token() -> None:
    """The token is the recipient's word for the workspace, and not for logs."""
    assert TOKEN not in repr(Receipt(200, TOKEN))
    assert copy.copy(Receipt(200, TOKEN)) == Receipt(200, TOKEN)
