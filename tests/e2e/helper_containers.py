"""The helper containers of one run of fleetctl, among those of all others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import docker
import docker.errors

from fleetctl.engine import labels
from fleetctl.engine.docker_host import DockerHost
from fleetctl.engine.registry import open_engine


def own_run() -> Iterator[DockerHost]:
    """The real engine with a run of its own, by whose id its helper containers are known; to be made a fixture of."""
    opened = open_engine(os.environ)
    yield opened
    opened.close()


def helpers_of(client: docker.DockerClient, run: str) -> list[dict[str, Any]]:
    """The helper containers that a run has made and that are still there."""
    chosen = {"label": [f"{labels.HELPER}=probe", f"{labels.RUN}={run}"]}
    return list(client.api.containers(all=True, filters=chosen))
