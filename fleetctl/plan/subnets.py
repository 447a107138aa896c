"""Chooses the subnet of a new network, and counts whether the addresses of a network suffice."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Iterable

from fleetctl.errors import ResourceExhausted
from fleetctl.spec.model import Fleet, Network, Subnet
from fleetctl.state.observed import Observed, ObservedNetwork

MOST_BRIDGE_PORTS = 1000
"""The kernel allows 1,023 ports a bridge (BR_MAX_PORTS, net/bridge/br_private.h); broadcasts drop before that."""

AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def taken_subnets(observed: Observed) -> list[AnyNetwork]:
    """All blocks that a new network must not overlap: those of other networks and the host's routes."""
    held = [block for network in observed.networks for block in held_blocks(network)]
    return held + [ipaddress.ip_network(route) for route in observed.routes]


def blocks_of(subnets: Iterable[Subnet]) -> list[AnyNetwork]:
    return [ipaddress.ip_network(entry.subnet) for entry in subnets]


def held_blocks(network: ObservedNetwork) -> list[AnyNetwork]:
    """The blocks whose addresses a network has for itself. Of all addresses together it has none: so the engine lists
    networks of the address driver "null" (libnetwork, ipams/null)."""
    blocks = (ipaddress.ip_network(cidr) for cidr, _ in network.subnets)
    return [block for block in blocks if block.prefixlen]


def overlap(some: Iterable[AnyNetwork], others: Collection[AnyNetwork]) -> bool:
    """Whether any two of them have an address in common."""
    return any(one.version == other.version and one.overlaps(other) for one in some for other in others)


def holds(network: ObservedNetwork, subnets: Iterable[Subnet]) -> bool:
    """Whether a network has addresses of these subnets."""
    return overlap(held_blocks(network), blocks_of(subnets))


def leaves_subnets(network: Network) -> bool:
    """Whether the file leaves a subnet of the network to us."""
    families = {block.version for block in blocks_of(network.subnets)}
    return not network.external and not families >= ({4, 6} if network.enable_ipv6 else {4})


def complete_subnets(fleet: Fleet, network: Network, taken: Collection[AnyNetwork]) -> tuple[Subnet, ...]:
    """The subnets of the file, and one that nobody has for a family of which it gives none: engines before 27 choose
    none for IPv6, and have few for IPv4."""
    families = {block.version for block in blocks_of(network.subnets)}
    subnets = network.subnets
    if 4 not in families:
        subnets = (choose_subnet(fleet.addresses.block, fleet.addresses.prefix, taken), *subnets)
    if network.enable_ipv6 and 6 not in families:
        subnets = (*subnets, choose_subnet(unique_local_block(f"{fleet.name}/{network.key}"), 64, taken))
    return subnets


def choose_subnet(block: str, prefix: int, taken: Collection[AnyNetwork]) -> Subnet:
    """The first free subnet of a block; its gateway is its first address."""
    for candidate in ipaddress.ip_network(block).subnets(new_prefix=prefix):
        if not overlap([candidate], taken):
            return Subnet(str(candidate), gateway=str(candidate[1]))
    raise ResourceExhausted(
        f"no free /{prefix} subnet is left in {block}",
        hint="remove networks you no longer need (docker network ls), or set x-fleet.addresses.block",
    )


def unique_local_block(seed: str) -> str:
    """A /48 for local use (RFC 4193): fd and 40 bits as if they were random, the same ones for the same seed."""
    bits = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:5])
    return str(ipaddress.IPv6Network(((0xFD << 40 | bits) << 80, 48)))


def check_capacity(fleet: Fleet, network: Network) -> None:
    """Refuse, before anything is made, a network that cannot hold its replicas."""
    replicas = wanted_replicas(fleet, network)
    if network.driver == "bridge" and replicas > MOST_BRIDGE_PORTS:
        raise ResourceExhausted(
            f"network {network.key} would get {replicas} replicas; a bridge holds at most {MOST_BRIDGE_PORTS} "
            "(the kernel allows 1,023 ports)",
            hint="spread the services over several networks",
        )
    spare = spare_addresses(fleet, network)
    if spare < 0:
        blocks = ", ".join(entry.ip_range or entry.subnet for entry in network.subnets)
        raise ResourceExhausted(
            f"network {network.key} ({blocks or f'a /{fleet.addresses.prefix}'}) has {max(0, spare + replicas)} "
            f"addresses for {replicas} replicas",
            hint=f"give networks.{network.key}.ipam a larger subnet, or ask for fewer replicas",
        )


def wanted_replicas(fleet: Fleet, network: Network) -> int:
    return sum(service.replicas for service in fleet.services.values() if network.key in service.networks)


def spare_addresses(fleet: Fleet, network: Network) -> int:
    """How many IPv4 addresses are left once every wanted replica has one; negative when they do not suffice. The
    network's own and broadcast address, the gateway and the auxiliary addresses are not available. Of an external
    network nothing is known: it is taken to have room."""
    if network.external:
        return MOST_BRIDGE_PORTS
    entries = [entry for entry in network.subnets if ":" not in entry.subnet]
    size = sum(usable_addresses(entry) for entry in entries) if entries else 2 ** (32 - fleet.addresses.prefix) - 3
    return size - wanted_replicas(fleet, network)


def usable_addresses(entry: Subnet) -> int:
    """How many addresses the engine gives to containers from an IPv4 entry. It takes them from `ip_range` where there
    is one; a gateway that is not named takes one of them, too (libnetwork, seen on Engine 20.10)."""
    subnet = ipaddress.ip_network(entry.subnet, strict=False)
    pool = ipaddress.ip_network(entry.ip_range or entry.subnet, strict=False)
    reserved = {subnet.network_address, subnet.broadcast_address}
    reserved |= {ipaddress.ip_address(address) for address in entry.aux_addresses.values()}
    reserved |= {ipaddress.ip_address(entry.gateway)} if entry.gateway else set()
    return pool.num_addresses - sum(address in pool for address in reserved) - (not entry.gateway)
