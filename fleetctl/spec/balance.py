"""x-fleet.balance: which services a balancer sends requests to, and how."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import replace

from fleetctl.spec.compose_service import BalanceShape, ServiceShape
from fleetctl.spec.http import read_path
from fleetctl.spec.model import Balance, Service
from fleetctl.spec.origins import origin_of
from fleetctl.spec.site import Site, suggest
from fleetctl.spec.units import parse_duration
from fleetctl.spec.values import read_quantity

CONFIGURATION = "/etc/balancer"
"""The directory in which a balancer keeps its configuration."""
LISTENING_PORT = 8080
"""What a balancer listens on where fleet.yaml says nothing."""
MAX_ENTRIES = 250
"""Of all balancers together: as many as a fleet has services; more would take longer than 0.1 s to read."""

# RFC 1123, section 2.1: labels of letters, digits and -, with no - at their ends.
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)
_LONGEST_HOST = 253
# HAProxy quotes with ' and replaces variables after $; its configuration is made of these paths.
_UNQUOTED = re.compile(r"[^'$]*")
# HAProxy counts in whole milliseconds, up to 24 days.
_LEAST_SECONDS, _MOST_SECONDS = 0.001, 86_400.0


def is_balancer(shape: ServiceShape) -> bool:
    """Whether a service is a balancer, be it one with mistakes."""
    return shape.x_fleet is not None and shape.x_fleet.balance is not None


def read_balances(
    site: Site, shapes: Mapping[str, ServiceShape], services: Mapping[str, Service]
) -> dict[str, Service]:
    """The services; those that are balancers know what they balance. `site` is the file's; `shapes` and `services` are
    all of its services, active or not."""
    balancers = frozenset(name for name, shape in shapes.items() if is_balancer(shape))
    if sum(len(_listed(shape)) for shape in shapes.values()) > MAX_ENTRIES:
        site.problems.stop(
            str(site.at("services").mark),
            "services",
            f"more than {MAX_ENTRIES} entries of x-fleet.balance",
            "split the fleet",
        )
    return {
        name: _with_balance(site, shapes[name], service, services, balancers) if name in balancers else service
        for name, service in services.items()
    }


def _listed(shape: ServiceShape) -> list[BalanceShape]:
    """The entries; one mapping is a list of one."""
    raw = shape.x_fleet.balance if shape.x_fleet else None
    return raw if isinstance(raw, list) else [] if raw is None else [raw]


def _with_balance(
    site: Site, shape: ServiceShape, balancer: Service, services: Mapping[str, Service], balancers: frozenset[str]
) -> Service:
    place = site.at("services", balancer.name, "x-fleet", "balance")
    entries = _listed(shape)
    if not entries:
        place.report("an empty list balances nothing", "name a service, or delete it")
    found: list[Balance] = []
    origins: dict[str, str] = {}
    taken: dict[tuple[int, str | None], str] = {}
    for index, entry in enumerate(entries):
        here = place if place.has("service") else place.at(index)
        target = _find_target(site, here.at("service"), entry.service, balancer, services, balancers)
        if target is not None:
            found.append(_read_entry(here, entry, target))
            # The document has a mapping where there is one entry, a list where there are more.
            path = "x-fleet.balance" if len(entries) == 1 else f"x-fleet.balance[{index}]"
            origins |= _entry_origins(here, path, target)
            _check_distinct(here, found[-1], taken)
    _check_directory(site.at("services", balancer.name), balancer)
    if len(found) == len(entries):
        _check_ports(site.at("services", balancer.name, "ports"), shape, balancer, {entry.port for entry in found})
    return replace(balancer, balance=tuple(found), origins={**balancer.origins, **origins})


def _find_target(
    site: Site,
    place: Site,
    name: str,
    balancer: Service,
    services: Mapping[str, Service],
    balancers: frozenset[str],
) -> Service | None:
    """The service of this name where it can be balanced; None, with the mistake noted, where it cannot."""
    if name not in services:
        if not site.at("services").has(name):
            known = services.keys() - balancers
            place.report(f"the service {name[:200]!r} is not defined", suggest(name, sorted(known)))
        return None
    if name == balancer.name:
        place.report("a balancer cannot balance itself", "name the service that answers")
        return None
    if name in balancers:
        place.report(f"the service {name} is a balancer, too", f"name what {name} balances")
        return None
    target = services[name]
    if not target.networks.keys() & balancer.networks.keys():
        wanted = next(iter(target.networks))
        place.report(
            f"the service {name} shares no network with the balancer", f"add {wanted} to networks of {balancer.name}"
        )
        return None
    return target


def _read_entry(place: Site, shape: BalanceShape, target: Service) -> Balance:
    usual = Balance(target.name, shape.port or LISTENING_PORT, 0)
    port = shape.target_port or (target.http.port if target.http else None)
    if port is None:
        place.at("service").report(
            f"on which port the service {target.name} answers is not said",
            f"write target_port here, or x-fleet.http in {target.name}",
        )
    return replace(
        usual,
        target_port=port or usual.target_port,
        health_path=_read_health_path(place, shape, target),
        host=_read_host(place.at("host"), shape.host),
        algorithm=shape.algorithm or usual.algorithm,
        retries=usual.retries if shape.retries is None else shape.retries,
        drain_timeout=_read_seconds(place.at("drain_timeout"), shape.drain_timeout, usual.drain_timeout),
        timeout=_read_seconds(place.at("timeout"), shape.timeout, usual.timeout, least=_LEAST_SECONDS),
    )


def _read_health_path(place: Site, shape: BalanceShape, target: Service) -> str:
    if shape.health_path is not None:
        here, path = place.at("health_path"), read_path(place.at("health_path"), shape.health_path)
    else:
        here, path = place.at("service"), target.http.health_path if target.http else "/"
    if not _UNQUOTED.fullmatch(path):
        here.report(f"a balancer cannot ask for {path[:80]!r}", "write health_path with %27 for ' and %24 for $")
    return path


def _read_host(site: Site, raw: str | None) -> str | None:
    """A host name in lower case: case means nothing in it."""
    if raw is None:
        return None
    host = raw.lower()
    if not raw.isascii() or len(host) > _LONGEST_HOST or not _HOST.fullmatch(host):
        site.report(f"not a host name: {raw[:80]!r}", "write it as in www.example.org: no port, no *")
    return host


def _read_seconds(site: Site, raw: str | None, usual: float, *, least: float = 0.0) -> float:
    seconds = read_quantity(site, parse_duration, raw)
    if seconds is None:
        return usual
    if not least <= seconds <= _MOST_SECONDS:
        site.report(f"must be between {'1ms' if least else '0s'} and 24h, not {raw}")
    return seconds


def _check_distinct(place: Site, entry: Balance, taken: dict[tuple[int, str | None], str]) -> None:
    """A request must have one way to go: `taken` maps the ports and hosts of the entries so far to their services."""
    other = taken.get((entry.port, entry.host))
    if other is None:
        taken[entry.port, entry.host] = entry.service
    elif entry.host is None:
        place.report(
            f"port {entry.port} already leads to the service {other}, whatever the host",
            "give one of them a host, or another port",
        )
    else:
        place.at("host").report(
            f"{entry.host} on port {entry.port} already leads to the service {other}", "keep one of them"
        )


def _check_directory(site: Site, balancer: Service) -> None:
    """Nothing of the file may lie where the balancer's configuration does; `site` is the service's."""
    targets = [("volumes", mount.target) for mount in balancer.mounts]
    targets += [(f"{file.kind}s", file.target) for file in balancer.files]
    targets += [("tmpfs", target) for target in balancer.tmpfs]
    for key, target in targets:
        if target == CONFIGURATION or target.startswith(f"{CONFIGURATION}/"):
            site.at(key).report(f"{target} is where a balancer keeps its configuration", "mount it elsewhere")


def _check_ports(site: Site, shape: ServiceShape, balancer: Service, listening: Set[int]) -> None:
    """A published port that leads to one on which the balancer does not listen would answer nobody."""
    single = len(shape.ports or ()) == len(balancer.ports)  # no ranges: each entry is one port
    for index, port in enumerate(balancer.ports):
        if port.target not in listening or port.protocol != "tcp":
            listed = ", ".join(f"{one}/tcp" for one in sorted(listening))
            place = site.at(index) if single else site
            place.report(
                f"port {port.target}/{port.protocol} of the balancer is published, but it listens on {listed}",
                "publish that one, or write port in x-fleet.balance",
            )


def _entry_origins(place: Site, path: str, target: Service) -> dict[str, str]:
    """Where each value of one entry comes from; the port and health path may be what the balanced service says."""
    lent = {"target_port": "port", "health_path": "health_path"} if target.http else {}
    return {
        f"{path}.{key}": str(place.key(key).mark)
        if place.has(key)
        else origin_of(f"x-fleet.http.{lent[key]}", target.origins)
        if key in lent
        else "default"
        for key in BalanceShape.__struct_encode_fields__
    }
