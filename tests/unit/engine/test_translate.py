"""The engine's JSON in our terms; shapes as Engine 20.10 and 28 give them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fleetctl.engine import labels
from fleetctl.engine.translate import (
    digests_from_label,
    network_from_json,
    own_name,
    parse_time,
    replica_from_list,
    with_inspection,
)

ENTRY: dict[str, Any] = {
    "Id": "a" * 64,
    "Names": ["/other/alias", "/fleet-web-1"],
    "Image": "app:1",
    "ImageID": "sha256:1",
    "Command": "serve",
    "Created": 1_767_225_600,
    "State": "running",
    "Status": "Up 3 seconds (health: starting)",
    "Labels": {labels.SERVICE: "web", labels.REPLICA: "1", labels.DIGESTS: '{"image":"x"}'},
    "Ports": [
        {"PrivatePort": 80, "Type": "tcp", "IP": "127.0.0.1", "PublicPort": 8080},
        {"PrivatePort": 53, "Type": "udp"},
    ],
    "NetworkSettings": {
        "Networks": {"lan": {"NetworkID": "n", "IPAddress": "10.0.0.2", "IPPrefixLen": 24, "MacAddress": "02:42"}}
    },
}


def test_a_running_replica_comes_with_everything_the_list_tells() -> None:
    """One call for all replicas has to suffice."""
    replica = replica_from_list(ENTRY)
    assert (replica.name, replica.service, replica.number) == ("fleet-web-1", "web", 1)
    assert (replica.state, replica.health, replica.exit_code) == ("running", "starting", None)
    assert (replica.endpoints["lan"].ipv4, replica.endpoints["lan"].prefix) == ("10.0.0.2", 24)
    assert [(port.container_port, port.host_port) for port in replica.ports] == [(53, None), (80, 8080)]
    assert replica.created == datetime(2026, 1, 1, tzinfo=UTC)
    assert (replica.pid, replica.restarts, replica.started) == (None, None, None)


@pytest.mark.parametrize(
    ("status", "health", "code"),
    [
        ("Up 2 hours", "none", None),
        ("Up 2 hours (healthy)", "healthy", None),
        ("Up 2 hours (unhealthy)", "unhealthy", None),
        ("Exited (137) 5 minutes ago", "none", 137),
        ("Restarting (1) 2 seconds ago", "none", 1),
        ("Created", "none", None),
    ],
)
def test_health_and_exit_code_are_read_from_the_status(status: str, health: str, code: int | None) -> None:
    """The list has no fields for them."""
    replica = replica_from_list({**ENTRY, "Status": status})
    assert (replica.health, replica.exit_code) == (health, code)


def test_labels_that_somebody_broke_are_survived() -> None:
    """A number that is none, digests that are no JSON: the replica counts as outdated, nothing breaks."""
    broken = {labels.REPLICA: "x", labels.DIGESTS: "{"}
    replica = replica_from_list({"Id": "a", "Names": None, "Labels": broken, "NetworkSettings": None, "Ports": None})
    assert (replica.number, dict(replica.digests), replica.name) == (0, {}, "")
    assert digests_from_label("[1]") == {}
    assert own_name([]) == ""


def test_inspection_adds_pid_restarts_start_time_and_aliases() -> None:
    """And keeps what the list told."""
    state = {"Status": "running", "Running": True, "Pid": 7, "StartedAt": "2026-01-01T00:00:01.123456789Z"}
    networks = {"lan": {"NetworkID": "n", "IPAddress": "10.0.0.2", "Aliases": ["web"]}}
    inspected = with_inspection(
        replica_from_list(ENTRY),
        {"State": state, "RestartCount": 2, "NetworkSettings": {"Networks": networks}},
    )
    assert (inspected.pid, inspected.restarts) == (7, 2)
    assert inspected.started == datetime(2026, 1, 1, 0, 0, 1, 123456, tzinfo=UTC)
    assert inspected.endpoints["lan"].aliases == ("web",)


def test_a_stopped_container_has_no_pid_and_no_time_of_year_one() -> None:
    """The engine writes 0 and 0001-01-01 for "none"."""
    state = {"Status": "created", "Running": False, "Pid": 0, "StartedAt": "0001-01-01T00:00:00Z", "ExitCode": 0}
    inspected = with_inspection(replica_from_list(ENTRY), {"State": state, "NetworkSettings": {}})
    assert (inspected.pid, inspected.started, inspected.state) == (None, None, "created")
    assert parse_time(None) is None


def test_the_bridge_has_the_name_of_the_option_or_of_the_id() -> None:
    """moby names a bridge br- and twelve digits of the network's id unless told otherwise."""
    plain = network_from_json({"Id": "0123456789abcdef", "Name": "n", "Driver": "bridge"})
    assert plain.bridge_name == "br-0123456789ab"
    named = {"com.docker.network.bridge.name": "br0"}
    assert network_from_json({"Id": "0", "Driver": "bridge", "Options": named}).bridge_name == "br0"
    assert network_from_json({"Id": "0", "Driver": "overlay"}).bridge_name is None
