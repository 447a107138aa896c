"""Containers and networks of a test's own, made by the engine alone: the scene whose wiring is looked at."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from ipaddress import ip_network
from itertools import islice
from typing import TypeVar

import docker
from docker.errors import APIError
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from tests.fakes.tiny_image import TEST_LABEL, tiny_image
from tests.held_networks import remove_network


class Scene:
    """Containers and networks that no fleetctl made; `build` makes them, `remove` takes down whatever there is."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.name = f"wiring-{uuid.uuid4().hex[:8]}"
        self.label = f"{TEST_LABEL}={self.name}"
        self.image = tiny_image(client)
        self.containers: list[Container] = []
        self.networks: list[Network] = []

    def build(self) -> None:
        raise NotImplementedError

    def network(self, name: str) -> Network:
        """A bridge network with the first free /28 from a place of its own in 10.213.0.0/16."""
        first = uuid.uuid4().int % 3800
        for subnet in islice(ip_network("10.213.0.0/16").subnets(new_prefix=28), first, first + 200):
            pool = IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))])
            try:
                made = self.client.networks.create(f"{self.name}-{name}", ipam=pool, labels=self.labels)
            except APIError as error:
                if "overlap" not in str(error):
                    raise
                continue
            self.networks.append(made)
            return made
        raise AssertionError("no free subnet in 10.213.0.0/16")

    @property
    def labels(self) -> dict[str, str]:
        return {TEST_LABEL: self.name}

    def create(self, name: str, network: Network) -> Container:
        made = self.client.containers.create(
            self.image, name=f"{self.name}-{name}", network=network.id, labels=self.labels
        )
        self.containers.append(made)
        return made

    def start(self, name: str, network: Network) -> Container:
        made = self.create(name, network)
        made.start()
        return made

    def remove(self) -> None:
        for container in self.containers:
            container.remove(force=True)
        for network in self.networks:
            remove_network(self.client.api, str(network.id))


AScene = TypeVar("AScene", bound=Scene)


def staged(scene: type[AScene], client: docker.DockerClient) -> Iterator[AScene]:
    """Such a scene for all tests of a module; to be made a fixture of."""
    built = scene(client)
    try:
        built.build()
        yield built
    finally:
        built.remove()
