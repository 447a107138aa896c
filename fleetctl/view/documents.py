"""Results for programs: JSON with a schema number, documented in docs/json.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fleetctl.state.observed import Replica
from fleetctl.state.probes import ReplicaReply
from fleetctl.view.terminal import write

if TYPE_CHECKING:
    from fleetctl.plan.steps import Plan
    from fleetctl.spec.model import Fleet

SCHEMA = 1
"""Raised when a key changes its meaning or goes; new keys may come without."""

Document = dict[str, Any]


def show_document(document: Mapping[str, Any]) -> None:
    """Print a document as JSON, ASCII only: nothing in it can steer a terminal."""
    write(json.dumps(document, indent=2))


def replicas_document(
    fleet: Fleet,
    replicas: Iterable[Replica],
    instances: Mapping[str, str | None],
    standings: Mapping[str, str | None] | None = None,
) -> Document:
    """`ps --format json`; times are RFC 3339 in UTC. Networks have their key of fleet.yaml, those that are not in it
    their name in the engine. `instances` and `standings` in rotation are by the replicas' names."""
    standings = standings or {}
    keys = {network.engine_name: key for key, network in fleet.networks.items()}
    return {
        "schema": SCHEMA,
        "fleet": fleet.name,
        "replicas": [
            {
                "name": replica.name,
                "service": replica.service,
                "number": replica.number,
                "id": replica.id,
                "image": replica.image,
                "state": replica.state,
                "health": replica.health,
                "status": replica.status,
                "exit_code": replica.exit_code,
                "restarts": replica.restarts,
                "created": replica.created.isoformat(),
                "started": replica.started.isoformat() if replica.started is not None else None,
                "ports": [
                    {
                        "target": port.container_port,
                        "protocol": port.protocol,
                        "host_ip": port.host_ip,
                        "published": port.host_port,
                    }
                    for port in replica.ports
                ],
                "networks": {
                    keys.get(name, name): {"ipv4": endpoint.ipv4, "prefix": endpoint.prefix, "mac": endpoint.mac}
                    for name, endpoint in replica.endpoints.items()
                },
                "instance": instances.get(replica.name),
                "rotation": standings.get(replica.name),
            }
            for replica in replicas
        ],
    }


def replies_document(fleet_name: str, replies: Iterable[ReplicaReply]) -> Document:
    """`curl --format json`."""
    return {
        "schema": SCHEMA,
        "fleet": fleet_name,
        "replies": [
            {
                "replica": reply.replica,
                "url": reply.reply.url,
                "status": reply.reply.status,
                "milliseconds": round(reply.reply.milliseconds, 3) if reply.reply.milliseconds is not None else None,
                "identity": reply.identity,
                "line": reply.reply.first_line or None,
                "error": reply.error,
            }
            for reply in replies
        ],
    }


PROCESS_KEYS = ("user", "pid", "ppid", "cpu_percent", "rss_kib", "command")


def processes_document(
    fleet_name: str, found: Iterable[tuple[str, Sequence[str], Iterable[Sequence[str]]]]
) -> Document:
    """`top --format json`: per replica its name, titles and rows as ps(1) gave them."""

    def process(row: Sequence[str]) -> Document:
        user, pid, parent, processor, memory, command = row
        return dict(
            zip(PROCESS_KEYS, (user, int(pid), int(parent), float(processor), int(memory), command), strict=True)
        )

    return {
        "schema": SCHEMA,
        "fleet": fleet_name,
        "replicas": [{"replica": name, "processes": [process(row) for row in rows]} for name, _, rows in found],
    }


def fleet_document(
    fleet: Fleet, replicas: Iterable[Replica], replies: Iterable[ReplicaReply], veths: Mapping[str, str]
) -> Document:
    """`up --format json`: that of `ps`, and per replica its veth on the host and how long its answer took."""
    answers = {reply.replica: reply for reply in replies}
    document = replicas_document(fleet, replicas, {name: answer.identity for name, answer in answers.items()})
    for entry in document["replicas"]:
        answer = answers.get(entry["name"])
        entry["veth"] = veths.get(entry["name"])
        entry["milliseconds"] = answer and rounded(answer.reply.milliseconds)
    return document


def rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)


def plan_document(fleet_name: str, plan: Plan) -> Document:
    """`plan --format json`."""
    from fleetctl.plan.naming import names, verb

    return {
        "schema": SCHEMA,
        "fleet": fleet_name,
        "steps": [
            {"action": verb(step.action), "target": " ".join(names(step.action)), "because": step.because}
            for step in plan.shown()
        ],
        "notices": list(plan.notices),
    }
