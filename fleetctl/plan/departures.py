"""Decides how networks go, with the replicas in them, where others need what they have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fleetctl.errors import FleetError
from fleetctl.plan.actions import Ref, RemoveNetwork
from fleetctl.plan.rotation import Rotations
from fleetctl.plan.steps import Draft
from fleetctl.plan.teardown import plan_removal
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.model import Fleet, Service
from fleetctl.state.observed import Observed, ObservedNetwork, Replica


@dataclass(frozen=True, slots=True)
class Departure:
    """A network that goes, what that means for it as in "has to be made anew", and why."""

    network: ObservedNetwork
    fate: str
    because: str


def plan_departures(
    draft: Draft,
    fleet: Fleet,
    observed: Observed,
    services: Collection[Service],
    departures: Collection[Departure],
    wishes: Wishes,
) -> tuple[dict[str, str], dict[str, str]]:
    """Add the steps that remove the replicas in these networks, and then the networks; returns, by the ids of both, the
    steps that remove them. Raises FleetError for somebody in them who would not come back."""
    for one in departures:
        refuse_bystanders(fleet, observed, one, services, wishes)
    leaving = {replica.id for one in departures for replica in attached(observed, one.network)}
    rotations = Rotations(fleet, observed, leaving)
    removed: dict[str, str] = {}
    gone: dict[str, str] = {}
    for one in departures:
        name, replicas = one.network.name, attached(observed, one.network)
        for replica in replicas:
            if replica.id not in removed:
                reason, pools = f"its network {name} {one.fate}: {one.because}", rotations.pools(replica.service)
                removed[replica.id] = plan_removal(draft, replica, reason, grace=wishes.grace, pools=pools)
        down = ", ".join(replica.name for replica in replicas if replica.state == "running")
        if down:
            draft.notices.append(f"{down}: removed before others take over, as network {name} {one.fate}")
        removal, waits = RemoveNetwork(Ref(name, id=one.network.id)), tuple(removed[replica.id] for replica in replicas)
        gone[one.network.id] = draft.add(removal, one.because, after=waits)
    return removed, gone


def refuse_bystanders(
    fleet: Fleet, observed: Observed, departure: Departure, services: Collection[Service], wishes: Wishes
) -> None:
    """Raise FleetError when somebody is attached to a network that goes, and would not come back."""
    network = departure.network
    ours = {replica.id for replica in observed.replicas}
    strangers = sorted(name for container_id, name in network.attached.items() if container_id not in ours)
    why = f"network {network.name} {departure.fate} ({departure.because})"
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
