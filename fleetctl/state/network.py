"""How a fleet's replicas are wired: what the engine intended joined with what the kernel has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from fleetctl.state.filters import FilterRule
from fleetctl.state.observed import Published
from fleetctl.state.probes import ReplicaReply


@dataclass(frozen=True, slots=True)
class Counters:
    """What has passed an interface since it was made (rtnl_link_stats64): packets, bytes, errors and drops, each way as
    the interface sees it."""

    rx_packets: int = 0
    rx_bytes: int = 0
    rx_errors: int = 0
    rx_dropped: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0
    tx_errors: int = 0
    tx_dropped: int = 0


@dataclass(frozen=True, slots=True)
class BridgePort:
    """What a bridge does with one of its ports. `state`: disabled, listening, learning, forwarding or blocking."""

    state: str
    isolated: bool = False
    learning: bool = True
    flood: bool = True
    hairpin: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface; `state` is its operational state in lower case (RFC 2863: up, down, lowerlayerdown …),
    `addresses` are CIDR strings, `mtu` in bytes."""

    name: str
    ifindex: int
    mac: str | None
    mtu: int
    state: str
    addresses: tuple[str, ...] = ()
    bridge_ifindex: int | None = None
    """ifindex of the bridge it is plugged into (IFLA_MASTER), None when into none."""
    peer_ifindex: int | None = None
    """IFLA_LINK: for a veth the ifindex of its other end, in the namespace `peer_nsid`."""
    peer_nsid: int | None = None
    port: BridgePort | None = None
    """None when it is no bridge port."""
    kind: str | None = None
    """veth, bridge, vxlan …; None for a device of no kind (lo, hardware)."""
    up: bool = True
    """Whether it was switched on (IFF_UP); `state` says whether it works."""
    carrier: bool | None = None
    arp: bool = True
    """False where the interface neither asks nor answers ARP (IFF_NOARP)."""
    xdp: bool = False
    """Whether an XDP program sees its packets first."""
    qdisc: str | None = None
    stp: bool = False
    """Of a bridge: whether it runs the spanning tree protocol."""
    vlan_filtering: bool = False
    """Of a bridge: whether it drops frames of a VLAN that a port is not in."""
    counters: Counters | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One route, of any table. `destination` is a CIDR, 0.0.0.0/0 or ::/0 for the default route; `kind` is unicast,
    local, broadcast, blackhole, unreachable, prohibit …; `interface` a name."""

    destination: str
    kind: str = "unicast"
    gateway: str | None = None
    interface: str | None = None
    source: str | None = None
    metric: int = 0
    scope: str = "global"
    table: int = 254


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule that chooses the table of routes (ip-rule(8)); `text` as ip rule shows what it matches and does."""

    priority: int
    text: str
    ipv6: bool = False


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Which MAC an address has as this namespace believes. `state`: reachable, stale, delay, probe, permanent, noarp,
    incomplete or failed (neighbour(7), NUD_*)."""

    address: str
    mac: str | None
    interface: str
    state: str


@dataclass(frozen=True, slots=True)
class ForwardingEntry:
    """One line of a bridge's forwarding database: frames to `mac` leave by the port with that ifindex. `own` when the
    MAC belongs to the port itself."""

    mac: str
    port_ifindex: int
    bridge_ifindex: int | None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `state` is its letter in proc_pid_stat(5): R, S, D, T (stopped), Z …; `files` how many file
    descriptors are open and `file_limit` how many may be, None where that may not be read."""

    pid: int
    name: str
    parent: int = 0
    state: str = "S"
    files: int | None = None
    file_limit: int | None = None
    reaped: bool = False
    """Whether a child of it has ended and was waited for."""
    started: int = 0
    """Clock ticks from the boot to its start."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that waits: TCP in state LISTEN, or UDP bound to a port and connected to nobody. `queued` connections
    of at most `backlog` wait to be accepted (TCP); `processes` hold it, empty where that cannot be known."""

    protocol: str
    address: str
    port: int
    inode: int = 0
    queued: int = 0
    backlog: int = 0
    uid: int | None = None
    v6_only: bool = False
    processes: tuple[Process, ...] = ()

    @property
    def reach(self) -> str:
        """Who can reach it: "all interfaces", "loopback only", "one address", or "one interface" where the socket is
        bound to a device (`address` is then 0.0.0.0%eth0)."""
        text, _, device = self.address.partition("%")
        address = ip_address(text)
        if address.is_unspecified and device:
            return "loopback only" if device == "lo" else "one interface"
        if address.is_unspecified:
            return "all interfaces"
        return "loopback only" if address.is_loopback else "one address"


