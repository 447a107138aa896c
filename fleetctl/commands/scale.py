"""fleetctl scale: run more or fewer replicas of a service."""

from __future__ import annotations

import click

from fleetctl.commands.options import FleetSource, ScaleType, fleet_options, format_option


@click.command("scale", short_help="Run more or fewer replicas of a service.")
@click.argument("counts", nargs=-1, required=True, type=ScaleType(), metavar="SERVICE=COUNT…")
@fleet_options
@click.option("--no-deps", is_flag=True, help="Leave out the services that the named ones depend on.")
@click.option("-t", "--timeout", type=click.FloatRange(min=0), help="Grace in seconds when a replica is stopped.")
@click.option(
    "--wait-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds a replica may take until it is ready.",
)
@format_option
def command(
    source: FleetSource,
    counts: tuple[tuple[str, int], ...],
    no_deps: bool,
    timeout: float | None,
    wait_timeout: float,
    output: str,
) -> None:
    """Run COUNT replicas of a service until the next 'up', which goes back to what the file says.

    Outdated replicas go first, then those with the highest number; existing ones are not replaced."""
    from fleetctl.commands.up import launch
    from fleetctl.controller import Order
    from fleetctl.plan.launch import Wishes

    fleet = source.load(dict(counts))
    wishes = Wishes(
        services=tuple(name for name, _ in counts), dependencies=not no_deps, no_recreate=True, grace=timeout
    )
    launch(fleet, Order(wishes=wishes, wait_timeout=wait_timeout, doing="scale"), output=output)
