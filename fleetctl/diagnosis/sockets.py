"""Whether a socket waits at the port and address asked for, and whether the server takes connections from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from ipaddress import ip_address
from shlex import quote

from fleetctl.diagnosis import shell
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Scene, finding
from fleetctl.spec.wording import listed
from fleetctl.state.network import Listener, Process
from fleetctl.state.observed import Replica

YOUNG = timedelta(seconds=20)
"""How long a server may take until it listens before that counts as a fault of another kind."""
OVERFLOWS = "TcpExt.ListenOverflows"
THROTTLED = 0.5
"""Share of its periods in which the CPU limit stopped it that counts as starved."""


def examine(container: Replica, address: str, port: int, scene: Scene) -> Iterator[Finding | Proof]:
    """The listening socket, then the queue before it."""
    namespace = scene.inside(container)
    if namespace.listeners is None:
        return
    here = [one for one in namespace.listeners if one.protocol == "tcp" and one.port == port]
    fitting = [one for one in here if accepts(one, address)]
    if not fitting:
        yield from missing(container, address, port, here, scene)
        return
    listener = fitting[0]
    yield Proof("socket", f"{holder(listener)} listens on {shown(listener)} ({listener.reach})")
    yield from queue(container, listener, scene)


def accepts(listener: Listener, address: str) -> bool:
    """Whether connections to that address reach the socket; :: takes IPv4 too unless it is IPv6 only (ipv6(7))."""
    text, _, device = listener.address.partition("%")
    own, asked = ip_address(text), ip_address(address)
    if device == "lo" and not asked.is_loopback:
        return False  # SO_BINDTODEVICE (socket(7))
    if own.is_unspecified:
        return own.version == asked.version or (own.version == 6 and not listener.v6_only)
    mapped = getattr(own, "ipv4_mapped", None)
    return asked in (own, mapped)


def missing(container: Replica, address: str, port: int, here: list[Listener], scene: Scene) -> Iterator[Finding]:
    name = container.name
    show = f"{shell.inside(container)}ss -ltnup"
    if here:
        seen = Evidence(f"{holder(here[0])} listens on {listed(map(shown, here))}, asked was {address}:{port}", show)
        only = all(one.reach == "loopback only" for one in here)
        cause = "bound-to-loopback" if only else "bound-to-one-address"
        why = "127.0.0.1 in a container is reached from that container only" if only else "it hears that address only"
        if all(ip_address(one.address.partition("%")[0]).is_unspecified for one in here) and not only:
            why = f"it hears IPv{ip_address(here[0].address.partition('%')[0]).version} only"
        yield finding(
            cause,
            name,
            seen,
            Evidence(why),
            cure=f"let the server bind 0.0.0.0:{port} (for gunicorn: --bind 0.0.0.0:{port}), and replace the replica",
        )
        return
    everything = scene.inside(container).listeners or ()
    udp = [one for one in everything if one.protocol == "udp" and one.port == port]
    if udp:
        seen = Evidence(f"{holder(udp[0])} waits on UDP {shown(udp[0])}; nothing waits on TCP port {port}", show)
        cure = f"ask it over UDP, and publish it as {port}/udp"
        yield finding("udp-not-tcp", name, seen, cure=cure)
        return
    others = [one for one in everything if one.protocol == "tcp"]
    if others:
        seen = Evidence(f"nothing listens on port {port}; listening: {listed(described(one) for one in others)}", show)
        ports = sorted({one.port for one in others})
        there = listed(ports)
        cure = f"ask port {there} (x-fleet.http.port, or the published port's target), or let the server use {port}"
        if all(one.reach == "loopback only" for one in others):
            cure = f"let the server bind 0.0.0.0:{port}: what listens on 127.0.0.1 is reached inside only"
        yield finding("wrong-port", name, seen, cure=cure)
        return
    yield nothing_listens(container, port, scene, Evidence("no process in it listens on any TCP port", show))


def nothing_listens(container: Replica, port: int, scene: Scene, seen: Evidence) -> Finding:
    """A server that died under its parent, one that is still starting, or one that never listens."""
    name, processes = container.name, scene.inside(container).processes or ()
    ended = sign_of_an_end(container, port, scene)
    if ended is not None:
        cure = "restart it: its main process goes on without the one that served; see in its log why that one ended"
        return finding("serving-process-died", name, seen, ended, cure=cure, commands=(shell.restart(name),))
    age = scene.now - container.started if container.started else None
    if age is not None and age < YOUNG:
        young = Evidence(f"it started {age.total_seconds():.0f} s ago", f"docker ps --filter name={quote(name)}")
        cure = "wait until it listens; a health check, or x-fleet.http, makes 'fleetctl up' wait for that"
        return finding("not-listening-yet", name, seen, young, cure=cure)
    if processes:
        seen = Evidence(f"{seen.fact}; running: {names(processes)}", seen.command)
    return finding(
        "not-listening",
        name,
        seen,
        cure=f"see in its log why the server does not listen, and whether its command starts it at port {port}",
        commands=(shell.logs(name),),
    )


def sign_of_an_end(container: Replica, port: int, scene: Scene) -> Evidence | None:
    """What shows that a process has served and ended; None where nothing does."""
    processes, listing = scene.inside(container).processes or (), shell.top(container.name)
    dead = [one for one in processes if one.state == "Z"]
    if dead:
        return Evidence(f"{len(dead)} of its processes ended and were not waited for: {names(dead)}", listing)
    sibling = healthy_sibling(container, port, scene)
    full = len(scene.inside(sibling).processes or ()) if sibling is not None else 0
    if sibling is not None and 0 < len(processes) < full:
        return Evidence(f"it has {len(processes)} process(es), the healthy {sibling.name} has {full}", listing)
    served, _ = scene.counted(container, "Tcp.PassiveOpens")
    if served:
        show = f"{shell.inside(container)}nstat -az TcpPassiveOpens"
        return Evidence(f"it has taken {served} connections before", show)
    if len(processes) == 1 and processes[0].reaped:
        return Evidence(f"{names(processes)} is alone: a child that it had has ended", listing)
    return None


def healthy_sibling(container: Replica, port: int, scene: Scene) -> Replica | None:
    """Another replica of the same service, or container of the same image and command, that listens on the port."""
    for other in scene.siblings(container):
        if any(one.port == port for one in scene.inside(other).listeners or ()):
            return other
    return None


def queue(container: Replica, listener: Listener, scene: Scene) -> Iterator[Finding | Proof]:
    """Whether the kernel's queue of made connections is emptied by the process."""
    name = container.name
    show = f"{shell.inside(container)}ss -ltn 'sport = :{listener.port}'"
    waiting = Evidence(f"{listener.queued} connections wait at {shown(listener)}, which takes {listener.backlog}", show)
    stopped = [one for one in listener.processes if one.state in ("T", "t")]
    if stopped and len(stopped) == len(listener.processes):
        seen = Evidence(f"{names(stopped)}: state T, stopped by a signal", shell.top(name))
        commands = tuple(f"kill -CONT {one.pid}" for one in stopped)
        yield finding("process-stopped", name, seen, waiting, cure="let it go on", commands=commands)
    if listener.queued == 0:
        yield Proof("accept-queue", f"empty, of {listener.backlog}")
        return
    for one in listener.processes:
        if one.files is not None and one.file_limit and one.files >= one.file_limit:
            full = Evidence(
                f"{one.name} (pid {one.pid}) has {one.files} of {one.file_limit} files open", f"ls /proc/{one.pid}/fd"
            )
            cure = "raise ulimits.nofile in fleet.yaml, or mend the leak of descriptors"
            yield finding("out-of-file-descriptors", name, full, waiting, cure=cure)
            return
    if listener.queued >= max(listener.backlog, 1):
        yield finding(
            "accept-queue-full",
            name,
            waiting,
            *overflows(container, scene),
            cure="the server does not accept: see what it is busy with; more replicas or workers, or a larger backlog",
            commands=(shell.top(name), shell.logs(name)),
        )


