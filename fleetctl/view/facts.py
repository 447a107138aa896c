"""Says in few words what is known of a replica's wiring; every text is safe for a terminal and has no style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from fleetctl.state.network import Attachment, Counters, Interface, Listener, Namespace, Publication, Resolver, Route
from fleetctl.state.probes import ReplicaReply, authority_of
from fleetctl.view.text import safe

MAIN_TABLE = 254
"""RT_TABLE_MAIN (rtnetlink(7)): the routes that people mean; 255 holds the own addresses."""
DOCKER_DNS = "127.0.0.11"
"""Where Docker's DNS answers inside a container on a user-defined network, on a port that is random."""
RESTLESS = ("reachable", "stale", "delay", "probe", "noarp")
"""States in which a neighbour entry is as it should be (neighbour(7))."""
UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Socket:
    """Listening sockets that differ in nothing but who holds them: `holders` such as "gunicorn (3 processes)", empty
    where that is unknown; `queue` such as "2 of 128 wait to be accepted", empty when none waits."""

    protocol: str
    endpoint: str
    reach: str
    holders: str
    queue: str

    def __str__(self) -> str:
        parts = (f"{self.protocol} {self.endpoint}", self.reach, self.holders, self.queue)
        return "  ".join(part for part in parts if part)


def sockets(namespace: Namespace | None) -> list[Socket]:
    """What listens in a namespace, by port, without Docker's own DNS."""
    own = [one for one in (namespace.listeners if namespace else None) or () if not is_dockers(one)]
    same: dict[tuple[str, int, str], list[Listener]] = {}
    for one in sorted(own, key=lambda one: (one.protocol != "tcp", one.port, one.address)):
        same.setdefault((one.protocol, one.port, one.address), []).append(one)
    return [
        Socket(safe(protocol), joined(address, port), reach(group[0]), holders(group), queue(group))
        for (protocol, port, address), group in same.items()
    ]


def is_dockers(listener: Listener) -> bool:
    """Docker's DNS, which a process outside of the container holds."""
    return listener.address == DOCKER_DNS and not listener.processes


def reach(listener: Listener) -> str:
    """All interfaces, of IPv6 only where the socket says so; loopback only; one address."""
    return f"{listener.reach} (IPv6 only)" if listener.v6_only and listener.address == "::" else listener.reach


def joined(address: str, port: int) -> str:
    return safe(authority_of(address, port))


def holders(group: Iterable[Listener]) -> str:
    # A server that names its processes, as gunicorn does ("gunicorn: worker [app]"), puts its own name first.
    pids = {one.pid: one.name.partition(":")[0] for listener in group for one in listener.processes}
    named = Counter(pids.values())
    return safe(", ".join(f"{name} ({count} processes)" if count > 1 else name for name, count in named.items()))


def queue(group: Iterable[Listener]) -> str:
    waiting = [listener for listener in group if listener.queued]
    if not waiting:
        return ""
    queued, room = sum(one.queued for one in waiting), sum(one.backlog for one in waiting)
    return f"{queued} of {room} wait to be accepted" if room else f"{queued} bytes wait to be read"


def routes(namespace: Namespace | None) -> list[str]:
    """The routes of the main table that are not the kernel's own for link-local and multicast, the default first."""
    listed = (namespace.routes if namespace else None) or ()
    chosen = [route for route in listed if route.table == MAIN_TABLE and not is_link_local(route.destination)]
    return [route_text(route) for route in sorted(chosen, key=lambda route: not is_default(route))]


def is_default(route: Route) -> bool:
    return route.destination in ("0.0.0.0/0", "::/0")


def is_link_local(destination: str) -> bool:
    address = ip_address(destination.partition("/")[0])
    return address.version == 6 and (address.is_link_local or address.is_multicast)


def route_text(route: Route) -> str:
    """As ip-route(8) writes it: blackhole 10.0.0.0/8, default via 172.30.0.1 dev eth0."""
    words = [] if route.kind == "unicast" else [route.kind]
    words.append("default" if is_default(route) else route.destination)
    words += ["via", route.gateway] if route.gateway else []
    words += ["dev", route.interface] if route.interface else []
    words += ["metric", str(route.metric)] if route.metric else []
    return safe(" ".join(words))


