"""Starts a container, and finds it a host port where the engine may choose among several."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from docker.errors import APIError

from fleetctl.engine import translate
from fleetctl.engine.faults import PORT_TAKEN, explanation
from fleetctl.engine.port_owner import port_in, process_owner
from fleetctl.errors import FleetError, ResourceExhausted

if TYPE_CHECKING:
    from fleetctl.engine.docker_actions import Hands

MOST_STARTS = 50
"""A start that fails for its host port takes about a fifth of a second (measured with Engine 20.10)."""


def start_container(host: Hands, container_id: str, name: str) -> None:
    """Start it. Of a range the engine tries one port that no container has, and the next one at the next start: so it
    is started again until a process leaves it one. Raises ResourceExhausted where none is left, FleetError for a port
    that is the only choice, or what docker-py raises."""
    starts = 0
    while True:
        try:
            host.client.start(container_id)
        except APIError as error:
            text, starts = explanation(error), starts + 1
            if not re.search(PORT_TAKEN, text):
                raise
            port = port_in(text)
            asked = host.client.inspect_container(container_id)["HostConfig"].get("PortBindings") or {}
            choice = None if port is None else choice_of(asked, port)
            if port is None or (choice is not None and len(choice) == 1):
                raise taken_port(host, name, port, text) from error
            if starts >= MOST_STARTS or (choice is not None and starts >= len(choice)):
                raise none_left(name, choice, starts) from error
        else:
            return


def choice_of(bindings: Mapping[str, Any], port: int) -> range | None:
    """The host ports among which the engine chose this one, by HostConfig.PortBindings ({"80/tcp": [{"HostIp",
    "HostPort"}]}); None where any would have done."""
    for hosts in bindings.values():
        for host in hosts or ():
            low, _, high = (host.get("HostPort") or "0").partition("-")
            choice = range(int(low), int(high or low) + 1)
            if port in choice:
                return choice
    return None


def none_left(name: str, choice: range | None, starts: int) -> ResourceExhausted:
    """Says which host ports were tried."""
    if choice is None:
        told = f"the engine found no free host port {starts} times"
    elif starts < len(choice):
        told = f"{starts} of the host ports {choice[0]}-{choice[-1]}, one after the other, are taken"
    else:
        told = f"host ports {choice[0]}-{choice[-1]} are all taken"
    return ResourceExhausted(
        f"could not start {name}: {told}",
        hint="free some of them, widen the range in ports, or ask for fewer replicas",
    )


def taken_port(host: Hands, name: str, port: int | None, text: str) -> FleetError:
    """Names the port and, where it can be known, who has it."""
    owner = None
    if port is not None:
        for entry in host.client.containers(filters={"publish": str(port)}):
            owner = f"container {translate.own_name(entry.get('Names') or [])}"
        if owner is None and host.local:
            owner = process_owner(port)
    return FleetError(
        f"could not start {name}: host port {port or '?'} is taken"
        + (f" by {owner}" if owner else "")
        + ("" if port is not None else f" ({text})"),
        hint="free the port, or publish another one (a range, or none, lets the engine choose)",
    )
