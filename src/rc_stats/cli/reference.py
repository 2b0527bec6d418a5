"""``explain`` and ``metrics``: what the catalogue says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rc_stats.cli.streams import PROFILES, as_json, print_text
from rc_stats.errors import UsageError

if TYPE_CHECKING:
    from rc_stats.catalogue import Catalogue, Metric


@click.command()
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
        print_text(as_json(metric_data(metric, catalogue, policy)), is_machine=True)
    else:
        print_text(metric_text(metric, catalogue, policy))
    return 0


def _similar(path: str, catalogue: Catalogue) -> str:
    from difflib import get_close_matches

    names = {name.lower(): name for name in catalogue.metrics}
    close = [names[name] for name in get_close_matches(path.lower()[:200], names, n=3)]
    return f"Did you mean {' or '.join(close)}?" if close else "List all with: rc-stats metrics"


@click.command()
@click.option("--section", metavar="NAME", help="Only this section of the info page.")
@click.option("--data-type", metavar="TYPE", help="Only usage, app, account, user_content or tracking.")
@click.option("--leaving/--staying", default=None, help="Only what can leave, or only what never does.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@click.option(
    "--capacity", "show_capacity", is_flag=True, help="How much a payload can tell at most, against its budget."
)
@click.option(
    "--plan",
    type=click.Choice(PROFILES),
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
        print_text(f"{checked.name} version {checked.version}: {many(len(checked.metrics), 'metric')}, no problems.\n")
        return 0
    if plan is not None:
        from rc_stats.listing import plan_listing

        print_text(plan_listing(load_catalogue(), plan).text, is_machine=True)
        return 0
    catalogue, policy = load_catalogue(), load_policy()
    if show_capacity:
        data = capacity_data(catalogue)
        print_text(as_json(data) if format_ == "json" else capacity_text(data), is_machine=format_ == "json")
        return 0
    chosen = _chosen(catalogue, section, data_type, leaving)
    if format_ == "json":
        print_text(as_json([metric_data(metric, catalogue, policy) for metric in chosen]), is_machine=True)
    elif format_ == "markdown":
        print_text(metrics_markdown(chosen, catalogue), is_machine=True)
    else:
        print_text(metrics_text(chosen, catalogue))
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
