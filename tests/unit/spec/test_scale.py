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
networks: {lan: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    (tmp_path / "fleet.yaml").write_text(TEXT)
    return load_fleet([tmp_path / "fleet.yaml"], {})


def test_only_the_named_services_change(fleet: Fleet) -> None:
    scaled = with_replicas(fleet, {"free": 0, "ranged": 3})
    assert {name: service.replicas for name, service in scaled.services.items()} == {"free": 0, "ranged": 3, "fixed": 1}
    assert {service.replicas for service in fleet.services.values()} == {1}


@pytest.mark.parametrize(
    ("name", "count", "part"),
    [
        ("fre", 1, "no service"),
        ("free", -1, "cannot have -1"),
        ("free", 1001, "cannot have 1001"),
        ("ranged", 4, "3 host ports to 4 replicas"),
        ("fixed", 2, "one address 10.0.0.9"),
    ],
)
def test_a_number_that_cannot_be_is_refused(fleet: Fleet, name: str, count: int, part: str) -> None:
    with pytest.raises(ConfigError, match=part) as caught:
        with_replicas(fleet, {name: count})
    assert caught.value.hint
