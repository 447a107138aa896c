"""Every case file: what the engine and the kernel say, and below the line of dashes the wiring that follows from it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetctl.net.join import join_topology
from fleetctl.state.filters import FilterRule, Filters
from fleetctl.state.network import Attachment, BridgePort, Interface, Listener, Namespace, Process, Topology
from fleetctl.state.observed import Endpoint, ObservedNetwork, Published, Replica

CASES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_wiring_follows_from_what_engine_and_kernel_say(path: Path) -> None:
    given, expected = path.read_text().split("\n---\n")
    case = yaml.safe_load(given)
    replicas = [replica(entry) for entry in case["replicas"]]
    pids = {one.name: one.pid for one in replicas if one.pid}
    rules = case.get("rules")
    topology = join_topology(
        "demo",
        [network(entry) for entry in case["networks"]],
        replicas,
        namespace(case["host"]),
        {pids[name]: namespace(entry) for name, entry in case.get("inside", {}).items()},
        filters=None if rules is None else Filters(tuple(nat_rule(text) for text in rules), case.get("no_rules", {})),
    )
    assert written(topology) == expected


def network(entry: dict[str, Any]) -> ObservedNetwork:
    subnets = tuple((subnet, gateway) for subnet, gateway in entry.get("subnets", []))
    return ObservedNetwork(
        id=entry["id"], name=entry["name"], driver=entry["driver"], subnets=subnets, options=entry.get("options", {})
    )


def replica(entry: dict[str, Any]) -> Replica:
    return Replica(
        id=f"id-of-{entry['name']}",
        name=entry["name"],
        service="web",
        number=int(entry["name"].rpartition("-")[2]),
        image="",
        image_id="",
        state=entry["state"],
        health="none",
        status="",
        created=datetime(2030, 1, 1, tzinfo=UTC),
        endpoints={
            name: Endpoint(network_name=name, **{"network_id": "", "gateway": "10.0.0.1", **facts})
            for name, facts in entry["endpoints"].items()
        },
        ports=tuple(Published(**port) for port in entry.get("ports", ())),
        pid=entry.get("pid"),
    )


def nat_rule(text: str) -> FilterRule:
    return FilterRule("iptables", "nat", text.split()[1], 1, text, text.partition(" -j ")[2].split()[0])


def namespace(entry: dict[str, Any]) -> Namespace:
    interfaces = entry.get("interfaces")
    return Namespace(
        interfaces=None if interfaces is None else tuple(interface(item) for item in interfaces),
        nsid=entry.get("nsid"),
        inode=entry.get("inode"),
        local_ipv4=frozenset(entry.get("local_ipv4", ())),
        listeners=tuple(listener(item) for item in entry["listeners"]) if "listeners" in entry else None,
        unknown=entry.get("unknown", {}),
    )


def listener(entry: dict[str, Any]) -> Listener:
    return Listener(entry["protocol"], entry["address"], entry["port"], processes=(Process(900, entry["process"]),))


def interface(entry: dict[str, Any]) -> Interface:
    nsid, ifindex = entry.get("peer", (None, None))
    return Interface(
        name=entry["name"],
        ifindex=entry["ifindex"],
        mac=entry.get("mac", "00:00:00:00:00:00"),
        mtu=1500,
        state=entry.get("state", "up"),
        addresses=tuple(entry.get("addresses", ())),
        bridge_ifindex=entry.get("bridge"),
        peer_nsid=nsid,
        peer_ifindex=ifindex,
        port=BridgePort(entry["port"]) if "port" in entry else None,
        kind=entry.get("kind"),
    )


def written(topology: Topology) -> str:
    lines = []
    for wired in topology.networks:
        subnets = "".join(f" {subnet} via {gateway}" for subnet, gateway in wired.subnets)
        lines.append(f"{wired.name} on {end(wired.bridge)}{subnets}")
        lines += [f"  {field}: {reason}" for field, reason in wired.unknown.items()]
        lines += [f"  nat: {rule.text}" for rule in wired.nat or ()]
        for attachment in wired.attachments:
            lines += attachment_lines(attachment)
    if topology.unattached:
        lines.append("unattached")
        for attachment in topology.unattached:
            lines += attachment_lines(attachment)
    return "\n".join(lines) + "\n"


def attachment_lines(attachment: Attachment) -> list[str]:
    pair = f"{end(attachment.interface)} = {end(attachment.veth)} > {attachment.port_state}"
    first = f"  {attachment.replica} {attachment.state}, pid {attachment.pid}: {pair}"
    published = [
        f"    {one.port.host_ip}:{one.port.host_port} by {one.rule} and {one.proxy and one.proxy.name}"
        + "".join(f"; {field}: {reason}" for field, reason in one.unknown.items())
        for one in attachment.published
    ]
    return [first, *(f"    {field}: {reason}" for field, reason in attachment.unknown.items()), *published]


def end(interface: Interface | None) -> str:
    return "?" if interface is None else f"{interface.name}({interface.ifindex})"
