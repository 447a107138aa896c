"""What is wrong behind a balancer: who is in its rotation, and where it asks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote

from fleetctl.diagnosis.scene import Evidence, Finding, Scene, finding
from fleetctl.spec.wording import listed
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Server, service_in

SHOW = "fleetctl stats"


def examine(balancer: Replica, scene: Scene, *, refused: bool) -> Iterator[Finding]:
    """What a balancer says of its own servers, beside the containers there are. `refused` when it was asked and
    answered 503: a pool without servers keeps nobody from an answer who asks for another one."""
    rotation = scene.rotations.get(balancer.id)
    if rotation is None:
        return
    for pool, servers in rotation.servers.items():
        if not any(takes(one) for one in servers):
            one = nobody(balancer, pool, servers)
            yield one if refused else one.as_warning()
        for server in servers:
            yield from stale(balancer, pool, server, scene)


def left_out(replica: Replica, scene: Scene) -> Iterator[Finding]:
    """That a balancer sends requests to a replica's service and none to the replica, as a warning: whoever asks it
    itself gets an answer."""
    if replica.id not in scene.own:
        return
    told = []
    for balancer in scene.containers:
        rotation = scene.rotations.get(balancer.id)
        for pool, servers in rotation.servers.items() if rotation is not None else ():
            server = next((one for one in servers if one.container_id == replica.id[:12]), None)
            if service_in(pool) == replica.service and (server is None or server.admission != "ready"):
                how_so = "is not in it" if server is None else how(server)
                told.append(Evidence(f"{balancer.name} serves pool {pool}, and {replica.name} {how_so}", SHOW))
    if told:
        cure = "bring it into rotation"
        yield finding("out-of-rotation", replica.name, *told, cure=cure, commands=("fleetctl up",)).as_warning()


def takes(server: Server) -> bool:
    """Whether it gets new requests."""
    return server.admission == "ready" and server.healthy


def nobody(balancer: Replica, pool: str, servers: Sequence[Server]) -> Finding:
    service = service_in(pool)
    told = listed(f"{one.label} {how(one)}" for one in servers)
    seen = Evidence(f"pool {pool} has {f'no server that takes requests: {told}' if servers else 'no server'}", SHOW)
    if servers:
        cure = "the balancer is in order: see why its servers do not answer at their health path"
        commands = (f"fleetctl diagnose {quote(service)}",)
    else:
        cure, commands = "bring replicas into rotation", ("fleetctl up",)
    return finding("no-server-ready", balancer.name, seen, cure=cure, commands=commands)


def stale(balancer: Replica, pool: str, server: Server, scene: Scene) -> Iterator[Finding]:
    """A server whose container is gone or has another address. It is a fault where requests go there, but for a
    replica of the same service that answers them; a container that merely does not run is told of by itself."""
    container = next((one for one in scene.containers if one.id[:12] == server.container_id), None)
    if container is not None and server.address in container.addresses:
        return
    owner = scene.owner(server.address)
    if container is not None and container.state != "running" and owner is None:
        return
    where = "its container is gone"
    if container is not None:
        where = f"{container.name} {f'has {listed(container.addresses)}' if container.addresses else 'does not run'}"
    place = f"{balancer.name} asks {server.label} at {server.endpoint}"
    seen = [Evidence(f"{place}, but {where}", SHOW)]
    if owner is not None:
        seen.append(
            Evidence(f"{server.address} is the address of {owner.name} now", f"docker inspect {quote(owner.name)}")
        )
    one = finding("stale-server", server.label, *seen, cure="have the rotation mended", commands=("fleetctl up",))
    same = owner is not None and (owner.fleet, owner.service) == (balancer.fleet, service_in(pool))
    yield one if takes(server) and not same else one.as_warning()


def how(server: Server) -> str:
    """Why it takes nothing new: "is down (L4CON)", "is drained"."""
    if server.admission != "ready":
        return "is drained" if server.admission == "drain" else "is in maintenance"
    return f"is down ({server.check or 'not checked'})"
