"""The peer, docker compose v2, where it can be had."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
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


def find_compose() -> Compose | None:
    """docker compose as it is installed, else as Debian packages it; None, and a word on stderr, without either."""
    for environment in (dict(os.environ), fetched()):
        if environment is not None and (version := ask_version(environment)):
            return Compose(environment, version)
    print("without the peer: docker compose is neither installed nor to be had", file=sys.stderr)
    return None


def fetched() -> dict[str, str] | None:
    done = subprocess.run([FETCH], stdout=subprocess.PIPE, text=True, check=False)
    return {**os.environ, "DOCKER_CONFIG": done.stdout.strip()} if done.returncode == 0 else None


def ask_version(environment: dict[str, str]) -> str:
    command: Sequence[str] = ("docker", "compose", "version", "--short")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
