"""Looks for a planted token in an output, in every disguise in which it could have left."""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

SHORTEST_TOKEN = 5
"""Shorter tokens turn up by chance."""

_JSON_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_SINGLE = re.compile(r"""(?<=["'.\[])([^"'.\[\]])(?=["'.\]])""")
_ZERO_WIDTH = re.compile("[\u200b-\u200f\u2060-\u2069\ufeff\u00ad]")


def assert_no_trace(haystack: bytes | str, token: str) -> None:
    """
    Fail if *token* is in *haystack*: plain, in any case, reversed, as hex, as base64 at any of three offsets, escaped
    for URLs, HTML or JSON, in look-alike characters, or split one character per key.

    Args:
        haystack: What was given out: a payload, a page, a log, an error.
        token: What must not be in it; at least :data:`SHORTEST_TOKEN` characters.
    """
    if len(token) < SHORTEST_TOKEN:
        raise ValueError(f"a token of {len(token)} characters turns up by chance")
    found = sorted(set(traces(haystack, token)))
    assert not found, f"the token {token!r} shows: {', '.join(found)}"


def traces(haystack: bytes | str, token: str) -> Iterator[str]:
    """Yield the name of each disguise in which *token* is in *haystack*."""
    text = haystack if isinstance(haystack, str) else haystack.decode("utf-8", "replace")
    folded = token.casefold()
    needles = {"plain": folded, "reversed": folded[::-1], **_hex(token)}
    for view, seen in _views(text):
        for name, needle in needles.items():
            if needle in seen:
                yield f"{name} ({view})"
    for core in _base64(token):
        if core in text:
            yield "base64"
    letters = _letters(folded)
    if len(letters) >= SHORTEST_TOKEN:
        spelt = _letters("".join(_SINGLE.findall(text)).casefold())
        if letters in spelt or letters[::-1] in spelt:
            yield "one character per key"


def _views(text: str) -> Iterator[tuple[str, str]]:
    """Yield *text* as it is, and with each kind of escaping undone where that changes it, in folded case."""
    yield "as it is", text.casefold()
    unescaped = {
        "url": unquote(text),
        "form": unquote_plus(text),
        "html": html.unescape(text),
        "json": _JSON_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text),
        "compatible": unicodedata.normalize("NFKC", _ZERO_WIDTH.sub("", text)),
    }
    yield from ((name, view.casefold()) for name, view in unescaped.items() if view != text)


def _hex(token: str) -> dict[str, str]:
    variants = (token, token.lower(), token.upper())
    return {f"hex {number}": variant.encode().hex() for number, variant in enumerate(variants)}


def _base64(token: str) -> Iterator[str]:
    """Yield what of the token's base64 doesn't depend on its neighbours, for each offset, case and alphabet."""
    for variant in {token, token.lower(), token.upper(), token.swapcase(), token[::-1]}:
        raw = variant.encode()
        for offset in range(3):
            first = -(-offset * 8 // 6)
            past = (offset + len(raw)) * 8 // 6
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                yield encode(bytes(offset) + raw).decode()[first:past]


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())
