"""The catalogue as a reference: one metric explained, all of them as a list, and the Markdown table of the docs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from rc_stats.capacity import capacity, total_bits
from rc_stats.catalogue import Catalogue, Metric, Profile, Treatment
from rc_stats.policy import Policy, WorkspaceKind
from rc_stats.render.layout import quoting
from rc_stats.render.words import RULES


def outcome(metric: Metric, catalogue: Catalogue, profile: Profile) -> str:
    """Return in a few words what *profile* makes of *metric*."""
    treatment = catalogue.treatment(metric, profile)
    if treatment is None:
        return "stays"
    if treatment.withhold:
        return "withheld"
    text = _form(metric, catalogue, treatment)
    return f"{text}, from {treatment.needs_people} users on" if treatment.needs_people else text


def _form(metric: Metric, catalogue: Catalogue, treatment: Treatment) -> str:
    match metric.operator:
        case "count":
            rounding = []
            if treatment.significant:
                rounding.append(f"{treatment.significant} significant digit{'s' if treatment.significant > 1 else ''}")
            if treatment.step > 1:
                rounding.append(f"rounded down to {treatment.step}")
            return ", ".join(rounding) or "exact"
        case "sum":
            return "sum of each kind"
        case "flag":
            return "on or off"
        case "choice":
            return (
                f"{treatment.fold}"
                if treatment.fold
                else f"one of {len(catalogue.vocabularies[metric.vocabulary].members)} words"
            )
        case "version":
            return ("major", "major.minor", "major.minor.patch")[treatment.parts - 1]
        case "month":
            return treatment.precision
        case "split" | "table" | "moment":
            return _people_form(metric, treatment)
        case "length" if not metric.bands:
            return "size only"
        case _:
            return f"one of {len(catalogue.bands[metric.bands][treatment.bands].names)} buckets"


def _people_form(metric: Metric, treatment: Treatment) -> str:
    if metric.operator == "moment":
        return f"active within {' or '.join(map(str, treatment.days))} days"
    what = "groups" if metric.operator == "split" else "rows"
    return f"{what} of 10 or more" + (f", rounded down to {treatment.step}" if treatment.step > 1 else "")


def metric_data(metric: Metric, catalogue: Catalogue, policy: Policy) -> dict[str, Any]:
    """Return everything that the catalogue and the policy say of *metric*, as JSON values."""
    kind = catalogue.kinds[metric.kind]
    clause = policy.clauses[kind.clause]
    return {
        "path": metric.path,
        "says": metric.says,
        "useful": metric.useful,
        "reason": metric.reason,
        "privacy": metric.privacy,
        "kind": kind.label,
        "operator": metric.operator,
        "data_type": str(metric.data_type),
        "section": metric.section,
        "unit": metric.unit,
        "payload_path": "" if metric.is_dropped else metric.emit,
        "profiles": {str(profile): outcome(metric, catalogue, profile) for profile in Profile},
        "workspaces": {str(k): str(policy.matrix[metric.data_type, k].verdict) for k in WorkspaceKind},
        "words": list(catalogue.vocabularies[metric.vocabulary].members) if metric.vocabulary else [],
        "clause": clause.citation,
        "quote": clause.quote,
        "source": metric.source,
        "first": metric.first,
        "last": metric.last,
        "added": metric.added,
    }


def metric_text(metric: Metric, catalogue: Catalogue, policy: Policy) -> str:
    """Return *metric* explained to a person, in 80 columns."""
    data = metric_data(metric, catalogue, policy)
    lines = [metric.path, *_wrapped(metric.says, 2), ""]
    if metric.is_dropped:
        lines += _labelled("Leaves", f"Never: {metric.reason} ({data['kind']}).")
    else:
        for profile, form in data["profiles"].items():
            why = RULES[_treatment(metric, catalogue, profile).withhold] if form == "withheld" else ""
            lines += _labelled(profile.capitalize(), f"{form}{f': {why}' if why else ''}")
        lines += _labelled("In payload", metric.emit)
        lines += _labelled("Useful", metric.useful)
    if metric.privacy:
        lines += _labelled("Privacy", metric.privacy)
    if data["words"]:
        lines += _labelled("Words", ", ".join(data["words"]) + "; anything else is other")
    lines += _labelled("Data type", metric.data_type.replace("_", " "))
    lines += _labelled("Workspaces", ", ".join(f"{kind} {verdict}" for kind, verdict in data["workspaces"].items()))
    lines += _labelled("Policy", quoting(data["quote"]))
    lines += _labelled("", data["clause"])
    lines += _labelled("Upstream", f"{metric.source}{_versions(metric)}")
    return "\n".join(lines) + "\n"


def _treatment(metric: Metric, catalogue: Catalogue, profile: str) -> Treatment:
    return catalogue.treatment(metric, Profile(profile)) or Treatment()


def _versions(metric: Metric) -> str:
    since = f", since {metric.first}" if metric.first else ""
    return since + (f", until {metric.last}" if metric.last else "")


def _wrapped(text: str, indent: int) -> list[str]:
    space = " " * indent
    return textwrap.wrap(text, 80, initial_indent=space, subsequent_indent=space, break_long_words=False)


def _labelled(label: str, text: str) -> list[str]:
    head = f"  {label + ':' if label else '':<12}"
    return textwrap.wrap(
        text, 80, initial_indent=head, subsequent_indent=" " * 14, break_long_words=False, break_on_hyphens=False
    )


def metrics_text(metrics: Iterable[Metric], catalogue: Catalogue) -> str:
    """Return *metrics* as a list: path, and what the standard profile makes of it or why it stays."""
    lines: list[str] = []
    section = ""
    for metric in sorted(metrics, key=lambda m: m.section):
        if metric.section != section:
            section = metric.section
            lines += ["", section] if lines else [section]
        form = f"stays: {metric.reason}" if metric.is_dropped else outcome(metric, catalogue, Profile.STANDARD)
        lines.append(f"  {metric.path:<44}  {form}")
    return "\n".join(lines) + "\n" if lines else ""


def metrics_markdown(metrics: Iterable[Metric], catalogue: Catalogue) -> str:
    """Return *metrics* as a Markdown page with a table for each section."""
    chosen = list(metrics)
    leaving = sum(not metric.is_dropped for metric in chosen)
    lines = [
        "# Metrics",
        "",
        "<!-- Generated from the catalogue by `make docs-metrics`; don't edit. -->",
        "",
        f"{catalogue.title}, catalogue version {catalogue.version}, `{catalogue.digest}`.",
        f"{len(chosen)} paths are known; {leaving} can leave in some profile, {len(chosen) - leaving} never do.",
        "A path that is not listed is dropped and reported as drift.",
    ]
    for section in sorted({metric.section for metric in chosen}):
        inside = [metric for metric in chosen if metric.section == section]
        can, never = [m for m in inside if not m.is_dropped], [m for m in inside if m.is_dropped]
        lines += ["", f"## {section}"]
        if can:
            lines += [
                "",
                "| path | what it is | unit | data type | exact | standard | strict |",
                "|---|---|---|---|---|---|---|",
            ]
            lines += [_row(metric, catalogue) for metric in can]
        if never:
            lines += ["", "| stays here | what it is | why |", "|---|---|---|"]
            lines += [f"| `{m.path}` | {m.says} | {m.reason} |" for m in never]
    return "\n".join(lines) + "\n"


def _row(metric: Metric, catalogue: Catalogue) -> str:
    forms = " | ".join(outcome(metric, catalogue, profile) for profile in Profile)
    return f"| `{metric.path}` | {metric.says} {metric.useful} | {metric.unit} | {metric.data_type} | {forms} |"


_SHOWN_SHARES = 10


def capacity_data(catalogue: Catalogue) -> dict[str, Any]:
    """Return how much a payload can tell in each profile, its budget, and the share of each metric, as JSON values."""
    return {
        str(profile): {
            "bits": total_bits(catalogue, profile),
            "budget": catalogue.capacity.get(profile),
            "shares": [{"path": s.metric.path, "bits": round(s.bits, 1)} for s in capacity(catalogue, profile)],
        }
        for profile in Profile
    }


def capacity_text(data: Mapping[str, Any]) -> str:
    """Return :func:`capacity_data` for a person: the sums, and the largest shares."""
    lines = ["How much a payload can tell at most: log2 of the values that its leaves can take."]
    for profile, told in data.items():
        lines += ["", f"{profile}: {told['bits']} bits, budget {told['budget']}"]
        lines += [f"  {share['bits']:>8}  {share['path']}" for share in told["shares"][:_SHOWN_SHARES]]
        lines.append(f"  and {len(told['shares']) - _SHOWN_SHARES} more: --format json names all")
    return "\n".join(lines) + "\n"
