"""Every case file: what the engine and the kernel say, and below the line of dashes the wiring that follows from it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetctl.net.join import join_topology
from fleetctl.state.network import Attachment, BridgePort, Interface, Namespace, Topology
from fleetctl.state.observed import Endpoint, ObservedNetwork, Replica

CASES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_wiring_follows_from_what_engine_and_kernel_say(path: Path) -> None:
    given, expected = path.read_text().split("\n---\n")
    case = yaml.safe_load(given)
    topology = join_topology(
        "demo",
        [network(entry) for entry in case["networks"]],
        [replica(entry) for entry in case["replicas"]],
        namespace(case["host"]),
        {f"id-of-{name}": namespace(entry) for name, entry in case.get("inside", {}).items()},
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
        pid=entry.get("pid"),
    )


def namespace(entry: dict[str, Any]) -> Namespace:
    interfaces = entry.get("interfaces")
    return Namespace(
        interfaces=None if interfaces is None else tuple(interface(item) for item in interfaces),
        nsid=entry.get("nsid"),
        local_ipv4=frozenset(entry.get("local_ipv4", ())),
        unknown=entry.get("unknown", {}),
    )


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
    return [first, *(f"    {field}: {reason}" for field, reason in attachment.unknown.items())]


def end(interface: Interface | None) -> str:
    return "?" if interface is None else f"{interface.name}({interface.ifindex})"
