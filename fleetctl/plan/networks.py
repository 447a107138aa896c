"""Decides which networks and volumes to make, keep or replace, and which subnet a new network gets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleetctl.errors import FleetError, ResourceExhausted
from fleetctl.plan.actions import (
    CreateNetwork,
    CreateVolume,
    Ref,
    RemoveNetwork,
)
from fleetctl.plan.reasons import changed_keys, describe_changes
from fleetctl.plan.steps import Draft
from fleetctl.plan.teardown import plan_removal
from fleetctl.spec.digest import network_digests
from fleetctl.spec.model import AddressRange, Fleet, Network, Service, Subnet
from fleetctl.state.observed import Observed, ObservedNetwork, Replica

MOST_BRIDGE_PORTS = 1000
"""The kernel allows 1,023 ports a bridge (BR_MAX_PORTS, net/bridge/br_private.h); broadcasts drop before that."""

AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class NetworkRefs:
    """Per key of fleet.yaml the network that will be there, the steps it waits for, and the ids of the replicas that
    have to go with a network that is replaced."""

    refs: Mapping[str, Ref]
    after: Mapping[str, tuple[str, ...]]
    removed: Mapping[str, str]
    """Container id -> step that removes it."""


def plan_networks(
    draft: Draft, fleet: Fleet, observed: Observed, services: Iterable[Service], *, grace: float | None = None
) -> NetworkRefs:
    """Add the steps for every network that `services` use. Raises ResourceExhausted when addresses cannot suffice."""
    refs: dict[str, Ref] = {}
    after: dict[str, tuple[str, ...]] = {}
    removed: dict[str, str] = {}
    wanted = {key for service in services for key in service.networks}
    known = {cidr for network in observed.networks for cidr, _ in network.subnets}
    taken = [ipaddress.ip_network(cidr) for cidr in sorted(known | {*observed.routes})]
    for key, network in fleet.networks.items():
        if key not in wanted:
            continue
        check_capacity(fleet, network)
        if network.external:
            refs[key], after[key] = find_external(network, observed), ()
            continue
        found = find_own(draft, network, observed)
        digests = network_digests(network)
        if found is not None:
            changed = changed_keys(found.digests, digests)
            if not changed:
                refs[key], after[key] = Ref(found.name, id=found.id), ()
                continue
            because = describe_changes(f"networks.{key}", changed)
            for cidr, _ in found.subnets:
                taken.remove(ipaddress.ip_network(cidr))
        else:
            because = "it does not exist"
            refuse_stranger(network, observed)
        waits: list[str] = []
        if found is not None:
            for replica in attached(observed, found):
                if replica.id not in removed:
                    reason = f"its network {network.engine_name} has to be made anew: {because}"
                    removed[replica.id] = plan_removal(draft, replica, reason, grace=grace)
                waits.append(removed[replica.id])
            waits = [draft.add(RemoveNetwork(Ref(found.name, id=found.id)), because, after=tuple(waits))]
        subnets = network.subnets or (choose_subnet(fleet.addresses, taken),)
        taken.extend(ipaddress.ip_network(entry.subnet) for entry in subnets)
        told = f"{because} (subnet {', '.join(entry.subnet for entry in subnets)})"
        step = draft.add(CreateNetwork(fleet.name, network, subnets, digests), told, after=tuple(waits))
        refs[key], after[key] = Ref(network.engine_name, made_by=step), (step,)
    return NetworkRefs(refs, after, removed)


def plan_volumes(
    draft: Draft, fleet: Fleet, observed: Observed, services: Iterable[Service]
) -> dict[str, tuple[str, ...]]:
    """Add the steps for every named volume that `services` use; returns, per key, the steps to wait for."""
    wanted = {
        mount.source
        for service in services
        for mount in service.mounts
        if mount.kind == "volume" and mount.source is not None
    }
    after: dict[str, tuple[str, ...]] = {}
    present = {volume.name: volume for volume in observed.volumes}
    for key, volume in fleet.volumes.items():
        if key not in wanted:
            continue
        found = present.get(volume.engine_name)
        after[key] = ()
        if volume.external:
            if found is None:
                raise FleetError(
                    f"external volume {volume.engine_name} does not exist",
                    hint=f"make it with 'docker volume create {volume.engine_name}', or drop 'external'",
                )
        elif found is None:
            after[key] = (draft.add(CreateVolume(fleet.name, volume), "it does not exist"),)
        elif found.fleet != fleet.name:
            raise FleetError(
                f"a volume named {volume.engine_name} exists and is not this fleet's; it is left untouched",
                hint=f"give volumes.{key} another 'name:', or say 'external: true' to use it",
            )
    return after


def find_own(draft: Draft, network: Network, observed: Observed) -> ObservedNetwork | None:
    """This fleet's network of that key: of several (two runs raced) the most used, then the oldest; the unused rest is
    removed."""
    found = sorted(
        (candidate for candidate in observed.own_networks() if candidate.key == network.key),
        key=lambda candidate: (-len(attached(observed, candidate)), candidate.created, candidate.id),
    )
    for extra in found[1:]:
        if not attached(observed, extra):
            draft.add(RemoveNetwork(Ref(extra.name, id=extra.id)), f"it doubles {found[0].name}; nobody uses it")
    return found[0] if found else None


def attached(observed: Observed, network: ObservedNetwork) -> list[Replica]:
    """This fleet's replicas that are plugged into the network."""
    return [
        replica
        for replica in observed.replicas
        if any(endpoint.network_id == network.id for endpoint in replica.endpoints.values())
    ]


