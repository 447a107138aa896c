"""What tests against a real engine share: the engine itself, a fleet of their own, and strangers to be left alone."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from fleetctl.engine import labels
from fleetctl.engine.endpoint import find_endpoint
from tests.e2e.project import Project
from tests.fakes import ports
from tests.fakes.faultproxy import FaultProxy, Misbehave
from tests.fakes.tiny_image import TEST_LABEL, tiny_image
from tests.held_networks import remove_network


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """A client of the engine that DOCKER_HOST or the Docker context names, with the tiny image at hand."""
    address = find_endpoint(os.environ).address
    try:
        found = docker.DockerClient(base_url=address, version="auto", timeout=60, max_pool_size=16)
    except docker.errors.DockerException as error:
        pytest.fail(f"no Docker engine answers at {address}; 'make engine' starts one: {error}", pytrace=False)
    tiny_image(found)
    yield found
    found.close()


MakeProxy = Callable[..., FaultProxy]


class Bystanders:
    """Another fleet and a container of nobody's that stand beside every test of this process."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        name = f"t-bystander-{uuid.uuid4().hex[:8]}"
        ours = {labels.FLEET: name, labels.SERVICE: "web", labels.REPLICA: "1", labels.NETWORK: "lan"}
        self.network = client.networks.create(f"{name}_lan", labels=ours, ipam=free_pool(client))
        self.volume = client.volumes.create(f"{name}_data", labels=ours)
        self.other = client.containers.create(
            tiny_image(client), name=f"{name}-web-1", labels=ours, network=self.network.id
        )
        self.nobodys = client.containers.create(
            tiny_image(client), name=name, labels={TEST_LABEL: name}, network=self.network.id
        )
        self.other.start()
        self.nobodys.start()
        self.before = self.look()

    def look(self) -> list[Any]:
        """Everything that must not change."""
        containers = [self.client.api.inspect_container(str(one.id)) for one in (self.other, self.nobodys)]
        return [
            *((one["Name"], one["State"], one["Config"], one["NetworkSettings"]["Networks"]) for one in containers),
            self.client.api.inspect_network(str(self.network.id)),
            self.client.api.inspect_volume(self.volume.name),
        ]

    def remove(self) -> None:
        self.other.remove(force=True)
        self.nobodys.remove(force=True)
        remove_network(self.client.api, str(self.network.id))
        self.volume.remove()


def free_pool(client: docker.DockerClient) -> Any:
    return docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=next_subnet(client))])


def next_subnet(client: docker.DockerClient, prefix: int = 28, *, but: Iterable[str] = ()) -> str:
    """A subnet of 10.214.0.0/16 that no network has, nor is one of `but` in its block; test processes begin at places
    of their own."""
    taken = [
        ip_network(config["Subnet"])
        for network in client.api.networks()
        for config in network["IPAM"]["Config"] or []
        if config.get("Subnet")
    ]
    taken += map(ip_network, but)
    blocks = list(IPv4Network("10.214.0.0/16").subnets(new_prefix=24))
    first = uuid.uuid4().int % len(blocks)
    for block in blocks[first:] + blocks[:first]:
        if not any(isinstance(other, IPv4Network) and block.overlaps(other) for other in taken):
            return str(next(block.subnets(new_prefix=prefix)))
    raise AssertionError("no free subnet in 10.214.0.0/16")


@pytest.fixture(scope="session")
def bystanders(client: docker.DockerClient) -> Iterator[Bystanders]:
    made = Bystanders(client)
    yield made
    made.remove()


def lend(directory: Path, client: docker.DockerClient, bystanders: Bystanders) -> Iterator[Project]:
    """A project for as long as somebody needs it; strangers must be as they were when it ends."""
    project = Project(directory, client)
    try:
        yield project
        assert bystanders.look() == bystanders.before
    finally:
        project.remove_everything()
        assert project.left() == []


@pytest.fixture
def fleet(tmp_path: Path, client: docker.DockerClient, bystanders: Bystanders) -> Iterator[Project]:
    """A project directory with a fleet of its own that is gone after the test."""
    yield from lend(tmp_path, client, bystanders)


@pytest.fixture
def another_fleet(tmp_path: Path, client: docker.DockerClient, bystanders: Bystanders) -> Iterator[Project]:
    """A second one beside it."""
    directory = tmp_path / "another"
    directory.mkdir()
    yield from lend(directory, client, bystanders)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives TCP ports of 127.0.0.1 that nobody listens on."""
    return ports.free_port


@pytest.fixture
def free_subnet(client: docker.DockerClient) -> Callable[[int], str]:
    """Gives subnets of a prefix length that no network has, each once."""
    given: list[str] = []

    def give(prefix: int) -> str:
        given.append(next_subnet(client, prefix, but=given))
        return given[-1]

    return give


@pytest.fixture
def proxy(client: docker.DockerClient) -> MakeProxy:
    """Makes a fault proxy before the real engine, to be used as a context manager."""

    def make(misbehave: Misbehave | None = None) -> FaultProxy:
        return FaultProxy(find_endpoint(os.environ).address, misbehave)

    return make
