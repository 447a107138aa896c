"""fleetctl down: take the fleet down."""

from __future__ import annotations

import click

from fleetctl.commands.options import FleetSource, fleet_options, grace_option
from fleetctl.commands.session import run_to_end, say_if_idle


@click.command("down", short_help="Stop and remove the fleet.")
@fleet_options
@click.option("-v", "--volumes", is_flag=True, help="Remove the fleet's named volumes too: their data is lost.")
@click.option("--rmi", type=click.Choice(["local", "all"]), help="Remove images too: those built here, or all.")
@click.option(
    "--remove-orphans",
    is_flag=True,
    help="Accepted out of habit: down removes everything of the fleet, orphans too.",
)
@grace_option
def command(source: FleetSource, volumes: bool, rmi: str | None, remove_orphans: bool, timeout: float | None) -> None:
    """Stop and remove the fleet's replicas and networks. What does not carry the fleet's label is never touched."""
    from fleetctl.controller import Order, carry_out
    from fleetctl.plan.teardown import plan_teardown

    fleet = source.load_name()
    images = [
        service.image
        for service in fleet.services.values()
        if rmi == "all" or (rmi == "local" and service.build is not None)
    ]

    def work(engine, progress, stop):  # type: ignore[no-untyped-def]  # a Work
        return carry_out(
            fleet,
            engine,
            progress,
            lambda observed: plan_teardown(
                observed, volumes=volumes, images=list(dict.fromkeys(images)), grace=timeout
            ),
            Order(doing="down"),
            stop=stop,
            prepare=progress.prepare,
        )

    say_if_idle(run_to_end(work, command="down"))
