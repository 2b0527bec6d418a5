"""
A live workspace as a source: today's statistics document, over ``GET /api/v1/statistics``.

One request, with the credentials of a user who may see statistics. They go to the workspace and nowhere else: not
after a redirect, not over plain HTTP, not into a message.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rc_stats._version import __version__
from rc_stats.addresses import address_of, unusable_url
from rc_stats.errors import TransportError, UnusableInput, UsageError
from rc_stats.https import Answer, Client, Fault
from rc_stats.wire import MAX_DOCUMENT_BYTES, parse, too_large

USER_ID: Final = "RC_STATS_USER_ID"
AUTH_TOKEN: Final = "RC_STATS_AUTH_TOKEN"  # noqa: S105 - the name of a variable

_PATH: Final = "/api/v1/statistics"
_HEAD_BYTES: Final = 64 * 1024
_FILE_BYTES: Final = 4096
_CREDENTIAL: Final = re.compile(r"[!-~]{1,1000}", re.ASCII)
_LINE: Final = re.compile(r"\s*(user_id|auth_token)\s*=\s*([!-~]+)\s*", re.ASCII)
_STATISTICS: Final = frozenset({"createdAt", "statistics", "totalUsers"})
_FAULTS: Final = {
    Fault.CONNECTION: ("The workspace can't be reached, or it hung up.", "Check the URL and the network."),
    Fault.TIMEOUT: ("The workspace took too long.", "Try again later."),
    Fault.TLS: (
        "The workspace's identity can't be verified, so no credentials were sent.",
        "Check its certificate; name a certificate authority of your own in the configuration.",
    ),
    Fault.PROXY: (
        "The proxy that the environment names can't be used.",
        "Name one as http://host:port, or leave environment proxies off.",
    ),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's id and personal access token; the user needs the permission ``view-statistics``."""

    user_id: str = field(repr=False)
    auth_token: str = field(repr=False)


def credentials_from(environment: Mapping[str, str], file: Path | None = None) -> Credentials:
    """
    Return the credentials that *file* holds, or the *environment* if there is none.

    Args:
        environment: With ``RC_STATS_USER_ID`` and ``RC_STATS_AUTH_TOKEN``.
        file: Two lines, ``user_id=…`` and ``auth_token=…``; only its owner may read it.

    Raises:
        UsageError: ``live-credentials`` if one is missing, ``live-credentials-file`` if the file can't be used.
    """
    if file is not None:
        return _credentials_of(file)
    user_id, auth_token = environment.get(USER_ID, ""), environment.get(AUTH_TOKEN, "")
    if not user_id or not auth_token:
        raise UsageError(
            "The credentials of the workspace are missing.",
            rule="live-credentials",
            remedy=f"Set {USER_ID} and {AUTH_TOKEN}, or name a file that holds them.",
        )
    return Credentials(user_id, auth_token)


def _credentials_of(file: Path) -> Credentials:
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(_FILE_BYTES + 1)
    except (OSError, ValueError):  # what is no path is a ValueError
        raise _unusable_file("can't be read", "Check its path and its permissions.") from None
    if os.name == "posix" and stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise _unusable_file("is open to others", "Let its owner alone read it: chmod 600.")
    lines = [line for line in content.decode("latin-1").splitlines() if line.strip()]
    found = {match[1]: match[2] for line in lines if (match := _LINE.fullmatch(line))}
    if len(content) > _FILE_BYTES or len(lines) != 2 or len(found) != 2:
        raise _unusable_file("is not of the known form", "It has two lines: user_id=… and auth_token=….")
    return Credentials(found["user_id"], found["auth_token"])


def _unusable_file(problem: str, remedy: str) -> UsageError:
    return UsageError(f"The file of credentials {problem}.", rule="live-credentials-file", remedy=remedy)


