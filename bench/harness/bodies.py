"""The bodies of the calls that `fleetctl up` would make for a file, for the script that makes them without it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from bench.harness.fleet import PORT, BenchFleet
from fleetctl.engine.options import container_body, network_options
from fleetctl.engine.registry import open_engine
from fleetctl.plan.actions import CreateNetwork, CreateReplica
from fleetctl.plan.replicas import plan_replicas
from fleetctl.spec.load import load_fleet

NETWORK_ID = "the id of the network"
"""Stands in the bodies where the id belongs once there is one."""
RUN = "bench"


def write_bodies(bench: BenchFleet, path: Path) -> None:
    """Write them as JSON: {network, network_id, containers: [{name, body}], port, path}."""
    fleet = load_fleet([str(bench.file)], os.environ)
    engine = open_engine(os.environ)
    try:
        observed = engine.observe(fleet.name, images=[service.image for service in fleet.services.values()])
    finally:
        engine.close()
    actions = [step.action for step in plan_replicas(fleet, observed).steps]
    (network,) = [network_options(action, RUN) for action in actions if isinstance(action, CreateNetwork)]
    document = {
        "network": {
            "Name": network["name"],
            "CheckDuplicate": True,
            "Driver": network["driver"],
            "IPAM": network["ipam"],
            "Labels": network["labels"],
        },
        "network_id": NETWORK_ID,
        "containers": [
            {"name": action.container_name, "body": container_body(action, NETWORK_ID, RUN)}
            for action in actions
            if isinstance(action, CreateReplica)
        ],
        "port": PORT,
        "path": "/",
    }
    path.write_text(json.dumps(document))
