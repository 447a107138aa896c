"""Which engine is meant."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from fleetctl.engine.endpoint import connect, find_endpoint, read_timeout
from fleetctl.errors import ConfigError


def test_docker_host_wins_over_every_context() -> None:
    """As in the Docker command line."""
    found = find_endpoint({"DOCKER_HOST": "tcp://10.0.0.1:2376", "DOCKER_CONTEXT": "nowhere"})
    assert (found.address, found.source) == ("tcp://10.0.0.1:2376", "DOCKER_HOST")


def test_a_context_that_does_not_exist_is_a_mistake_in_the_configuration() -> None:
    """Exit code 2, never another engine instead."""
    with pytest.raises(ConfigError, match="context"):
        find_endpoint({"DOCKER_CONTEXT": "fleetctl-test-no-such-context"})


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "soon", "999999999"])
def test_a_time_out_that_is_no_number_of_seconds_is_refused(text: str) -> None:
    """With the variable's name."""
    with pytest.raises(ConfigError, match="FLEET_ENGINE_TIMEOUT"):
        read_timeout({"FLEET_ENGINE_TIMEOUT": text})


@pytest.mark.skipif(find_spec("paramiko") is not None, reason="paramiko is installed here")
def test_ssh_without_its_library_says_what_to_install() -> None:
    """It is an extra: most users never need it."""
    environment = {"DOCKER_HOST": "ssh://somewhere"}
    with pytest.raises(ConfigError, match="paramiko") as caught:
        connect(find_endpoint(environment), environment)
    assert caught.value.hint is not None
    assert "fleetctl[ssh]" in caught.value.hint
