"""What is remarkable about a network's wiring: what is unknown and why, and where its parts do not fit together."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.spec.wording import listed
from fleetctl.state.network import Attachment, WiredNetwork
from fleetctl.view.facts import losses, publication
from fleetctl.view.text import safe

WIRING = ("interface", "veth", "port")
INSIDE = ("listeners", "routes", "neighbours", "resolver")
"""What is read in a replica's namespace and shown of it."""
BACKING = {"rule": "NAT rules", "proxy": "docker-proxy"}
"""What backs published ports, by the names of its parts."""
NAMED = 4
"""How many replicas a remark names before it counts."""


def remarks(network: WiredNetwork) -> Iterator[str]:
    """Every remark once, with the replicas it holds for; safe for a terminal."""
    held: dict[str, list[str]] = {}
    for attachment in network.attachments:
        for remark in remarks_on(attachment, network):
            held.setdefault(remark, []).append(attachment.replica)
    for remark, replicas in held.items():
        if len(replicas) == len(network.attachments) > 1:
            yield safe(f"every replica: {remark}")
            continue
        yield safe(f"{listed(replicas, NAMED)}: {remark}")


def remarks_on(attachment: Attachment, network: WiredNetwork) -> Iterator[str]:
    """What is remarkable about one replica, raw."""
    yield from reasons(attachment)
    yield from differences(attachment, network)
    yield from misfits(attachment, network)


def reasons(attachment: Attachment) -> Iterator[str]:
    """Why something is not shown, one sentence a reason."""
    missing = {field: attachment.unknown[field] for field in WIRING if field in attachment.unknown}
    inside = attachment.namespace.unknown if attachment.namespace else {}
    told = " (address and MAC are the engine's)" if "interface" in missing and attachment.engine_ipv4 else ""
    whole = len(missing) == len(WIRING) and len(set(missing.values())) == 1
    fields: dict[str, list[str]] = {}
    for field, reason in [("wiring", missing["veth"])] if whole else missing.items():
        fields.setdefault(reason, []).append(field)
    for field in INSIDE:
        if field in inside:
            fields.setdefault(inside[field], []).append(field)
    for part, reason in {part: why for one in attachment.published for part, why in one.unknown.items()}.items():
        fields.setdefault(reason, []).append(BACKING[part])
    for reason, named in fields.items():
        what = " and ".join([*filter(None, [", ".join(named[:-1])]), named[-1]])
        yield f"{what} unknown{told if {'wiring', 'interface'} & set(named) else ''}: {reason}"


def differences(attachment: Attachment, network: WiredNetwork) -> Iterator[str]:
    """Where the kernel has something else than the engine gave."""
    interface, gateway = attachment.interface, attachment.gateway
    if interface and attachment.engine_ipv4 and attachment.engine_ipv4 not in interface.addresses:
        yield f"{interface.name} does not have the engine's address {attachment.engine_ipv4}"
    if interface and attachment.engine_mac and attachment.engine_mac != interface.mac:
        yield f"{interface.name} does not have the engine's MAC {attachment.engine_mac}"
    if gateway and gateway not in [subnet_gateway for _, subnet_gateway in network.subnets]:
        yield f"its gateway is {gateway}"


def misfits(attachment: Attachment, network: WiredNetwork) -> Iterator[str]:
    """Unequal MTUs on the way, a port that does not do all a port does, and packets that were lost."""
    way = [one for one in (attachment.interface, attachment.veth, network.bridge) if one is not None]
    if len({one.mtu for one in way}) > 1:
        yield "the MTU differs on its way: " + ", ".join(f"{one.name} {one.mtu}" for one in way)
    port = attachment.veth.port if attachment.veth else None
    if port is not None:
        wrong = {
            "isolated from the other ports": port.isolated,
            "does not learn addresses": not port.learning,
            "does not flood": not port.flood,
        }
        if any(wrong.values()):
            yield f"its bridge port is unusual: {', '.join(text for text, so in wrong.items() if so)}"
    for published in attachment.published:
        if published.rule is None and "rule" not in published.unknown:
            yield f"no NAT rule leads from {publication(published)}"
    for interface in (attachment.interface, attachment.veth):
        if interface and (lost := losses(interface.counters)):
            yield f"{interface.name} has lost packets: {lost}"
