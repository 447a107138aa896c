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
    from fleetctl.view.documents import SCHEMA, show_document
    from fleetctl.view.tables import show_processes
    from fleetctl.view.terminal import note, write

    fleet = source.load_name()
    with opened() as engine:
        everything = sorted(
            engine.observe_replicas(fleet.name),
            key=lambda replica: (replica.service, replica.number, replica.name),
        )
        running = [replica for replica in select_replicas(fleet, everything, names) if replica.state == "running"]
        listed = [(replica, *engine.top(replica.id)) for replica in running]
    found = [(replica, titles, rows) for replica, titles, rows in listed if titles]
    if output == "json":
        show_document(
            {
                "schema": SCHEMA,
                "fleet": fleet.name,
                "replicas": [
                    {
                        "replica": replica.name,
                        "processes": [
                            {title.lower(): cell for title, cell in zip(titles, row, strict=False)} for row in rows
                        ],
                    }
                    for replica, titles, rows in found
                ],
            }
        )
        return
    if not found:
        note("no replica is running")
    for index, (replica, titles, rows) in enumerate(found):
        if index:
            write("")
        show_processes(replica.name, titles, rows)
