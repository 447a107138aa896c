"""What the commands that show the network share: which replicas and networks are meant, and looking at them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleetctl.commands.options import FleetSource, find_file
from fleetctl.errors import ConfigError

if TYPE_CHECKING:
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.spec.model import Fleet
    from fleetctl.state.network import Topology
    from fleetctl.state.observed import ObservedNetwork, Replica
    from fleetctl.vantage.base import Vantage

PATIENCE = 1.0
"""Seconds that a replica may take for its HTTP answer."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The replicas and networks that are to be shown; `own` are the ids of all containers of the fleet."""

    replicas: Sequence[Replica]
    networks: Sequence[ObservedNetwork]
    own: Set[str] = frozenset()


def load_fleet_if_any(source: FleetSource, *, needed: bool) -> Fleet | None:
    """The fleet that is meant. Where none is `needed` it is None when no file is there, or the nearest cannot be
    used."""
    from fleetctl.view.terminal import note

    asked_for = bool(source.files or source.fleet_name or os.environ.get("FLEET_FILE") or os.environ.get("FLEET_NAME"))
    if needed or asked_for:
        return source.load_name()
    path = find_file(Path.cwd())
    if path is None:
        return None
    try:
        return source.load()
    except ConfigError as error:
        note(f"{path} is left aside: {error.message}")
        return None


def choose(engine: DockerHost, fleet: Fleet | None, names: Sequence[str], *, every: bool) -> Chosen:
    """Everything of the fleet; or what is named; or all that the engine has. Raises ConfigError for a name that fits
    nothing."""
    if fleet is not None and not names and not every:
        observed = engine.observe(fleet.name)
        used = {endpoint.network_id for replica in observed.replicas for endpoint in replica.endpoints.values()}
        networks = [network for network in observed.networks if network.fleet == fleet.name or network.id in used]
        networks.sort(key=lambda network: network.name)
        return Chosen(observed.replicas, networks, {replica.id for replica in observed.replicas})
    replicas, networks_there = engine.everything()
    own = {replica.id for replica in engine.observe_replicas(fleet.name)} if fleet is not None else frozenset()
    everything = Chosen(replicas, networks_there, own)
    return named(names, everything, fleet.name if fleet is not None else None) if names else everything


def named(names: Iterable[str], everything: Chosen, fleet_name: str | None) -> Chosen:
    """Containers by name or id, and of the fleet's own by service or SERVICE-N, too; networks by name, id or, of the
    fleet's, by key. A network brings all that is in it, a container the networks it is in."""
    replicas, networks, own = everything.replicas, everything.networks, everything.own
    containers: dict[str, Replica] = {}
    wanted: dict[str, ObservedNetwork] = {}
    for name in names:
        found = [replica for replica in replicas if is_called(replica, name, replica.id in own)]
        whole = [network for network in networks if network_is_called(network, name, fleet_name)]
        if not found and not whole:
            raise ConfigError(
                f"the engine has no network and no container named {name}", hint=near(name, replicas, networks)
            )
        joined = [replica for replica in replicas for network in whole if is_in(replica, network)]
        containers |= {replica.id: replica for replica in (*found, *joined)}
        reached = [network for network in networks if any(is_in(replica, network) for replica in found)]
        wanted |= {network.id: network for network in (*whole, *reached)}
    return Chosen(list(containers.values()), list(wanted.values()), own)


def is_called(replica: Replica, name: str, own: bool) -> bool:
    by_id = len(name) >= 12 and replica.id.startswith(name)
    return name == replica.name or by_id or (own and name in (replica.service, f"{replica.service}-{replica.number}"))


def network_is_called(network: ObservedNetwork, name: str, fleet_name: str | None) -> bool:
    by_id = len(name) >= 12 and network.id.startswith(name)
    return (
        name == network.name or by_id or (fleet_name is not None and (network.fleet, network.key) == (fleet_name, name))
    )


def is_in(replica: Replica, network: ObservedNetwork) -> bool:
    return any(
        endpoint.network_id == network.id or (not endpoint.network_id and endpoint.network_name == network.name)
        for endpoint in replica.endpoints.values()
    )


def near(name: str, replicas: Sequence[Replica], networks: Sequence[ObservedNetwork]) -> str:
    from difflib import get_close_matches

    known = [network.name for network in networks] + [replica.name for replica in replicas]
    close = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else "--all shows every network and container"


def look(
    engine: DockerHost,
    vantage: Vantage,
    chosen: Chosen,
    fleet: Fleet | None,
    *,
    fleet_name: str = "",
    only_host: bool = False,
) -> Topology:
    """Everything that can be known of the wiring of what is chosen: the engine's facts, the kernel's, and the replicas'
    answers over HTTP; with `only_host` nothing inside of replicas, nor their answers."""
    from concurrent.futures import ThreadPoolExecutor

    from fleetctl.check.replicas import check_replicas
    from fleetctl.net.join import join_topology
    from fleetctl.vantage.base import Request

    replicas = engine.inspect(chosen.replicas)
    services = fleet.services if fleet is not None else {}
    pairs = [
        (replica, services[replica.service])
        for replica in replicas
        if replica.id in chosen.own and replica.service in services and replica.state == "running" and not only_host
    ]
    pids = () if only_host else tuple(replica.pid for replica in replicas if replica.pid)
    with ThreadPoolExecutor(max_workers=1) as aside:
        replies = aside.submit(check_replicas, pairs, host=engine.host, timeout=PATIENCE)
        answer = vantage.ask(Request(pids=pids, deep=True, filters=(None,)))
        return join_topology(
            fleet_name,
            chosen.networks,
            replicas,
            answer.host,
            answer.namespaces,
            filters=answer.filters.get(None),
            replies=replies.result(),
        )
