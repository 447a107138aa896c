"""fleetctl diagnose: why does my server not answer?"""

from __future__ import annotations

import click

from fleetctl.commands.options import FleetSource, fleet_options, format_option
from fleetctl.commands.session import opened
from fleetctl.errors import ConfigError, FleetError, VerificationFailed
from fleetctl.spec.wording import listed


@click.command("diagnose", short_help="Say why a server does not answer: the broken hop and its cure.")
@click.argument("targets", nargs=-1, metavar="[TARGET]…")
@fleet_options
@click.option("--from", "client", metavar="NAME", help="The replica or container that asks, or 'host'.")
@click.option("--to", metavar="TARGET", help="What is asked from there; the same as a TARGET.")
@click.option("-v", "--verbose", is_flag=True, help="Show every hop of what is in order, too.")
@format_option
def command(
    source: FleetSource, targets: tuple[str, ...], client: str | None, to: str | None, verbose: bool, output: str
) -> None:
    """Ask each TARGET from every side, walk the way of a request hop by hop, and name the hop that is broken, what
    shows it, and the cure. Nothing on the host or in a container is changed.

    A TARGET is a replica (web-1), a service, any container's name, HOST:PORT, ADDRESS:PORT or a URL; without one the
    whole fleet is asked. Exits 4 when something does not answer."""
    from fleetctl.inquiry.diagnose import Asked, diagnose
    from fleetctl.vantage.registry import open_vantage
    from fleetctl.view.documents import show_document
    from fleetctl.view.terminal import note, stdout
    from fleetctl.view.verdicts import verdicts_document, verdicts_view

    if client is not None and not (to or targets):
        raise click.UsageError("--from needs --to TARGET")
    fleet = source.load_if_there() if targets or to else source.load()
    with opened(lambda image, line: note(line)) as engine:
        vantage = open_vantage(engine)
        verdicts = diagnose(fleet, engine, vantage, Asked(targets, client, to))
    if not verdicts:
        raise ConfigError("there is nothing to diagnose", hint="name a TARGET, or describe services in fleet.yaml")
    if output == "json":
        show_document(verdicts_document(verdicts, vantage.name))
    else:
        stdout().print(verdicts_view(verdicts, walk=verbose or len(verdicts) == 1))
        for reason in vantage.reasons:
            note(reason)
    broken = [one for one in verdicts if one.reachable is False]
    if broken:
        names = listed(one.target.name for one in broken)
        raise VerificationFailed(f"{len(broken)} of {len(verdicts)} targets do not answer as they should: {names}")
    if any(one.reachable is None for one in verdicts):
        raise FleetError("not every target could be asked from here", hint="\n".join(vantage.reasons) or None)
