"""
One line of an archive to its ruling: decided on its own, by the same gate as a single document.

A line is ``{"workspace": …, "consent": …, "statistics": …}``: the kind of the workspace as text, or an object with
``kind`` and ``objections``; the consent as :meth:`rc_stats.consent.Consent.to_data` gives it; and the document. What is
missing or null of the first two is the strictest: unregistered, undecided. A line with none of the two is a bare
document, plain or in its old envelope; for these, and for no other, workspace and consent are given once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from rc_stats.anonymise import Anonymiser, not_an_object
from rc_stats.catalogue import Profile, load_catalogue
from rc_stats.circumstances import Objections, Switches, Workspace
from rc_stats.consent import Consent, Terms, from_data
from rc_stats.decision import Standing
from rc_stats.errors import RcStatsError, UnusableInput, UsageError
from rc_stats.findings import Action, Finding
from rc_stats.gate import cleared
from rc_stats.policy import load_policy
from rc_stats.wire import MAX_DOCUMENT_BYTES, goes_deeper, parse, too_large

PARTS: Final = ("workspace", "consent", "statistics")
"""The keys of a line that are read."""

LONGEST_LABEL: Final = 200

_BOM: Final = b"\xef\xbb\xbf"
_DOCUMENT: Final = b'"statistics":'
_MOST_REMEMBERED: Final = 64
_ABSENT: Final = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class Options:
    """
    What a run decides by; the same for each line. It can be pickled, and holds no compiled part.

    Attributes:
        now: The clock to go by, with a time zone.
        workspace: Of bare documents.
        consent: Of bare documents: the JSON of :meth:`Consent.to_data`; empty for undecided. See :meth:`with_consent`.
        with_drift: Also look for what the catalogue doesn't know, which costs several times the rest.
        label: Key of a line whose text or integer is copied to its ruling; never one of the document.
    """

    now: datetime
    workspace: Workspace = field(default_factory=Workspace)
    consent: bytes = b""
    profile: Profile = Profile.STANDARD
    switches: Switches = field(default_factory=Switches)
    with_drift: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        """Refuse what would make every line a refusal for a reason that no line has."""
        if self.now.utcoffset() is None:
            raise UsageError("The caller's clock needs a time zone.", rule="time-zone")
        if self.label in PARTS:
            raise UsageError("A label is another key of the line than those that are decided by.", rule="label")
        problem = None
        try:
            _consent(self.consent)
        except UnusableInput as error:
            problem = error
        if problem is not None:
            raise UsageError(f"The given consent: {problem.message}", rule=problem.rule, remedy=problem.remedy)

    def with_consent(self, consent: Consent) -> Options:
        """
        Return these options with *consent* for bare documents.

        Raises:
            UsageError: ``hypothetical``: the answer to a question must not make payloads that look as if agreed to.
        """
        return replace(self, consent=orjson.dumps(consent.to_data()))


class Drift(NamedTuple):
    """One thing that the catalogue doesn't know: its path, masked, the rule, and how many keys share it."""

    path: str
    rule: str
    times: int


class Ruling(NamedTuple):
    """
    What became of one line.

    Attributes:
        payload: The body, with its newline; None if refused.
        reasons: Codes of the rules that decided, in the gate's order: what narrows a payload, or what refuses the line.
        drift: What the catalogue doesn't know; None if it was not looked for or the line can't be read.
        is_usable: Whether the line is a statistics document at all.
    """

    payload: bytes | None
    reasons: tuple[str, ...]
    drift: tuple[Drift, ...] | None = None
    label: str | int | None = None
    is_usable: bool = True

    @property
    def verdict(self) -> str:
        """``cleared`` or ``refused``."""
        return "refused" if self.payload is None else "cleared"


class _Line(NamedTuple):
    """A line in its parts, as bytes; what is absent is empty: also the document where there is none."""

    document: bytes
    workspace: bytes = b""
    consent: bytes = b""
    label: str | int | None = None

    @property
    def is_bare(self) -> bool:
        return not self.workspace and not self.consent