@dataclass(frozen=True, slots=True)
class Resolver:
    """What resolv.conf(5) says inside a container, in its order; `nameservers` are addresses."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1
    hosts: Mapping[str, str] = field(default_factory=dict)
    """hosts(5): address by name."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """What the kernel says about one network namespace. `nsid` is the number by which the host's namespace knows it,
    None for the host's own. What could not be read is None, with the reason in `unknown` under the field's name; what
    was not asked for is None without a reason."""

    interfaces: tuple[Interface, ...] | None = None
    nsid: int | None = None
    inode: int | None = None
    """Of its file in /proc/PID/ns: the same number is the same namespace."""
    local_ipv4: frozenset[str] = frozenset()
    """Its own IPv4 addresses where `interfaces` could not be read: an unprivileged user gets no more."""
    routes: tuple[Route, ...] | None = None
    policy: tuple[PolicyRule, ...] | None = None
    neighbours: tuple[Neighbour, ...] | None = None
    forwarding: tuple[ForwardingEntry, ...] | None = None
    """Of every bridge in the namespace."""
    listeners: tuple[Listener, ...] | None = None
    filters: tuple[str, ...] | None = None
    """What tc(8) does with packets beyond queueing them: one text each for a filter or a qdisc that drops or delays."""
    settings: Mapping[str, str] | None = None
    """Kernel settings by their name under net, such as ipv4.ip_forward or ipv4.conf.eth0.rp_filter (ip-sysctl)."""
    statistics: Mapping[str, int] | None = None
    """Counters of the protocols, such as TcpExt.ListenDrops or Ip.InAddrErrors (proc_pid_net(5): snmp, netstat)."""
    resolver: Resolver | None = None
    processes: tuple[Process, ...] | None = None
    """Those in the container's cgroup, by pid."""
    pressure: Mapping[str, int] | None = None
    """Of the container's cgroup: periods and throttled (of the CPU's scheduler), oom_kills, frozen (0 or 1)."""
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publication:
    """A published port and what backs it on the engine's host: the NAT rule that rewrites the address, as
    iptables-save(8) writes it, and the process that listens (docker-proxy). None where there is none; `unknown` says
    why a part could not be read."""

    port: Published
    rule: str | None = None
    proxy: Process | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attachment:
    """One replica's way into one network: container interface, veth pair, bridge port. What is None has its reason
    in `unknown`, under the field's name (`port` for `port_state`)."""

    replica: str
    service: str
    container_id: str
    state: str
    pid: int | None = None
    interface: Interface | None = None
    veth: Interface | None = None
    port_state: str | None = None
    aliases: tuple[str, ...] = ()
    gateway: str | None = None
    engine_ipv4: str | None = None
    """Address with prefix that the engine assigned; the kernel's are in `interface`."""
    engine_mac: str | None = None
    namespace: Namespace | None = None
    """Everything that was read in its network namespace, where that was asked for."""
    published: tuple[Publication, ...] = ()
    resolved: tuple[str, ...] = ()
    """The names by which its peers in this network reach it: container name, aliases, short id."""
    reply: ReplicaReply | None = None
    """What it answered over HTTP just now, where that was asked."""
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WiredNetwork:
    """One network of the fleet with its bridge and everything plugged into it. `subnets` are (CIDR, gateway)."""

    name: str
    id: str
    driver: str
    subnets: tuple[tuple[str, str | None], ...] = ()
    bridge: Interface | None = None
    attachments: tuple[Attachment, ...] = ()
    nat: tuple[FilterRule, ...] | None = None
    """The host's address translation that names its bridge, its subnets or an address in them; None where that was not
    asked for, or with the reason in `unknown`."""
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topology:
    """The wiring of one fleet, or of whatever the engine has when `fleet` is empty. `unattached` are the replicas that
    are in none of `networks`."""

    fleet: str
    networks: tuple[WiredNetwork, ...] = ()
    unattached: tuple[Attachment, ...] = ()
    host: Namespace | None = None
    """The engine's host, where that was asked for."""
