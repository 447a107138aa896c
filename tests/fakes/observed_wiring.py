"""Looks at a fleet's wiring as the command does; run as a program it does so as the user nobody and prints JSON."""

from __future__ import annotations

import json
import os
import sys

import docker

from fleetctl.engine.translate import network_from_json, replica_from_list, with_inspection
from fleetctl.net.join import join_topology
from fleetctl.state.network import Topology
from fleetctl.state.observed import ObservedNetwork, Replica
from fleetctl.vantage.base import Request, Vantage
from fleetctl.vantage.local import Local
from fleetctl.view.wiring_document import topology_document

NOBODY = 65534


def engine_facts(client: docker.DockerClient, label: str) -> tuple[list[ObservedNetwork], list[Replica]]:
    """The networks and containers with that label (key=value), as the engine tells them, by name."""
    filters = {"label": label}
    networks = [network_from_json(entry) for entry in client.api.networks(filters=filters)]
    replicas = [
        with_inspection(replica_from_list(entry), client.api.inspect_container(entry["Id"]))
        for entry in client.api.containers(all=True, filters=filters)
    ]
    return sorted(networks, key=lambda network: network.name), sorted(replicas, key=lambda replica: replica.name)


def wiring(networks: list[ObservedNetwork], replicas: list[Replica], vantage: Vantage) -> Topology:
    """What the command would show of them, asked from there."""
    answer = vantage.ask(Request(tuple(replica.pid for replica in replicas if replica.pid), deep=True, filters=(None,)))
    return join_topology("wiring", networks, replicas, answer.host, answer.namespaces, filters=answer.filters.get(None))


def main() -> None:
    """Ask the engine while that is allowed, then become nobody and ask the kernel."""
    networks, replicas = engine_facts(docker.from_env(), sys.argv[1])
    vantage = Local()
    vantage.ask(Request(deep=True, filters=(None,)))  # imports all that nobody may not be able to read from here
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    sys.stdout.write(json.dumps(topology_document(wiring(networks, replicas, vantage))))


if __name__ == "__main__":
    main()
