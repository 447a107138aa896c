"""fleetctl ps: the replicas there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, fleet_options, format_option
from fleetctl.commands.session import opened, select_replicas
from fleetctl.state.observed import AT_REST

if TYPE_CHECKING:
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.inquiry.rotation import Told
    from fleetctl.plan.rotation import Pools
    from fleetctl.spec.model import Fleet
    from fleetctl.state.observed import Replica

FILTERS = ("status", "service", "health", "name")


@click.command("ps", short_help="List the replicas.")
@click.argument("names", nargs=-1, metavar="[SERVICE]…")
@fleet_options
@click.option("-a", "--all", "every", is_flag=True, help="Show replicas that do not run, too.")
@click.option("-q", "--quiet", is_flag=True, help="Print ids only.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help=f"Keep what fits; keys: {', '.join(FILTERS)}.",
)
@click.option("--no-trunc", is_flag=True, help="Do not shorten commands.")
@format_option
def command(
    source: FleetSource,
    names: tuple[str, ...],
    every: bool,
    quiet: bool,
    filters: tuple[str, ...],
    no_trunc: bool,
    output: str,
) -> None:
    """List the replicas with their addresses and the identity each of them gives right now; where the fleet has a
    balancer, with whether they are in its rotation, too."""
    from fleetctl.lock import other_run
    from fleetctl.view.documents import replicas_document, show_document
    from fleetctl.view.tables import show_replicas
    from fleetctl.view.terminal import write

    wanted = parse_filters(filters)
    fleet = source.load_name()
    with opened() as engine:
        run = other_run(engine.endpoint, fleet.name)
        everything = engine.observe_replicas(fleet.name)
        chosen = select_replicas(fleet, everything, names)
        by_status = any(key == "status" for key, _ in wanted)
        replicas = [
            replica
            for replica in chosen
            if (every or by_status or output == "json" or replica.state not in AT_REST) and fits(replica, wanted)
        ]
        if quiet:
            for replica in replicas:
                write(replica.id if no_trunc else replica.id[:12])
            return
        with ThreadPoolExecutor(1) as aside:
            asked = aside.submit(ask_rotation, fleet, engine, everything)
            instances = identify(fleet, replicas, host=engine.host)
            told = asked.result()
        pools = told.pools(fleet, everything) if told is not None else None
        standings = stand(everything, pools) if pools is not None else None
        if output == "json":
            document = replicas_document(fleet, engine.inspect(replicas), instances, standings)
            show_document(document)
            return
    shown = {name: standing or "-" for name, standing in standings.items()} if standings is not None else None
    identities = {name: identity or "-" for name, identity in instances.items()}
    show_replicas(replicas, identities, full=no_trunc, standings=shown)
    drift = find_drift(fleet, everything, names)
    if told is not None and pools is not None:
        drift += find_rotation_drift(everything, told, pools, names)
    tell_drift(drift, run)
    if not names:
        tell_hidden(everything, shown=replicas)


def parse_filters(filters: Iterable[str]) -> list[tuple[str, str]]:
    parsed = []
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or key not in FILTERS:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE with a key of {', '.join(FILTERS)}")
        parsed.append((key, value))
    return parsed


def fits(replica: Replica, filters: Iterable[tuple[str, str]]) -> bool:
    """Whether a replica fits every key; several values of one key are alternatives, as in Docker."""
    values = {"status": replica.state, "service": replica.service, "health": replica.health, "name": replica.name}
    asked: dict[str, set[str]] = {}
    for key, value in filters:
        asked.setdefault(key, set()).add(value)
    return all(values[key] in wanted for key, wanted in asked.items())


def identify(fleet: Fleet, replicas: Sequence[Replica], *, host: str | None) -> dict[str, str | None]:
    """The identity that each running replica of an HTTP service gives, asked now; short patience."""
    from fleetctl.check.replicas import check_replicas

    pairs = [
        (replica, fleet.services[replica.service])
        for replica in replicas
        if replica.service in fleet.services and replica.state == "running"
    ]
    return {reply.replica: reply.identity for reply in check_replicas(pairs, host=host, timeout=2.0)}


def ask_rotation(fleet: Fleet, engine: DockerHost, replicas: Sequence[Replica]) -> Told | None:
    """What the fleet's balancers tell; None where it has none."""
    if not any(service.balance for service in fleet.services.values()):
        return None
    from fleetctl.balancer.driver import Balancers
    from fleetctl.inquiry.rotation import ask_balancers

    with Balancers(engine, fleet.name) as balancers:
        return ask_balancers(fleet, replicas, balancers)


def stand(replicas: Sequence[Replica], pools: Mapping[str, Pools | None]) -> dict[str, str | None]:
    """How each replica stands with its balancers, by name."""
    from fleetctl.view.rotation import standing

    return {replica.name: standing(pools.get(replica.service), replica) for replica in replicas}


def tell_drift(drift: Sequence[str], run: str | None) -> None:
    """Say on stderr where what runs is not what the file asks for, and whether a run may be about to change that."""
    from fleetctl.view.terminal import warn

    if drift and run is not None:
        warn(f"{run}: until it is through, what follows may be its doing")
    for told in drift:
        warn(told)


def tell_hidden(everything: Sequence[Replica], *, shown: Sequence[Replica]) -> None:
    """Say how many replicas are not in the table since they do not run."""
    from fleetctl.view.terminal import note

    hidden = len([replica for replica in everything if replica.state in AT_REST and replica not in shown])
    if hidden:
        note(f"({hidden} not running; -a shows {'it' if hidden == 1 else 'them'})")


def find_drift(fleet: Fleet, everything: Sequence[Replica], names: Sequence[str]) -> list[str]:
    """Where what runs is not what the file asks for."""
    from fleetctl.plan.order import find_orphans, has_done_its_work
    from fleetctl.spec.wording import counted

    drift = []
    for service in fleet.services.values():
        if names and service.name not in names:
            continue
        own = [replica for replica in everything if replica.service == service.name]
        running = sum(replica.state == "running" for replica in own)
        done = sum(has_done_its_work(fleet, replica) for replica in own)
        if running + done != service.replicas:
            found = f"{running} running, {done} done" if done else f"{running} running"
            wanted = counted(service.replicas, "replica")
            drift.append(f"{service.name}: the file asks for {wanted}, {found}; 'fleetctl up' makes it so")
    orphans = ", ".join(sorted({replica.service for replica in find_orphans(fleet, everything)}))
    if orphans and fleet.services:
        drift.append(f"services that are not in the file: {orphans}; 'fleetctl up --remove-orphans' removes them")
    return drift


def find_rotation_drift(
    everything: Sequence[Replica], told: Told, pools: Mapping[str, Pools | None], names: Sequence[str]
) -> list[str]:
    """Where balancers do not do what the file asks for: with a replica that runs, or at all."""
    from fleetctl.plan.rotation import out_of_rotation

    by_id = {replica.id: replica for replica in everything}
    drift = [error.message for error in told.silent.values()]
    for container_id, rotation in told.rotations.items():
        if not rotation.settled:
            drift.append(
                f"{by_id[container_id].name} runs with other settings than it should; 'fleetctl up' makes it so"
            )
    for replica in everything:
        own = pools.get(replica.service)
        if not own or replica.state != "running" or (names and replica.service not in names):
            continue
        why = out_of_rotation(own, replica)
        if why is not None:
            drift.append(f"{replica.name}: {why}; 'fleetctl up' makes it so")
    return drift
