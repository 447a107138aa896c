"""Replicas behind HAProxy, run by fleetctl or by docker compose, to be changed and scaled under load.

What can be equal is equal: server image, limits, security baseline, HAProxy and its settings for health checks,
time-outs and connections, no retries unless asked for. Different is what each brings: fleetctl drives HAProxy's servers
by its `balance`. Compose has nothing of the kind, so there HAProxy does what it is usually set up to do before Docker:
it finds the replicas in the engine's DNS, asking every second, and takes out those whose checks fail.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.harness.fleet import FLEETCTL, PORT, ROOT, build_image
from bench.harness.peer import Compose
from bench.harness.process import FailedError, measure
from fleetctl.balancer.config import SERVER, render
from fleetctl.spec.model import Balance

IMAGE = "fleetctl-bench/loaded:local"
BALANCER_IMAGE = "fleetctl/balancer:local"
BALANCER_PORT = 8000

WEB = """\
name: {name}
services:
  web:
    image: {image}
    pull_policy: never
    environment: {{RELEASE: "{release}"}}
    healthcheck: {{disable: true}}
    deploy:
      replicas: {replicas}
      resources: {{limits: {{cpus: "{cpus}", memory: 128m}}}}
    x-fleet: {{http: {{port: {port}, health_path: /healthz}}}}
  balancer:
    image: {balancer_image}
    pull_policy: never
    deploy: {{resources: {{limits: {{memory: 256m}}}}}}
"""
OURS = """\
    x-fleet: {{balance: {{service: web, port: {balancer_port}, retries: {retries}, drain_timeout: 10s}}}}
"""
THEIRS = """\
    ulimits: {{nofile: 16384}}
    entrypoint: [haproxy, -f, /peer/haproxy.cfg]
    configs: [{{source: haproxy, target: /peer/haproxy.cfg}}]
configs:
  haproxy: {{file: haproxy.cfg}}
"""
BY_DNS = f"""\
    default-server {SERVER}
    server-template web- 64 web:{PORT} resolvers docker init-addr none resolve-prefer ipv4

resolvers docker
    nameserver engine 127.0.0.11:53
    accepted_payload_size 8192
    timeout resolve 1s
    hold valid 1s
    hold obsolete 0s
"""
"""What HAProxy is told in place of its servers, behind the settings that fleetctl would give it."""


@dataclass(slots=True)
class Balanced:
    """A fleet whose service `web` is behind the service `balancer`. `compose` runs it, or fleetctl where it is None."""

    name: str
    file: Path
    compose: Compose | None
    retries: int = 0
    cpus: str = "0.5"

    def up(self, release: int, replicas: int) -> float:
        """Bring the file to that release and the fleet to the file; seconds."""
        self.write(release, replicas)
        if self.compose is None:
            return measure([FLEETCTL, "up", "-f", str(self.file)]).seconds
        return self.compose.run(self.file, "up", "-d").seconds

    def scale(self, replicas: int) -> float:
        """Seconds of running so many replicas of the same release."""
        if self.compose is None:
            return measure([FLEETCTL, "scale", "-f", str(self.file), f"web={replicas}"]).seconds
        return self.compose.run(self.file, "up", "-d", "--scale", f"web={replicas}").seconds

    def down(self) -> None:
        if self.compose is None:
            measure([FLEETCTL, "down", "-f", str(self.file), "-t", "0"])
        else:
            self.compose.run(self.file, "down", "-t", "0")

    def write(self, release: int, replicas: int) -> None:
        """The file of that release. The peer gets every value that fleetctl would use written out."""
        settings = {
            "name": self.name,
            "image": IMAGE,
            "balancer_image": BALANCER_IMAGE,
            "release": release,
            "replicas": replicas,
            "port": PORT,
            "balancer_port": BALANCER_PORT,
            "retries": self.retries,
            "cpus": self.cpus,
        }
        if self.compose is None:
            self.file.write_text((WEB + OURS).format(**settings))
            return
        short = self.file.with_name("short.yaml")
        balance = Balance("web", BALANCER_PORT, PORT, health_path="/healthz", retries=self.retries)
        self.file.with_name("haproxy.cfg").write_text(render([balance], {}) + BY_DNS)
        short.write_text((WEB + THEIRS).format(**settings))
        self.file.write_text(measure([FLEETCTL, "config", "-f", str(short)]).output)

    def containers(self, service: str) -> dict[str, str]:
        """Id -> address of what runs of a service."""
        listed = run("docker", "ps", "-q", "--filter", f"name=^/{self.name}-{service}-")
        if not listed:
            return {}
        entries = json.loads(run("docker", "inspect", *listed.split()))
        return {
            entry["Id"]: network["IPAddress"]
            for entry in entries
            for network in entry["NetworkSettings"]["Networks"].values()
        }

    @property
    def balancer(self) -> tuple[str, str]:
        """Id and address. Raises ValueError where not exactly one runs."""
        ((balancer_id, address),) = self.containers("balancer").items()
        return balancer_id, address


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def build_images() -> None:
    """The balancer's image, the server's, and the one that adds pages to it."""
    build_image()
    run("docker", "build", "--quiet", "--tag", IMAGE, str(ROOT / "bench" / "loaded_server"))


@contextmanager
def balanced(compose: Compose | None, replicas: int, *, retries: int = 0, cpus: str = "0.5") -> Iterator[Balanced]:
    """Such a fleet, up, of its own name; gone at the end."""
    name = f"bench-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as directory:
        # A bind mount of HAProxy's configuration is read by the image's own user.
        Path(directory).chmod(0o755)
        fleet = Balanced(name, Path(directory, "fleet.yaml"), compose, retries, cpus)
        try:
            fleet.up(0, replicas)
            yield fleet
        finally:
            try:
                fleet.down()
            except FailedError as error:
                print(f"left behind: {error}", file=sys.stderr)
