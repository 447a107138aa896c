"""fleetctl rollback: put the former release of services back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, fleet_options, format_option, grace_option, wait_option

if TYPE_CHECKING:
    from fleetctl.commands.up import Picture
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.plan.outcome import RunReport
    from fleetctl.view.progress import Progress


@click.command("rollback", short_help="Put the former release of services back.")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE…")
@fleet_options
@grace_option
@wait_option
@format_option
def command(
    source: FleetSource, services: tuple[str, ...], timeout: float | None, wait_timeout: float, output: str
) -> None:
    """Put the former release of services back: the image and settings that the last update replaced, or is replacing.

    Follows deploy.rollback_config. A second rollback undoes the first. The next 'up' does what fleet.yaml says."""
    from fleetctl.commands.session import run_to_end, say_if_idle
    from fleetctl.commands.up import take_picture
    from fleetctl.controller import roll_back
    from fleetctl.plan.wishes import Wishes
    from fleetctl.work import Order

    fleet = source.load()
    wishes = Wishes(services=services, dependencies=False, grace=timeout)
    order = Order(wishes=wishes, wait_timeout=wait_timeout, doing="rollback")

    pictures: list[Picture] = []

    def work(engine: DockerHost, progress: Progress, stop: threading.Event) -> RunReport:
        report = roll_back(fleet, engine, progress, order, stop=stop, prepare=progress.prepare)
        if not report.failures and not report.interrupted:
            pictures.append(take_picture(fleet, engine))
        return report

    say_if_idle(run_to_end(work, command=order.doing))
    pictures[-1].show(fleet, output)
