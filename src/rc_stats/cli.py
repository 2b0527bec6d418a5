"""
The command line: what a person or a job asks, in one place.

Exit codes, the same for all verbs: 0 would be sent or done, 2 usage, 3 the gate is closed, 4 unusable input (or, of
``audit``, a payload in which a small group was found), 7 drift; 1 if the output can't be written or it was interrupted.
Errors are one line on standard error, without a traceback and without a value from the document.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from rc_stats._version import __version__
from rc_stats.errors import DriftFound, RcStatsError, UnusableInput, UsageError

if TYPE_CHECKING:
    from rc_stats.catalogue import Catalogue, Metric

_KINDS = ["unregistered", "registered", "hosted"]
_PROFILES = ["exact", "standard", "strict"]

_FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_MOMENT = datetime(2100, 1, 1, tzinfo=UTC)

FILE = click.argument("file", default="-", metavar="[FILE|-]", type=click.Path(allow_dash=True))


def run(arguments: Sequence[str]) -> int:
    """Run the command that *arguments* name and return its exit code."""
    try:
        result = group.main(args=list(arguments), prog_name="rc-stats", standalone_mode=False)
    except RcStatsError as error:
        return _failed(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.exceptions.Abort:
        return _failed("Interrupted.", 1)
    except click.ClickException as error:
        return _failed(f"{' '.join(error.format_message().split())} See rc-stats --help.", UsageError.exit_code)
    except _ReaderLeft:
        return 0
    except OSError as error:
        return _failed(f"The output can't be written: {error.strerror}.", 1)
    return result if isinstance(result, int) else 0


def _failed(message: str, exit_code: int) -> int:
    click.echo(f"rc-stats: {message}", err=True)
    return exit_code


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rc-stats", message="%(prog)s %(version)s")
def group() -> None:
    """
    Decide which of a workspace's statistics may leave it, and show it first.

    Nothing here sends anything, and nothing needs a network.
    """


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        if sys.stdin is None:
            raise UnusableInput("There is no standard input.", rule="unreadable")
        try:
            yield sys.stdin.buffer
        except OSError as error:
            raise UnusableInput(f"Standard input can't be read: {error.strerror}.", rule="unreadable") from None
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - an error of opening is told apart from one of reading
    except OSError as error:
        raise UnusableInput(f"The file can't be read: {error.strerror}.", rule="unreadable") from None
    with file:
        try:
            yield file
        except OSError as error:
            raise UnusableInput(f"The file can't be read: {error.strerror}.", rule="unreadable") from None


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("give a date or time such as 2026-08-17 or 2026-08-17T03:12:00Z") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not _FIRST_MOMENT <= moment < _LAST_MOMENT:
        raise click.BadParameter("a report counts for a month from 2000 to 2099")
    return moment


def _style(text: str, role: str) -> str:
    match role:
        case "yes":
            return click.style(text, fg="green", bold=True)
        case "no":
            return click.style(text, fg="red", bold=True)
        case "heading":
            return click.style(text, bold=True)
        case _:
            return click.style(text, dim=True)


def _is_styled() -> bool:
    return (
        sys.stdout is not None
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


@group.command()
@FILE
@click.option("--workspace", type=click.Choice(_KINDS), help="What the workspace is; unregistered unless you say so.")
@click.option("--opt-in", is_flag=True, help="Ask: what if the admin had agreed before this document was made?")
@click.option("--scope", metavar="LIST", help="Data types agreed to: usage, app, account; usage,app by default.")
@click.option("--profile", type=click.Choice(_PROFILES), default="standard", show_default=True, help="How coarse.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "payload", "html"]),
    default="text",
    show_default=True,
    help="payload: exactly the bytes, nothing else.",
)
@click.option("--envelope", is_flag=True, help="Also show URL, method and headers.")
@click.option("--show-values", is_flag=True, help="Also spell what stays here. Mind who sees it.")
@click.option("--at", metavar="TIME", callback=_moment, help="The clock to go by; now by default.")
def preview(
    *,
    file: str,
    workspace: str | None,
    opt_in: bool,
    scope: str | None,
    profile: str,
    format_: str,
    envelope: bool,
    show_values: bool,
    at: datetime,
) -> int:
    """
    Show exactly what would be sent of a statistics document, what not, and why.

    FILE is what GET /api/v1/statistics or statistics.list answered, or a mongoexport; plain or gzip; - is standard
    input. Of several documents the newest is taken.

    Exit code: 0 it would be sent, 3 the gate is closed, 4 the file is no statistics document.
    """
    from rc_stats.catalogue import Profile, load_catalogue
    from rc_stats.consent import DEFAULT_SCOPE, Consent, Terms, what_if
    from rc_stats.gate import Switches, Workspace, scopes_of
    from rc_stats.policy import WorkspaceKind, load_policy
    from rc_stats.reporter import preview as preview_of
    from rc_stats.sources import read_newest

    wanted = scopes_of(scope) if scope is not None else DEFAULT_SCOPE
    terms = Terms(load_policy(), load_catalogue(), Profile(profile))
    with _opened(file) as stream:
        newest = read_newest(stream)
    result = preview_of(
        newest.document,
        Workspace(WorkspaceKind(workspace or "unregistered")),
        what_if(terms, at=at, scope=wanted) if opt_in else Consent(),
        terms=terms,
        now=at,
        switches=Switches.from_environment(os.environ),
        scope=wanted,
        show_keys=show_values,
    )
    exit_code = 0 if result.decision.is_open else 3
    if format_ == "payload":
        payload = result.payload
        if payload is not None:
            if envelope:
                lines = [f"{payload.envelope.method} {payload.envelope.url}"]
                lines += [f"{name}: {value}" for name, value in payload.envelope.headers]
                click.echo("\n".join(lines), err=True)
            _write(payload.body)
        return exit_code
    from rc_stats.render import as_data, as_html, as_text, view_of

    view = view_of(result, newest=newest, with_envelope=envelope, show_values=show_values)
    if format_ == "text":
        _print(as_text(view, style=_style) if _is_styled() else as_text(view))
    else:
        _print(_json(as_data(view)) if format_ == "json" else as_html(view), is_machine=True)
    return exit_code


class _ReaderLeft(Exception):
    """Whoever read the output has seen enough."""


def _write(output: bytes) -> None:
    if sys.stdout is None:
        raise UsageError("There is no standard output.", rule="no-output")
    try:
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise _ReaderLeft from None


def _print(text: str, *, is_machine: bool = False) -> None:
    """Write text in the terminal's encoding, or what a machine reads in UTF-8 whatever the locale."""
    encoding = "utf-8" if is_machine or sys.stdout is None else sys.stdout.encoding
    _write(text.encode(encoding, errors="replace"))


