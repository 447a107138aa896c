"""Whether the container that is asked runs, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from shlex import quote

from fleetctl.diagnosis import shell
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Scene, finding
from fleetctl.state.network import Listener
from fleetctl.state.observed import KILLED, STOPPED_BY_SIGNAL, Inspection, Replica

CANNOT_RUN = (126, 127)
"""Exit codes for a command that cannot be executed or does not exist (docker run(1))."""
AT_ONCE = timedelta(seconds=1)
"""Nobody has a container stopped so soon after its start."""
AGAIN = ("always", "unless-stopped")
"""Restart policies by which the engine starts again whatever ends by itself (docs.docker.com, start containers
automatically): what is at rest all the same was stopped."""
AROUND = timedelta(seconds=20)
LOG_LINES = 5
LINE = 200
"""Characters of a log line that are shown."""
ADDRESS_IN_USE = "address already in use"
"""strerror(EADDRINUSE) in the C locale, which every language's run-time prints."""


def examine(container: Replica, scene: Scene) -> Iterator[Finding | Proof]:
    """One proof or one finding about the container's life."""
    name, facts = container.name, container.inspection or Inspection()
    frozen = (scene.inside(container).pressure or {}).get("frozen")
    state = Evidence(
        f"{name} is {container.state}{ending(container)}",
        f"docker inspect -f '{{{{json .State}}}}' {quote(name)}",
    )
    if container.state == "paused" or frozen:
        seen = Evidence("its cgroup is frozen" if frozen else "the engine says so", state.command)
        wake = shell.start(container, scene) if container.state == "paused" else f"docker unpause {quote(name)}"
        yield finding("paused", name, state, seen, cure="go on with it", commands=(wake,))
    elif container.state == "running":
        since = f" since {container.started:%H:%M:%S} UTC" if container.started else ""
        yield Proof("container", f"running{since}, pid {container.pid}")
    elif container.state == "restarting":
        count = Evidence(f"it was started again {container.restarts} times", state.command)
        yield finding(
            "restart-loop",
            name,
            state,
            count,
            *killed(container, facts),
            *last_lines(container, scene),
            cure="it ends on every start: mend what its last log lines say",
            commands=(shell.logs(name),),
        )
    elif container.state == "created":
        yield never_started(container, facts, scene, state)
    else:
        yield ended(container, facts, scene, state)


def restarted(container: Replica, scene: Scene) -> Iterator[Finding]:
    """A container that runs just now because it was started once more a moment ago."""
    age = scene.now - container.started if container.started else None
    if container.state != "running" or not container.restarts or age is None or age > AROUND:
        return
    seen = Evidence(
        f"it runs for {age.total_seconds():.0f} s, and was started again {container.restarts} times",
        f"docker inspect -f '{{{{.RestartCount}}}}' {quote(container.name)}",
    )
    cure = "it ends on every start: mend what its last log lines say"
    commands = (shell.logs(container.name),)
    yield finding("restart-loop", container.name, seen, *last_lines(container, scene), cure=cure, commands=commands)


def ending(container: Replica) -> str:
    return f" with code {container.exit_code}" if container.exit_code is not None else ""


def ended(container: Replica, facts: Inspection, scene: Scene, state: Evidence) -> Finding:
    name, code = container.name, container.exit_code
    logs = last_lines(container, scene)
    start = shell.start(container, scene)
    if facts.out_of_memory:
        cure = "raise its memory limit (deploy.resources.limits.memory), or mend the leak"
        return finding("out-of-memory", name, state, *killed(container, facts), *logs, cure=cure, commands=(start,))
    if code in CANNOT_RUN:
        cure = "mend the command or entrypoint: it does not exist in the image, or cannot be executed"
        return finding("bad-command", name, state, *engine_says(facts), *logs, cure=cure)
    if code in STOPPED_BY_SIGNAL:
        restarted, finished = scene.engine_started, facts.finished
        if restarted and finished and restarted - AROUND < finished <= restarted:
            seen = Evidence(f"it ended at {finished:%H:%M:%S}, the engine began at {restarted:%H:%M:%S}", "docker info")
            cure = "start it; a restart policy (restart: unless-stopped) or the engine's live-restore prevents it"
            return finding("engine-restarted", name, state, seen, cure=cure, commands=(start,))
        return stopped(container, facts, scene, state)
    if any(ADDRESS_IN_USE in line.lower() for line in scene.last_lines.get(container.id, ())):
        cure = "another process holds the address: end it, or give this one another port"
        return finding("address-in-use", name, state, *logs, cure=cure)
    cure = "mend what its last log lines say, then start it"
    return finding("crashed", name, state, *logs, cure=cure, commands=(shell.logs(name), start))


