"""``check``, ``verify`` and ``audit``: drift, captured bytes, and the attack on one's own payload."""

from __future__ import annotations

from datetime import datetime

import click

from rc_stats.cli.streams import FILE, PROFILES, as_json, moment, opened, print_text
from rc_stats.errors import DriftFound, UnusableInput


@click.command()
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
    with opened(file) as stream:
        for document in read_documents(stream):
            count += 1
            lines |= set(drift_lines(anonymiser(document.body, show_keys=show_values).findings or ()))
    if not count:
        raise UnusableInput("The input holds no statistics document.", rule="no-document")
    found = sorted(lines)
    if format_ == "json":
        print_text(as_json({"documents": count, "drift": found}), is_machine=True)
    else:
        print_text("".join(f"{line}\n" for line in found) or f"No drift in {many(count, 'document')}.\n")
    if found:
        raise DriftFound(
            f"{many(len(found), 'path')} that the catalogue doesn't know; dropped.",
            rule="drift",
            remedy="" if show_values else "To see unknown keys spelt out: --show-values",
        )
    return 0


@click.command()
@click.argument("payload", metavar="[PAYLOAD|-]", default="-", type=click.Path(allow_dash=True))
def verify(payload: str) -> int:
    """
    Say whether captured bytes could have come from rc-stats.

    PAYLOAD is the body of a request, as it was sent. Exit code: 0 it could, 4 it could not.
    """
    from rc_stats.catalogue import load_catalogue
    from rc_stats.verification import verify as verify_bytes
    from rc_stats.wire import MAX_DOCUMENT_BYTES

    with opened(payload) as stream:
        body = stream.read(MAX_DOCUMENT_BYTES + 1)
    catalogue = load_catalogue()
    result = verify_bytes(body, catalogue)
    if not result.is_ours:
        shown = "; ".join(fault.removesuffix(".") for fault in result.faults[:3])
        more = f"; and {len(result.faults) - 3} more" if len(result.faults) > 3 else ""
        raise UnusableInput(f"This did not come from rc-stats: {shown}{more}.", rule="not-a-payload")
    import hashlib

    print_text(
        f"This could have come from rc-stats: {len(body)} bytes, catalogue {catalogue.name} version "
        f"{catalogue.version}.\nsha256 {hashlib.sha256(body).hexdigest()}\n"
    )
    return 0


@click.command()
@FILE
@click.option("--profile", type=click.Choice(PROFILES), default="standard", show_default=True, help="How coarse.")
@click.option("--at", metavar="TIME", callback=moment, help="The clock to go by; now by default.")
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
    from rc_stats.cli.terminal import show
    from rc_stats.gate import period_of
    from rc_stats.render.audit import audit_data, audit_text
    from rc_stats.sources import read_newest

    catalogue, chosen = load_catalogue(), Profile(profile)
    with opened(file) as stream:
        newest = read_newest(stream)
    month = period_of(at, chosen)[:7]
    report = Anonymiser(catalogue, chosen)(newest.document.body, month=month, findings=False)
    result = attack(report.statistics(), catalogue, chosen)
    if format_ == "json":
        print_text(as_json(audit_data(result)), is_machine=True)
    else:
        show(lambda screen: audit_text(result, style=screen.style), is_paged=False)
    if result.failures:
        count = len(result.failures)
        raise UnusableInput(
            f"The attack finds {count} small group{'s' if count > 1 else ''} of people in this payload.",
            rule="audit-failed",
            remedy="Take a coarser profile, and tell the maintainers: the rules should not let this happen.",
        )
    return 0
