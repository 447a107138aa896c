"""The peer, docker compose v2, where it can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.harness.process import Run, measure

FETCH = Path(__file__).parents[1] / "compose-peer"


class Compose:
    """docker compose on one file."""

    def __init__(self, environment: dict[str, str], version: str) -> None:
        self.environment = environment
        self.version = version

    def run(self, file: Path, *arguments: str) -> Run:
        return measure(["docker", "compose", "-f", str(file), *arguments], self.environment)


def find_compose(*, fetch: bool = True) -> Compose | None:
    """docker compose as it is installed, else as an earlier bench has fetched it, else (`fetch`) from Debian; None,
    and a word on stderr, without any."""
    found = at_hand(dict(os.environ)) or at_hand(fetched("--cached"))
    if found is None and fetch:
        found = at_hand(fetched())
    if found is None:
        print("docker compose, the peer, is neither installed nor to be had", file=sys.stderr)
    return found


def fetched(*options: str) -> dict[str, str] | None:
    """The environment in which docker finds the fetched plugin."""
    done = subprocess.run([FETCH, *options], stdout=subprocess.PIPE, text=True, check=False)
    return {**os.environ, "DOCKER_CONFIG": done.stdout.strip()} if done.returncode == 0 else None


def at_hand(environment: dict[str, str] | None) -> Compose | None:
    """The peer as that environment has it; None where it has none."""
    if environment is None or shutil.which("docker") is None:
        return None
    command = ["docker", "compose", "version", "--short"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return Compose(environment, done.stdout.strip()) if done.returncode == 0 else None
