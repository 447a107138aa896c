"""Turns the engine's JSON into ours, once, at the edge. Shapes: Docker Engine API v1.41 and later."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from fleetctl.engine import labels
from fleetctl.state.observed import (
    Endpoint,
    Health,
    Inspection,
    ObservedImage,
    ObservedNetwork,
    ObservedVolume,
    Published,
    Release,
    Replica,
    ReplicaState,
)

Json = Mapping[str, Any]

HEALTH = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")
EXIT_CODE = re.compile(r"^(?:Exited|Restarting) \((\d+)\)")


def replica_from_list(entry: Json) -> Replica:
    """A replica from one entry of GET /containers/json."""
    marks: Mapping[str, str] = entry.get("Labels") or {}
    status = str(entry.get("Status") or "")
    health = HEALTH.search(status)
    code = EXIT_CODE.match(status)
    number = marks.get(labels.REPLICA, "0")
    return Replica(
        id=entry["Id"],
        name=own_name(entry.get("Names") or []),
        service=marks.get(labels.SERVICE, ""),
        number=int(number) if number.isdecimal() else 0,
        image=entry.get("Image") or "",
        image_id=entry.get("ImageID") or "",
        state=cast(ReplicaState, entry.get("State") or "dead"),
        health=cast(Health, health.group(1) if health else "none"),
        status=status,
        created=datetime.fromtimestamp(entry.get("Created") or 0, UTC),
        command=entry.get("Command") or "",
        endpoints=endpoints((entry.get("NetworkSettings") or {}).get("Networks") or {}),
        ports=tuple(sorted((published(port) for port in entry.get("Ports") or []), key=port_order)),
        digests=digests_from_label(marks.get(labels.DIGESTS)),
        run=marks.get(labels.RUN, ""),
        exit_code=int(code.group(1)) if code else None,
        fleet=marks.get(labels.FLEET, ""),
        release=release_from_label(f"{entry.get('ImageID') or ''} {marks.get(labels.RELEASE, '')}"),
        previous=release_from_label(marks.get(labels.PREVIOUS, "")),
        restored=marks.get(labels.RESTORED) == "true",
    )


def release_from_label(text: str) -> Release | None:
    """Image id and release; None where a label has not both."""
    image_id, _, packed = text.partition(" ")
    return Release(image_id, packed) if image_id and packed else None


def own_name(names: list[str]) -> str:
    """The container's own name: the one without a link's second slash."""
    plain = [name.removeprefix("/") for name in names if "/" not in name.removeprefix("/")]
    return plain[0] if plain else ""


def endpoints(networks: Json) -> Mapping[str, Endpoint]:
    return {
        name: Endpoint(
            network_id=entry.get("NetworkID") or "",
            network_name=name,
            ipv4=entry.get("IPAddress") or None,
            prefix=entry.get("IPPrefixLen") or None,
            mac=entry.get("MacAddress") or None,
            ipv6=entry.get("GlobalIPv6Address") or None,
            gateway=entry.get("Gateway") or None,
            aliases=tuple(entry.get("Aliases") or ()),
        )
        for name, entry in sorted(networks.items())
    }


def published(port: Json) -> Published:
    return Published(
        container_port=port["PrivatePort"],
        protocol=port.get("Type") or "tcp",
        host_ip=port.get("IP"),
        host_port=port.get("PublicPort"),
    )


def port_order(port: Published) -> tuple[int, str, str, int]:
    return (port.container_port, port.protocol, port.host_ip or "", port.host_port or 0)


def digests_from_label(text: str | None) -> Mapping[str, str]:
    """Our own label; whatever is not ours (somebody edited it) counts as no digest, so the object is replaced."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): str(value) for key, value in found.items()}


