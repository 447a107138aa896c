"""fleetctl down: take the fleet down."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, fleet_options, grace_option
from fleetctl.commands.session import run_to_end, say_if_idle

if TYPE_CHECKING:
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.plan.outcome import RunReport
    from fleetctl.plan.steps import Plan
    from fleetctl.state.observed import Observed
    from fleetctl.view.progress import Progress


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
    from fleetctl.controller import carry_out
    from fleetctl.plan.order import select_services
    from fleetctl.plan.teardown import plan_teardown
    from fleetctl.work import Order

    fleet = source.load_name()
    wanted = [service for service in fleet.services.values() if rmi == "all" or service.build is not None]

    def work(engine: DockerHost, progress: Progress, stop: threading.Event) -> RunReport:
        def decide(observed: Observed) -> Plan:
            images: list[str] = []
            if rmi is not None:
                found = engine.observe(fleet.name, images=[service.image for service in wanted]).images.values()
                # Somebody else may have given his image the name of one of ours.
                images = [image.reference for image in found if rmi == "all" or image.context is not None]
            return plan_teardown(observed, select_services(fleet), volumes=volumes, images=images, grace=timeout)

        order = Order(doing="down")
        return carry_out(fleet, engine, progress, decide, order, stop=stop, prepare=progress.prepare, rotations=False)

    say_if_idle(run_to_end(work, command="down"))
