"""fleetctl inspect-network: bridge, veth pair and addresses of every replica."""

from __future__ import annotations

import click

from fleetctl.commands.options import FleetSource, fleet_options, format_option
from fleetctl.commands.session import opened


@click.command("inspect-network", short_help="Show veth pair, bridge and addresses of every replica.")
@fleet_options
@format_option
def command(source: FleetSource, output: str) -> None:
    """Show how the replicas are wired: the container's interface, its veth on the host, the bridge port it is plugged
    into, and the bridge. Read from the kernel; what cannot be known from here is said with the reason."""
    from fleetctl.net.observe import observe_topology
    from fleetctl.view.documents import show_document
    from fleetctl.view.terminal import note, stdout
    from fleetctl.view.wiring import topology_document, topology_view

    fleet = source.load_name()
    with opened() as engine:
        observed = engine.observe(fleet.name)
        used = {endpoint.network_id for replica in observed.replicas for endpoint in replica.endpoints.values()}
        networks = [network for network in observed.networks if network.fleet == fleet.name or network.id in used]
        topology = observe_topology(fleet.name, networks, engine.inspect(observed.replicas), local=engine.local)
    if output == "json":
        show_document(topology_document(topology))
        return
    if not topology.networks:
        note(f"fleet {fleet.name} has no network; 'fleetctl up' makes it")
        return
    console = stdout()
    console.print(topology_view(topology, width=console.width))
