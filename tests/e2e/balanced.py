"""A fleet of two services: `web`, whose replicas can be made sick, slow or greedy, and `balancer` before them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from bench.harness.load import Load, Mix, load
from bench.harness.outcomes import Outcomes
from bench.harness.rotation import RotationWatch, watched_rotation
from fleetctl.balancer.admin import Standing, number, rows_of, states_of
from tests.conftest import Bystanders, lend
from tests.e2e.project import Json, Project, shell, wait_for
from tests.e2e.test_balancer_image import CONTEXT, base_reference
from tests.fakes.tiny_image import TAG

PORT = 8080
RATE = 60.0
"""Requests a second: what two busy cores carry beside a rollout."""
ASK = "/cgi-bin/ask"
SLOW = "/cgi-bin/slow"
MIX = Mix(posts=0.2, slow=0.05, post_path=ASK, slow_path=f"{SLOW}?0.5")
GETS = Mix(posts=0.0, slow=0.0, path=ASK)
# `ask` tells who it is, what it was asked, and at the end what it was sent, all of it at once, so that hardly ever an
# answer is cut; it lies under /srv, where programs may run.
SERVER = """
mkdir -p /srv/cgi-bin && cd /srv && cat /proc/sys/kernel/random/uuid > index.html && touch healthz
cat > cgi-bin/ask << 'END'
#!/bin/sh
if [ -e /srv/sick ]; then echo "Status: 503 Sick"; echo; exit; fi
answer=$(cat /srv/index.html; env; cat; echo .)
printf 'Status: 200 OK\\r\\nContent-Length: %s\\r\\n\\r\\n%s' "$((${#answer} - 1))" "${answer%.}"
END
cat > cgi-bin/slow << 'END'
#!/bin/sh
sleep "$QUERY_STRING"; exec ./ask
END
chmod 755 cgi-bin/*
trap '[ -e /srv/stubborn ] || exit 0' TERM
trap 'greed=0123456789; while :; do greed=$greed$greed; done' USR1
"""
SERVE = "httpd -f -p 8080 -h /srv & while kill -0 $!; do wait; done"
# What makes a replica sick, deaf to SIGTERM, and (a signal) take all the memory that it can get.
SICKEN = "rm /srv/healthz; touch /srv/sick"
HARDEN = "touch /srv/stubborn"
STARVE = "SIGUSR1"


class Balanced:
    """Such a project. Every test begins with `settle`."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.release = 0

    def write(
        self,
        replicas: int = 2,
        *,
        before: str = "",
        balance: Json | None = None,
        update: Json | None = None,
        **web: Any,
    ) -> None:
        """Write fleet.yaml; `before` runs in each replica's shell before it serves, `web` are keys of the service."""
        command = shell(f"{SERVER}\n{before}\n{SERVE}")
        deploy = {"replicas": replicas, "resources": {"limits": {"memory": "32m"}}, "update_config": update or {}}
        self.project.write(
            {
                "web": {
                    "image": TAG,
                    "command": command,
                    "environment": {"RELEASE": self.release},
                    "restart": "no",
                    "tmpfs": ["/srv:rw,exec,nosuid,nodev,uid=10001,size=1m"],
                    "stop_grace_period": "1s",
                    "deploy": deploy,
                    "x-fleet": {"http": {"port": PORT, "health_path": "/healthz"}},
                    **web,
                },
                "balancer": {
                    "image": f"fleetctl-test/balancer:{self.project.name}",
                    "build": {"context": "balancer", "args": {"BASE": base_reference()}},
                    "stop_grace_period": "1s",
                    # Engine 20.10 calls what was paused unhealthy until it has checked again.
                    "healthcheck": {"interval": "3s"},
                    "x-fleet": {"balance": {"service": "web", "port": PORT, "drain_timeout": "10s", **(balance or {})}},
                },
            }
        )

    def write_next(self, **wishes: Any) -> None:
        """Write the same with another release, to be rolled out."""
        self.release += 1
        self.write(**wishes)

    def settle(self, **wishes: Any) -> None:
        """Bring the fleet to what `write` makes of the wishes, whatever it was before."""
        self.write(**wishes)
        self.project.up()
        self.wait_serving(*(f"web-{number}" for number in range(1, wishes.get("replicas", 2) + 1)))

    # What the balancer says, asked by a way of our own

    @property
    def balancer(self) -> Any:
        return self.project.container("balancer-1")

    def ask(self, command: str) -> str:
        """What the balancer answers; nothing while it does not."""
        session = ["docker", "exec", "-i", self.balancer.id, "socat", "-", "UNIX-CONNECT:/tmp/admin.sock"]
        return subprocess.run(session, input=f"{command}\n", capture_output=True, text=True, check=False).stdout

    def servers(self) -> dict[str, Standing]:
        """How each server stands, by its label."""
        found = states_of(self.ask("show servers state"))
        return {name.rpartition(".")[0]: standing for (_, name), standing in found}

    def serving(self) -> list[str]:
        """The labels of those that take new requests: twice while two of one number do."""
        found = states_of(self.ask("show servers state"))
        ready = [name for (_, name), one in found if one.admission == "ready" and one.healthy]
        return sorted(name.rpartition(".")[0] for name in ready)

    def wait_serving(self, *labels: str) -> None:
        wait_for(f"exactly {labels} serve", lambda: self.serving() == sorted(labels))

    def under_way(self) -> int:
        """How many requests the balancer has sent on that are not answered yet."""
        rows = rows_of(self.ask("show stat"))
        return sum(number(row, "scur") for row in rows if row["svname"] == "BACKEND")

    @contextmanager
    def watch(self) -> Iterator[RotationWatch]:
        """Who is in rotation, ten times a second."""
        with watched_rotation(self.balancer.id) as watch:
            yield watch

    # What clients see

    @property
    def address(self) -> str:
        (network,) = self.balancer.attrs["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    @contextmanager
    def load(self, mix: Mix = MIX, *, more: int = 30) -> Iterator[Load]:
        """A load that has begun before the block, and that goes on behind it for some more requests."""
        with load(self.address, PORT, rate=RATE, mix=mix, timeout=30) as running:
            running.wait(more)
            yield running
            running.wait(more)


def assert_clean(outcomes: Outcomes, *, instances: int | None = None) -> None:
    """No request failed, and so many replicas answered where that is given."""
    assert not outcomes.failed, f"{outcomes}: {outcomes.failed[:3]}"
    assert outcomes.all
    if instances is not None:
        assert len(outcomes.identities) == instances, outcomes


def lend_balanced(
    tmp_path_factory: pytest.TempPathFactory, client: docker.DockerClient, bystanders: Bystanders
) -> Iterator[Balanced]:
    """Such a fleet for all tests of a module, each of which makes its fixture of this."""
    for project in lend(tmp_path_factory.mktemp("balanced"), client, bystanders):
        shutil.copytree(CONTEXT, project.directory / "balancer")
        yield Balanced(project)


def admin_socket(pid: int) -> Path:
    """The admin socket of the balancer whose first process that is, seen from outside the container: for root only."""
    return Path("/proc", str(pid), "root") / "tmp" / "admin.sock"
