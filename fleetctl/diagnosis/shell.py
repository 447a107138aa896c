"""Commands that evidence and cures show, each written in one place; every name in them is quoted for the shell."""

from __future__ import annotations

from shlex import quote

from fleetctl.diagnosis.scene import Scene
from fleetctl.state.observed import Replica


def enter(pid: int | None) -> str:
    """What stands before a command that is to run in a process's network namespace; nothing for the host's."""
    return "" if pid is None else f"nsenter -t {pid} -n "


def inside(container: Replica | None) -> str:
    """The same for a container, or the host."""
    return enter(container.pid if container is not None else None)


def file_inside(container: Replica, path: str) -> str:
    """Shows a file of the container, which need not have a program for that."""
    return f"cat /proc/{container.pid}/root{path}"


def logs(container_name: str) -> str:
    return f"docker logs --tail 50 {quote(container_name)}"


def networks_of(container_name: str) -> str:
    return f"docker inspect -f '{{{{json .NetworkSettings.Networks}}}}' {quote(container_name)}"


def restart(container_name: str) -> str:
    return f"docker restart {quote(container_name)}"


def start(container: Replica, scene: Scene) -> str:
    """Has it run and, what the engine alone does not do with a replica, serve: behind a balancer it comes into rotation
    again. The same for one that is paused."""
    if container.id in scene.own:
        return f"fleetctl start {quote(container.service)}"
    return f"docker {'unpause' if container.state == 'paused' else 'start'} {quote(container.name)}"


def top(container_name: str) -> str:
    return f"docker top {quote(container_name)}"