class LineGate:
    """
    The gate over lines, with everything compiled that is the same for each. Not to be shared by threads.

    Args:
        options: What to decide by.
        terms: Policy and catalogue; the packaged ones by default.
    """

    def __init__(self, options: Options, terms: Terms | None = None) -> None:
        """Compile."""
        self._options = options
        self._terms = terms or Terms(load_policy(), load_catalogue(), options.profile)
        self._anonymiser = Anonymiser(self._terms.catalogue, self._terms.profile)
        if options.with_drift:
            self._anonymiser.prepare()
        self._given = self._standing(options.workspace, _consent(options.consent))
        self._workspaces: dict[bytes, Standing] = {}
        self._standings: dict[tuple[bytes, bytes], Standing] = {}
        self._fields: dict[bytes, Mapping[Profile, Mapping[str, str]]] = {}
        label = [("label", msgspec.Raw, msgspec.field(name=options.label, default=_ABSENT))] if options.label else []
        parts = [(name, msgspec.Raw, msgspec.field(default=_ABSENT)) for name in PARTS]
        self._decode = msgspec.json.Decoder(msgspec.defstruct("_Parts", [*parts, *label])).decode
        firsts = ("workspace", "consent", *([options.label] if options.label else []))
        self._beginnings = tuple(b'{"%b"' % first.encode() for first in firsts)

    def __call__(self, line: bytes) -> Ruling:
        """Return the ruling on *line*. It never raises: whatever is wrong with one line is its refusal."""
        try:
            return self._decided(line.removeprefix(_BOM))
        except RcStatsError as error:
            rule = error.rule
        except RecursionError:
            rule = "too-deep"
        except Exception:  # noqa: BLE001 - whatever one line does to us, the others go on
            rule = "failed"
        return Ruling(None, (rule,), is_usable=False)

    def _decided(self, line: bytes) -> Ruling:
        if len(line) > MAX_DOCUMENT_BYTES:
            raise too_large(MAX_DOCUMENT_BYTES)
        if goes_deeper(line):
            parse(line)
        if line.startswith(self._beginnings) and (quick := self._split_at_document(line)) is not None:
            with suppress(UnusableInput):  # else the document may not be the last of the line's keys
                return self._ruling(quick)
        parts = self._split(line)
        if not parts.document:
            return Ruling(None, ("no-statistics",), label=parts.label, is_usable=False)
        try:
            return self._ruling(parts)
        except UnusableInput as error:
            return Ruling(None, (error.rule,), label=parts.label, is_usable=False)

    def _ruling(self, line: _Line) -> Ruling:
        report = self._anonymiser(line.document, findings=self._options.with_drift)
        standing = self._given if line.is_bare else self._standing_of(line.workspace, line.consent)
        decision = standing.decide(report.evidence)
        drift = None if report.findings is None else tuple(drift_of(report.findings))
        if not decision.is_open:
            return Ruling(None, tuple([reason.code for reason in decision.closing]), drift, line.label)
        payload = cleared(report, decision)
        return Ruling(payload, tuple([reason.code for reason in decision.reasons]), drift, line.label)

    def _split_at_document(self, line: bytes) -> _Line | None:
        """
        Return the parts of a line that ends with its document, without looking into the document; else None.

        What stands before the document, closed by a brace, is JSON of its own, so the document is the line's last part
        if it is JSON as well. It is only a faster way; :meth:`_split` takes any line.
        """
        at = line.find(_DOCUMENT)
        end = len(line) - 1
        while end > 0 and line[end] in b" \t\r":
            end -= 1
        if at < 0 or line[end] != _BRACE:
            return None
        try:
            parts = self._decode(line[:at] + b'"statistics":0}')
        except (msgspec.MsgspecError, RecursionError):
            return None
        document = line[at + len(_DOCUMENT) : end]
        return self._line(parts, document) if document[:8].lstrip(b" \t").startswith(b"{") else None

    def _split(self, line: bytes) -> _Line:
        """
        Return the parts of any line.

        Raises:
            UnusableInput: Of :func:`rc_stats.wire.parse`; also ``not-an-object``.
        """
        try:
            parts: Any = self._decode(line)
        except (msgspec.MsgspecError, RecursionError):
            parts = None
        if parts is None:
            value = parse(line)
            if not isinstance(value, dict):
                raise not_an_object()
            # Nested deeper than the one parser goes and not too deep for the other: its parts can't be told apart.
            if not value.keys().isdisjoint(PARTS):
                raise UnusableInput("The line is nested too deeply.", rule="too-deep")
            return _Line(line)
        if parts.statistics is _ABSENT and parts.workspace is _ABSENT and parts.consent is _ABSENT:
            return _Line(line)
        document = bytes(parts.statistics)
        return self._line(parts, document if document.startswith(b"{") else b"")

    def _line(self, parts: Any, document: bytes) -> _Line:
        label = _label(bytes(parts.label)) if self._options.label else None
        return _Line(document, bytes(parts.workspace), bytes(parts.consent), label)

    def _standing_of(self, workspace: bytes, consent: bytes) -> Standing:
        """Return what is to be said of a line's workspace and consent, which many lines may share."""
        key = (workspace, consent)
        standing = self._standings.get(key)
        if standing is None:
            if len(self._standings) >= _MOST_REMEMBERED:
                self._standings.clear()
            standing = self._undecided(workspace).under(self._consent_of(consent))
            self._standings[key] = standing
        return standing

    def _undecided(self, workspace: bytes) -> Standing:
        """Return what is to be said of a workspace, whatever its consent."""
        standing = self._workspaces.get(workspace)
        if standing is None:
            if len(self._workspaces) >= _MOST_REMEMBERED:
                self._workspaces.clear()
            standing = self._standing(workspace_of(parse(workspace or b"null")), Consent())
            self._workspaces[workspace] = standing
        return standing

    def _standing(self, workspace: Workspace, consent: Consent) -> Standing:
        recipient = self._terms.policy.recipient
        return Standing(workspace, consent, recipient, self._options.switches, self._options.now, terms=self._terms)

    def _consent_of(self, data: bytes) -> Consent:
        """Return the consent that *data* is; its field sets, nearly all of it, are the same in many."""
        try:
            parts = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
            told = bytes(parts["fields"])
        except (msgspec.MsgspecError, RecursionError, KeyError):
            return _consent(data)
        if told not in self._fields:
            if len(self._fields) >= _MOST_REMEMBERED:
                self._fields.clear()
            self._fields[told] = self._shared(_consent(data).fields)
        rest = {name: {} if name == "fields" else parse(bytes(part)) for name, part in parts.items()}
        return replace(from_data(rest), fields=self._fields[told])

    def _shared(self, fields: Mapping[Profile, Mapping[str, str]]) -> Mapping[Profile, Mapping[str, str]]:
        """Return *fields* with the catalogue's own field sets where they are equal, which is then seen at once."""
        own = {profile: self._terms.catalogue.fields(profile) for profile in Profile}
        return MappingProxyType({p: own[p] if own[p] == agreed else agreed for p, agreed in fields.items()})


