"""An engine reached over TCP: its replicas are asked where they are published, or not at all."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import docker
import pytest

from fleetctl.engine.endpoint import find_endpoint
from tests.conftest import Bystanders
from tests.e2e.project import Project, server
from tests.fakes.faultproxy import pump


@contextmanager
def engine_at(address: str) -> Iterator[str]:
    """The engine's API at a TCP port of an address of this host, for as long as the block lasts; gives DOCKER_HOST."""
    upstream = find_endpoint(os.environ).address.removeprefix("unix://")

    def serve(client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine, suppress(OSError):
            engine.connect(upstream)
            answers = threading.Thread(target=pump, args=(engine, client), daemon=True)
            answers.start()
            pump(client, engine)
            answers.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server((address, 0)) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        yield f"tcp://{address}:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)  # close() alone does not wake accept(2)
        acceptor.join()


def environment(docker_host: str) -> dict[str, str]:
    """No proxy stands before an address of this host."""
    return {"DOCKER_HOST": docker_host, "NO_PROXY": "*", "no_proxy": "*"}


@pytest.fixture
def not_loopback(client: docker.DockerClient, bystanders: Bystanders) -> str:
    """An address of this host, its end of a bridge, that only this host and containers can reach."""
    stranger = client.api.inspect_container(str(bystanders.other.id))
    (joined,) = stranger["NetworkSettings"]["Networks"].values()
    return str(joined["Gateway"])


def test_over_loopback_a_replica_is_asked_at_its_published_port(fleet: Project) -> None:
    """Every replica gives its own identity through a port of its own."""
    fleet.write({"web": server(2, ports=["8080"])})
    with engine_at("127.0.0.1") as address:
        fleet.up(env=environment(address))
        done = fleet.run("curl", "--format", "json", env=environment(address))
    assert done.code == 0, done
    replies = done.json()["replies"]
    assert len({reply["identity"] for reply in replies}) == 2
    assert all(reply["url"].startswith("http://127.0.0.1:") for reply in replies), replies


def test_without_a_published_port_up_fails_at_once_and_says_what_to_do(fleet: Project) -> None:
    """Long before the wait would be over."""
    fleet.write({"web": server(1)})
    with engine_at("127.0.0.1") as address:
        done = fleet.up("--wait-timeout", "100", code=1, env=environment(address))
    assert done.seconds < 60
    assert f"{fleet.name}-web-1: it cannot be asked from here" in done.stderr
    assert "services.web.ports" in done.stderr


def test_a_port_on_another_host_s_loopback_is_not_looked_for_on_ours(fleet: Project, not_loopback: str) -> None:
    """By its address the engine is elsewhere; who listens on that port of our 127.0.0.1 is nobody's business."""
    fleet.write({"web": server(1, ports=["8080"])})
    with engine_at(not_loopback) as address:
        done = fleet.up("--wait-timeout", "100", code=1, env=environment(address))
        assert "published only on 127.0.0.1 there" in done.stderr
        fleet.write({"web": server(1, ports=["0.0.0.0::8080"])})
        fleet.up(env=environment(address))
        done = fleet.run("curl", "--format", "json", env=environment(address))
    assert done.json()["replies"][0]["url"].startswith(f"http://{not_loopback}:"), done
