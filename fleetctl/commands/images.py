"""fleetctl build and pull: the images alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, fleet_options
from fleetctl.commands.session import run_to_end, say_if_idle

if TYPE_CHECKING:
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.plan.outcome import RunReport
    from fleetctl.view.progress import Progress
    from fleetctl.work import Order


def make_images(source: FleetSource, order: Order, *, pull_only: bool) -> None:
    """Build or pull, with progress."""
    from fleetctl.controller import build_images

    fleet = source.load()

    def work(engine: DockerHost, progress: Progress, stop: threading.Event) -> RunReport:
        return build_images(fleet, engine, progress, order, stop=stop, pull_only=pull_only)

    say_if_idle(run_to_end(work, command=order.doing))


@click.command("build", short_help="Build the images whose context has changed.")
@click.argument("services", nargs=-1, metavar="[SERVICE]…")
@fleet_options
@click.option("--no-cache", is_flag=True, help="Do not use layers of earlier builds; builds even when unchanged.")
@click.option(
    "--pull", "pull_base", is_flag=True, help="Ask the registry for a newer base; builds even when unchanged."
)
@click.option("--force", is_flag=True, help="Hand every context to the engine, changed or not.")
def build(source: FleetSource, services: tuple[str, ...], no_cache: bool, pull_base: bool, force: bool) -> None:
    """Build the images whose context has changed."""
    from fleetctl.plan.wishes import Wishes
    from fleetctl.work import Order

    order = Order(
        wishes=Wishes(services=services, dependencies=False),
        build=force or no_cache or pull_base,
        no_cache=no_cache,
        pull_base=pull_base,
        doing="build",
    )
    make_images(source, order, pull_only=False)


@click.command("pull", short_help="Pull images that are not built here.")
@click.argument("services", nargs=-1, metavar="[SERVICE]…")
@fleet_options
@click.option("--policy", type=click.Choice(["always", "missing"]), default="always", show_default=True)
def pull(source: FleetSource, services: tuple[str, ...], policy: str) -> None:
    """Pull the images of services that are not built here."""
    from fleetctl.plan.wishes import Wishes
    from fleetctl.work import Order

    order = Order(
        wishes=Wishes(services=services, dependencies=False),
        pull=policy,  # type: ignore[arg-type]  # click.Choice checked it
        doing="pull",
    )
    make_images(source, order, pull_only=True)
