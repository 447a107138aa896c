"""Who is in rotation: a balancer's pools and the servers in them, as the balancer itself tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fleetctl.state.probes import authority_of

Admission = Literal["ready", "drain", "maint"]
"""Whether a server gets new requests, goes on with those it has, or takes none (HAProxy's administrative state)."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Counted since the balancer started: requests, those of them that failed, and requests sent to a server once
    more. A failed one was answered with a status of 500 or more, by whomever, or broken off by the server's side."""

    requests: int = 0
    failed: int = 0
    retried: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.requests + other.requests, self.failed + other.failed, self.retried + other.retried)

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(self.requests - other.requests, self.failed - other.failed, self.retried - other.retried)


@dataclass(frozen=True, slots=True)
class Server:
    """A replica's place in a pool. `name` is its label and the first 12 digits of its container's id, joined by a dot:
    "web-1.3fa9c2d1e0b1". `check` is what the last health check said ("L7OK"), empty while there was none."""

    name: str
    address: str
    port: int
    admission: Admission
    healthy: bool
    check: str = ""
    sessions: int = 0
    """Requests under way."""
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def label(self) -> str:
        """SERVICE-N."""
        return self.name.rpartition(".")[0]

    @property
    def container_id(self) -> str:
        """The first 12 digits of it."""
        return self.name.rpartition(".")[2]

    @property
    def endpoint(self) -> str:
        return authority_of(self.address, self.port)


@dataclass(frozen=True, slots=True)
class Rotation:
    """What one balancer does. `digest` is that of the settings it runs with, `settled` whether those are what
    fleet.yaml asks for; `servers` by pool; `traffic` is that of its clients."""

    balancer_id: str
    digest: str = ""
    settled: bool = True
    servers: Mapping[str, tuple[Server, ...]] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=Traffic)


def service_in(pool: str) -> str:
    """The service whose replicas are in a pool of that name (spec/model.Balance.pool)."""
    return pool.partition(":")[0]


def server_name(label: str, container_id: str) -> str:
    """A server's name in every pool."""
    return f"{label}.{container_id[:12]}"
