"""fleetctl plan: what up would do, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, ScaleType, fleet_options, format_option
from fleetctl.commands.session import opened
from fleetctl.errors import ConfigError, FleetError

if TYPE_CHECKING:
    from fleetctl.plan.steps import Plan
    from fleetctl.spec.model import Fleet
    from fleetctl.work import Order


@click.command("plan", short_help="Show what up would do, and why.")
@click.argument("services", nargs=-1, metavar="[SERVICE]…")
@fleet_options
@click.option(
    "--exit-code",
    is_flag=True,
    help="Exit 1 when there is something to do, 0 when there is nothing, 2 or more on errors.",
)
@click.option("--build", is_flag=True, help="As if up --build were asked for.")
@click.option("--scale", type=ScaleType(), multiple=True, help="As if up --scale were asked for.")
@click.option("--force-recreate", is_flag=True, help="As if up --force-recreate were asked for.")
@click.option("--no-deps", is_flag=True, help="As if up --no-deps were asked for.")
@click.option("--remove-orphans", is_flag=True, help="As if up --remove-orphans were asked for.")
@format_option
@click.pass_context
def command(
    context: click.Context,
    source: FleetSource,
    services: tuple[str, ...],
    exit_code: bool,
    build: bool,
    scale: tuple[tuple[str, int], ...],
    force_recreate: bool,
    no_deps: bool,
    remove_orphans: bool,
    output: str,
) -> None:
    """Show what up would do and why. Only looks: nothing is written, built, pulled or locked."""
    from fleetctl.plan.wishes import Wishes
    from fleetctl.work import Order

    fleet = source.load(dict(scale))
    wishes = Wishes(
        services=services,
        dependencies=not no_deps,
        force_recreate=force_recreate,
        remove_orphans=remove_orphans,
    )
    try:
        plan = show_preview(fleet, Order(wishes=wishes, build=build), output)
    except FleetError as error:
        if exit_code and error.exit_code == FleetError.exit_code:
            # 1 says that there is something to do.
            error.exit_code = ConfigError.exit_code
        raise
    if exit_code and plan:
        context.exit(1)


def show_preview(fleet: Fleet, order: Order, output: str) -> Plan:
    """Print the plan as a table or as JSON."""
    from fleetctl.controller import preview
    from fleetctl.view.documents import plan_document, show_document
    from fleetctl.view.plans import show_plan
    from fleetctl.view.terminal import note, warn

    with opened() as engine:
        plan = preview(fleet, engine, order)
    if output == "json":
        show_document(plan_document(fleet.name, plan))
        return plan
    for notice in plan.notices:
        warn(notice)
    if plan:
        show_plan(plan)
    else:
        note("nothing to do")
    return plan