class LiveWorkspace:
    """
    A workspace that is asked for its statistics document each time it is called.

    Args:
        url: Of the workspace, such as ``https://chat.example.org``; plain HTTP only on this machine.
        user_id: Of a user with the permission ``view-statistics``.
        auth_token: A personal access token of that user.
        certificates: File of further certificates (PEM) to trust, beside the system's.
        environment_proxies: Whether ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` count.
        seconds: For the request as a whole, by the wall clock.

    Raises:
        TransportError: ``live-url`` or ``live-insecure-url`` if the URL can't be used.
        UsageError: Another argument can't be used.
    """

    def __init__(
        self,
        url: str,
        *,
        user_id: str,
        auth_token: str,
        certificates: Path | None = None,
        environment_proxies: bool = False,
        seconds: float = 30.0,
    ) -> None:
        if not _CREDENTIAL.fullmatch(user_id) or not _CREDENTIAL.fullmatch(auth_token):
            raise UsageError(
                "The credentials of the workspace are not of the form that credentials have.",
                rule="live-credentials",
                remedy="Copy user id and token again, without spaces.",
            )
        if "?" in url:
            raise unusable_url("live")
        self._address = address_of(url.rstrip("/") + _PATH, prefix="live")
        self._url = url
        self._headers = (
            ("Host", url.partition("://")[2].partition("/")[0]),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            ("User-Agent", f"rc-stats/{__version__.partition('.')[0]}"),
            ("X-Auth-Token", auth_token),
            ("X-User-Id", user_id),
        )
        self._client = Client(certificates=certificates, environment_proxies=environment_proxies, seconds=seconds)

    def __repr__(self) -> str:
        """Name the workspace, and not who asks."""
        return f"LiveWorkspace({self._url!r})"

    def __call__(self) -> bytes:
        """
        Return what the workspace answers, as it is.

        Raises:
            UnusableInput: ``live-unauthorised``, ``live-forbidden``, ``live-not-found``, ``live-refused``,
                ``live-not-a-workspace`` or ``too-large``.
            TransportError: ``live-connection``, ``live-timeout``, ``live-tls`` or ``live-proxy``.
        """
        answer = self._client.ask(
            self._address, "GET", self._headers, most=MAX_DOCUMENT_BYTES + _HEAD_BYTES, with_body=(200, 400)
        )
        return _body_of(answer)


def _body_of(answer: Answer | Fault) -> bytes:
    if answer is Fault.TOO_LARGE:
        raise too_large(MAX_DOCUMENT_BYTES)
    if isinstance(answer, Fault):
        message, remedy = _FAULTS[answer]
        raise TransportError(message, rule=f"live-{answer}", remedy=remedy)
    if answer.is_too_large or len(answer.body) > MAX_DOCUMENT_BYTES:
        raise too_large(MAX_DOCUMENT_BYTES)
    content = _object(answer.body)
    if answer.status == 403 or _is_not_allowed(content):
        raise UnusableInput(
            "The workspace knows this user, who may not see its statistics.",
            rule="live-forbidden",
            remedy="Give one of the user's roles the permission view-statistics.",
        )
    if answer.status != 200:
        raise _refusal(answer.status)
    if content.get("success") is not True or not content.keys() & _STATISTICS:
        raise UnusableInput(
            "Something answered that is no workspace.",
            rule="live-not-a-workspace",
            remedy="Check the URL: it is the one that users open.",
        )
    return answer.body


def _refusal(status: int) -> UnusableInput:
    if status == 401:
        return UnusableInput(
            "The workspace doesn't accept these credentials.",
            rule="live-unauthorised",
            remedy="Check user id and token; make a new personal access token if need be.",
        )
    if status == 404:
        return UnusableInput(
            "There is no workspace's API at this URL.",
            rule="live-not-found",
            remedy="Check the URL: it is the one that users open.",
        )
    return UnusableInput(f"The workspace refused, with status {status}.", rule="live-refused")


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        content = parse(body)
    except UnusableInput:
        return {}
    return content if isinstance(content, dict) else {}


def _is_not_allowed(content: Mapping[str, Any]) -> bool:
    """Say whether a lacking permission is the reason: a workspace answers 400 then, and says so in the body."""
    said = [content.get(name) for name in ("error", "errorType")]
    return any(isinstance(text, str) and "error-not-allowed" in text for text in said)