def overflowed(container: Replica, scene: Scene) -> bool:
    """Whether its queue turned connections away during this diagnosis: that is silence, too (listen(2))."""
    return scene.counted(container, OVERFLOWS)[1] > 0


def overflows(container: Replica, scene: Scene) -> tuple[Evidence, ...]:
    now, risen = scene.counted(container, OVERFLOWS)
    if not now:
        return ()
    grown = f", {risen} of them during this diagnosis" if risen > 0 else ""
    show = f"{shell.inside(container)}nstat -az TcpExtListenOverflows"
    return (Evidence(f"{now} connections were turned away{grown}", show),)


def starved(container: Replica, scene: Scene) -> Finding | None:
    """A CPU limit that stops the container most of the time."""
    pressure = scene.inside(container).pressure or {}
    periods, throttled = pressure.get("periods", 0), pressure.get("throttled", 0)
    if periods < 5 or throttled < THROTTLED * periods:
        return None
    limit = container.inspection.cpus if container.inspection else None
    told = f"; its limit is {limit:g} CPUs" if limit else ""
    seen = Evidence(
        f"the scheduler held it back in {throttled} of {periods} periods{told}",
        f"docker stats --no-stream {quote(container.name)}",
    )
    return finding("cpu-starved", container.name, seen, cure="raise its CPU limit (deploy.resources.limits.cpus)")


def shown(listener: Listener) -> str:
    address = f"[{listener.address}]" if ":" in listener.address else listener.address
    return f"{address}:{listener.port}"


def described(listener: Listener) -> str:
    return f"{shown(listener)} ({listener.reach}, {holder(listener)})"


def holder(listener: Listener) -> str:
    return names(listener.processes[:1]) if listener.processes else "a process"


def names(processes: Sequence[Process]) -> str:
    return ", ".join(f"{one.name} (pid {one.pid})" for one in processes[:4])
