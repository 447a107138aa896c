"""Decides in which order a fleet, or a part of it, is taken down, stopped, started or restarted."""

from __future__ import annotations

from collections.abc import Iterable

from fleetctl.plan.actions import (
    Ref,
    RemoveImage,
    RemoveNetwork,
    RemoveReplica,
    RemoveVolume,
    StopReplica,
)
from fleetctl.plan.steps import Draft, Plan
from fleetctl.state.observed import Observed, Replica

AT_REST = ("created", "exited", "dead", "removing")


def plan_teardown(
    observed: Observed,
    *,
    volumes: bool = False,
    images: Iterable[str] = (),
    keep: Iterable[str] = (),
    grace: float | None = None,
    because: str = "down was asked for",
) -> Plan:
    """Stop and remove every replica but those of the services in `keep`, then the fleet's networks, on request its
    volumes and the given images. Idempotent: what is gone already is not named."""
    draft = Draft()
    kept = set(keep)
    removed = [
        plan_removal(draft, replica, because, grace=grace)
        for replica in observed.replicas
        if replica.service not in kept
    ]
    after = tuple(removed)
    in_use = {
        endpoint.network_id
        for replica in observed.replicas
        if replica.service in kept
        for endpoint in replica.endpoints.values()
    }
    for network in observed.own_networks():
        if network.id not in in_use:
            # After all removals, whether they worked or not: a network that is still used refuses by itself.
            draft.add(RemoveNetwork(Ref(network.name, id=network.id)), because, behind=after)
    if volumes:
        for volume in observed.volumes:
            if volume.fleet == observed.fleet:
                draft.add(RemoveVolume(volume.name), "--volumes was asked for", behind=after)
    for reference in images:
        draft.add(RemoveImage(reference), "--rmi was asked for", behind=after)
    return draft.plan()


def plan_removal(
    draft: Draft,
    replica: Replica,
    because: str,
    *,
    grace: float | None = None,
    after: tuple[str, ...] = (),
    behind: tuple[str, ...] = (),
) -> str:
    """Add the steps that stop (unless at rest) and remove one replica; returns the id of the last."""
    target = Ref(replica.name, id=replica.id)
    if replica.state not in AT_REST:
        stop = draft.add(StopReplica(target, grace=grace), because, after=after, behind=behind)
        after, behind = (stop,), ()
    return draft.add(RemoveReplica(target), because, after=after, behind=behind)
