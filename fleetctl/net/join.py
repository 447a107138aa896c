"""Joins what the engine intended with what the kernel has: which veth and bridge port are whose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import TypeVar

from fleetctl.state.network import Attachment, Interface, Namespace, Topology, WiredNetwork
from fleetctl.state.observed import Endpoint, ObservedNetwork, Replica

_ALIVE = ("running", "paused")
_UNREAD = Namespace(unknown=dict.fromkeys(("interfaces", "nsid"), "the engine names no process for this replica"))

T = TypeVar("T")


class _UnknownError(Exception):
    """Something cannot be known; the text is the reason that the user reads."""


def join_topology(
    fleet: str,
    networks: Iterable[ObservedNetwork],
    replicas: Iterable[Replica],
    host: Namespace,
    inside: Mapping[str, Namespace],
) -> Topology:
    """The wiring of `replicas` in `networks`, by what the kernel says of the host and, by container id, inside.

    A replica appears in every network it has an endpoint in, stopped ones too. What does not fit together is
    None, with the reason.
    """
    ordered = sorted(replicas, key=lambda replica: (replica.service, replica.number, replica.name))
    wired = tuple(_network(network, ordered, host, inside) for network in networks)
    attached = {attachment.container_id for network in wired for attachment in network.attachments}
    return Topology(
        fleet=fleet,
        networks=wired,
        unattached=tuple(_unattached(replica) for replica in ordered if replica.id not in attached),
    )


def _network(
    network: ObservedNetwork, replicas: Sequence[Replica], host: Namespace, inside: Mapping[str, Namespace]
) -> WiredNetwork:
    unknown: dict[str, str] = {}
    bridge = _known(unknown, "bridge", lambda: _bridge(network, host))
    here = [(replica, endpoint) for replica in replicas if (endpoint := _endpoint(replica, network))]
    return WiredNetwork(
        name=network.name,
        id=network.id,
        driver=network.driver,
        subnets=tuple(_with_gateway(subnet, gateway, here) for subnet, gateway in network.subnets),
        bridge=bridge,
        attachments=tuple(
            _attachment(replica, endpoint, bridge, unknown, host, inside.get(replica.id, _UNREAD))
            for replica, endpoint in here
        ),
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
    bridge: Interface | None,
    no_bridge: Mapping[str, str],
    host: Namespace,
    namespace: Namespace,
) -> Attachment:
    if replica.state in _ALIVE:
        unknown: dict[str, str] = {}
        interface = _known(unknown, "interface", lambda: _inner(endpoint, namespace))
        veth = _known(unknown, "veth", lambda: _veth(interface, endpoint, bridge, host, namespace))
        port_state = _known(unknown, "port", lambda: _port_state(veth, bridge, no_bridge, host))
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
        unknown=unknown,
    )


def _unattached(replica: Replica) -> Attachment:
    others = ", ".join(
        f"{endpoint.network_name} ({endpoint.network_id[:12]})" for endpoint in replica.endpoints.values()
    )
    reason = f"it is in none of the fleet's networks, only in {others}" if others else "it is in no network"
    return Attachment(
        replica=replica.name,
        service=replica.service,
        container_id=replica.id,
        state=replica.state,
        pid=replica.pid or None,
        unknown=dict.fromkeys(("interface", "veth", "port", "gateway"), reason)
        | ({} if replica.pid else {"pid": f"it is {replica.state}"}),
    )


def _known(unknown: dict[str, str], field: str, find: Callable[[], T]) -> T | None:
    """What `find` returns; None where that cannot be known, with the reason kept under the field's name."""
    try:
        return find()
    except _UnknownError as reason:
        unknown[field] = str(reason)
        return None


def _bridge(network: ObservedNetwork, host: Namespace) -> Interface:
    name = network.bridge_name
    if name is None:
        raise _UnknownError(f"a network of driver {network.driver} has no bridge in the host's network namespace")
    for interface in _interfaces(host):
        if interface.name == name and interface.kind == "bridge":
            return interface
    raise _UnknownError(f"there is no bridge {name} in the network namespace that fleetctl runs in")


