"""fleetctl port: where a container port is published."""

from __future__ import annotations

import click

from fleetctl.commands.options import FleetSource, fleet_options, split_target
from fleetctl.commands.session import opened, select_one
from fleetctl.errors import FleetError
from fleetctl.state.probes import authority_of


@click.command("port", short_help="Print where a port is published.")
@click.argument("service")
@click.argument("port", type=click.IntRange(1, 65535), metavar="PORT")
@fleet_options
@click.option("--index", type=click.IntRange(min=1), help="Number of the replica.  [default: the first running]")
@click.option("--protocol", type=click.Choice(["tcp", "udp", "sctp"]), default="tcp", show_default=True)
def command(source: FleetSource, service: str, port: int, index: int | None, protocol: str) -> None:
    """Print ADDRESS:PORT of the host for a replica's container port."""
    from fleetctl.view.terminal import write

    fleet = source.load_name()
    with opened() as engine:
        replicas = engine.observe_replicas(fleet.name)
    name, number = (service, index) if service in fleet.services else split_target(service, index)
    replica = select_one(replicas, fleet, name, number)
    found = [
        authority_of(entry.host_ip or "", entry.host_port)
        for entry in replica.ports
        if entry.container_port == port and entry.protocol == protocol and entry.host_port is not None
    ]
    if not found:
        raise FleetError(
            f"{replica.name} does not publish port {port}/{protocol}",
            hint=f"add it under services.{name}.ports, for example '127.0.0.1::{port}'",
        )
    write("\n".join(found))
