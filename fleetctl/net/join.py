"""Joins what the engine intended with what the kernel has: which veth and bridge port are whose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from fleetctl.net.pairing import find_bridge, find_inner, find_port_state, find_veth, known
from fleetctl.net.publications import nat_of, publications, why_unread
from fleetctl.state.filters import Filters
from fleetctl.state.network import Attachment, Interface, Namespace, Topology, WiredNetwork
from fleetctl.state.observed import Endpoint, ObservedNetwork, Replica
from fleetctl.state.probes import ReplicaReply

_ALIVE = ("running", "paused")
_UNWIRED = {
    "host": "it uses the host's own interfaces",
    "null": "it is cut off: it has nothing but its loopback interface",
}
"""Why there is no veth pair, by the driver of a network that is none."""
_DEFAULT_BRIDGE = "com.docker.network.bridge.default_bridge"
_UNREAD = Namespace(unknown=dict.fromkeys(("interfaces", "nsid"), "the engine names no process for this replica"))


def join_topology(
    fleet: str,
    networks: Iterable[ObservedNetwork],
    replicas: Iterable[Replica],
    host: Namespace,
    inside: Mapping[int, Namespace],
    *,
    filters: Filters | None = None,
    replies: Iterable[ReplicaReply] = (),
) -> Topology:
    """The wiring of `replicas` in `networks`, by what the kernel says of the host and, by pid, inside; `filters` are
    the host's rules, None where they were not asked for, `replies` what replicas answered.

    A replica appears in every network it has an endpoint in, stopped ones too. What does not fit together is
    None, with the reason.
    """
    ordered = sorted(replicas, key=lambda replica: (replica.service, replica.number, replica.name))
    kernel = _Kernel(host, inside, filters, {reply.replica: reply for reply in replies})
    wired = tuple(_network(network, ordered, kernel) for network in networks)
    attached = {attachment.container_id for network in wired for attachment in network.attachments}
    return Topology(
        fleet=fleet,
        networks=wired,
        unattached=tuple(_unattached(replica, ordered, kernel) for replica in ordered if replica.id not in attached),
        host=host,
    )


@dataclass(frozen=True, slots=True)
class _Kernel:
    """What was found out beside the engine."""

    host: Namespace
    inside: Mapping[int, Namespace]
    filters: Filters | None
    replies: Mapping[str, ReplicaReply]

    def namespace(self, replica: Replica) -> Namespace:
        return self.inside.get(replica.pid or 0, _UNREAD)


def _network(network: ObservedNetwork, replicas: Sequence[Replica], kernel: _Kernel) -> WiredNetwork:
    unknown: dict[str, str] = {}
    bridge = known(unknown, "bridge", lambda: find_bridge(network, kernel.host))
    here = [(replica, endpoint) for replica in replicas if (endpoint := _endpoint(replica, network))]
    nat = None
    if kernel.filters is not None:
        nat = nat_of(network, kernel.filters)
        if nat is None:
            unknown["nat"] = why_unread(kernel.filters)
    return WiredNetwork(
        name=network.name,
        id=network.id,
        driver=network.driver,
        subnets=tuple(_with_gateway(subnet, gateway, here) for subnet, gateway in network.subnets),
        bridge=bridge,
        attachments=tuple(
            _attachment(replica, endpoint, network, bridge, unknown, kernel) for replica, endpoint in here
        ),
        nat=nat,
        unknown=unknown,
    )


def _with_gateway(subnet: str, gateway: str | None, here: Sequence[tuple[Replica, Endpoint]]) -> tuple[str, str | None]:
    """The subnet with its gateway. Where the file names none the engine picks one and tells it only to endpoints."""
    told = (endpoint.gateway for _, endpoint in here if endpoint.gateway)
    own = (address for address in told if ip_address(address) in ip_network(subnet, strict=False))
    return subnet, gateway or next(own, None)


def _endpoint(replica: Replica, network: ObservedNetwork) -> Endpoint | None:
    """The replica's place in the network; that of a container that never started has no network's id yet."""
    for endpoint in replica.endpoints.values():
        if endpoint.network_id == network.id:
            return endpoint
        if not endpoint.network_id and endpoint.network_name == network.name:
            return endpoint
    return None


def _attachment(
    replica: Replica,
    endpoint: Endpoint,
    network: ObservedNetwork,
    bridge: Interface | None,
    no_bridge: Mapping[str, str],
    kernel: _Kernel,
) -> Attachment:
    namespace = kernel.namespace(replica)
    if replica.state in _ALIVE and network.driver in _UNWIRED:
        interface = veth = port_state = None
        unknown = dict.fromkeys(("interface", "veth", "port", "gateway"), _UNWIRED[network.driver])
    elif replica.state in _ALIVE:
        unknown = {}
        interface = known(unknown, "interface", lambda: find_inner(endpoint, namespace))
        veth = known(unknown, "veth", lambda: find_veth(interface, endpoint, bridge, kernel.host, namespace))
        port_state = known(unknown, "port", lambda: find_port_state(veth, bridge, no_bridge, kernel.host))
        if not replica.pid:
            unknown["pid"] = _UNREAD.unknown["interfaces"]
        if not endpoint.gateway:
            unknown["gateway"] = "the engine gave it none in this network"
    else:
        interface = veth = port_state = None
        reason = f"it is {replica.state}, so it has no network namespace"
        unknown = dict.fromkeys(("pid", "interface", "veth", "port", "gateway"), reason)
    return Attachment(
        replica=replica.name,
        service=replica.service,
        container_id=replica.id,
        state=replica.state,
        pid=replica.pid or None,
        interface=interface,
        veth=veth,
        port_state=port_state,
        aliases=endpoint.aliases,
        gateway=endpoint.gateway or None,
        engine_ipv4=_cidr(endpoint),
        engine_mac=endpoint.mac.lower() if endpoint.mac else None,
        namespace=namespace if replica.pid else None,
        published=publications(replica, kernel.host, kernel.filters),
        resolved=_names(replica, endpoint, network),
        reply=kernel.replies.get(replica.name),
        unknown=unknown,
    )


def _names(replica: Replica, endpoint: Endpoint, network: ObservedNetwork) -> tuple[str, ...]:
    """What Docker's DNS answers to peers in this network, while the replica runs. The engine's own first network and
    those that are no networks (host, none) have no names."""
    nameless = network.options.get(_DEFAULT_BRIDGE) == "true" or network.driver in _UNWIRED
    if replica.state not in _ALIVE or nameless:
        return ()
    return tuple(dict.fromkeys((replica.name, *endpoint.aliases, replica.id[:12])))


def _unattached(replica: Replica, replicas: Sequence[Replica], kernel: _Kernel) -> Attachment:
    others = ", ".join(
        f"{endpoint.network_name} ({endpoint.network_id[:12]})" for endpoint in replica.endpoints.values()
    )
    namespace = kernel.namespace(replica)
    owner = next((other.name for other in replicas if _lends(other, replica, kernel)), None)
    if others:
        reason = f"it is in none of these networks, only in {others}"
    elif owner is not None:
        reason = f"it shares the network namespace of {owner}"
    else:
        reason = "it is in no network"
    return Attachment(
        replica=replica.name,
        service=replica.service,
        container_id=replica.id,
        state=replica.state,
        pid=replica.pid or None,
        namespace=namespace if replica.pid else None,
        reply=kernel.replies.get(replica.name),
        unknown=dict.fromkeys(("interface", "veth", "port", "gateway"), reason)
        | ({} if replica.pid else {"pid": f"it is {replica.state}"}),
    )


def _lends(owner: Replica, replica: Replica, kernel: _Kernel) -> bool:
    """Whether a container without an endpoint lives in the network namespace of another, which has one."""
    inode = kernel.namespace(replica).inode
    return bool(owner.endpoints) and inode is not None and kernel.namespace(owner).inode == inode


def _cidr(endpoint: Endpoint) -> str | None:
    if not endpoint.ipv4:
        return None
    return endpoint.ipv4 if endpoint.prefix is None else f"{endpoint.ipv4}/{endpoint.prefix}"
