"""fleetctl inspect-network: bridges, veth pairs, addresses and sockets of replicas, or of any container."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, fleet_options
from fleetctl.commands.session import opened
from fleetctl.commands.wiring import choose, load_fleet_if_any, look
from fleetctl.errors import ConfigError

if TYPE_CHECKING:
    from fleetctl.state.network import Attachment, Topology
    from fleetctl.view.changes import Changes

FORMATS = ("tree", "table", "json", "mermaid", "dot", "svg")
DRAWINGS = {"mermaid": "mermaid", "dot": "dot", "svg": "svg"}
"""Module of the view by format, for pictures that are text without a terminal's width."""
FOLLOWABLE = ("tree", "table")


@click.command("inspect-network", short_help="Show bridges, veth pairs, addresses and sockets of every replica.")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@fleet_options
@click.option("-a", "--all", "every", is_flag=True, help="Every network and container of the engine.")
@click.option("--host", "host", is_flag=True, help="The host's own interfaces, routes and address translation.")
@click.option("--inside", metavar="REPLICA", help="All of one replica's network namespace.")
@click.option("-w", "--watch", is_flag=True, help="Go on as it changes, until interrupted.")
@click.option(
    "--format",
    "output",
    type=click.Choice(FORMATS),
    help="How to print the result.  [default: tree on a terminal, else table]",
)
def command(
    source: FleetSource,
    names: tuple[str, ...],
    every: bool,
    host: bool,
    inside: str | None,
    watch: bool,
    output: str | None,
) -> None:
    """Show how replicas are wired: the bridge, its ports, the veth pair of each, the container's interface, and what
    listens there. Read from the kernel; what cannot be known from here is said with the reason.

    NAME is a network or container, also one that is not the fleet's; a replica may be called as in web-1, too.
    """
    from fleetctl.vantage.registry import open_vantage

    # A tree is for eyes; programs that read lines keep finding one for each replica.
    shown = output or ("tree" if sys.stdout.isatty() else "table")
    refuse_what_does_not_fit(shown, output, names, every=every, host=host, inside=inside, watch=watch)
    asked = (inside,) if inside else names
    fleet = load_fleet_if_any(source, needed=not asked and not every)
    fleet_name = fleet.name if fleet is not None and not asked and not every else ""

    with opened() as engine:
        vantage = open_vantage(engine)

        def picture() -> Topology:
            chosen = choose(engine, fleet, asked, every=every)
            only_host = host and shown != "json"
            return look(engine, vantage, chosen, fleet, fleet_name=fleet_name, only_host=only_host)

        if watch:
            from fleetctl.commands.wiring_watch import follow

            follow(engine, picture, lambda topology, marks: show(topology, shown, marks))
            return
        topology = picture()
    if shown == "json":
        from fleetctl.view.documents import show_document
        from fleetctl.view.wiring_document import topology_document

        show_document(topology_document(topology, host=host))
    elif inside:
        show_inside(topology, inside)
    elif host:
        from fleetctl.view.namespace import host_view
        from fleetctl.view.terminal import stdout

        stdout().print(host_view(topology))
    else:
        show(topology, shown, {})


def refuse_what_does_not_fit(
    shown: str, output: str | None, names: tuple[str, ...], *, every: bool, host: bool, inside: str | None, watch: bool
) -> None:
    """Raises ConfigError for options that ask for two things at once."""
    if every and (names or inside):
        raise ConfigError("--all shows everything: name no network or container beside it")
    if inside and (names or host):
        raise ConfigError("--inside shows one replica: name no other beside it, nor --host")
    if (host or inside) and output not in (None, "tree", "json"):
        raise ConfigError(f"--host and --inside are shown as tree or json, not as {output}")
    if watch and (host or inside):
        raise ConfigError("--watch follows the networks, not --host or --inside")
    if watch and shown not in FOLLOWABLE:
        raise ConfigError(f"--watch shows {' or '.join(FOLLOWABLE)}, not {shown}")


def show_inside(topology: Topology, name: str) -> None:
    """The namespace of the one replica that was meant. Raises ConfigError when there are several or none runs."""
    from fleetctl.state.network import Namespace
    from fleetctl.view.namespace import inside_view
    from fleetctl.view.terminal import stdout

    found: dict[str, Attachment] = {one.container_id: one for one in attachments(topology)}
    if len(found) != 1:
        meant = ", ".join(one.replica for one in found.values()) or "none"
        raise ConfigError(f"{name} is no single replica", hint=f"it means: {meant}")
    (only,) = found.values()
    reason = only.unknown.get("pid", "nothing was read in it")
    stdout().print(inside_view(only.replica, only.namespace or Namespace(unknown={"interfaces": reason})))


def attachments(topology: Topology) -> list[Attachment]:
    return [*(one for network in topology.networks for one in network.attachments), *topology.unattached]


def show(topology: Topology, output: str, marks: Changes) -> None:
    """Print one picture of the networks, with what has changed since the last."""
    from fleetctl.view.terminal import note, stdout, write

    if output in DRAWINGS:
        from importlib import import_module

        write(import_module(f"fleetctl.view.{DRAWINGS[output]}").drawing(topology))
        return
    if not topology.networks and topology.fleet:
        note(f"fleet {topology.fleet} has no network; 'fleetctl up' makes it")
        return
    console = stdout()
    if output == "tree":
        from fleetctl.view.tree import topology_tree

        console.print(topology_tree(topology, marks))
    else:
        from fleetctl.view.wiring import topology_view

        console.print(topology_view(topology, width=console.width))
