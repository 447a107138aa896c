"""A target that is no container of the engine: a name, a port of the host, an address outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from fleetctl.diagnosis import addresses, answers, filtering, links, naming, outward, unlisted
from fleetctl.diagnosis.scene import Evidence, Finding, Judged, Scene, Target, Way, finding, unknown_cause
from fleetctl.state.observed import Replica


def examine(target: Target, judged: Iterable[Judged], scene: Scene) -> Iterator[Finding]:
    """What is wrong with a target that is no container of the engine."""
    if target.problem is not None:
        yield target.problem
        return
    for one in judged:
        if one.good:
            yield from answers.refused((one.way,), target.path, f"{one.way.address}:{one.way.port}")
        if one.good is not False:
            continue
        found = [part for part in naming.name(one.way, target, scene) if isinstance(part, Finding)]
        if one.way.client is not None and ip_address(one.way.address).is_loopback:
            found.append(itself(one.way.client, one.way, scene))
        elif one.way.client is not None and one.way.resolution is None:
            found += outward.egress(one.way.client, scene)
            found += filtering.examine(one.way, None, scene)
            found += outward_of(one.way.client, scene)
        refused = one.way.last is not None and one.way.last.error == "ECONNREFUSED"
        yield from found or [
            unknown_cause(
                "socket" if refused else "route",
                f"{one.way.address}:{one.way.port}",
                Evidence(f"from {one.way.source}: {one.told}"),
                *unlisted.peculiar(one.way, None, scene),
                cure="no container of this engine has or publishes this address: look at the host that has it",
            )
        ]


def itself(client: Replica, way: Way, scene: Scene) -> Finding:
    """A client that asks its own loopback for a port of the host or of another container."""
    seen = Evidence(f"{way.address} in {client.name} is {client.name} itself, and nothing answers there at {way.port}")
    others = [one for one in scene.containers if any(port.host_port == way.port for port in one.ports)]
    others += [
        one
        for one in scene.containers
        if one.id != client.id and any(item.port == way.port for item in scene.inside(one).listeners or ())
    ]
    meant = next((one for one in others if set(one.endpoints) & set(client.endpoints)), next(iter(others), None))
    told = (Evidence(f"port {way.port} is {meant.name}'s"),) if meant else ()
    cure = f"ask {meant.name if meant else 'the other container'} by its name, in a network that both are in"
    return finding("localhost-is-the-client", client.name, seen, *told, cure=cure)


def outward_of(client: Replica, scene: Scene) -> Iterator[Finding]:
    for network in scene.topology.networks:
        if any(one.network_id == network.id for one in client.endpoints.values()):
            parts = (*links.examine(client, network, scene, role="client"), *addresses.outward(client, network, scene))
            yield from (part for part in parts if isinstance(part, Finding))
