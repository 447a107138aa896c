"""Tells the story of a plan: a fleet as it was, what happened meanwhile, the fleet as it shall be."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from fleetctl.errors import FleetError
from fleetctl.execute import execute
from fleetctl.plan.actions import AwaitReplica
from fleetctl.plan.order import select_services
from fleetctl.plan.outcome import Event, RunReport
from fleetctl.plan.replicas import plan_replicas
from fleetctl.plan.steps import Plan
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.load import load_fleet
from fleetctl.spec.model import Fleet
from fleetctl.state.observed import Endpoint, ObservedImage, ObservedNetwork
from tests.fakes.memory_engine import MemoryEngine
from tests.fakes.memory_rotations import MemoryRotations


class OpenGate:
    """Every replica is ready, which implies running, at once; but for those named."""

    def __init__(self, engine: MemoryEngine, unready: Sequence[str] = ()) -> None:
        self.engine = engine
        self.unready = unready

    def wait(self, action: AwaitReplica, progress: Callable[[str], None]) -> None:
        if action.replica.name in self.unready:
            raise FleetError(f"{action.replica.name} is not ready")
        if not action.completed:
            self.engine.change(action.replica, state="running")


def read_fleet(document: Mapping[str, Any], directory: Path) -> Fleet:
    """Load a fleet from YAML data as a user's file would be."""
    path = directory / "fleet.yaml"
    path.write_text(yaml.safe_dump({"name": "f", **document}, sort_keys=False))
    return load_fleet([path], {})


def provide_images(engine: MemoryEngine, fleet: Fleet) -> None:
    """Every image is present, its id derived from its name."""
    for service in fleet.services.values():
        engine.images.setdefault(service.image, ObservedImage(service.image, f"id of {service.image}"))


def make_plan(engine: MemoryEngine, fleet: Fleet, wishes: Wishes | None = None) -> Plan:
    services = select_services(fleet)
    observed = engine.observe(fleet.name, [service.image for service in services])
    return plan_replicas(fleet, MemoryRotations(engine).look(fleet, observed), wishes)


def deploy(
    engine: MemoryEngine, fleet: Fleet, *, wishes: Wishes | None = None, unready: Sequence[str] = ()
) -> RunReport:
    """Plan and execute, one step at a time so that the order is always the same."""
    return carry_out(engine, make_plan(engine, fleet, wishes), unready)


def carry_out(engine: MemoryEngine, plan: Plan, unready: Sequence[str] = ()) -> RunReport:
    gate = OpenGate(engine, unready)
    rotations = MemoryRotations(engine, refusing=unready)
    return execute(plan, engine, gate, rotations, ignore, workers=1, stop=threading.Event())


def shuffled(plan: Plan, seed: int) -> Plan:
    """The same steps in another order: one of those that are ready runs before another as it may in a real run."""
    steps = list(plan.steps)
    random.Random(seed).shuffle(steps)
    return replace(plan, steps=tuple(steps))


def ignore(event: Event) -> None:
    """A listener that does not listen."""


def happen(engine: MemoryEngine, event: str) -> None:
    """Let something happen to a container behind the fleet's back, as "VERB NAME [ARGUMENT]"."""
    verb, name, *rest = event.split()
    if verb == "route":
        engine.routes += (name,)
        return
    if verb == "network":
        engine.networks[name] = ObservedNetwork(
            id=name, name=name, driver="bridge", subnets=((rest[0], None),) if rest else ()
        )
        return
    if verb == "retag":
        # The name of an image means another one, with these volumes.
        engine.images[name] = ObservedImage(name, id=f"new {name}", volumes=frozenset(rest))
        return
    replica = next(one for one in engine.replicas.values() if one.name == name)
    change: dict[str, Any]
    match verb:
        case "kill":
            change = {"state": "exited", "exit_code": int(rest[0]) if rest else 137}
        case "finish":
            change = {"state": "exited", "exit_code": 0}
        case "pause" | "restarting" | "dead" | "created":
            change = {"state": {"pause": "paused"}.get(verb, verb)}
        case "unhealthy":
            change = {"health": "unhealthy"}
        case "starting":
            change = {"health": "starting"}
        case "copy":
            # What is left of an interrupted update: a container of today's digests beside an outdated one.
            state: Any = rest[1]
            twin = replace(replica, id=engine.new_id(), name=rest[0], state=state)
            engine.replicas[twin.id] = twin
            engine.fleets[twin.id] = engine.fleets[replica.id]
            change = {"digests": {**replica.digests, "image": "old"}}
        case "lose-network":
            # The network was removed behind a stopped container's back.
            ends = {key: replace(end, network_id="gone") for key, end in replica.endpoints.items()}
            for end in replica.endpoints.values():
                engine.networks.pop(end.network_id, None)
            change = {"endpoints": ends}
        case "other-network":
            # Two runs raced: a second network of the same name, and a replica on it.
            (end,) = replica.endpoints.values()
            twin_id = engine.new_id()
            first = engine.networks[end.network_id]
            engine.networks[twin_id] = replace(first, id=twin_id, subnets=((rest[0], None),))
            change = {"endpoints": {end.network_name: replace(end, network_id=twin_id)}}
        case "move":
            ends = {key: replace(end, ipv4=rest[0]) for key, end in replica.endpoints.items()}
            change = {"endpoints": ends}
        case "unbalance":
            # A run died before the replica came into rotation.
            for pools in engine.pools.values():
                for servers in pools.values():
                    for key in [key for key, one in servers.items() if one.container_id == replica.id[:12]]:
                        del servers[key]
            return
        case "rename":
            change = {"name": rest[0]}
        case "forget":
            change = {"digests": {}}
        case "remove":
            del engine.replicas[replica.id]
            return
        case "disconnect":
            ends = {key: end for key, end in replica.endpoints.items() if key != rest[0]}
            change = {"endpoints": ends}
        case "plug":
            other = next(end for end in engine.networks.values() if end.name == rest[0])
            change = {"endpoints": {**replica.endpoints, other.name: Endpoint(other.id, other.name)}}
        case "double":
            twin = replace(replica, id=engine.new_id(), name=rest[0], digests={"image": "old"})
            engine.replicas[twin.id] = twin
            engine.fleets[twin.id] = engine.fleets[replica.id]
            return
        case _:
            raise AssertionError(f"nothing like {verb!r} happens")
    engine.replicas[replica.id] = replace(replica, **change)