def with_inspection(replica: Replica, entry: Json) -> Replica:
    """The replica with what only GET /containers/{id}/json tells: pid, restarts, start time, aliases, exit code."""
    state = entry.get("State") or {}
    networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    running = state.get("Running") or state.get("Paused")
    return replace(
        replica,
        state=cast(ReplicaState, state.get("Status") or replica.state),
        health=cast(Health, (state.get("Health") or {}).get("Status") or replica.health),
        endpoints=endpoints(networks) or replica.endpoints,
        restarts=entry.get("RestartCount"),
        started=parse_time(state.get("StartedAt")),
        pid=(state.get("Pid") or None) if running else None,
        exit_code=None if running else state.get("ExitCode"),
        inspection=inspection(entry),
    )


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def inspection(entry: Json) -> Inspection:
    """How the container was asked to run and how it ended."""
    state, asked = entry.get("State") or {}, entry.get("HostConfig") or {}
    environment = (line.partition("=") for line in (entry.get("Config") or {}).get("Env") or [])
    checks = (state.get("Health") or {}).get("Log") or []
    nano = asked.get("NanoCpus") or 0
    quota, period = asked.get("CpuQuota") or 0, asked.get("CpuPeriod") or 100_000
    return Inspection(
        error=state.get("Error") or "",
        out_of_memory=bool(state.get("OOMKilled")),
        finished=parse_time(state.get("FinishedAt")),
        restart_policy=(asked.get("RestartPolicy") or {}).get("Name") or "no",
        network_mode=asked.get("NetworkMode") or "",
        proxies={name.lower(): value for name, _, value in environment if name.lower() in PROXIES and value},
        requested=tuple(sorted(requested(asked.get("PortBindings") or {}), key=port_order)),
        health_output=str(checks[-1].get("Output") or "") if checks else "",
        memory=asked.get("Memory") or None,
        cpus=nano / 1e9 if nano else quota / period if quota > 0 else None,
    )


def requested(bindings: Json) -> Iterator[Published]:
    """The ports that were to be published, from HostConfig.PortBindings: {"80/tcp": [{"HostIp", "HostPort"}]}."""
    for wanted, hosts in bindings.items():
        port, _, protocol = wanted.partition("/")
        for host in hosts or [{}]:
            number = (host.get("HostPort") or "").partition("-")[0]
            yield Published(int(port), protocol or "tcp", host.get("HostIp") or None, int(number) if number else None)


def parse_time(text: str | None) -> datetime | None:
    """RFC 3339 with nanoseconds; the engine's zero time (year 1) means never."""
    if not text or text.startswith("0001-"):
        return None
    text = re.sub(r"\.(\d{1,6})\d*", r".\1", text)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def network_from_json(entry: Json) -> ObservedNetwork:
    """A network from one entry of GET /networks."""
    marks: Mapping[str, str] = entry.get("Labels") or {}
    config = (entry.get("IPAM") or {}).get("Config") or []
    return ObservedNetwork(
        id=entry["Id"],
        name=entry.get("Name") or "",
        driver=entry.get("Driver") or "",
        fleet=marks.get(labels.FLEET),
        key=marks.get(labels.NETWORK),
        subnets=tuple((whole_block(item["Subnet"]), item.get("Gateway")) for item in config if item.get("Subnet")),
        options=entry.get("Options") or {},
        internal=bool(entry.get("Internal")),
        enable_ipv6=bool(entry.get("EnableIPv6")),
        attachable=bool(entry.get("Attachable")),
        digests=digests_from_label(marks.get(labels.DIGESTS)),
        labels=marks,
        created=entry.get("Created") or "",
        attached={key: str(item.get("Name")) for key, item in (entry.get("Containers") or {}).items()},
    )


def whole_block(cidr: str) -> str:
    """The block without host bits: engines before 25 keep a subnet as it was given, such as 10.9.8.7/24."""
    return str(ipaddress.ip_network(cidr, strict=False))


def volume_from_json(entry: Json) -> ObservedVolume:
    marks: Mapping[str, str] = entry.get("Labels") or {}
    return ObservedVolume(
        name=entry["Name"],
        key=marks.get(labels.VOLUME),
        fleet=marks.get(labels.FLEET),
        digests=digests_from_label(marks.get(labels.DIGESTS)),
    )


def image_from_json(reference: str, entry: Json) -> ObservedImage:
    """An image from GET /images/{name}/json."""
    config = entry.get("Config") or {}
    return ObservedImage(
        reference=reference,
        id=entry["Id"],
        context=(config.get("Labels") or {}).get(labels.CONTEXT),
        user=config.get("User") or "",
        size=entry.get("Size") or 0,
        volumes=frozenset(config.get("Volumes") or ()),
    )
