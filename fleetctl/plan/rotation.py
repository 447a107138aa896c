"""Decides when replicas come into a balancer's rotation and leave it, and how a balancer gets its settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from fleetctl.plan.actions import AddServer, AwaitReplica, ConfigureBalancer, DrainServer, Ref, RemoveReplica
from fleetctl.plan.steps import Draft
from fleetctl.spec.model import Fleet, HttpSettings, Service
from fleetctl.state.observed import Observed, Replica
from fleetctl.state.rotation import Server, service_in


@dataclass(frozen=True, slots=True)
class Pool:
    """One service behind one balancer that runs, by the name and with the servers that it has there now: new settings
    may call it otherwise. Replicas are asked at `port`; those that leave have `drain_timeout` seconds."""

    balancer: Ref
    name: str
    port: int
    drain_timeout: float
    servers: tuple[Server, ...] = ()

    def server_of(self, container_id: str | None) -> Server | None:
        """A container's place in it."""
        short = (container_id or "")[:12]
        return next((one for one in self.servers if one.container_id == short), None)

    def add(self, label: str, replica: Ref) -> AddServer:
        return AddServer(self.balancer, self.name, self.port, label, replica)

    def drain(self, label: str, replica: Ref, *, least: int = 0) -> DrainServer:
        return DrainServer(self.balancer, self.name, self.drain_timeout, label, replica, least)

    @property
    def serving(self) -> int:
        """How many servers take requests, and are healthy."""
        return sum(one.admission == "ready" and one.healthy for one in self.servers)


Pools = tuple[Pool, ...]


@dataclass(frozen=True, slots=True)
class Rotations:
    """Where replicas are in rotation: at the balancers that run, but for those whose ids are in `leaving`, which do not
    matter any more. Those that start in this run find their servers by themselves."""

    fleet: Fleet
    observed: Observed
    leaving: Collection[str] = ()

    def balancers(self) -> list[Replica]:
        there = balancers_of(self.fleet, self.observed)
        return [one for one in there if one.id in self.observed.rotations and one.id not in self.leaving]

    def pools(self, service_name: str) -> Pools:
        """All the pools of the service's replicas."""
        found = []
        for balancer in self.balancers():
            balances = [one for one in self.fleet.services[balancer.service].balance if one.service == service_name]
            for name, servers in self.observed.rotations[balancer.id].servers.items():
                if service_in(name) != service_name:
                    continue
                # Under another name it is asked as it was until the new settings are taken over.
                asked = next((one for one in balances if one.pool == name), None)
                port = asked.target_port if asked else next((one.port for one in servers), 0)
                patience = next((one.drain_timeout for one in (asked, *balances) if one), DRAIN_TIMEOUT)
                found.append(Pool(Ref(balancer.name, id=balancer.id), name, port, patience, servers))
        return tuple(pool for pool in found if pool.port)

    def balanced_by(self, balancer: Service) -> tuple[str, ...]:
        """The names of the services that a balancer is to balance, and of those that it still does: who is taken out of
        its settings is in rotation until it takes these over, or is replaced."""
        there = (
            service_in(pool)
            for one in self.balancers()
            if one.service == balancer.name
            for pool in self.observed.rotations[one.id].servers
        )
        return tuple(dict.fromkeys((*(balance.service for balance in balancer.balance), *there)))

    def plan_settings(self, draft: Draft, staying: Collection[str], done: Mapping[str, tuple[str, ...]]) -> list[str]:
        """Add the steps that give the balancers whose ids are in `staying` the settings of fleet.yaml where they have
        others; the rest keep theirs until they are replaced or removed. `done` are the steps of each service: those
        that a balancer is to serve are there by then, and where one failed those that are there instead are not made
        for these settings, so that they stay as they are. Those that it is to serve no more need their pool that long.
        Returns the steps."""
        steps, cleanup = [], {step.id for step in draft.steps if step.only_if_failed}
        for balancer in self.balancers():
            service = self.fleet.services[balancer.service]
            if balancer.id in staying and not self.observed.rotations[balancer.id].settled:
                action = ConfigureBalancer(Ref(balancer.name, id=balancer.id), service.balance, running=True)
                before = [one for name in self.balanced_by(service) for one in done.get(name, ())]
                because = f"services.{service.name}.x-fleet.balance changed"
                asked = self.plan_questions(draft, service, staying, because)
                after = (*asked, *(step for step in dict.fromkeys(before) if step not in cleanup))
                steps.append(draft.add(action, because, after=after))
        return steps

    def plan_questions(
        self, draft: Draft, balancer: Service, staying: Collection[str], because: str
    ) -> tuple[str, ...]:
        """Add the steps that ask the replicas that stay as the balancer will ask them: those who do not answer so would
        all be out of rotation at once."""
        steps = []
        for balance in balancer.balance:
            service = self.fleet.services[balance.service]
            http = HttpSettings(balance.target_port, health_path=balance.health_path)
            for replica in self.observed.of_service(service.name):
                if replica.id in staying and replica.state == "running":
                    woken = replica.health == "unhealthy"
                    asked = AwaitReplica(Ref(replica.name, id=replica.id), replace(service, http=http), woken=woken)
                    steps.append(draft.add(asked, because))
        return tuple(steps)


