"""Finds what backs a published port on the engine's host: the rule that rewrites the address, and docker-proxy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from contextlib import suppress
from ipaddress import IPv4Address, ip_network

from fleetctl.state.filters import FilterRule, Filters
from fleetctl.state.network import Namespace, Process, Publication
from fleetctl.state.observed import ObservedNetwork, Published, Replica

_PROXY = "docker-proxy"
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


def publications(replica: Replica, host: Namespace, filters: Filters | None) -> tuple[Publication, ...]:
    """Every port of the replica that is published, with its NAT rule and its proxy. `filters` are the host's rules,
    None where they were not asked for."""
    return tuple(_backed(port, replica, host, filters) for port in replica.ports if port.host_port)


def _backed(port: Published, replica: Replica, host: Namespace, filters: Filters | None) -> Publication:
    unknown: dict[str, str] = {}
    rule = proxy = None
    if filters is not None:
        # A replica in several networks is published by way of one of them only.
        aims = {f"{endpoint.ipv4}:{port.container_port}" for endpoint in replica.endpoints.values()}
        aims |= {f"[{endpoint.ipv6}]:{port.container_port}" for endpoint in replica.endpoints.values()}
        rule = next((rule.text for rule in filters.rules if _rewrites(rule, port, aims)), None)
        if rule is None and filters.unknown:
            unknown["rule"] = why_unread(filters)
    if host.listeners is not None:
        proxy = next(_proxies(port, host), None)
    elif "listeners" in host.unknown:
        unknown["proxy"] = host.unknown["listeners"]
    return Publication(port, rule, proxy, unknown)


def _rewrites(rule: FilterRule, port: Published, aims: Set[str]) -> bool:
    """Whether the rule sends that port of the host to one of these: `--to-destination` of iptables-extensions(8), or
    nft(8)'s `dnat to`; the address stands alone between blanks in both."""
    words = set(rule.text.split())
    return not aims.isdisjoint(words) and str(port.host_port) in words and port.protocol in words


def _proxies(port: Published, host: Namespace) -> Iterator[Process]:
    for listener in host.listeners or ():
        if (listener.protocol, listener.port) == (port.protocol, port.host_port):
            yield from (process for process in listener.processes if process.name == _PROXY)


def nat_of(network: ObservedNetwork, filters: Filters) -> tuple[FilterRule, ...] | None:
    """The rules of the host's nat tables that concern the network; None when no rule at all could be read."""
    if not filters.rules and filters.unknown:
        return None
    return tuple(rule for rule in filters.rules if rule.table == "nat" and _concerns(rule, network))


def why_unread(filters: Filters) -> str:
    """Each reason once: several tools may lack the same."""
    return "; ".join(dict.fromkeys(filters.unknown.values()))


def _concerns(rule: FilterRule, network: ObservedNetwork) -> bool:
    """Whether the rule names the network's bridge, or an address or block within one of its subnets."""
    if network.bridge_name is not None and network.bridge_name in rule.text.replace('"', " ").split():
        return True
    blocks = [ip_network(subnet) for subnet, _ in network.subnets]
    return any(address in block for address in _addresses(rule.text) for block in blocks)


def _addresses(text: str) -> Iterator[IPv4Address]:
    for found in _ADDRESS.findall(text):
        with suppress(ValueError):  # a rule's comment may hold something that only looks like one
            yield IPv4Address(found)