def _json(data: object) -> str:
    import orjson

    return orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()


@group.command()
@click.argument("path")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def explain(path: str, format_: str) -> int:
    """
    Say what the catalogue does with PATH of the statistics document, and why.

    PATH is spelt as in the document or the payload, such as totalChannels or os.cpus[0].model.
    """
    from rc_stats.catalogue import load_catalogue
    from rc_stats.policy import load_policy
    from rc_stats.render.reference import metric_data, metric_text

    catalogue, policy = load_catalogue(), load_policy()
    metric = catalogue.find(path)
    if metric is None:
        raise UsageError(
            "The catalogue doesn't know this path; in a document it would be dropped and reported as drift.",
            rule="unknown-path",
            remedy=_similar(path, catalogue),
        )
    if format_ == "json":
        _print(_json(metric_data(metric, catalogue, policy)), is_machine=True)
    else:
        _print(metric_text(metric, catalogue, policy))
    return 0


def _similar(path: str, catalogue: Catalogue) -> str:
    from difflib import get_close_matches

    names = {name.lower(): name for name in catalogue.metrics}
    close = [names[name] for name in get_close_matches(path.lower()[:200], names, n=3)]
    return f"Did you mean {' or '.join(close)}?" if close else "List all with: rc-stats metrics"


@group.command()
@click.option("--section", metavar="NAME", help="Only this section of the info page.")
@click.option("--data-type", metavar="TYPE", help="Only usage, app, account, user_content or tracking.")
@click.option("--leaving/--staying", default=None, help="Only what can leave, or only what never does.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@click.option(
    "--capacity", "show_capacity", is_flag=True, help="How much a payload can tell at most, against its budget."
)
@click.option(
    "--plan",
    type=click.Choice(_PROFILES),
    is_flag=False,
    flag_value="standard",
    help="The Python by which many documents are read fast, in a profile; standard by default.",
)
@click.option("--lint", "lint", multiple=True, metavar="FILE", help="Check a catalogue of your own instead.")
def metrics(
    *,
    section: str | None,
    data_type: str | None,
    leaving: bool | None,
    format_: str,
    show_capacity: bool,
    plan: str | None,
    lint: tuple[str, ...],
) -> int:
    """List the catalogue: every path, and what becomes of it in each profile."""
    from rc_stats.catalogue import load_catalogue
    from rc_stats.policy import load_policy
    from rc_stats.render.reference import capacity_data, capacity_text, metric_data, metrics_markdown, metrics_text
    from rc_stats.render.words import many

    if lint:
        from rc_stats.authoring import read_catalogue

        checked = read_catalogue([Path(name) for name in lint])
        _print(f"{checked.name} version {checked.version}: {many(len(checked.metrics), 'metric')}, no problems.\n")
        return 0
    if plan is not None:
        from rc_stats.listing import plan_listing

        _print(plan_listing(load_catalogue(), plan).text, is_machine=True)
        return 0
    catalogue, policy = load_catalogue(), load_policy()
    if show_capacity:
        data = capacity_data(catalogue)
        _print(_json(data) if format_ == "json" else capacity_text(data), is_machine=format_ == "json")
        return 0
    chosen = _chosen(catalogue, section, data_type, leaving)
    if format_ == "json":
        _print(_json([metric_data(metric, catalogue, policy) for metric in chosen]), is_machine=True)
    elif format_ == "markdown":
        _print(metrics_markdown(chosen, catalogue), is_machine=True)
    else:
        _print(metrics_text(chosen, catalogue))
    return 0


