"""fleetctl scale: run more or fewer replicas of a service."""

from __future__ import annotations

import click

from fleetctl.commands.options import FleetSource, ScaleType, fleet_options, format_option, grace_option, wait_option


@click.command("scale", short_help="Run more or fewer replicas of a service.")
@click.argument("counts", nargs=-1, required=True, type=ScaleType(), metavar="SERVICE=COUNT…")
@fleet_options
@click.option("--no-deps", is_flag=True, help="Leave out the services that the named ones depend on.")
@grace_option
@wait_option
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

    Those that do not serve go first, then outdated ones, then the highest numbers; outdated ones that stay
    are not replaced."""
    from fleetctl.commands.up import launch
    from fleetctl.plan.wishes import Wishes
    from fleetctl.work import Order

    fleet = source.load(dict(counts))
    wishes = Wishes(
        services=tuple(name for name, _ in counts), dependencies=not no_deps, no_recreate=True, grace=timeout
    )
    launch(fleet, Order(wishes=wishes, wait_timeout=wait_timeout, doing="scale"), output=output)