def _inner(endpoint: Endpoint, namespace: Namespace) -> Interface:
    """The replica's interface in this network: the one with the engine's MAC, else with its address.

    Neither the name nor the order says which it is: eth0 becomes eth1 by leaving a network and coming back.
    """
    interfaces = _interfaces(namespace)
    for interface in interfaces:
        if endpoint.mac and interface.mac == endpoint.mac.lower():
            return interface
    for interface in interfaces:
        if endpoint.ipv4 and endpoint.ipv4 in (cidr.partition("/")[0] for cidr in interface.addresses):
            return interface
    there = ", ".join(f"{interface.name} ({interface.mac})" for interface in interfaces)
    raise _UnknownError(
        f"none of its interfaces has the engine's MAC {endpoint.mac or '(none)'} or address"
        f" {endpoint.ipv4 or '(none)'}: {there}"
    )


def _veth(
    interface: Interface | None,
    endpoint: Endpoint,
    bridge: Interface | None,
    host: Namespace,
    namespace: Namespace,
) -> Interface:
    """The host's end of the pair: the veth whose other end has that ifindex in that namespace.

    An ifindex alone does not do: it is unique in one namespace only.
    """
    here = _interfaces(host)
    if interface is None and namespace.interfaces is not None:
        raise _UnknownError("its other end inside the replica is unknown")
    if namespace.nsid is None:
        raise _UnknownError(
            namespace.unknown.get("nsid", "no interface of the host has its other end in the replica's namespace")
        )
    if interface is None:
        return _port_by_namespace(endpoint, bridge, here, namespace)
    if interface.kind not in ("veth", None):
        raise _UnknownError(f"{interface.name} is a {interface.kind} interface, not one end of a veth pair")
    for veth in here:
        if veth.kind == "veth" and (veth.peer_nsid, veth.peer_ifindex) == (namespace.nsid, interface.ifindex):
            return veth
    raise _UnknownError(
        f"no veth of the host has {interface.name} (ifindex {interface.ifindex}, nsid {namespace.nsid})"
        " as its other end"
    )


def _port_by_namespace(
    endpoint: Endpoint, bridge: Interface | None, here: Sequence[Interface], namespace: Namespace
) -> Interface:
    """The veth of a replica that may not be looked into: a container has one port only on each bridge."""
    if endpoint.ipv4 not in namespace.local_ipv4:
        raise _UnknownError(f"its process is in a namespace without the engine's address {endpoint.ipv4}")
    found = [
        veth
        for veth in here
        if veth.kind == "veth" and bridge and (veth.bridge_ifindex, veth.peer_nsid) == (bridge.ifindex, namespace.nsid)
    ]
    if len(found) != 1:
        raise _UnknownError(
            f"{len(found) or 'no'} ports of the network's bridge lead into its namespace, and "
            + namespace.unknown["interfaces"]
        )
    return found[0]


def _port_state(veth: Interface | None, bridge: Interface | None, no_bridge: Mapping[str, str], host: Namespace) -> str:
    if bridge is None:
        raise _UnknownError(no_bridge["bridge"])
    if veth is None:
        raise _UnknownError("its veth is unknown")
    if veth.bridge_ifindex is None:
        raise _UnknownError(f"{veth.name} is plugged into no bridge")
    if veth.bridge_ifindex != bridge.ifindex:
        names = {interface.ifindex: interface.name for interface in _interfaces(host)}
        other = names.get(veth.bridge_ifindex, f"ifindex {veth.bridge_ifindex}")
        raise _UnknownError(f"{veth.name} is plugged into {other} instead of {bridge.name}")
    if veth.port is None:
        raise _UnknownError(f"the kernel names no port state for {veth.name}")
    return veth.port.state


def _interfaces(namespace: Namespace) -> tuple[Interface, ...]:
    if namespace.interfaces is None:
        raise _UnknownError(namespace.unknown["interfaces"])
    return namespace.interfaces


def _cidr(endpoint: Endpoint) -> str | None:
    if not endpoint.ipv4:
        return None
    return endpoint.ipv4 if endpoint.prefix is None else f"{endpoint.ipv4}/{endpoint.prefix}"