def _chosen(catalogue: Catalogue, section: str | None, data_type: str | None, leaving: bool | None) -> list[Metric]:
    every = list(catalogue.metrics.values())
    sections = {metric.section.lower() for metric in every}
    if section is not None and section.lower() not in sections:
        raise UsageError(
            "There is no such section.", rule="section", remedy=f"Sections: {', '.join(sorted(sections))}."
        )
    types = {str(metric.data_type) for metric in every}
    if data_type is not None and data_type not in types:
        raise UsageError("There is no such data type.", rule="data-type", remedy=f"Types: {', '.join(sorted(types))}.")
    return [
        metric
        for metric in every
        if (section is None or metric.section.lower() == section.lower())
        and (data_type is None or metric.data_type == data_type)
        and (leaving is None or metric.is_dropped != leaving)
    ]


@group.command()
@FILE
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--show-values", is_flag=True, help="Spell unknown keys as they are. Keys are data: mind who sees it.")
def check(*, file: str, format_: str, show_values: bool) -> int:
    """
    Look for drift: paths and JSON types that the catalogue doesn't know.

    Of several documents all are looked at. Exit code: 0 none, 7 drift. What drifts is dropped in any case.
    """
    from rc_stats.anonymise import Anonymiser
    from rc_stats.catalogue import load_catalogue
    from rc_stats.render.view import drift_lines
    from rc_stats.render.words import many
    from rc_stats.sources import read_documents

    anonymiser = Anonymiser(load_catalogue())
    lines: set[str] = set()
    count = 0
    with _opened(file) as stream:
        for document in read_documents(stream):
            count += 1
            lines |= set(drift_lines(anonymiser(document.body, show_keys=show_values).findings or ()))
    if not count:
        raise UnusableInput("The input holds no statistics document.", rule="no-document")
    found = sorted(lines)
    if format_ == "json":
        _print(_json({"documents": count, "drift": found}), is_machine=True)
    else:
        _print("".join(f"{line}\n" for line in found) or f"No drift in {many(count, 'document')}.\n")
    if found:
        raise DriftFound(
            f"{many(len(found), 'path')} that the catalogue doesn't know; dropped.",
            rule="drift",
            remedy="" if show_values else "To see unknown keys spelt out: --show-values",
        )
    return 0


