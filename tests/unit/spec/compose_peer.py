"""The peer, docker compose, where it is at hand: installed, or fetched by bench/compose-peer."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def _configuration() -> str | None:
    """A value of DOCKER_CONFIG with which the docker client knows compose; None without the peer."""
    if shutil.which("docker") is None:
        return None
    usual = os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))
    caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    for directory in (usual, str(caches / "fleetctl-bench" / "docker-config")):
        environment = {**os.environ, "DOCKER_CONFIG": directory}
        if subprocess.run(["docker", "compose", "version"], capture_output=True, env=environment).returncode == 0:
            return directory
    return None


def check_compose_accepts(path: Path, variables: Mapping[str, str] | None = None) -> None:
    """`docker compose config -q` must read the file, if the peer is at hand; no engine is needed for it."""
    directory = _configuration()
    if directory is None:
        return
    environment = {**os.environ, **(variables or {}), "DOCKER_CONFIG": directory}
    command = ["docker", "compose", "-f", str(path), "--profile", "*", "config", "-q"]
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