def find_external(network: Network, observed: Observed) -> Ref:
    """The network that somebody else made; raises FleetError when it is missing or there are several."""
    found = [candidate for candidate in observed.networks if candidate.name == network.engine_name]
    if not found:
        raise FleetError(
            f"external network {network.engine_name} does not exist",
            hint=f"make it with 'docker network create {network.engine_name}', or drop 'external'",
        )
    if len(found) > 1:
        ids = ", ".join(candidate.id[:12] for candidate in found)
        raise FleetError(
            f"{len(found)} networks are named {network.engine_name}: {ids}",
            hint="remove all but one by its id: docker network rm ID",
        )
    return Ref(found[0].name, id=found[0].id)


def refuse_stranger(network: Network, observed: Observed) -> None:
    """Raise FleetError when the name is taken by a network that is not this fleet's."""
    for candidate in observed.networks:
        if candidate.name == network.engine_name:
            owner = f"fleet {candidate.fleet}" if candidate.fleet else "not made by fleetctl"
            raise FleetError(
                f"a network named {network.engine_name} ({candidate.id[:12]}) exists, {owner}; it is left untouched",
                hint=f"give networks.{network.key} another 'name:', or say 'external: true' to use it",
            )


def choose_subnet(addresses: AddressRange, taken: Iterable[AnyNetwork]) -> Subnet:
    """The first free subnet of the fleet's range; its gateway is its first address."""
    used = list(taken)
    for candidate in ipaddress.ip_network(addresses.block).subnets(new_prefix=addresses.prefix):
        if not any(candidate.version == other.version and candidate.overlaps(other) for other in used):
            return Subnet(str(candidate), gateway=str(candidate[1]))
    raise ResourceExhausted(
        f"no free /{addresses.prefix} subnet is left in {addresses.block}",
        hint="remove networks you no longer need (docker network ls), or set x-fleet.addresses.block",
    )


def check_capacity(fleet: Fleet, network: Network) -> None:
    """Refuse, before anything is made, a network that cannot hold its replicas."""
    replicas = wanted_replicas(fleet, network)
    if network.driver == "bridge" and replicas > MOST_BRIDGE_PORTS:
        raise ResourceExhausted(
            f"network {network.key} would get {replicas} replicas; a bridge holds at most {MOST_BRIDGE_PORTS} "
            "(the kernel allows 1,023 ports)",
            hint="spread the services over several networks",
        )
    spare = spare_addresses(fleet, network)
    if spare < 0:
        blocks = ", ".join(entry.ip_range or entry.subnet for entry in network.subnets)
        raise ResourceExhausted(
            f"network {network.key} ({blocks or f'a /{fleet.addresses.prefix}'}) has {max(0, spare + replicas)} "
            f"addresses for {replicas} replicas",
            hint=f"give networks.{network.key}.ipam a larger subnet, or ask for fewer replicas",
        )


def wanted_replicas(fleet: Fleet, network: Network) -> int:
    return sum(service.replicas for service in fleet.services.values() if network.key in service.networks)


def spare_addresses(fleet: Fleet, network: Network) -> int:
    """How many IPv4 addresses are left once every wanted replica has one; negative when they do not suffice. The
    network's own and broadcast address, the gateway and the auxiliary addresses are not available. Of an external
    network nothing is known: it is taken to have room."""
    if network.external:
        return MOST_BRIDGE_PORTS
    blocks = [(ipaddress.ip_network(entry.ip_range or entry.subnet), entry) for entry in network.subnets]
    sizes = [
        block.num_addresses - (3 if entry.ip_range is None else 0) - len(entry.aux_addresses)
        for block, entry in blocks
        if block.version == 4
    ]
    size = sum(sizes) if sizes else 2 ** (32 - fleet.addresses.prefix) - 3
    return size - wanted_replicas(fleet, network)
