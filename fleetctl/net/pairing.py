"""Finds the parts of one replica's wiring: its interface, the other end of the pair, the bridge and its port."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from fleetctl.state.network import Interface, Namespace
from fleetctl.state.observed import Endpoint, ObservedNetwork

T = TypeVar("T")


class _UnknownError(Exception):
    """Something cannot be known; the text is the reason that the user reads."""


def known(unknown: dict[str, str], field: str, find: Callable[[], T]) -> T | None:
    """What `find` returns; None where that cannot be known, with the reason kept under the field's name."""
    try:
        return find()
    except _UnknownError as reason:
        unknown[field] = str(reason)
        return None


def find_bridge(network: ObservedNetwork, host: Namespace) -> Interface:
    name = network.bridge_name
    if name is None:
        raise _UnknownError(f"a network of driver {network.driver} has no bridge in the host's network namespace")
    for interface in _interfaces(host):
        if interface.name == name and interface.kind == "bridge":
            return interface
    raise _UnknownError(f"there is no bridge {name} in the network namespace that fleetctl runs in")


def find_inner(endpoint: Endpoint, namespace: Namespace) -> Interface:
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


def find_veth(
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


def find_port_state(
    veth: Interface | None, bridge: Interface | None, no_bridge: Mapping[str, str], host: Namespace
) -> str:
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
