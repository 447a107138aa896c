"""Where ports of an engine are reached, by the engine's address alone."""

from __future__ import annotations

import pytest

from fleetctl.engine.endpoint import Endpoint


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("unix:///var/run/docker.sock", None),
        ("unix:///tmp/other.sock", None),
        ("unix:///home/a/.docker/run/docker.sock", "127.0.0.1"),
        ("unix:///run/user/1000/docker.sock", "127.0.0.1"),
        ("npipe:////./pipe/docker_engine", "127.0.0.1"),
        ("tcp://127.0.0.1:2375", "127.0.0.1"),
        ("tcp://[::1]:2375", "::1"),
        ("tcp://192.0.2.7:2376", "192.0.2.7"),
        ("tcp://:2375", "127.0.0.1"),
        ("192.0.2.7:2375", "192.0.2.7"),
        ("https://engine.example:2376", "engine.example"),
        ("ssh://user@engine.example", "engine.example"),
        ("ssh://user@engine.example:2222/run/docker.sock", "engine.example"),
    ],
)
def test_only_a_socket_of_the_system_s_own_engine_is_this_host(address: str, host: str | None) -> None:
    """Desktop's and rootless engines' containers are not within reach, and over TCP and SSH no others."""
    assert Endpoint(address, "DOCKER_HOST").host == host
    assert Endpoint(address, "DOCKER_HOST").local == (host is None)
