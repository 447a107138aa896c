"""Finds who has what a new network is to have: addresses, a name, a bridge."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from typing import NamedTuple, NoReturn

from fleetctl.errors import FleetError, ResourceExhausted
from fleetctl.plan.departures import Departure
from fleetctl.plan.subnets import blocks_of, held_blocks, holds, overlap
from fleetctl.spec.bridges import bridge_name
from fleetctl.spec.model import Fleet, Network, Service
from fleetctl.spec.wording import listed
from fleetctl.state.observed import Observed, ObservedNetwork


class Contest(NamedTuple):
    """What the file gives to a network, how that touches what another one has, and what the user may do."""

    what: str
    relation: str
    choice: str
    rest: str


def networks_of(services: Iterable[Service]) -> set[str]:
    """The keys of the networks that services use."""
    return {key for service in services for key in service.networks}


def find_holders(
    fleet: Fleet,
    observed: Observed,
    services: Collection[Service],
    network: Network,
    departing: Collection[str],
) -> dict[str, Departure]:
    """This fleet's networks, by their ids, that have addresses or the bridge which the file gives to this one, and that
    no service uses any more; those that are `departing` anyway are left out. Raises ResourceExhausted where one is used
    or is not ours: which of the two is to change only the user can tell, and the engine would refuse the new network
    when the one before it is gone."""
    found = {}
    for holder in observed.networks:
        contest = None if holder.id in departing else find_contest(network, holder)
        if contest is None:
            continue
        if holder.fleet != fleet.name or holder.key in networks_of(fleet.services.values()):
            refuse_holder(fleet, network, contest, holder, services)
        because = f"networks.{network.key} is to have {contest.what}"
        found[holder.id] = Departure(holder, "has to give way", because)
    return found


def find_contest(network: Network, holder: ObservedNetwork) -> Contest | None:
    """What a network is to have and another one has; None where they do not need the same."""
    for entry in network.subnets:
        if holds(holder, [entry]):
            others = ", ".join(map(str, held_blocks(holder)))
            rest = "or none: fleetctl finds one that is free"
            return Contest(entry.subnet, f"overlaps {others}", "choose another subnet", rest)
    bridge = bridge_name(network)
    if bridge is not None and bridge == holder.bridge_name:
        return Contest(f"bridge {bridge}", "is that", "choose another name", "or none: the engine finds one")
    return None


def refuse_holder(
    fleet: Fleet, network: Network, contest: Contest, holder: ObservedNetwork, services: Iterable[Service]
) -> NoReturn:
    """Raise ResourceExhausted for what another network has that is used, or not ours."""
    whose, rest = "which is used", contest.rest
    if holder.fleet != fleet.name:
        whose = owner_of(holder)
    elif holder.key in networks_of(services):
        rest = "or make both networks anew: fleetctl down, then fleetctl up"
    else:
        rest = "or run it for all services: fleetctl up"
    raise ResourceExhausted(
        f"{contest.what} of networks.{network.key} {contest.relation} of network {holder.name}, {whose}",
        hint=f"{contest.choice}, {rest}",
    )


def refuse_namesake(network: Network, observed: Observed, departing: Collection[str]) -> None:
    """Raise FleetError when the name is taken by a network that is not `departing`."""
    for candidate in observed.networks:
        if candidate.name == network.engine_name and candidate.id not in departing:
            raise FleetError(
                f"a network named {network.engine_name} ({candidate.id[:12]}) exists, {owner_of(candidate)}; it is "
                "left untouched",
                hint=f"give networks.{network.key} another 'name:', or say 'external: true' to use it",
            )


def owner_of(network: ObservedNetwork) -> str:
    return f"fleet {network.fleet}" if network.fleet else "not made by fleetctl"


def is_rival(network: Network, other: ObservedNetwork) -> bool:
    """Whether a network with its subnets chosen can be made only once another one of the fleet is gone."""
    return network.key == other.key or network.engine_name == other.name or find_contest(network, other) is not None


def tell_crossings(network: Network, observed: Observed) -> list[str]:
    """What to say of a network that is to have addresses which the engine's host has a route to. The engine makes it
    all the same (seen on Engine 20.10). The routes of its own bridges are none that matter: those networks go, or are
    in the way for themselves."""
    bridged = {block for other in observed.networks for block in held_blocks(other)}
    routed = [ipaddress.ip_network(route) for route in observed.routes]
    crossed = [route for route in routed if route not in bridged and overlap([route], blocks_of(network.subnets))]
    if not crossed:
        return []
    blocks = ", ".join(entry.subnet for entry in network.subnets)
    told = f"networks.{network.key} is to have {blocks}, but this host has another route to {listed(crossed)}"
    return [f"{told}: with an address in both it reaches the replicas or what it reaches now, not both"]
