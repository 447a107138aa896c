"""A fleet of the UUID server for a bench, as one file that fleetctl and docker compose both read, and its end."""

from __future__ import annotations

import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.harness.process import FailedError, Run, measure

ROOT = Path(__file__).parents[2]
FLEETCTL = str(Path(sys.executable).with_name("fleetctl"))
IMAGE = "fleetctl/uuid:local"
PORT = 8080

# The server of the repository's fleet.yaml with its limits. `fleetctl config` then writes out every effective value,
# so that the peer starts containers under the same security baseline.
FILE = """\
name: {name}
services:
  web:
    image: {image}
    pull_policy: never
    environment: {{UUID_SERVER_ADDRESS: 0.0.0.0, UUID_SERVER_WORKERS: "2"}}
    healthcheck: {{disable: {quiet}}}
    deploy:
      replicas: {replicas}
      resources: {{limits: {{cpus: "0.5", memory: 128m}}}}
    x-fleet: {{http: {{port: {port}, health_path: /healthz}}}}
"""


@dataclass(frozen=True, slots=True)
class BenchFleet:
    """One fleet: its name and its file, every effective value written out."""

    name: str
    file: Path

    def fleetctl(self, command: str, *arguments: str) -> Run:
        return measure([FLEETCTL, command, "-f", str(self.file), *arguments])


def build_image() -> None:
    """Make sure that the image is there; nothing is built when its context has not changed."""
    measure([FLEETCTL, "build", "-f", str(ROOT / "fleet.yaml")])


@contextmanager
def bench_fleet(replicas: int, *, quiet: bool = False) -> Iterator[BenchFleet]:
    """A fleet of its own name, taken down at the end. `quiet` turns the image's health check off: an exec in each of
    many containers every half minute is load that has nothing to do with the commands that are measured."""
    name = f"bench-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as directory:
        short, full = Path(directory, "short.yaml"), Path(directory, "fleet.yaml")
        settings = {"image": IMAGE, "port": PORT, "replicas": replicas, "quiet": str(quiet).lower()}
        short.write_text(FILE.format(name=name, **settings))
        full.write_text(measure([FLEETCTL, "config", "-f", str(short)]).output)
        fleet = BenchFleet(name, full)
        try:
            yield fleet
        finally:
            try:
                fleet.fleetctl("down", "-t", "0")
            except FailedError as error:
                print(f"left behind: {error}", file=sys.stderr)
