"""The command line's reference, from its own definitions: every verb, argument, option and exit code."""

from __future__ import annotations

from collections.abc import Iterator

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.util.docutils import SphinxDirective

from rc_stats_docs.tables import table, text


def verbs() -> Iterator[tuple[str, click.Command]]:
    """Yield every verb with its full name, those of groups too."""
    from rc_stats.cli import group  # noqa: PLC0415 - an extra

    yield from _below(group, "")


def _below(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from _below(command, f"{prefix}{name} ")


def _says(command: click.Command) -> list[str]:
    paragraphs = (command.help or "").split("\n\n")
    return [" ".join(paragraph.replace("\b", "").split()) for paragraph in paragraphs if paragraph.strip()]


def _usage(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    return f"rc-stats {name} {' '.join(command.collect_usage_pieces(context))}"


def _option(option: click.Option) -> str:
    spelt = "/".join((*option.opts, *option.secondary_opts))
    return spelt if option.is_flag else f"{spelt} {option.make_metavar(click.Context(click.Command('')))}"


def _default(option: click.Option) -> str:
    if option.is_flag or option.default is None or option.show_default is False or callable(option.default):
        return ""
    return f" By default {option.default}." if isinstance(option.default, str | int | float) else ""


class CommandReference(SphinxDirective):
    """``{commands}``: a section for each verb."""

    def run(self) -> list[nodes.Node]:
        """Write the sections."""
        return [self._section(name, command) for name, command in verbs()]

    def _section(self, name: str, command: click.Command) -> nodes.section:
        place = f"command-{name.replace(' ', '-')}"
        section = nodes.section(ids=[place], names=[place])
        section += nodes.title("", "", nodes.literal(text=f"rc-stats {name}"))
        standard: StandardDomain = self.env.domains.standard_domain
        standard.note_hyperlink_target(place, self.env.docname, place, f"rc-stats {name}")
        for paragraph in _says(command):
            section += text(paragraph)
        section += nodes.literal_block(text=_usage(name, command), language="text")
        options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
        if options:
            section += table(
                ("Option", "What it does"),
                [
                    ([nodes.paragraph("", "", nodes.literal(text=_option(o)))], [text(f"{o.help or ''}{_default(o)}")])
                    for o in options
                ],
                widths=(40, 60),
            )
        return section


def register(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("commands", CommandReference)
