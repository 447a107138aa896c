"""A scene of a diagnosis made up from YAML: the healthy one of tests/cases/diagnosis, changed in a few places."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from fleetctl.diagnosis.scene import Scene, Target, Way
from fleetctl.net.join import join_topology
from fleetctl.net.rules import parse_saved
from fleetctl.spec.model import HttpSettings
from fleetctl.state.filters import FilterRule, Filters, RuleHit, Trace, TracePoint
from fleetctl.state.network import Namespace, Topology, WiredNetwork
from fleetctl.state.observed import ObservedNetwork, Published, Replica
from fleetctl.state.probes import Outcome, Probe, Resolution
from fleetctl.state.rotation import Rotation, Server

Json = dict[str, Any]
HEALTHY = Path(__file__).parents[1] / "cases" / "diagnosis" / "healthy.yaml"
REPLICA = {"image": "uuid", "image_id": "sha256:1", "state": "running", "health": "none", "status": "Up"}
TOLD = re.compile(r"HTTP (?P<status>\d+)(?: in (?P<ms>\d+) ms)?|(?P<error>\S+) at (?P<stage>\w+)|connected")
HIT = re.compile(r"(?P<holder>\S+): (?P<tool>\S+) (?P<table>[\w ]+)/(?P<chain>\S+) (?P<position>\d+): (?P<text>.+)")


def healthy() -> Json:
    """The healthy scene as data, for whoever asks to change."""
    found: Json = copied(parsed())
    return found


@cache
def parsed() -> Any:
    return yaml.safe_load(HEALTHY.read_text())


def copied(node: Any) -> Any:
    """A copy in which nothing is shared: what the file says by an alias is said twice."""
    if isinstance(node, dict):
        return {key: copied(value) for key, value in node.items()}
    return [copied(one) for one in node] if isinstance(node, list) else node


def change(data: Json, changes: Json) -> Json:
    """`set` and `add` (to the end of a list) by path, `insert` (before what the path names), and `drop`. A path is
    host/interfaces/veth1/up: an entry of a list is named by its name, vantage, address or place, a text by a part."""
    for path, value in changes.get("set", {}).items():
        holder, key = place(data, path)
        holder[key] = value
    for path, value in changes.get("add", {}).items():
        holder, key = place(data, path)
        holder[key] = [*(holder[key] or ()), value]
    for path, value in changes.get("insert", {}).items():
        holder, key = place(data, path)
        holder.insert(key, value)
    for path in changes.get("drop", ()):
        holder, key = place(data, path)
        del holder[key]
    return data


def place(data: Any, path: str) -> tuple[Any, Any]:
    """What holds that which the path names, and under which key or index."""
    node, rest = data, path
    while True:
        if isinstance(node, list) and node and isinstance(node[0], str):
            return node, next(index for index, text in enumerate(node) if rest in text)
        part, _, rest = rest.partition("/")
        key = entry(node, part) if isinstance(node, list) else part
        if not rest:
            return node, key
        if isinstance(node, dict) and node.get(key) is None:
            node[key] = {}
        node = node[key]


def entry(items: list[Json], name: str) -> int:
    """Which entry of a list has that name, or that place in it."""
    named = [
        index
        for index, item in enumerate(items)
        if name in (item.get("name"), item.get("vantage"), item.get("address"))
    ]
    return named[0] if named else int(name)


def scene(data: Json) -> Scene:
    containers = tuple(replica(one) for one in data["containers"])
    networks = tuple(msgspec.convert(one, ObservedNetwork) for one in data["networks"])
    pids = {one.name: one.pid for one in containers}
    namespaces = {pid: namespace(one) for name, one in data["inside"].items() if (pid := pids.get(name))}
    host = namespace(data["host"])
    filters: dict[int | None, Filters] = {}
    if data["rules"] is not None:
        filters[None] = rules(data["rules"], data.get("rules_unknown", {}))
    return Scene(
        topology=join_topology("demo", networks, containers, host, namespaces, filters=filters.get(None)),
        host=host,
        namespaces=namespaces,
        containers=containers,
        networks=networks,
        now=data["now"],
        filters=filters,
        before={pid: namespace(one) for name, one in data.get("before", {}).items() if (pid := pids[name])},
        last_lines={f"id-of-{name}": tuple(lines) for name, lines in data.get("last_lines", {}).items()},
        engine_started=data["engine_started"],
        own=frozenset(f"id-of-{name}" for name in data.get("own", ())),
        rotations={f"id-of-{name}": rotation(name, pools) for name, pools in data.get("rotations", {}).items()},
    )


def rotation(name: str, pools: Json) -> Rotation:
    """Servers by pool; each is called after the container that it stands for."""
    servers = {
        pool: tuple(
            msgspec.convert({"port": 8080, **one, "name": f"{one['name']}.id-of-{one['name']}"}, Server)
            for one in found
        )
        for pool, found in pools.items()
    }
    return Rotation(f"id-of-{name}", servers=servers)


def namespace(entry: Json) -> Namespace:
    found = msgspec.convert(entry, Namespace)
    if found.interfaces is None:
        found = replace(found, unknown={"interfaces": "run as root", "nsid": "run as root", **found.unknown})
    return found


def replica(entry: Json) -> Replica:
    endpoints = {name: {"network_name": name, **one} for name, one in entry.get("endpoints", {}).items()}
    return msgspec.convert(
        {
            **REPLICA,
            "id": f"id-of-{entry['name']}",
            "created": entry.get("started") or "2030-01-01T09:00:00Z",
            "service": "",
            "number": 0,
            **entry,
            "endpoints": endpoints,
        },
        Replica,
    )


def rules(lines: list[str], unknown: Json) -> Filters:
    """Lines as iptables-save(8) writes them, without counters; a line that begins with a tool's name is that tool's."""
    text = "\n".join(f"[0:0] {line}" if line.startswith("-A") else line for line in lines)
    return Filters(tuple(parse_saved("iptables", text)), unknown)


def target(data: Json, seen: Scene) -> Target:
    asked, by_name = data["target"], {one.name: one for one in seen.containers}
    return Target(
        name=asked["name"],
        container=by_name[asked["container"]] if asked.get("container") else None,
        port=asked.get("port"),
        ways=tuple(way(one, by_name, seen.topology) for one in data["ways"]),
        http=msgspec.convert(asked["http"], HttpSettings) if asked.get("http") else None,
        path_key="services.web.x-fleet.http.path",
        path=asked.get("path"),
        address=asked.get("address"),
        from_named=asked.get("from_named", False),
    )


def way(entry: Json, by_name: dict[str, Replica], topology: Topology) -> Way:
    client = by_name[entry["client"]] if entry.get("client") else None
    wired: dict[str, WiredNetwork] = {one.name: one for one in topology.networks}
    pid = client.pid if client else None
    asked = (entry["address"], entry["port"], entry.get("path", "/"))
    probe = Probe(entry["vantage"], pid, *asked, tls=entry.get("tls", False))
    source = entry.get("source")
    pids = {name: one.pid for name, one in by_name.items()}
    return Way(
        vantage=entry["vantage"],
        address=entry["address"],
        port=entry["port"],
        client=client,
        network=wired[entry["network"]] if entry.get("network") else None,
        published=msgspec.convert(entry["published"], Published) if entry.get("published") else None,
        outcome=outcome(entry.get("outcome"), probe, source),
        patient=outcome(entry.get("patient"), probe, source),
        hits=tuple(hit(text, pids) for text in entry.get("hits", ())),
        trace=trace(entry["trace"]) if "trace" in entry else None,
        resolution=resolution(entry.get("resolution"), pid or 0),
        control=resolution(entry.get("control"), pid or 0),
        other_hosts=tuple(
            one
            for host, told in entry.get("other_hosts", {}).items()
            if (one := outcome(told, replace(probe, host=host), source))
        ),
        greeting=outcome(entry.get("greeting"), probe, source),
    )


def outcome(told: str | Json | None, probe: Probe, source: str | None) -> Outcome | None:
    """From "HTTP 200 in 2 ms", "ECONNREFUSED at connect", "connected"; with other fields from a mapping."""
    if told is None:
        return None
    fields: Json = {"told": told} if isinstance(told, str) else dict(told)
    found = TOLD.fullmatch(fields.pop("told"))
    assert found, told
    fields["first"] = fields.pop("first", "").encode("latin-1")
    status = fields.pop("status", int(found["status"]) if found["status"] else None)
    return Outcome(
        probe=probe,
        stage=found["stage"] or "done",  # type: ignore[arg-type]  # as the file says
        error=found["error"],
        status=status,
        received=len(fields["first"]),
        milliseconds=float(found["ms"] or 2),
        source=source,
        **fields,
    )


def resolution(entry: Json | None, pid: int) -> Resolution | None:
    if entry is None:
        return None
    facts = dict(entry)
    return msgspec.convert({"question": {"pid": pid, "name": facts.pop("name")}, **facts}, Resolution)


def hit(text: str, pids: dict[str, int | None]) -> RuleHit:
    """From "host: iptables filter/DOCKER-USER 1: -A DOCKER-USER … -j DROP"; one packet was counted."""
    found = HIT.fullmatch(text)
    assert found, text
    said = found["text"]
    verdict = said.removeprefix("policy ") if said.startswith("policy ") else said.partition(" -j ")[2].split()[0]
    rule = FilterRule(found["tool"], found["table"], found["chain"], int(found["position"]), said, verdict, 1)  # type: ignore[arg-type]
    return RuleHit(rule, 1, None if found["holder"] == "host" else pids[found["holder"]])


def trace(text: str) -> Trace:
    """From "tx eth0, rx veth2, drop NETFILTER_DROP nf_hook_slow"; "unknown: REASON" where it was not to be had."""
    if text.startswith("unknown: "):
        return Trace(unknown=text.removeprefix("unknown: "))
    return Trace(tuple(point(one.split()) for one in text.split(", ")))


def point(words: list[str]) -> TracePoint:
    event, what, *where = words
    if event == "drop":
        return TracePoint("drop", reason=what, location=where[0] if where else None)
    return TracePoint("tx" if event == "tx" else "rx", what)
