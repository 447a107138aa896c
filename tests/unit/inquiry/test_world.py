"""Why a port of the host leads to no container, and what fleet.yaml says of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import docker
import pytest

from fleetctl.diagnosis.scene import Scene
from fleetctl.engine.docker_host import DockerHost
from fleetctl.engine.endpoint import Endpoint
from fleetctl.inquiry.world import World, not_published, path_key
from fleetctl.spec.model import Balance, Fleet, HttpSettings, Service
from tests.fakes.made_up_scene import healthy, replica, scene

SEEN = scene(healthy())
WORLD = World(None, SEEN.containers, SEEN.networks, host_addresses=frozenset({"127.0.0.1", "192.168.7.10"}))


def told(address: str, port: int, *, engine: str = "unix:///var/run/docker.sock", seen: Scene = SEEN) -> str:
    """hop/cause at where, or nothing."""
    client = docker.APIClient(base_url=engine, version="1.41")  # named, and never spoken to
    try:
        found = not_published(port, address, WORLD, seen, DockerHost(client, Endpoint(engine, "a test")))
    finally:
        client.close()
    if found is None:
        return ""
    assert found.evidence
    assert found.cure
    return f"{found.hop}/{found.cause} at {found.where}"


def test_a_port_on_which_a_container_listens_is_not_published() -> None:
    assert told("127.0.0.1", 8080) == "publish/not-published at web-1"


def test_a_port_that_nobody_has_is_not_published_either() -> None:
    assert told("192.168.7.10", 9999) == "publish/not-published at 192.168.7.10:9999"


def test_a_port_of_a_process_of_the_host_is_no_matter_of_publishing() -> None:
    assert told("127.0.0.1", 18080) == ""


def test_an_address_elsewhere_is_no_matter_of_publishing() -> None:
    assert told("192.0.2.9", 80) == ""


def test_what_is_not_known_of_the_sockets_does_no_harm() -> None:
    blind = replace(SEEN, namespaces={}, host=replace(SEEN.host, listeners=None))
    assert told("192.168.7.10", 8080, seen=blind) == "publish/not-published at 192.168.7.10:8080"


@pytest.mark.parametrize("engine", ["tcp://192.0.2.7:2375", "http://192.0.2.7:2375"])
def test_an_engine_on_another_host_publishes_there_and_not_here(engine: str) -> None:
    assert told("127.0.0.1", 8080, engine=engine) == "publish/foreign-engine at 127.0.0.1:8080"


def key(name: str, port: int, **services: Service) -> str:
    """Where the path comes from that a replica of the service is asked for."""
    asked = replica({"name": name, "service": name, "number": 1})
    fleet = Fleet("shop", Path(), ("fleet.yaml",), services)
    return path_key(World(fleet, (asked,), (), own=frozenset({asked.id})), asked, port)


WEB = Service("web", "uuid", http=HttpSettings(9000, "/", "/ready"))


def test_the_path_of_a_service_is_its_health_path_or_its_path() -> None:
    assert key("web", 9000, web=WEB) == "services.web.x-fleet.http.health_path"
    plain = replace(WEB, http=HttpSettings(9000, "/shop", "/shop"))
    assert key("web", 9000, web=plain) == "services.web.x-fleet.http.path"


def test_the_path_of_a_balancer_is_its_own_or_that_of_the_service_behind_it() -> None:
    own = Service("front", "balancer", balance=(Balance("web", 8080, 9000, "/nope"),))
    assert key("front", 8080, front=own, web=WEB) == "services.front.x-fleet.balance.health_path"
    lent = replace(own, balance=(Balance("web", 8080, 9000, "/ready"),))
    assert key("front", 8080, front=lent, web=WEB) == (
        "services.front.x-fleet.balance.health_path (else services.web.x-fleet.http.health_path counts)"
    )
