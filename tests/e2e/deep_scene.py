"""Three containers whose namespaces are read deeply, and what the host's own tools say of a namespace."""

from __future__ import annotations

import json
import socket
import subprocess
from typing import Any

import docker
from docker.errors import APIError
from docker.models.containers import Container

from fleetctl.net.namespaces import inside, read_namespaces
from fleetctl.state.network import Namespace
from tests.e2e.project import wait_for
from tests.e2e.scene import Scene

SERVERS = (
    "httpd -p 8080 -h /www; httpd -p 127.0.0.1:8081 -h /www; httpd -p $(hostname -i):8082 -h /www;"
    " nc -l -p 9000 & trap 'exit 0' TERM; sleep 2147483647 & wait"
)
LISTENING = {("tcp", 8080), ("tcp", 8081), ("tcp", 8082), ("tcp", 9000)}


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def tool(pid: int | None, *command: str) -> Any:
    """What a tool of the host says in JSON, in the namespace of a process; without empty entries."""
    enter = () if pid is None else ("nsenter", "--net", "--target", str(pid))
    return [entry for entry in json.loads(run(*enter, *command) or "[]") if entry]


class Deep(Scene):
    """Three containers on one network: two that serve, one that is limited and paused."""

    def build(self) -> None:
        self.lan = self.network("lan")
        self.web, self.peer = self.serve("web"), self.serve("peer")
        self.limited = self.serve("limited", nano_cpus=10_000_000)
        wait_for("the kernel freezes what it holds back most of the time", self.freeze, seconds=120)
        # Each has met the other, so both know the other's MAC and the bridge knows theirs.
        inside(self.pid(self.web), lambda: socket.create_connection((self.address(self.peer), 8080), 5).close())

    def freeze(self) -> bool:
        """runc gives up after some tries when a throttled process does not get to where it can be frozen."""
        try:
            self.limited.pause()
        except APIError:
            return False
        return True

    def serve(self, name: str, **limits: Any) -> Container:
        made = self.client.containers.create(
            self.image,
            ["sh", "-c", SERVERS],
            name=f"{self.name}-{name}",
            network=self.lan.id,
            labels=self.labels,
            ulimits=[docker.types.Ulimit(name="nofile", soft=321, hard=400)],
            **limits,
        )
        self.containers.append(made)
        made.start()
        made.reload()
        wait_for(f"{name} has started all that it is to run", lambda: self.is_complete(made), seconds=120)
        return made

    def is_complete(self, container: Container) -> bool:
        """Whether every server listens, none is about to become a daemon any more, and the last program runs."""
        seen = deep(self.pid(container))
        listening = {(each.protocol, each.port) for each in seen.listeners or ()}
        return listening == LISTENING and "sleep" in {process.name for process in seen.processes or ()}

    @staticmethod
    def pid(container: Container) -> int:
        return int(container.attrs["State"]["Pid"])

    def address(self, container: Container) -> str:
        return str(container.attrs["NetworkSettings"]["Networks"][self.lan.name]["IPAddress"])


def deep(pid: int) -> Namespace:
    return read_namespaces([pid], deep=True)[1][pid]
