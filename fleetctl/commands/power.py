"""fleetctl start, stop and restart: what exists already, without making anything new."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, fleet_options, grace_option, wait_option
from fleetctl.commands.session import run_to_end, say_if_idle

if TYPE_CHECKING:
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.plan.outcome import RunReport
    from fleetctl.plan.steps import Plan
    from fleetctl.spec.model import Fleet, Service
    from fleetctl.state.observed import Observed
    from fleetctl.view.progress import Progress


def run_plan(
    source: FleetSource,
    services: tuple[str, ...],
    decide: Callable[[Fleet, Observed, list[Service]], Plan],
    *,
    doing: str,
    wait_timeout: float = 60.0,
) -> None:
    """Load the fleet, choose the services, decide with `decide` and carry it out."""
    from fleetctl.controller import carry_out
    from fleetctl.plan.order import select_services
    from fleetctl.work import Order

    fleet = source.load()
    chosen = select_services(fleet, services, dependencies=False)

    def work(engine: DockerHost, progress: Progress, stop: threading.Event) -> RunReport:
        return carry_out(
            fleet,
            engine,
            progress,
            lambda observed: decide(fleet, observed, chosen),
            Order(doing=doing, wait_timeout=wait_timeout),
            stop=stop,
            prepare=progress.prepare,
            needless=[service.name for service in chosen],
        )

    say_if_idle(run_to_end(work, command=doing))


@click.command("start", short_help="Start replicas that were stopped.")
@click.argument("services", nargs=-1, metavar="[SERVICE]…")
@fleet_options
@wait_option
def start(source: FleetSource, services: tuple[str, ...], wait_timeout: float) -> None:
    """Start replicas that were stopped, and wait until they are ready."""
    from fleetctl.plan.power import plan_start

    run_plan(source, services, plan_start, doing="start", wait_timeout=wait_timeout)


@click.command("stop", short_help="Stop replicas and keep them.")
@click.argument("services", nargs=-1, metavar="[SERVICE]…")
@fleet_options
@grace_option
def stop(source: FleetSource, services: tuple[str, ...], timeout: float | None) -> None:
    """Stop replicas and keep them, for 'fleetctl start'."""
    from fleetctl.plan.power import plan_stop

    run_plan(
        source,
        services,
        lambda fleet, observed, chosen: plan_stop(fleet, observed, chosen, grace=timeout),
        doing="stop",
    )


@click.command("restart", short_help="Restart replicas one after the other.")
@click.argument("services", nargs=-1, metavar="[SERVICE]…")
@fleet_options
@grace_option
@wait_option
def restart(source: FleetSource, services: tuple[str, ...], timeout: float | None, wait_timeout: float) -> None:
    """Restart replicas one after the other, the next when the one before is ready again.

    Where they are balanced each leaves the rotation first, and comes back into it."""
    from fleetctl.plan.power import plan_restart

    run_plan(
        source,
        services,
        lambda fleet, observed, chosen: plan_restart(fleet, observed, chosen, grace=timeout),
        doing="restart",
        wait_timeout=wait_timeout,
    )
