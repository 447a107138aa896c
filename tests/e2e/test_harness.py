"""The harness itself notices what it is there to notice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import docker
import pytest
import requests

from fleetctl.engine import labels
from tests.conftest import Bystanders, MakeProxy
from tests.e2e.project import Done, Project, check_output, idle
from tests.fakes.faultproxy import Answer, Cut, Drop
from tests.fakes.tiny_image import TAG
from tests.held_networks import HELD_FOR_NOBODY, remove_network


def test_without_an_engine_tests_fail_and_say_why(tmp_path: Path) -> None:
    inner = tmp_path / "test_inner.py"
    inner.write_text("def test_inner(client): pass\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest", str(inner)]
    environment = {**os.environ, "DOCKER_HOST": "unix:///nope"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert "no Docker engine answers at unix:///nope; 'make engine' starts one" in done.stdout
    assert "skipped" not in done.stdout


def test_whatever_is_left_of_a_fleet_is_seen(fleet: Project) -> None:
    ours = {labels.FLEET: fleet.name}
    made = fleet.client.containers.create(TAG, labels=ours)
    fleet.client.networks.create(f"{fleet.name}_lan", labels=ours)
    fleet.client.volumes.create(f"{fleet.name}_data", labels=ours)
    assert fleet.left() == [
        f"container /{made.name}",
        f"network {fleet.name}_lan",
        f"volume {fleet.name}_data",
    ]


def test_a_bystander_that_is_touched_is_seen(client: docker.DockerClient) -> None:
    bystanders = Bystanders(client)
    try:
        assert bystanders.look() == bystanders.before
        bystanders.other.restart(timeout=1)
        assert bystanders.look() != bystanders.before
    finally:
        bystanders.remove()


@pytest.mark.parametrize(
    "text",
    ["Traceback (most recent call last):", "fleetctl has a fault of its own: KeyError", "\x1b[2J", "a\rb", "\x9b"],
)
def test_output_that_no_user_should_see_is_noticed(text: str) -> None:
    with pytest.raises(AssertionError):
        check_output(Done(("ps",), 0, "", text, 0.1))


def test_the_proxy_passes_on_what_it_does_not_spoil_and_counts_it(
    client: docker.DockerClient, proxy: MakeProxy
) -> None:
    with proxy() as passing:
        through = docker.DockerClient(base_url=passing.address, version="auto")
        assert through.api.version() == client.api.version()
        through.api.remove_volume(through.api.create_volume()["Name"])
        through.close()
    assert str(passing.writes[0]) == "POST /volumes/create"
    assert [request.method for request in passing.requests] == ["GET", "GET", "POST", "DELETE"]
    assert [request.writes_so_far for request in passing.requests] == [0, 0, 1, 2]


def test_the_proxy_drops_one_connection_and_cuts_all(client: docker.DockerClient, proxy: MakeProxy) -> None:
    with proxy(lambda request: Drop() if request.path == "/info" else None) as dropping:
        through = docker.APIClient(base_url=dropping.address, version="auto")
        with pytest.raises(requests.ConnectionError, match=r"abort|closed|reset"):
            through.info()
        assert through.version() == client.api.version()
        through.close()
    with proxy(lambda request: Cut() if request.path == "/info" else None) as cutting:
        through = docker.APIClient(base_url=cutting.address, version="auto")
        for ask in (through.info, through.version):
            with pytest.raises(requests.ConnectionError, match=r"abort|closed|reset"):
                ask()
        through.close()


def test_a_down_is_forgiven_a_network_only_if_the_engine_really_holds_it(fleet: Project, proxy: MakeProxy) -> None:
    fleet.write({"web": idle(1)})
    fleet.up()
    held = Answer(403, b'{"message": "error while removing network: network x has active endpoints"}')
    with proxy(lambda request: held if "DELETE /networks/" in str(request) else None) as holding:
        through = docker.APIClient(base_url=holding.address, version="auto")
        claimed = fleet.finish(fleet.popen("down", env=holding.environment))
        network = fleet.client.networks.create(f"{fleet.name}_lan", labels={labels.FLEET: fleet.name})
        assert not remove_network(through, str(network.id))
        through.close()
    assert HELD_FOR_NOBODY in claimed.stderr
    assert claimed.code == 1, claimed
    assert remove_network(fleet.client.api, str(network.id))
    assert remove_network(fleet.client.api, str(network.id))