def stopped(container: Replica, facts: Inspection, scene: Scene, state: Evidence) -> Finding:
    """One that was asked to end, as far as its code tells, or that ended well by itself."""
    name, start = container.name, shell.start(container, scene)
    if facts.restart_policy in AGAIN or container.exit_code not in (0, KILLED):
        return finding("stopped", name, state, cure="start it", commands=(start,))
    if container.exit_code == KILLED:
        cure = "start it"
        if facts.memory:
            cure += "; if it is killed again, raise its memory limit (deploy.resources.limits.memory)"
        return finding("stopped", name, state, *killed(container, facts), cure=cure, commands=(start,))
    lived = facts.finished - container.started if facts.finished and container.started else None
    again = Evidence(
        f"nothing starts it again: its restart policy is '{facts.restart_policy or 'no'}'",
        f"docker inspect -f '{{{{json .HostConfig.RestartPolicy}}}}' {quote(name)}",
    )
    cure = "let its command run the server in the foreground: a container ends with its first process"
    if lived is not None and timedelta() <= lived < AT_ONCE:
        seen = Evidence(f"it ended {lived.total_seconds():.1f} s after it was started", state.command)
        logs = last_lines(container, scene)
        return finding("ended", name, state, seen, again, *logs, cure=cure, commands=(shell.logs(name),))
    either = Evidence("it was asked to end, or its command ended by itself: code 0 does not tell which")
    cure = f"start it; if it ends by itself, {cure}"
    return finding("stopped", name, state, either, again, cure=cure, commands=(start,))


def killed(container: Replica, facts: Inspection) -> tuple[Evidence, ...]:
    """That the kernel killed it for want of memory, or may have."""
    show = f"docker inspect -f '{{{{.State.OOMKilled}}}} {{{{.HostConfig.Memory}}}}' {quote(container.name)}"
    limit = f"its limit is {facts.memory / 2**20:g} MiB" if facts.memory else "it has no limit of its own"
    told = facts.want_of_memory(container.exit_code)
    return (Evidence(f"{told}; {limit}", show),) if told is not None else ()


def never_started(container: Replica, facts: Inspection, scene: Scene, state: Evidence) -> Finding:
    """Why a created container does not run, by facts: a host port that somebody else has, a network without a free
    address, a command that is not there."""
    name, start = container.name, shell.start(container, scene)
    said = engine_says(facts)
    if container.exit_code in CANNOT_RUN:
        cure = "mend the command or entrypoint: it does not exist in the image, or cannot be executed"
        return finding("bad-command", name, state, *said, cure=cure)
    for port in facts.requested if facts.error else ():
        holder = next((one for one in scene.host.listeners or () if one.port == port.host_port), None)
        other = next(
            (one for one in scene.containers if one.id != container.id and publishes(one, port.host_port)), None
        )
        if holder is None and other is None:
            continue
        who = f"container {other.name}" if other else processes(holder)
        taken = Evidence(f"port {port.host_port} of the host is held by {who}", "ss -ltnp")
        cure = f"free port {port.host_port}, or publish on another one"
        return finding("host-port-taken", name, state, taken, *said, cure=cure, commands=(start,))
    for network in scene.networks:
        wanted = network.name in container.endpoints or network.name == facts.network_mode
        if facts.error and wanted and (full := room(network.subnets, scene, network.name)):
            cure = "give the network a larger subnet, or remove what is not needed from it"
            return finding("addresses-exhausted", name, state, full, *said, cure=cure, commands=(start,))
    if facts.error:
        return finding(
            "start-refused", name, state, *said, cure="mend what the engine says, then start it", commands=(start,)
        )
    return finding("never-started", name, state, cure="start it", commands=(start,))


def processes(listener: Listener | None) -> str:
    held = ", ".join(f"{one.name} (pid {one.pid})" for one in (listener.processes if listener else ()))
    return held or "another process"


def publishes(container: Replica, host_port: int | None) -> bool:
    return any(one.host_port is not None and one.host_port == host_port for one in container.ports)


def room(subnets: tuple[tuple[str, str | None], ...], scene: Scene, network_name: str) -> Evidence | None:
    """That a network has no address left: all but the network's, the broadcast's and the gateway's are given out."""
    for subnet, _ in subnets:
        block = ip_network(subnet)
        taken = sum(1 for one in scene.containers if network_name in one.endpoints and one.endpoints[network_name].ipv4)
        if block.version == 4 and taken >= block.num_addresses - 3:
            fact = f"all addresses of {subnet} are given out: {taken} containers and the gateway"
            return Evidence(fact, f"docker network inspect {quote(network_name)}")
    return None


def engine_says(facts: Inspection) -> tuple[Evidence, ...]:
    return (Evidence(f"the engine says: {facts.error}"),) if facts.error else ()


def last_lines(container: Replica, scene: Scene) -> tuple[Evidence, ...]:
    lines = [line for line in scene.last_lines.get(container.id, ()) if line.strip()][-LOG_LINES:]
    return tuple(Evidence(f"its log ends: {line.strip()[:LINE]}", shell.logs(container.name)) for line in lines)
