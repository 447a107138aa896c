"""An endpoint whose container is gone does not keep its network; one whose container exists does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

import docker.errors
import pytest
import requests

from fleetctl.engine.docker_actions import Hands, perform
from fleetctl.errors import FleetError
from fleetctl.plan.actions import Ref, RemoveNetwork

REMOVAL = RemoveNetwork(Ref("f_lan", id="n1"))


def refusal(status: int, words: str) -> docker.errors.APIError:
    answer = requests.Response()
    answer.status_code = status
    kind = docker.errors.NotFound if status == 404 else docker.errors.APIError
    return kind("words", response=answer, explanation=words)


class OneNetwork:
    """A network with endpoints, as an engine keeps them (moby, daemon/container_operations.go and network.go): by
    the id of a container, or by "ep-" and their own where they have none. `firm` ones stay whatever is asked."""

    def __init__(self, endpoints: Mapping[str, str], containers: Collection[str], firm: Collection[str] = ()) -> None:
        self.endpoints = dict(endpoints)
        self.containers = containers
        self.firm = firm
        self.exists = True

    def remove_network(self, network_id: str) -> None:
        if self.endpoints:
            raise refusal(403, f"error while removing network: network f_lan id {network_id} has active endpoints")
        self.exists = False

    def inspect_network(self, network_id: str) -> dict[str, Any]:
        return {"Id": network_id, "Containers": {key: {"Name": name} for key, name in self.endpoints.items()}}

    def inspect_container(self, identity: str) -> dict[str, Any]:
        if identity not in self.containers:
            raise refusal(404, f"No such container: {identity}")
        return {"Id": identity}

    def disconnect_container_from_network(self, container: str, net_id: str, force: bool = False) -> None:
        if container not in self.containers and not force:
            raise refusal(404, f"No such container: {container}")
        self.endpoints = {key: name for key, name in self.endpoints.items() if name != container or name in self.firm}


class OneHost:
    def __init__(self, network: OneNetwork) -> None:
        self.client = network


def remove(network: OneNetwork) -> None:
    perform(cast(Hands, OneHost(network)), REMOVAL)


@pytest.mark.parametrize("key", ["ep-1f2e", "c1"])
def test_an_endpoint_of_no_container_is_disconnected_by_force(key: str) -> None:
    network = OneNetwork({key: "f-web-1"}, containers=())
    remove(network)
    assert not network.exists


@pytest.mark.parametrize("known", ["c1", "theirs"])
def test_an_endpoint_of_a_container_that_exists_is_left_alone_and_named(known: str) -> None:
    """By its id, or where another one has its name by now."""
    network = OneNetwork({"c1": "theirs", "ep-1f2e": "f-web-1"}, containers=(known,))
    with pytest.raises(FleetError, match=r"still attached: theirs$") as caught:
        remove(network)
    assert network.endpoints["c1"] == "theirs"
    assert caught.value.hint == "docker network disconnect f_lan theirs, then run again"


def test_an_endpoint_that_stays_is_told_with_the_command_that_takes_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetctl.engine.network_removal.RELEASED_WITHIN", 0.2)
    network = OneNetwork({"ep-1f2e": "f-web-1"}, containers=(), firm=("f-web-1",))
    with pytest.raises(FleetError, match="still attached: f-web-1") as caught:
        remove(network)
    assert caught.value.hint == "docker network disconnect -f f_lan f-web-1, then run again"
