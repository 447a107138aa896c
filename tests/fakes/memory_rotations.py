"""The balancers of a memory engine: who is in rotation, exact and quick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fleetctl.errors import FleetError
from fleetctl.plan.actions import AddServer, ConfigureBalancer, DrainServer, RotationAction
from fleetctl.spec.model import Balance, Fleet
from fleetctl.state.observed import Observed
from fleetctl.state.rotation import Rotation, Server, server_name
from tests.fakes.memory_engine import MemoryEngine, known


@dataclass
class MemoryRotations:
    """Changes what the engine holds of them. `refusing` names replicas that a balancer never finds healthy."""

    engine: MemoryEngine
    refusing: Sequence[str] = ()

    def look(self, fleet: Fleet, observed: Observed) -> Observed:
        """The same with what each balancer that runs has."""
        rotations = {
            one.id: Rotation(
                one.id,
                settled=self.engine.settings.get(one.id) == fleet.services[one.service].balance,
                servers={name: tuple(servers.values()) for name, servers in self.engine.pools.get(one.id, {}).items()},
            )
            for one in observed.replicas
            if one.state == "running" and one.service in fleet.services and fleet.services[one.service].balance
        }
        return replace(observed, rotations=rotations)

    def forget(self, container_id: str) -> None:
        """There is no conversation to be ended."""

    def apply(self, action: RotationAction, progress: Callable[[str], None]) -> str:
        """Do one thing; it counts as an action of the engine, which may die there."""
        self.engine.count(action)
        if known(action.balancer) not in self.engine.replicas:
            if isinstance(action, ConfigureBalancer):
                raise FleetError(f"no such container: {action.balancer.name}")
            return ""
        pools = self.engine.pools.setdefault(known(action.balancer), {})
        match action:
            case ConfigureBalancer():
                self.engine.settings[known(action.balancer)] = action.balances
                there = {server.container_id for servers in pools.values() for server in servers.values()}
                self.engine.pools[known(action.balancer)] = {
                    one.pool: self.running(one, there if action.running else set()) for one in action.balances
                }
            case AddServer():
                if action.replica.name in self.refusing:
                    raise FleetError(f"{action.replica.name} is not found healthy")
                if self.engine.replicas[known(action.replica)].state != "running":
                    raise FleetError(f"{action.replica.name} does not run")
                server = self.server(action.label, known(action.replica), action.port)
                pools[action.pool][server.name] = server
            case DrainServer():
                pools.get(action.pool, {}).pop(server_name(action.label, known(action.replica)), None)
        return ""

    def running(self, balance: Balance, there: set[str]) -> dict[str, Server]:
        """The servers of a pool that begins: those of the service that are in rotation by now, else all who run."""
        present = [
            one for one in self.engine.replicas.values() if one.service == balance.service and one.state == "running"
        ]
        kept = [one for one in present if one.id[:12] in there]
        found = [self.server(f"{one.service}-{one.number}", one.id, balance.target_port) for one in kept or present]
        return {one.name: one for one in found}

    def server(self, label: str, container_id: str, port: int) -> Server:
        address = min(self.engine.replicas[container_id].addresses)
        return Server(server_name(label, container_id), address, port, "ready", healthy=True)
