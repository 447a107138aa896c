"""Opens the engine that is meant."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from fleetctl.engine.docker_host import DockerHost
from fleetctl.engine.endpoint import connect, find_endpoint


def open_engine(environment: Mapping[str, str], *, progress: Callable[[str, str], None] | None = None) -> DockerHost:
    """The engine that DOCKER_HOST, the Docker context or the default socket names. Raises EngineUnreachable when it
    does not answer, ConfigError when it is named wrongly."""
    endpoint = find_endpoint(environment)
    return DockerHost(connect(endpoint, environment), endpoint, run=secrets.token_hex(4), progress=progress)
