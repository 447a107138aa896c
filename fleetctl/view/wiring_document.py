"""The wiring as plain values for JSON, schema 1: null where unknown, with the reason in `unknown` by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from fleetctl.state.filters import FilterRule
from fleetctl.state.network import Attachment, Interface, Namespace, Publication, Topology, WiredNetwork
from fleetctl.state.probes import ReplicaReply

Document = dict[str, Any]

NOT_TOLD = ("local_ipv4",)
"""What a namespace holds only as a makeshift for those who may not look inside."""


def topology_document(topology: Topology, *, host: bool = False) -> Document:
    """`inspect-network --format json`; with the host's own namespace where that is wanted."""
    return {
        "schema": 1,
        "fleet": topology.fleet or None,
        "networks": [network_document(network) for network in topology.networks],
        "unattached": [attachment_document(attachment) for attachment in topology.unattached],
        "host": namespace_document(topology.host) if host else None,
    }


def network_document(network: WiredNetwork) -> Document:
    return {
        "name": network.name,
        "id": network.id,
        "driver": network.driver,
        "subnets": [{"subnet": subnet, "gateway": gateway} for subnet, gateway in network.subnets],
        "bridge": chosen(
            network.bridge, "name", "ifindex", "mac", "mtu", "state", "addresses", "stp", "vlan_filtering", "counters"
        ),
        "attachments": [attachment_document(attachment) for attachment in network.attachments],
        "nat": None if network.nat is None else [rule_document(rule) for rule in network.nat],
        "unknown": dict(network.unknown),
    }


def attachment_document(attachment: Attachment) -> Document:
    return {
        "replica": attachment.replica,
        "service": attachment.service,
        "container_id": attachment.container_id,
        "pid": attachment.pid,
        "state": attachment.state,
        "interface": chosen(attachment.interface, "name", "ifindex", "mac", "mtu", "state", "addresses", "counters"),
        "veth": chosen(attachment.veth, "name", "ifindex", "mac", "mtu", "state", "counters"),
        "port": port_document(attachment),
        "aliases": list(attachment.aliases),
        "names": list(attachment.resolved),
        "gateway": attachment.gateway,
        "engine": {"ipv4": attachment.engine_ipv4, "mac": attachment.engine_mac},
        "published": [publication_document(published) for published in attachment.published],
        "http": reply_document(attachment.reply),
        "namespace": namespace_document(attachment.namespace),
        "unknown": dict(attachment.unknown),
    }


def port_document(attachment: Attachment) -> Document | None:
    """The bridge port; its flags are null where only its state is known."""
    if attachment.port_state is None:
        return None
    port = attachment.veth.port if attachment.veth else None
    flags = ("isolated", "learning", "flood", "hairpin")
    return {"state": attachment.port_state} | {flag: getattr(port, flag, None) for flag in flags}


def publication_document(published: Publication) -> Document:
    port = published.port
    return {
        "target": port.container_port,
        "protocol": port.protocol,
        "host_ip": port.host_ip,
        "published": port.host_port,
        "rule": published.rule,
        "proxy": published.proxy and {"pid": published.proxy.pid, "name": published.proxy.name},
        "unknown": dict(published.unknown),
    }


def reply_document(reply: ReplicaReply | None) -> Document | None:
    if reply is None:
        return None
    took = reply.reply.milliseconds
    return {
        "url": reply.reply.url,
        "status": reply.reply.status,
        "milliseconds": None if took is None else round(took, 3),
        "error": reply.error,
    }


def rule_document(rule: FilterRule) -> Document:
    return {"tool": rule.tool, "chain": rule.chain, "text": rule.text, "packets": rule.packets}


def namespace_document(namespace: Namespace | None) -> Document | None:
    """Everything that was read in a network namespace, under the names of state.network.Namespace. Listeners tell
    their `reach`, too."""
    if namespace is None:
        return None
    found: Document = {"nsid": namespace.nsid, "inode": namespace.inode, **plain(namespace)}
    for name in NOT_TOLD:
        del found[name]
    for entry, listener in zip(found["listeners"] or (), namespace.listeners or (), strict=True):
        entry["reach"] = listener.reach
    return found


def plain(value: Any) -> Any:
    """Objects by the names of their fields, mappings and lists, all the way down. Several times as fast as
    dataclasses.asdict, which copies every number: 50 namespaces have tens of thousands."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in names_of(value.__class__)}
    return [plain(entry) for entry in value]


@cache
def names_of(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def chosen(interface: Interface | None, *keys: str) -> Document | None:
    return None if interface is None else {key: plain(getattr(interface, key)) for key in keys}
