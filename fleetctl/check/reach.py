"""Where a replica can be asked from here, and why nowhere; never where a stranger could answer in its place."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from fleetctl.spec.model import HttpSettings, Service
from fleetctl.state.observed import ANYWHERE, Replica
from fleetctl.state.probes import authority_of

LOOPBACK = "127.0.0.1"


def address_of(replica: Replica, http: HttpSettings, host: str | None) -> tuple[str, int] | None:
    """Where a replica can be asked from here, None when nowhere. `host` is the engine's: on this host (None) its own
    address is asked, else a port published there. What is published on that host's loopback is within reach only where
    the engine itself was reached over loopback: anywhere else a stranger of this host would answer."""
    if host is None:
        addresses = (endpoint.ipv4 or endpoint.ipv6 for endpoint in replica.endpoints.values())
        return next(((address, http.port) for address in addresses if address), None)
    return published_address(replica, http.port, host)


def published_address(replica: Replica, container_port: int, host: str) -> tuple[str, int] | None:
    """Where a TCP port of a replica is published for those who reach the engine at `host`; None where it is not."""
    for port in replica.ports:
        if port.container_port != container_port or port.protocol != "tcp" or port.host_port is None:
            continue
        if port.host_ip in ANYWHERE:
            return "::1" if port.host_ip == "::" and host == LOOPBACK else host, port.host_port
        if port.host_ip and (is_loopback(host) or not is_loopback(port.host_ip)):
            return port.host_ip, port.host_port
    return None


@dataclass(frozen=True, slots=True)
class Entrance:
    """A URL at which the host of the engine answers for the replicas of a service, with the name that a balancer has
    to be asked for, if any."""

    url: str
    service_name: str


def entrances_of(replica: Replica, service: Service, host: str | None) -> tuple[Entrance, ...]:
    """Where a replica can be asked on the host of the engine; a balancer answers for others. `host` as in
    `address_of`."""
    wanted = [(balance.port, "", balance.host, balance.service) for balance in service.balance]
    if service.http is not None:
        wanted.append((service.http.port, service.http.path.removeprefix("/"), None, service.name))
    found = []
    for port, path, name, behind in wanted:
        address = published_address(replica, port, host or LOOPBACK)
        if address is not None:
            url = f"http://{authority_of(*address)}/{path}{f' for {name}' if name else ''}"
            found.append(Entrance(url, behind))
    return tuple(found)


def is_loopback(host: str) -> bool:
    """Whether a name or address means the host that uses it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def why_unreachable(replica: Replica, http: HttpSettings, host: str | None) -> str:
    """Why `address_of` finds nothing."""
    if host is None:
        return "it has no address in any network"
    published = {port.host_ip for port in replica.ports if port.container_port == http.port and port.host_port}
    how = f"is published only on {', '.join(sorted(map(str, published)))} there" if published else "is not published"
    return f"it cannot be asked from here: the engine is at {host}, and container port {http.port} {how}"