_BRACE: Final = ord("}")


def _consent(data: bytes) -> Consent:
    """
    Return the consent that the JSON *data* is; undecided if there is none.

    Raises:
        UnusableInput: It is not what :meth:`Consent.to_data` gives.
    """
    told = parse(data) if data else None
    if told is None:
        return Consent()
    return from_data(told)


def workspace_of(told: Any) -> Workspace:
    """
    Return the workspace that *told* is; nothing told is the strictest kind.

    Args:
        told: A kind, or ``{"kind": …, "objections": {"subprocessors": […], "countries": […]}}``.

    Raises:
        UnusableInput: ``workspace``: it is neither, or has a key that is not known.
    """
    if told is None:
        return Workspace()
    try:
        return _workspace(**told) if isinstance(told, dict) else _workspace(told)
    except (TypeError, UsageError):
        pass
    raise UnusableInput(
        "A workspace is unregistered, registered or hosted, or an object with kind and objections.", rule="workspace"
    )


def _workspace(kind: Any, objections: Any = None) -> Workspace:
    if type(kind) is not str:
        raise TypeError
    return Workspace(kind, Objections() if objections is None else _objections(**objections))  # type: ignore[arg-type]


def _objections(subprocessors: Any = (), countries: Any = None) -> Objections:
    return Objections(_names(subprocessors), None if countries is None else _names(countries))


def _names(told: Any) -> frozenset[str]:
    if not isinstance(told, list | tuple) or not all(type(name) is str for name in told):
        raise TypeError
    return frozenset(told)


def _label(raw: bytes) -> str | int | None:
    """Return a label that can be copied: a short text or an integer."""
    told = parse(raw) if 0 < len(raw) <= LONGEST_LABEL else None
    return told if type(told) in (str, int) else None


def drift_of(findings: Iterable[Finding]) -> Iterator[Drift]:
    """Yield what the catalogue doesn't know, sorted by path; unknown keys are masked."""
    new = [finding for finding in findings if finding.is_drift]
    for finding in sorted(new, key=lambda finding: finding.path):
        rule = "unknown" if finding.action is Action.UNKNOWN else "unknown-type"
        yield Drift(finding.path, rule, finding.times)


class _OfThread(threading.local):
    """The line gate that this thread used last: a worker of a cluster has several threads."""

    options: Options | None = None
    gate: LineGate | None = None


_OF_THREAD: Final = _OfThread()


def line_gate(options: Options) -> LineGate:
    """Return a line gate for *options*, compiled once in each thread."""
    if _OF_THREAD.gate is None or _OF_THREAD.options != options:
        _OF_THREAD.gate, _OF_THREAD.options = LineGate(options), options
    return _OF_THREAD.gate


def clear_lines(lines: Iterable[bytes | str | Mapping[str, Any]], options: Options) -> list[dict[str, Any]]:
    """
    Return for each line ``{"payload": …, "verdict": …, "reasons": […], "drift": …, "label": …}``, in order.

    For a pipeline of one's own, such as ``bag.map_partitions(clear_lines, options)`` over a Dask bag.

    Args:
        lines: One partition, as bytes, as text, or as a JSON parser made them.
        options: What to decide by.
    """
    gate = line_gate(options)
    return [_as_data(gate(as_bytes(line))) for line in lines]


def _as_data(ruling: Ruling) -> dict[str, Any]:
    return {
        "payload": ruling.payload,
        "verdict": ruling.verdict,
        "reasons": list(ruling.reasons),
        "drift": None if ruling.drift is None else [drift._asdict() for drift in ruling.drift],
        "label": ruling.label,
    }


def as_bytes(line: object) -> bytes:
    """Return *line* as the bytes of JSON; of what can't be JSON, something that is refused."""
    if isinstance(line, bytes):
        return line
    try:
        return line.encode() if isinstance(line, str) else orjson.dumps(line)
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        return b""
