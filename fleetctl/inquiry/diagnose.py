"""From what somebody asks to the verdicts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fleetctl.balancer.driver import Balancers
from fleetctl.diagnosis.scene import Verdict
from fleetctl.engine.docker_host import DockerHost
from fleetctl.inquiry.cases import Case
from fleetctl.inquiry.inquiry import Inquiry
from fleetctl.inquiry.rotation import ask_balancers, balancing
from fleetctl.inquiry.targets import as_address, chosen_client, every_service, find, merged, parse
from fleetctl.inquiry.world import host_of, http_of, inspected, look, path_key
from fleetctl.plan.order import has_done_its_work
from fleetctl.spec.model import Fleet
from fleetctl.vantage.base import Vantage


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be diagnosed: targets as they were written (none: the fleet), and the client and target of one way."""

    targets: tuple[str, ...] = ()
    client: str | None = None
    to: str | None = None


def diagnose(fleet: Fleet | None, engine: DockerHost, vantage: Vantage, asked: Asked) -> tuple[Verdict, ...]:
    """One verdict for each container that is meant, in the order asked."""
    world = look(fleet, engine)
    client = chosen_client(asked.client, world) if asked.client not in (None, "host") else None
    texts = (*asked.targets, *((asked.to,) if asked.to else ()))
    wanted = tuple(parse(text) for text in texts) if texts else every_service(world)
    if any(as_address(item.host) or not world.named(item.host) for item in wanted):
        world = inspected(world, (), engine)  # only inspection tells aliases, and what was to be published
    meant = merged([one for item in wanted for one in find(item, world, client=client)])
    if fleet is not None and not texts:
        meant = tuple(one for one in meant if not (one.container and has_done_its_work(fleet, one.container)))
    world = inspected(world, [one for one in (client, *(item.container for item in meant)) if one is not None], engine)
    if fleet is not None:
        services = {one.container.service for one in meant if one.container and one.container.id in world.own}
        concerned = {one.name for name in services for one in balancing(fleet, name)}
        told_by = [one for one in world.of_fleet() if one.service in concerned]
        with Balancers(engine, fleet.name) as balancers:
            world = replace(world, rotations=ask_balancers(fleet, told_by, balancers).rotations)
    known = {one.id: one for one in world.containers}
    cases = [
        Case(
            replace(one, container=known[one.container.id]) if one.container else one,
            http_of(world, one.container, one.port),
            one.host or host_of(world, one.container, one.port),
            path_key(world, one.container, one.port),
        )
        for one in meant
    ]
    inquiry = Inquiry(engine, vantage, world, known[client.id] if client else None, from_named=asked.client is not None)
    return inquiry.run(cases)
