"""Decides which networks and volumes to make, keep or replace."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from fleetctl.errors import FleetError
from fleetctl.plan.actions import (
    CreateNetwork,
    CreateVolume,
    Ref,
    RemoveNetwork,
)
from fleetctl.plan.departures import Departure, attached, plan_departures
from fleetctl.plan.holders import find_holders, is_rival, networks_of, refuse_namesake, tell_crossings
from fleetctl.plan.reasons import changed_keys, describe_changes
from fleetctl.plan.steps import Draft
from fleetctl.plan.subnets import (
    blocks_of,
    check_capacity,
    complete_subnets,
    held_blocks,
    leaves_subnets,
    taken_subnets,
)
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.digest import network_digests, volume_digests
from fleetctl.spec.model import Fleet, Network, Service, Subnet
from fleetctl.state.observed import Observed, ObservedNetwork


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
    return any(leaves_subnets(network) for network in fleet.networks.values())


def plan_networks(
    draft: Draft, fleet: Fleet, observed: Observed, services: Collection[Service], wishes: Wishes
) -> NetworkRefs:
    """Add the steps for every network that `services` use. Raises FleetError where somebody else's object is in the
    way, and ResourceExhausted when addresses cannot suffice or are those of a network that stays."""
    refs: dict[str, Ref] = {}
    after: dict[str, tuple[str, ...]] = {}
    doubles: list[ObservedNetwork] = []
    lacking: list[tuple[Network, str]] = []
    departing: dict[str, Departure] = {}
    wanted = networks_of(services)
    for key, network in fleet.networks.items():
        if key not in wanted:
            continue
        check_capacity(fleet, network)
        if network.external:
            refs[key], after[key] = find_external(network, observed), ()
            continue
        own = find_own(network, observed)
        if not own:
            lacking.append((network, "it does not exist"))
        elif changed := changed_keys(own[0].digests, network_digests(network)):
            because = describe_changes(f"networks.{key}", changed)
            departing |= {one.id: Departure(one, "has to be made anew", because) for one in own}
            lacking.append((network, because))
        else:
            refs[key], after[key] = Ref(own[0].name, id=own[0].id), ()
            doubles += own[1:]
    for network, _ in lacking:
        departing |= find_holders(fleet, observed, services, network, departing)
    for network, _ in lacking:
        refuse_namesake(network, observed, departing)
        draft.notices += tell_crossings(network, observed)
    removed, gone = plan_departures(draft, fleet, observed, services, departing.values(), wishes)
    for network, because, subnets in with_subnets(fleet, observed, lacking):
        told = f"{because} (subnet {', '.join(entry.subnet for entry in subnets)})"
        action = CreateNetwork(fleet.name, network, subnets, network_digests(network))
        made = replace(network, subnets=subnets)
        rivals = [one.id for one in observed.networks if one.id in gone and is_rival(made, one)]
        step = draft.add(action, told, after=tuple(gone[one] for one in rivals))
        refs[network.key], after[network.key] = Ref(network.engine_name, made_by=step), (step,)
    return NetworkRefs(refs, after, removed, tuple(doubles))


def with_subnets(
    fleet: Fleet, observed: Observed, lacking: Iterable[tuple[Network, str]]
) -> Iterator[tuple[Network, str, tuple[Subnet, ...]]]:
    """Networks that are to be made, and why, each with its subnets: those of the file, else such as nobody has or is to
    have."""
    fixed = [block for network in fleet.networks.values() for block in blocks_of(network.subnets)]
    taken = taken_subnets(observed)
    for network, because in lacking:
        freed = {block for own in find_own(network, observed)[:1] for block in held_blocks(own)}
        taken = [block for block in taken if block not in freed]
        subnets = complete_subnets(fleet, network, [*taken, *fixed])
        taken += blocks_of(subnets)
        yield network, because, subnets


def plan_doubles(draft: Draft, networks: NetworkRefs, ready: tuple[str, ...]) -> None:
    """Remove the networks that double another one, once every replica of theirs is replaced or gone. One that somebody
    stays in is left, and told."""
    removals = draft.removals()
    for double in networks.doubles:
        staying = [name for one, name in double.attached.items() if one not in removals]
        if staying:
            names = ", ".join(sorted(staying))
            draft.notices.append(f"{names}: in a second network {double.name} ({double.id[:12]}), which stays for them")
            continue
        after = tuple(dict.fromkeys((*ready, *(removals[one] for one in double.attached))))
        draft.add(RemoveNetwork(Ref(double.name, id=double.id)), "it doubles another network", after=after)


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
