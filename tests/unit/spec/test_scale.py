"""Another number of replicas is held to the same rules as the file's."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.errors import ConfigError
from fleetctl.spec.load import load_fleet
from fleetctl.spec.model import Fleet
from fleetctl.spec.scale import with_replicas

TEXT = """
services:
  free: {image: x}
  ranged: {image: x, ports: ["8080-8082:80"]}
  fixed: {image: x, networks: {lan: {ipv4_address: 10.0.0.9}}}
  spare: {image: x, ports: ["8082:80"], deploy: {replicas: 0}}
networks: {lan: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    (tmp_path / "fleet.yaml").write_text(TEXT)
    return load_fleet([tmp_path / "fleet.yaml"], {})


def test_only_the_named_services_change(fleet: Fleet) -> None:
    scaled = with_replicas(fleet, {"free": 0, "ranged": 3})
    counts = {name: service.replicas for name, service in scaled.services.items()}
    assert counts == {"free": 0, "ranged": 3, "fixed": 1, "spare": 0}
    assert [service.replicas for service in fleet.services.values()] == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("name", "count", "part"),
    [
        ("fre", 1, "no service"),
        ("free", -1, "cannot have -1"),
        ("free", 1001, "cannot have 1001"),
        ("ranged", 4, "3 host ports to 4 replicas"),
        ("fixed", 2, "one address 10.0.0.9"),
        ("spare", 1, "takes host port 8082 of 127.0.0.1:8080-8082:80/tcp of the service ranged"),
    ],
)
def test_a_number_that_cannot_be_is_refused(fleet: Fleet, name: str, count: int, part: str) -> None:
    with pytest.raises(ConfigError, match=part) as caught:
        with_replicas(fleet, {name: count})
    assert caught.value.hint


def test_one_service_may_take_the_host_ports_of_another_that_goes_to_zero(fleet: Fleet) -> None:
    scaled = with_replicas(fleet, {"ranged": 0, "spare": 1})
    assert [service.replicas for service in scaled.services.values()] == [1, 0, 1, 1]
