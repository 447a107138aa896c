"""fleetctl events: what happens to the fleet, as it happens."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, fleet_options, format_option, split_target
from fleetctl.commands.session import opened
from fleetctl.errors import ConfigError, EngineUnreachable

if TYPE_CHECKING:
    from fleetctl.spec.model import Fleet
    from fleetctl.state.events import FleetEvent
    from fleetctl.state.observed import Replica


@click.command("events", short_help="Follow what happens to the fleet's containers and networks.")
@click.argument("names", nargs=-1, metavar="[SERVICE|REPLICA]…")
@fleet_options
@click.option("--since", metavar="TIME", help="Begin there: RFC 3339, or relative such as 10m or 1h30m.")
@click.option("--until", metavar="TIME", help="End there; 0s ends with what has happened already.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@format_option
def command(
    source: FleetSource, names: tuple[str, ...], since: str | None, until: str | None, as_json: bool, output: str
) -> None:
    """Follow what happens to the fleet's containers and networks, one line each, until interrupted.

    The engine remembers its last 256 events for --since. What runs by exec, health checks among it, is left out."""
    from fleetctl.commands.logs import parse_since
    from fleetctl.engine.events import FleetEvents
    from fleetctl.view.eventlines import show_event, show_event_document

    first = parse_since(since) if since is not None else None
    last = parse_since(until, "--until") if until is not None else None
    # A shell without job control starts what is in its background with SIGINT ignored; there is no other end of this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fleet = source.load_name()
    with opened() as engine:
        replicas = engine.observe_replicas(fleet.name)
        refuse_unknown(names, fleet, replicas)
        for event in FleetEvents(engine, fleet.name, replicas).follow(since=first, until=last):
            if not is_meant(event, names):
                continue
            if as_json or output == "json":
                show_event_document(fleet.name, event)
            else:
                show_event(event)
    if last is None:
        raise EngineUnreachable("the engine has ended")


def refuse_unknown(names: Sequence[str], fleet: Fleet, replicas: Sequence[Replica]) -> None:
    """Raises ConfigError for a name that fits nothing. A replica may be gone, or still to come: SERVICE-N is enough."""
    services = {*fleet.services, *fleet.inactive, *(replica.service for replica in replicas)}
    for name in names:
        within = name.removeprefix(f"{fleet.name}-")
        if not {name, split_target(name, None)[0], split_target(within, None)[0]} & services:
            known = ", ".join(sorted(services)) or "none"
            raise ConfigError(f"no service or replica named {name} in fleet {fleet.name}", hint=f"services: {known}")


def is_meant(event: FleetEvent, names: Sequence[str]) -> bool:
    """Whether it happened to one of those; a network's own events are nobody's."""
    label = f"{event.service}-{event.number}"
    return not names or any(name in (event.service, event.container, label) for name in names)