DRAIN_TIMEOUT = 30.0
"""Seconds for the replicas of a service that the file does not name any more."""


def balancers_of(fleet: Fleet, observed: Observed) -> list[Replica]:
    """The containers of the services that balance others."""
    return [one for one in observed.replicas if one.service in fleet.services and fleet.services[one.service].balance]


def plan_entry(
    draft: Draft,
    pools: Pools,
    label: str,
    replica: Ref,
    because: str,
    *,
    after: tuple[str, ...],
    only_if_failed: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Add the steps that bring a replica into rotation everywhere; returns them."""
    return tuple(
        draft.add(pool.add(label, replica), because, after=after, only_if_failed=only_if_failed) for pool in pools
    )


def plan_leave(
    draft: Draft,
    pools: Pools,
    replica: Replica,
    because: str,
    *,
    after: tuple[str, ...] = (),
    behind: tuple[str, ...] = (),
    least: int = 0,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Add the steps that take a replica out of rotation wherever it is, but not while fewer than `least` others serve,
    or fewer than serve now; returns the `after` and `behind` of whatever is next."""
    gone = Ref(replica.name, id=replica.id)
    left = tuple(
        draft.add(pool.drain(server.label, gone, least=min(least, pool.serving)), because, after=after, behind=behind)
        for pool in pools
        if (server := pool.server_of(replica.id)) is not None
    )
    return (left, ()) if left else (after, behind)


def plan_strays(draft: Draft, pools: Pools, present: Iterable[Replica]) -> None:
    """Take out what has no container any more: somebody removed it behind the balancer's back."""
    ids = {replica.id[:12] for replica in present}
    for pool in pools:
        for server in pool.servers:
            if server.container_id not in ids:
                gone = Ref(server.label, id=server.container_id)
                draft.add(pool.drain(server.label, gone), "its container is gone")


def out_of_rotation(pools: Pools, replica: Replica) -> str | None:
    """Why a replica that runs has to be brought into rotation, None where it is everywhere."""
    if told := moved(pools, replica):
        return told
    for pool in pools:
        server = pool.server_of(replica.id)
        if server is None:
            return f"it is not in rotation at {pool.balancer.name}"
        if server.admission != "ready":
            return f"an interrupted run left it out of rotation at {pool.balancer.name}"
    return None


def moved(pools: Pools, replica: Replica) -> str | None:
    """Why a replica has to be brought into rotation anew: the engine gave it another address, and the one that a
    balancer asks may be anybody's."""
    for pool in pools:
        server = pool.server_of(replica.id)
        if server is not None and server.address not in replica.addresses:
            return f"{pool.balancer.name} asks it at {server.address}, where it is no more"
    return None


UNREADY = "it did not get ready, or not stay so"
"""Why a replica is removed again."""


def plan_retreat(draft: Draft, pools: Pools, label: str, replica: Ref, trials: tuple[str, ...], because: str) -> str:
    """Add the steps that remove a replica which failed one of its `trials`: it did not get ready, which is the first,
    or did not come into rotation or stay well there, which are the rest; then it leaves the rotation first.
    Returns the last."""
    left = tuple(
        draft.add(
            pool.drain(label, replica),
            because,
            behind=trials,
            only_if_failed=trials[1:],
        )
        for pool in pools
        if trials[1:]
    )
    # One that could not be taken out of rotation may still get requests.
    return draft.add(RemoveReplica(replica), because, after=left, behind=trials, only_if_failed=trials)
