"""Looks for planted secrets in whatever was given out, in every disguise in which one could have left."""

from __future__ import annotations

import base64
import html
import json
import re
import unicodedata
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final
from urllib.parse import unquote, unquote_plus

from rc_stats.errors import UnusableInput, UsageError
from rc_stats.findings import LONGEST_KEY, MASK
from rc_stats.gate import Payload
from rc_stats.wire import parse

SHORTEST: Final = 5
"""Shorter secrets turn up by chance."""

_LONG: Final = 10
"""A secret of so many characters doesn't turn up by chance where what separates values is left out."""

_NAMED: Final = 3
"""So many leaks are named; the others are counted."""

_JSON_ESCAPES: Final = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_SINGLE: Final = re.compile(r"""(?<=["'.\[])([^"'.\[\]])(?=["'.\]])""")
_SEPARATORS: Final = re.compile(r"""["',:\[\]{}\s]""")
_ZERO_WIDTH: Final = re.compile("[\u200b-\u200f\u2060-\u2069\ufeff\u00ad]")


def assert_no_leak(given_out: Payload | bytes | str, secrets: Mapping[str, str] | Iterable[str]) -> None:
    """
    Fail if any of *secrets* is in what was given out.

    It is looked for in any case, reversed, as hexadecimal, as base64 at any of three offsets, escaped for URLs, HTML or
    JSON, in look-alike characters, in pieces that stand one after the other, and as one character for each key.

    Args:
        given_out: A payload, or the text of a page, a log or an error.
        secrets: What must not be in it, such as those of :func:`canaries`; at least :data:`SHORTEST` characters each.
            A mapping says of each where it was planted.

    Raises:
        AssertionError: Naming where each leak was planted and where it shows, and never the secret.
        UsageError: ``short-secret``.
    """
    __tracebackhide__ = True  # a test runner shows the arguments of a frame, and the secret is among them
    planted = secrets if isinstance(secrets, Mapping) else {s: f"number {n}" for n, s in enumerate(secrets, 1)}
    text = _text_of(given_out)
    seen = _Seen(text)
    found = [(secret, disguises) for secret in planted if (disguises := sorted(set(seen.disguises(secret))))]
    if found:
        named = "; ".join(
            f"{planted[secret]} shows {_where(text, secret, planted)} ({', '.join(disguises)})"
            for secret, disguises in found[:_NAMED]
        )
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise AssertionError(f"What was planted leaks: {named}{more}")


def traces(given_out: Payload | bytes | str, secret: str) -> Iterator[str]:
    """Yield the name of each disguise in which *secret* is in what was given out."""
    return _Seen(_text_of(given_out)).disguises(secret)


def _text_of(given_out: Payload | bytes | str) -> str:
    raw = given_out.body if isinstance(given_out, Payload) else given_out
    return raw if isinstance(raw, str) else raw.decode("utf-8", "replace")


class _Seen:
    """A text in all the ways in which it is looked at, worked out once for many secrets."""

    def __init__(self, text: str) -> None:
        self.text = text
        unescaped = {
            "url": unquote(text),
            "form": unquote_plus(text),
            "html": html.unescape(text),
            "json": _JSON_ESCAPES.sub(_unescaped, text),
            "compatible": unicodedata.normalize("NFKC", _ZERO_WIDTH.sub("", text)),
        }
        self.views = {"as it is": text.casefold()}
        self.views |= {name: view.casefold() for name, view in unescaped.items() if view != text}
        self.joined = _joined(self.views.get("json", self.views["as it is"]))
        self.spelt = _letters("".join(_SINGLE.findall(text)).casefold())

    def disguises(self, secret: str) -> Iterator[str]:
        """Yield the name of each disguise in which *secret* is here."""
        if len(secret) < SHORTEST:
            raise UsageError(
                f"A secret of {len(secret)} characters turns up by chance.",
                rule="short-secret",
                remedy=f"Plant one of at least {SHORTEST}.",
            )
        folded = secret.casefold()
        needles = {"plain": folded, "reversed": folded[::-1], **_hex(secret)}
        for view, seen in self.views.items():
            for name, needle in needles.items():
                if needle in seen:
                    yield f"{name} ({view})"
        if any(core in self.text for core in _base64(secret)):
            yield "base64"
        letters = _letters(folded)
        if len(letters) >= SHORTEST and (letters in self.spelt or letters[::-1] in self.spelt):
            yield "one character per key"
        pieces = _joined(folded)
        if len(pieces) >= _LONG and pieces in self.joined and folded not in self.views["as it is"]:
            yield "in pieces"


def _unescaped(match: re.Match[str]) -> str:
    return str(json.loads(f'"{match[0]}"'))


@lru_cache(maxsize=8192)
def _hex(secret: str) -> Mapping[str, str]:
    """Return the secret's hexadecimal forms by name."""
    variants = (secret, secret.lower(), secret.upper())
    forms = {f"hex {number}": variant.encode("utf-8", "surrogatepass").hex() for number, variant in enumerate(variants)}
    number = f"{int(secret):x}" if secret.isascii() and secret.isdigit() and len(secret) < 100 else ""
    return {**forms, "hex number": number} if len(number) >= _LONG else forms


@lru_cache(maxsize=8192)
def _base64(secret: str) -> frozenset[str]:
    """Return what of the secret's base64 doesn't depend on its neighbours, for each offset, case and alphabet."""
    cores = set()
    for variant in {secret, secret.lower(), secret.upper(), secret.swapcase(), secret[::-1]}:
        raw = variant.encode("utf-8", "surrogatepass")
        for offset in range(3):
            first = -(-offset * 8 // 6)
            past = (offset + len(raw)) * 8 // 6
            core = base64.b64encode(bytes(offset) + raw).decode()[first:past]
            cores |= {core, core.translate(_URL_SAFE)}
    return frozenset(cores)


_URL_SAFE: Final = str.maketrans("+/", "-_")


def _joined(text: str) -> str:
    """Return *text* without what separates the values of JSON."""
    return _SEPARATORS.sub("", text)


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def _where(text: str, secret: str, secrets: Collection[str]) -> str:
    """Say in which value or key of a JSON text *secret* shows; a key that holds any of *secrets* is masked."""
    try:
        value = parse(text.encode("utf-8", "replace"))
    except UnusableInput:
        return "in the text"

    def shown(step: str) -> str:
        seen = _Seen(step)
        is_plain = step.isascii() and step.isprintable() and len(step) <= LONGEST_KEY
        return step if is_plain and not any(any(seen.disguises(each)) for each in secrets) else MASK

    places = (path for path, leaf in _leaves(value) if any(_Seen(leaf).disguises(secret)))
    named = [".".join(map(shown, path)) or "the top" for path in islice(dict.fromkeys(places), _NAMED)]
    return f"at {', '.join(named)}" if named else "across several values"


def _leaves(value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the way to each key, and to each value that holds no others, with its text."""
    waiting: deque[tuple[tuple[str, ...], Any]] = deque([((), value)])
    while waiting:
        path, inner = waiting.popleft()
        if isinstance(inner, dict):
            for key, item in inner.items():
                yield (*path, "(a key)"), key
                waiting.append(((*path, key), item))
        elif isinstance(inner, list):
            waiting += [((*path, f"[{number}]"), item) for number, item in enumerate(inner)]
        else:
            yield path, json.dumps(inner, ensure_ascii=False)
