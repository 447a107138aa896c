"""Where a replica is asked: never anywhere that a stranger could answer in its place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleetctl.check.reach import address_of
from fleetctl.check.replicas import check_replicas
from fleetctl.spec.model import HttpSettings, Service
from fleetctl.state.observed import Endpoint, Published, Replica

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
HTTP = HttpSettings(8080)


def replica_with(*ports: Published) -> Replica:
    ends = {"lan": Endpoint("1", "lan", ipv4="172.30.0.2")}
    return Replica("1", "f-web-1", "web", 1, "i", "i", "running", "none", "", CREATED, endpoints=ends, ports=ports)


def test_on_the_engine_s_own_host_a_replica_is_asked_at_its_own_address() -> None:
    """Whatever it publishes."""
    assert address_of(replica_with(Published(8080, host_ip="0.0.0.0", host_port=81)), HTTP, None) == (
        "172.30.0.2",
        8080,
    )


@pytest.mark.parametrize(
    ("host", "host_ip", "asked"),
    [
        ("engine.example", "0.0.0.0", "engine.example"),
        ("192.0.2.7", "::", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "198.51.100.1"),
        ("192.0.2.7", "127.0.0.1", None),
        ("192.0.2.7", "::1", None),
        ("localhost", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "0.0.0.0", "127.0.0.1"),
    ],
)
def test_elsewhere_it_is_asked_at_a_port_published_there(host: str, host_ip: str, asked: str | None) -> None:
    """Loopback of another host is out of reach, and this host's own is not asked in its place."""
    found = address_of(replica_with(Published(8080, host_ip=host_ip, host_port=8081)), HTTP, host)
    assert found == (None if asked is None else (asked, 8081))


def test_a_port_of_another_protocol_or_only_exposed_does_not_count() -> None:
    """HTTP goes over TCP."""
    ports = (Published(8080, "udp", "0.0.0.0", 8081), Published(8080), Published(9090, "tcp", "0.0.0.0", 8082))
    assert address_of(replica_with(*ports), HTTP, "192.0.2.7") is None


def test_a_replica_out_of_reach_says_why() -> None:
    """With where the engine is and where the port is published."""
    replica = replica_with(Published(8080, host_ip="127.0.0.1", host_port=8081))
    (reply,) = check_replicas([(replica, Service("web", "i", http=HTTP))], host="192.0.2.7")
    assert reply.error is not None
    assert "the engine is at 192.0.2.7" in reply.error
    assert "container port 8080 is published only on 127.0.0.1 there" in reply.error
