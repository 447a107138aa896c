"""A fault that fits no cause of the list: the hop where the probe was last seen, and what is unusual there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from fleetctl.diagnosis import shell
from fleetctl.diagnosis.answers import told
from fleetctl.diagnosis.routing import own_rules
from fleetctl.diagnosis.scene import Evidence, Finding, Scene, Way, unknown_cause
from fleetctl.state.filters import Trace
from fleetctl.state.network import Interface, Namespace
from fleetctl.state.observed import Replica
from fleetctl.state.probes import Outcome

MOST = 8
"""Differences that are shown."""
KNOWN = 2
"""Facts that every finding of this kind has: how the probe ended, and its trace."""
NEVER_SENT = ("EHOSTUNREACH", "ENETUNREACH", "EACCES", "EPERM", "EINVAL")


def examine(way: Way, target: Replica, scene: Scene) -> Iterator[Finding]:
    """One finding for a way that failed without a known cause."""
    outcome = way.last
    if outcome is None:
        return
    hop, where = last_seen(way, target, scene, outcome)
    evidence = [Evidence(f"from {way.source}: {told(outcome)}")]
    if way.trace is not None and way.trace.points:
        evidence.append(Evidence(f"the packet's way: {walk(way.trace)}"))
    elif way.trace is not None and way.trace.unknown:
        evidence.append(Evidence(f"the kernel's trace is not at hand: {way.trace.unknown}"))
    evidence += peculiar(way, target, scene)
    sibling = healthy(target, scene)
    if sibling is not None:
        evidence += differences(target, sibling, scene)
    if hop == "http":
        cure = "the network is in order: see the server's log"
    elif len(evidence) > KNOWN:
        cure = f"look at hop '{hop}' of {where}: what is listed above differs from a healthy replica or is unusual"
    else:
        cure = f"look at hop '{hop}' of {where}: nothing that fleetctl reads differs from a healthy replica"
    yield unknown_cause(hop, where, *evidence[: MOST + 2], cure=cure)


def walk(trace: Trace) -> str:
    """The trace in one line: "tx eth0, rx veth12, DROP NETFILTER_DROP (nf_hook_slow)"."""
    parts = []
    for point in trace.points:
        if point.event == "drop":
            parts.append(f"DROP {point.reason or 'without a reason'}{f' ({point.location})' if point.location else ''}")
        else:
            parts.append(f"{point.event} {point.interface}")
    shown = list(dict.fromkeys(parts))
    return ", ".join(shown[:16])


def last_seen(way: Way, target: Replica, scene: Scene, outcome: Outcome) -> tuple[str, str]:
    """The hop beyond which the probe was not seen, and whose it is."""
    if way.vantage == "published" and not outcome.answered:
        return "publish", target.name
    if outcome.connected:
        return "http", target.name
    points = way.trace.points if way.trace else ()
    network = way.network or next((one for one in scene.topology.networks if scene.attachment(target, one)), None)
    end = scene.attachment(target, network)
    if end is not None and end.interface is not None and not end.interface.arp:
        return "link", target.name
    start = scene.attachment(way.client, network) if way.client else None
    who = way.asker
    if not points:
        entry = next((one for one in scene.inside(way.client).neighbours or () if one.address == way.address), None)
        if entry is not None and entry.state in ("failed", "incomplete"):
            return "neighbour", who
        if outcome.error in NEVER_SENT:
            return "route", who
        return by_vantages(who, outcome, target)
    reasons = " ".join(f"{one.reason} {one.location}" for one in points if one.event == "drop")
    filtered = "NETFILTER" in reasons or "nf_hook" in reasons
    seen = [(one.event, one.interface) for one in points if one.event != "drop"]
    inner, veth = end.interface if end else None, end.veth if end else None
    arrived = index_after(seen, ("rx", name_of(inner)), ("tx", name_of(veth)))
    if "OTHERHOST" in reasons:
        return "neighbour", who if arrived is None else target.name
    if arrived is not None and "NO_SOCKET" in reasons and outcome.error == "ECONNREFUSED":
        return "socket", target.name
    if arrived is not None:
        back = index_after(seen[arrived + 1 :], ("tx", name_of(inner)), None)
        if back is None:
            return ("filter-inside" if filtered else "address"), target.name
        return ("filter" if filtered else "link"), f"the way back from {target.name}"
    if ("tx", name_of(veth)) in seen:
        return "link", target.name
    other = start.veth if start else None
    if other is not None and ("rx", other.name) not in seen:
        return ("link" if seen else "filter-inside" if filtered else "route"), who
    if way.client is None and not seen:
        return ("filter" if filtered else "neighbour"), who
    return ("filter" if filtered else "link"), way.network.name if way.network else who


def by_vantages(who: str, outcome: Outcome, target: Replica) -> tuple[str, str]:
    """Without a trace: a refusal comes from the target, silence from the way."""
    return ("socket", target.name) if outcome.error == "ECONNREFUSED" else ("link", target.name)


def name_of(interface: Interface | None) -> str | None:
    return interface.name if interface else None


def index_after(
    seen: Sequence[tuple[str, str | None]], wanted: tuple[str, str | None], after: tuple[str, str | None] | None
) -> int | None:
    """Where `wanted` first stands behind `after`: the interfaces of two containers often share a name."""
    start = seen.index(after) + 1 if after in seen else None if after else 0
    if start is None or wanted not in seen[start:]:
        return None
    return seen.index(wanted, start)


def peculiar(way: Way, target: Replica | None, scene: Scene) -> Iterator[Evidence]:
    """What is unusual by itself at any place of the way."""
    for container in (None, *(one for one in (way.client, target) if one is not None)):
        who = container.name if container is not None else "the host"
        namespace, enter = scene.inside(container), shell.inside(container)
        for text in namespace.filters or ():
            yield Evidence(f"{who}: traffic control: {text}", f"{enter}tc -s qdisc; {enter}tc filter show dev DEV")
        for text in own_rules(namespace):
            yield Evidence(f"{who}: policy rule {text}", f"{enter}ip rule")
        for link in namespace.interfaces or ():
            if link.xdp:
                yield Evidence(
                    f"{who}: an XDP program sees the packets of {link.name} first",
                    f"{enter}ip link show {quote(link.name)}",
                )
            if not link.arp and link.name != "lo" and link.kind in ("veth", "bridge"):
                yield Evidence(
                    f"{who}: {link.name} does not speak ARP (NOARP)", f"{enter}ip link show {quote(link.name)}"
                )
        for route in namespace.routes or ():
            if route.kind in ("blackhole", "unreachable", "prohibit", "throw"):
                yield Evidence(f"{who}: {route.kind} route {route.destination}", f"{enter}ip route")
        filters = scene.filters.get(container.pid if container is not None else None)
        for rule in filters.rules if filters else ():
            if rule.tool == "nft" and rule.verdict.upper() in ("DROP", "REJECT"):
                yield Evidence(f"{who}: nft {rule.table} {rule.chain}: {rule.text}", f"{enter}nft list ruleset")


def healthy(target: Replica, scene: Scene) -> Replica | None:
    """Another running container of the same service, or of the same image."""
    for other in scene.siblings(target):
        if other.state == "running" and other.pid in scene.namespaces:
            return other
    return None


def differences(target: Replica, sibling: Replica, scene: Scene) -> Iterator[Evidence]:
    """Facts of the target that are otherwise in a healthy sibling."""
    own, others = facts(scene.inside(target)), facts(scene.inside(sibling))
    for key in sorted(set(own) | set(others)):
        if own.get(key) != others.get(key):
            yield Evidence(
                f"{key}: {own.get(key, 'absent')} in {target.name}, {others.get(key, 'absent')} in {sibling.name}"
            )


def facts(namespace: Namespace) -> Mapping[str, str]:
    """What should be alike in two replicas, as text by name."""
    found: dict[str, str] = {
        f"setting {key}": value for key, value in (namespace.settings or {}).items() if "conntrack" not in key
    }
    for link in namespace.interfaces or ():
        found[f"interface {link.name}"] = (
            f"MTU {link.mtu}, {link.state}, {'ARP' if link.arp else 'NOARP'}, qdisc {link.qdisc}"
        )
    found["routes"] = str(
        sorted(
            f"{one.kind} {one.destination}"
            for one in namespace.routes or ()
            if one.table == 254 and ":" not in one.destination
        )
    )
    found["processes"] = str(
        sorted(f"{one.name} {one.state if one.state in 'TZX' else ''}".strip() for one in namespace.processes or ())
    )
    found["listening"] = str(sorted({f"{one.protocol} {one.address}:{one.port}" for one in namespace.listeners or ()}))
    return found
