"""fleetctl top: the processes of every replica."""

from __future__ import annotations

import click

from fleetctl.commands.options import FleetSource, fleet_options, format_option
from fleetctl.commands.session import opened, select_replicas


@click.command("top", short_help="Show the processes of every replica.")
@click.argument("names", nargs=-1, metavar="[SERVICE|REPLICA]…")
@fleet_options
@format_option
def command(source: FleetSource, names: tuple[str, ...], output: str) -> None:
    """Show the processes of running replicas as the engine's host sees them: for gunicorn, one master and its
    workers. RSS is in KiB."""
    from fleetctl.view.documents import processes_document, show_document
    from fleetctl.view.tables import show_processes
    from fleetctl.view.terminal import note, write

    fleet = source.load_name()
    with opened() as engine:
        everything = engine.observe_replicas(fleet.name)
        running = [replica for replica in select_replicas(fleet, everything, names) if replica.state == "running"]
        listed = [(replica, *engine.top(replica.id)) for replica in running]
    found = [(replica.name, titles, rows) for replica, titles, rows in listed if titles]
    if output == "json":
        show_document(processes_document(fleet.name, found))
        return
    if not found:
        whose = ", ".join(names) or f"fleet {fleet.name}"
        note(f"no replica of {whose} is running; 'fleetctl up' starts what the file asks for")
    for index, (name, titles, rows) in enumerate(found):
        if index:
            write("")
        show_processes(name, titles, rows)
