"""Decides when replicas come into a balancer's rotation and leave it, and how a balancer gets its settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fleetctl.plan.actions import AddServer, ConfigureBalancer, DrainServer, Ref, RemoveReplica
from fleetctl.plan.steps import Draft
from fleetctl.spec.model import Balance, Fleet, Service
from fleetctl.state.observed import Observed, Replica
from fleetctl.state.rotation import Server


@dataclass(frozen=True, slots=True)
class Pool:
    """One service behind one balancer that runs and stays. `servers` are those it has now; `after` the steps that give
    it its settings."""

    balancer: Ref
    balance: Balance
    balances: tuple[Balance, ...]
    servers: tuple[Server, ...] = ()
    after: tuple[str, ...] = ()

    def server_of(self, container_id: str | None) -> Server | None:
        """A container's place in it."""
        short = (container_id or "")[:12]
        return next((one for one in self.servers if one.container_id == short), None)


Pools = tuple[Pool, ...]


@dataclass(frozen=True, slots=True)
class Rotations:
    """Where replicas are in rotation: at the balancers that run. Those that start in this run find their servers by
    themselves. `settled` maps the container id of each to the steps that give it the settings of fleet.yaml."""

    fleet: Fleet
    observed: Observed
    settled: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(
        cls,
        draft: Draft,
        fleet: Fleet,
        observed: Observed,
        *,
        staying: Collection[str] = (),
        leaving: Collection[Service] = (),
    ) -> Rotations:
        """Add the steps that give the balancers whose ids are in `staying` the settings of fleet.yaml where they have
        others; the rest keep theirs until they are replaced or removed. Those of the services in `leaving` do not
        matter any more."""
        settled: dict[str, tuple[str, ...]] = {}
        gone = {service.name for service in leaving}
        for balancer in balancers_of(fleet, observed):
            rotation, service = observed.rotations.get(balancer.id), fleet.services[balancer.service]
            if rotation is None or service.name in gone:
                continue
            settled[balancer.id] = ()
            if balancer.id in staying and not rotation.settled:
                action = ConfigureBalancer(Ref(balancer.name, id=balancer.id), service.balance, running=True)
                settled[balancer.id] = (draft.add(action, f"services.{service.name}.x-fleet.balance changed"),)
        return cls(fleet, observed, settled)

    def pools(self, service_name: str) -> Pools:
        """All the pools that the service's replicas belong in."""
        found = []
        for balancer in balancers_of(self.fleet, self.observed):
            if balancer.id not in self.settled:
                continue
            servers = self.observed.rotations[balancer.id].servers
            balances, settled = self.fleet.services[balancer.service].balance, self.settled[balancer.id]
            found += [
                Pool(Ref(balancer.name, id=balancer.id), one, balances, servers.get(one.pool, ()), settled)
                for one in balances
                if one.service == service_name and (one.pool in servers or settled)
            ]
        return tuple(found)


def balancers_of(fleet: Fleet, observed: Observed) -> list[Replica]:
    """The containers of the services that balance others."""
    return [one for one in observed.replicas if one.service in fleet.services and fleet.services[one.service].balance]


def plan_entry(
    draft: Draft, pools: Pools, label: str, replica: Ref, because: str, *, after: tuple[str, ...]
) -> tuple[str, ...]:
    """Add the steps that bring a replica into rotation everywhere; returns them."""
    return tuple(
        draft.add(
            AddServer(pool.balancer, pool.balance, pool.balances, label, replica), because, after=(*after, *pool.after)
        )
        for pool in pools
    )


def plan_leave(
    draft: Draft,
    pools: Pools,
    replica: Replica,
    because: str,
    *,
    after: tuple[str, ...] = (),
    behind: tuple[str, ...] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Add the steps that take a replica out of rotation wherever it is; returns the `after` and `behind` of whatever
    is next."""
    left = tuple(
        draft.add(
            DrainServer(pool.balancer, pool.balance, pool.balances, label_of(server), Ref(replica.name, id=replica.id)),
            because,
            after=(*after, *pool.after),
            behind=behind,
        )
        for pool in pools
        if (server := pool.server_of(replica.id)) is not None
    )
    return (left, ()) if left else (after, behind)


def label_of(server: Server) -> str:
    return server.name.rpartition(".")[0]


def plan_strays(draft: Draft, pools: Pools, present: Iterable[Replica]) -> None:
    """Take out what has no container any more: somebody removed it behind the balancer's back."""
    ids = {replica.id[:12] for replica in present}
    for pool in pools:
        for server in pool.servers:
            if server.container_id not in ids:
                draft.add(
                    DrainServer(
                        pool.balancer,
                        pool.balance,
                        pool.balances,
                        label_of(server),
                        Ref(label_of(server), id=server.container_id),
                    ),
                    "its container is gone",
                    after=pool.after,
                )


def out_of_rotation(pools: Pools, replica: Replica) -> str | None:
    """Why a replica that runs has to be brought into rotation, None where it is everywhere."""
    for pool in pools:
        server = pool.server_of(replica.id)
        if server is None:
            return f"it is not in rotation at {pool.balancer.name}"
        if server.address not in replica.addresses:
            return f"{pool.balancer.name} asks it at {server.address}, where it is no more"
        if server.port != pool.balance.target_port:
            return f"{pool.balancer.name} asks it at port {server.port}"
        if server.admission != "ready":
            return f"an interrupted run left it out of rotation at {pool.balancer.name}"
    return None


def plan_retreat(draft: Draft, pools: Pools, label: str, replica: Ref, trials: tuple[str, ...], because: str) -> None:
    """Add the steps that remove a replica which failed one of its `trials`: it did not get ready, which is the first,
    or did not come into rotation or stay well there, which are the rest; then it leaves the rotation first."""
    left = tuple(
        draft.add(
            DrainServer(pool.balancer, pool.balance, pool.balances, label, replica),
            because,
            behind=trials,
            only_if_failed=trials[1:],
        )
        for pool in pools
        if trials[1:]
    )
    draft.add(RemoveReplica(replica), because, behind=(*trials, *left), only_if_failed=trials)
