"""fleetctl stats: who is in rotation, and what has each of them had to do?"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, fleet_options, format_option
from fleetctl.commands.session import opened
from fleetctl.errors import ConfigError, FleetError
from fleetctl.state.rotation import service_in

if TYPE_CHECKING:
    from fleetctl.balancer.driver import Balancers
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.inquiry.rotation import Told
    from fleetctl.spec.model import Fleet, Service
    from fleetctl.state.observed import Replica
    from fleetctl.state.rotation import Rotation

EVERY = 1.0
"""Seconds between two pictures."""


@click.command("stats", short_help="Show who is in a balancer's rotation, and their requests.")
@click.argument("service", required=False)
@fleet_options
@click.option("-w", "--watch", is_flag=True, help="Draw it anew each second, until interrupted.")
@format_option
def command(source: FleetSource, service: str | None, watch: bool, output: str) -> None:
    """Show what the balancer says of every server: in rotation or not, requests under way, and how many it got, failed
    and retried; the last line is what the balancer's clients saw. SERVICE is a balancer or a service behind one.

    Counted since the balancer started or took over new settings. What containers use of CPU and memory is told by
    docker stats."""
    from fleetctl.balancer.driver import Balancers
    from fleetctl.inquiry.rotation import chosen_balancers

    if watch and (output != "table" or not sys.stdout.isatty()):
        raise ConfigError("--watch draws a table on a terminal", hint="programs ask again with --format json")
    fleet = source.load()
    chosen_balancers(fleet, service)
    with opened() as engine:
        if watch:
            follow(fleet, engine, service)
        with Balancers(engine, fleet.name) as balancers:
            picture = look(fleet, engine, balancers, service)
    if picture.shown:
        show(fleet, picture, output)
    refuse_silence(picture)


@dataclass(frozen=True, slots=True)
class Picture:
    """Of one moment: what the balancers `told`, as far as it is `shown`, and why others told nothing."""

    replicas: Sequence[Replica]
    told: Told
    shown: Sequence[tuple[Replica, Service, Rotation]]
    silent: Sequence[FleetError]


def look(fleet: Fleet, engine: DockerHost, balancers: Balancers, name: str | None) -> Picture:
    """The balancers that have to do with the service of that name, or all."""
    from fleetctl.inquiry.rotation import Told, ask_balancers, chosen_balancers

    services = chosen_balancers(fleet, name)
    replicas = engine.observe_replicas(fleet.name)
    own = [(one, service) for service in services for one in replicas if one.service == service.name]
    told = ask_balancers(fleet, [one for one, _ in own], balancers)
    missing = {service.name for service in services} - {one.service for one, _ in own}
    silent = [FleetError(f"balancer {one} has no container", hint="start it with 'fleetctl up'") for one in missing]
    silent += [
        FleetError(f"balancer {one.name} is {one.state}, so it tells nothing", hint="'fleetctl up' makes it run")
        for one, _ in own
        if one.state != "running"
    ]
    return Picture(
        replicas,
        Told(told.rotations),
        [
            (one, service, behind(told.rotations[one.id], service, name))
            for one, service in own
            if one.id in told.rotations
        ],
        [*silent, *told.silent.values()],
    )


def behind(rotation: Rotation, balancer: Service, name: str | None) -> Rotation:
    """The pools of one service that is balanced; all for the balancer's own name."""
    if name in (None, balancer.name):
        return rotation
    pools = {pool: servers for pool, servers in rotation.servers.items() if service_in(pool) == name}
    return replace(rotation, servers=pools)


def show(fleet: Fleet, picture: Picture, output: str) -> None:
    from fleetctl.commands.ps import find_rotation_drift, tell_drift
    from fleetctl.view.documents import show_document
    from fleetctl.view.rotation import rotations_document, show_rotations

    if output == "json":
        show_document(rotations_document(fleet.name, picture.shown, picture.replicas))
        return
    show_rotations(picture.shown, picture.replicas)
    pools = picture.told.pools(fleet, picture.replicas)
    tell_drift(find_rotation_drift(picture.replicas, picture.told, pools, ()), None)


def refuse_silence(picture: Picture) -> None:
    """Raise the last reason why a balancer told nothing, with the others shown before it."""
    from fleetctl.view.terminal import show_error

    for error in picture.silent[:-1]:
        show_error(error)
    if picture.silent:
        raise picture.silent[-1]


def follow(fleet: Fleet, engine: DockerHost, name: str | None) -> None:
    """Draw it every second, until interrupted. A balancer that is replaced meanwhile is asked as soon as it runs; a
    session that stayed open would keep it from stopping."""
    from fleetctl.balancer.driver import Balancers
    from fleetctl.view.terminal import show_error
    from fleetctl.view.watching import redraw

    # A shell without job control starts what is in its background with SIGINT ignored; there is no other end of this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    while True:
        with Balancers(engine, fleet.name) as balancers:
            picture = look(fleet, engine, balancers, name)

        def draw() -> None:
            show(fleet, picture, "table")  # noqa: B023  # drawn before the next round
            for error in picture.silent:  # noqa: B023
                show_error(error)

        redraw(draw)
        time.sleep(EVERY)