def dns(resolver: Resolver | None) -> str:
    """Name servers with search list and ndots where they are not the usual; empty when unknown."""
    if resolver is None:
        return ""
    text = ", ".join(resolver.nameservers) or "no name server"
    if resolver.nameservers == (DOCKER_DNS,):
        text += " (Docker's)"
    text += f", search {' '.join(resolver.search)}" if resolver.search else ""
    text += f", ndots {resolver.ndots}" if resolver.ndots > 1 else ""
    return safe(text)


def neighbours(namespace: Namespace | None, *, troubled: bool = False) -> list[str]:
    """Which MAC belongs to which address, in one namespace's belief; or only the entries that are not as usual."""
    listed = (namespace.neighbours if namespace else None) or ()
    chosen = [one for one in listed if one.state != "noarp" and not (troubled and one.state in RESTLESS)]
    return [safe(f"{one.address} is {one.mac or 'unanswered'} ({one.state})") for one in chosen]


def traffic(counters: Counters | None) -> str:
    """What has passed an interface: "in 12 packets 1.1 kB, out 3 packets 210 B"; empty when unknown."""
    if counters is None:
        return ""
    told = (
        f"in {counters.rx_packets} packets {size(counters.rx_bytes)},"
        f" out {counters.tx_packets} packets {size(counters.tx_bytes)}"
    )
    lost = losses(counters)
    return f"{told}; {lost}" if lost else told


def losses(counters: Counters | None) -> str:
    """Drops and errors: "in 3 dropped, out 1 errors"; empty when there are none."""
    if counters is None:
        return ""
    found = {
        "in {} dropped": counters.rx_dropped,
        "in {} errors": counters.rx_errors,
        "out {} dropped": counters.tx_dropped,
        "out {} errors": counters.tx_errors,
    }
    return ", ".join(text.format(count) for text, count in found.items() if count)


def size(count: float) -> str:
    """Bytes in units of 1000."""
    for unit in UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {UNITS[-1]}"


def publication(published: Publication) -> str:
    """127.0.0.1:18080 → 8080/tcp."""
    port = published.port
    return f"{joined(port.host_ip or '*', port.host_port or 0)} → {port.container_port}/{safe(port.protocol)}"


def backing(published: Publication) -> str:
    """Which of the two ways into the container there are: NAT rule, docker-proxy 4711."""
    proxy = published.proxy
    rule = "NAT rule" if published.rule else lacking("NAT rule", "rule" in published.unknown)
    told = f"{safe(proxy.name)} {proxy.pid}" if proxy else lacking("docker-proxy", "proxy" in published.unknown)
    return f"{rule}, {told}"


def lacking(what: str, unknown: bool) -> str:
    return f"{what} unknown" if unknown else f"no {what}"


def answer(reply: ReplicaReply | None) -> str:
    """What it answered over HTTP; empty where it was not asked."""
    if reply is None:
        return ""
    if reply.reply.status is None:
        return safe(f"no HTTP answer: {reply.reply.error or reply.error or 'unknown'}")
    took = "" if reply.reply.milliseconds is None else f" in {reply.reply.milliseconds:.1f} ms"
    return f"HTTP {reply.reply.status}{took}"


def names(attachment: Attachment) -> list[str]:
    """The names by which peers reach it, but for the short id, which every container has."""
    return [safe(name) for name in attachment.resolved if name != attachment.container_id[:12]]


def end(interface: Interface | None) -> str:
    """One end of a veth pair: eth0 (12), and its state where it is not up."""
    if interface is None:
        return "?"
    state = "" if interface.state == "up" else f" {interface.state}"
    return safe(f"{interface.name} ({interface.ifindex}){state}")


def addresses(attachment: Attachment) -> tuple[str, ...]:
    """The kernel's addresses but for link-local ones; the engine's where the kernel's are unknown."""
    if attachment.interface is None:
        return tuple(filter(None, [attachment.engine_ipv4 and safe(attachment.engine_ipv4)]))
    found = [safe(address) for address in attachment.interface.addresses]
    return tuple(address for address in found if not address.lower().startswith("fe80:"))