@group.command()
@click.argument("payload", metavar="[PAYLOAD|-]", default="-", type=click.Path(allow_dash=True))
def verify(payload: str) -> int:
    """
    Say whether captured bytes could have come from rc-stats.

    PAYLOAD is the body of a request, as it was sent. Exit code: 0 it could, 4 it could not.
    """
    from rc_stats.catalogue import load_catalogue
    from rc_stats.verification import verify as verify_bytes
    from rc_stats.wire import MAX_DOCUMENT_BYTES

    with _opened(payload) as stream:
        body = stream.read(MAX_DOCUMENT_BYTES + 1)
    catalogue = load_catalogue()
    result = verify_bytes(body, catalogue)
    if not result.is_ours:
        shown = "; ".join(fault.removesuffix(".") for fault in result.faults[:3])
        more = f"; and {len(result.faults) - 3} more" if len(result.faults) > 3 else ""
        raise UnusableInput(f"This did not come from rc-stats: {shown}{more}.", rule="not-a-payload")
    import hashlib

    _print(
        f"This could have come from rc-stats: {len(body)} bytes, catalogue {catalogue.name} version "
        f"{catalogue.version}.\nsha256 {hashlib.sha256(body).hexdigest()}\n"
    )
    return 0


@group.command()
@FILE
@click.option("--profile", type=click.Choice(_PROFILES), default="standard", show_default=True, help="How coarse.")
@click.option("--at", metavar="TIME", callback=_moment, help="The clock to go by; now by default.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def audit(*, file: str, profile: str, at: datetime, format_: str) -> int:
    """
    Attack the payload that a yes would send: what could a determined reader bound of small groups of people?

    FILE is as for preview. Of several documents the newest is taken, as a first report. Needs the extra "audit".

    Exit code: 0 nothing small can be bounded, 4 something can, or the file is no statistics document.
    """
    from rc_stats.anonymise import Anonymiser
    from rc_stats.audit import attack
    from rc_stats.catalogue import Profile, load_catalogue
    from rc_stats.gate import period_of
    from rc_stats.render.audit import audit_data, audit_text
    from rc_stats.sources import read_newest

    catalogue, chosen = load_catalogue(), Profile(profile)
    with _opened(file) as stream:
        newest = read_newest(stream)
    month = period_of(at, chosen)[:7]
    report = Anonymiser(catalogue, chosen)(newest.document.body, month=month, findings=False)
    result = attack(report.statistics(), catalogue, chosen)
    if format_ == "json":
        _print(_json(audit_data(result)), is_machine=True)
    else:
        _print(audit_text(result, style=_style) if _is_styled() else audit_text(result))
    if result.failures:
        count = len(result.failures)
        raise UnusableInput(
            f"The attack finds {count} small group{'s' if count > 1 else ''} of people in this payload.",
            rule="audit-failed",
            remedy="Take a coarser profile, and tell the maintainers: the rules should not let this happen.",
        )
    return 0
