"""fleetctl ls: which fleets are there on this engine?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import click

from fleetctl.commands.options import format_option
from fleetctl.commands.session import opened


@click.command("ls", short_help="List the fleets of this engine.")
@click.option("-a", "--all", "every", is_flag=True, help="Show fleets of which nothing runs, too.")
@click.option("-q", "--quiet", is_flag=True, help="Print names only.")
@click.option(
    "--filter", "filters", multiple=True, metavar="name=PATTERN", help="Keep names in which this pattern is found."
)
@format_option
def command(every: bool, quiet: bool, filters: tuple[str, ...], output: str) -> None:
    """List the fleets that this engine has containers of, by their labels; no file is needed.

    The file that a fleet was made from is not known."""
    from fleetctl.state.fleets import fleets_of
    from fleetctl.view.documents import show_document
    from fleetctl.view.fleets import fleets_document, show_fleets
    from fleetctl.view.terminal import note, write
    from fleetctl.view.text import safe

    patterns = parse_names(filters)
    with opened() as engine:
        containers, _ = engine.everything()
    found = [fleet for fleet in fleets_of(containers) if fits(fleet.name, patterns)]
    shown = [fleet for fleet in found if every or fleet.runs]
    if quiet:
        for fleet in shown:
            write(safe(fleet.name))
    elif output == "json":
        show_document(fleets_document(shown))
    else:
        show_fleets(shown)
        if hidden := len(found) - len(shown):
            note(f"({hidden} not running; -a shows {'it' if hidden == 1 else 'them'})")


def parse_names(filters: Iterable[str]) -> list[re.Pattern[str]]:
    """Regular expressions, as Docker's filters by name are. Raises click.BadParameter."""
    patterns = []
    for text in filters:
        key, _, value = text.partition("=")
        if key != "name" or not value:
            raise click.BadParameter(f"{text!r} is not name=PATTERN", param_hint="--filter")
        try:
            patterns.append(re.compile(value))
        except re.error as error:
            raise click.BadParameter(f"{value!r} is no pattern: {error}", param_hint="--filter") from None
    return patterns


def fits(name: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    """Several patterns are alternatives, as in Docker."""
    return not patterns or any(pattern.search(name) for pattern in patterns)
