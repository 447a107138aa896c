"""How a fleet's replicas are wired: what the engine intended joined with what the kernel has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    port_state: str | None = None
    """State as a bridge port: disabled, listening, learning, forwarding or blocking; None when it is no port."""
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Namespace:
    """What the kernel says about one network namespace. `nsid` is the number by which the host's namespace knows it,
    None for the host's own. What could not be read is None, with the reason in `unknown` under the field's name."""

    interfaces: tuple[Interface, ...] | None = None
    nsid: int | None = None
    local_ipv4: frozenset[str] = frozenset()
    """Its own IPv4 addresses where `interfaces` could not be read: an unprivileged user gets no more."""
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
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topology:
    """The wiring of one fleet. `unattached` are its replicas that are in none of `networks`."""

    fleet: str
    networks: tuple[WiredNetwork, ...] = ()
    unattached: tuple[Attachment, ...] = ()
