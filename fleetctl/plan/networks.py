"""Decides which networks and volumes to make, keep or replace."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fleetctl.errors import FleetError
from fleetctl.plan.actions import (
    CreateNetwork,
    CreateVolume,
    Ref,
    RemoveNetwork,
)
from fleetctl.plan.reasons import changed_keys, describe_changes
from fleetctl.plan.steps import Draft
from fleetctl.plan.subnets import check_capacity, choose_subnet, taken_subnets
from fleetctl.plan.teardown import plan_removal
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.digest import network_digests, volume_digests
from fleetctl.spec.model import Fleet, Network, Service
from fleetctl.state.observed import Observed, ObservedNetwork, Replica


@dataclass(frozen=True, slots=True)
class NetworkRefs:
    """Per key of fleet.yaml the network that will be there and the steps it waits for; the ids of the replicas that
    have to go with a network that is replaced; and networks that are to go once nobody uses them any more."""

    refs: Mapping[str, Ref]
    after: Mapping[str, tuple[str, ...]]
    removed: Mapping[str, str]
    """Container id -> step that removes it."""
    doubles: tuple[ObservedNetwork, ...]


def chooses_subnets(fleet: Fleet) -> bool:
    """Whether a network leaves its subnet to us, so that another look can find another one."""
    return any(not (network.subnets or network.external) for network in fleet.networks.values())


def plan_networks(
    draft: Draft, fleet: Fleet, observed: Observed, services: Collection[Service], wishes: Wishes
) -> NetworkRefs:
    """Add the steps for every network that `services` use. Raises FleetError where somebody else's object is in the
    way, and ResourceExhausted when addresses cannot suffice."""
    refs: dict[str, Ref] = {}
    after: dict[str, tuple[str, ...]] = {}
    removed: dict[str, str] = {}
    doubles: list[ObservedNetwork] = []
    wanted = {key for service in services for key in service.networks}
    taken = taken_subnets(observed)
    for key, network in fleet.networks.items():
        if key not in wanted:
            continue
        check_capacity(fleet, network)
        if network.external:
            refs[key], after[key] = find_external(network, observed), ()
            continue
        own = find_own(network, observed)
        found = own[0] if own else None
        doubles += own[1:]
        digests = network_digests(network)
        waits: tuple[str, ...] = ()
        if found is None:
            because = "it does not exist"
            refuse_stranger(network, observed)
        else:
            changed = changed_keys(found.digests, digests)
            if not changed:
                refs[key], after[key] = Ref(found.name, id=found.id), ()
                continue
            because = describe_changes(f"networks.{key}", changed)
            refuse_bystanders(fleet, observed, found, services, wishes, because)
            waits = (remove_with_replicas(draft, observed, found, because, removed, wishes),)
            freed = {ipaddress.ip_network(cidr) for cidr, _ in found.subnets}
            taken = [block for block in taken if block not in freed]
        subnets = network.subnets or (choose_subnet(fleet.addresses, taken),)
        taken += [ipaddress.ip_network(entry.subnet) for entry in subnets]
        told = f"{because} (subnet {', '.join(entry.subnet for entry in subnets)})"
        step = draft.add(CreateNetwork(fleet.name, network, subnets, digests), told, after=waits)
        refs[key], after[key] = Ref(network.engine_name, made_by=step), (step,)
    return NetworkRefs(refs, after, removed, tuple(doubles))


def remove_with_replicas(
    draft: Draft,
    observed: Observed,
    network: ObservedNetwork,
    because: str,
    removed: dict[str, str],
    wishes: Wishes,
) -> str:
    """Add the steps that remove a network's replicas, noted in `removed`, and then the network; returns the last."""
    waits = []
    for replica in attached(observed, network):
        if replica.id not in removed:
            reason = f"its network {network.name} has to be made anew: {because}"
            removed[replica.id] = plan_removal(draft, replica, reason, grace=wishes.grace)
        waits.append(removed[replica.id])
    return draft.add(RemoveNetwork(Ref(network.name, id=network.id)), because, after=tuple(waits))


def plan_doubles(draft: Draft, networks: NetworkRefs, ready: tuple[str, ...]) -> None:
    """Remove the networks that double another one, once every replica of theirs is replaced."""
    for double in networks.doubles:
        draft.add(RemoveNetwork(Ref(double.name, id=double.id)), "it doubles another network", after=ready)


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
        # One that says nothing was made by a version that noted nothing.
        elif found.digests and (changed := changed_keys(found.digests, volume_digests(volume))):
            draft.notices.append(
                f"{describe_changes(f'volumes.{key}', changed)}, but {found.name} exists and stays as it is: only "
                "'fleetctl down -v', which removes its data, and then 'fleetctl up' make it anew"
            )
    return after


def find_own(network: Network, observed: Observed) -> list[ObservedNetwork]:
    """This fleet's networks of that key: of several (two runs raced) the most used first, then the oldest."""
    return sorted(
        (candidate for candidate in observed.own_networks() if candidate.key == network.key),
        key=lambda candidate: (-len(attached(observed, candidate)), candidate.created, candidate.id),
    )


def refuse_bystanders(
    fleet: Fleet,
    observed: Observed,
    network: ObservedNetwork,
    services: Collection[Service],
    wishes: Wishes,
    because: str,
) -> None:
    """Raise FleetError when somebody is attached to a network that has to be made anew and would not come back."""
    ours = {replica.id for replica in observed.replicas}
    strangers = sorted(name for container_id, name in network.attached.items() if container_id not in ours)
    why = f"network {network.name} has to be made anew ({because})"
    if strangers:
        raise FleetError(
            f"{why}, but {', '.join(strangers)} is attached, which is not this fleet's",
            hint=f"docker network disconnect {network.name} {strangers[0]}, then run again",
        )
    chosen = {service.name for service in services}
    others = [replica for replica in attached(observed, network) if replica.service not in chosen]
    left_out = sorted({replica.service for replica in others if replica.service in fleet.services})
    if left_out:
        raise FleetError(
            f"{why}, which takes {', '.join(left_out)} down, too", hint="run it for all services: fleetctl up"
        )
    if others and not wishes.remove_orphans:
        raise FleetError(
            f"{why}, but {', '.join(replica.name for replica in others)} would not come back: no active service",
            hint="--remove-orphans removes what is not in the file; --profile activates a service",
        )


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
