"""What one part of a fleet says about another: networks, images, dependencies, host ports that must fit together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from fleetctl.spec.model import Dependency, PortMapping, Service
from fleetctl.spec.ports import format_port
from fleetctl.spec.site import Site, suggest

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
ANY = "any"
"""Stands for whichever address."""


def check_networks(site: Site, services: Mapping[str, Service], known: Iterable[str]) -> None:
    """Every network that a service names must be defined; `default` always is. `site` is the file's."""
    defined = {*known, "default"}
    for service in services.values():
        for key in service.networks:
            if key not in defined:
                place = site.at("services", service.name, "networks")
                (place.key(key) if place.has(key) else place).report(
                    f"the network {key[:200]!r} is not defined",
                    suggest(key, defined) or f"add {key} to networks: at the top",
                )


def settle_dependencies(
    site: Site, services: Mapping[str, Service], inactive: Iterable[str]
) -> dict[str, dict[str, Dependency]]:
    """Service -> its dependencies among the active services; undefined, inactive and circular ones are noted."""
    asleep = set(inactive)
    settled: dict[str, dict[str, Dependency]] = {}
    for service in services.values():
        kept: dict[str, Dependency] = {}
        place = site.at("services", service.name, "depends_on")
        for name, dependency in service.depends_on.items():
            here = place.key(name) if place.has(name) else place
            if name in services:
                kept[name] = dependency
            elif name in asleep and dependency.required:
                here.report(f"the service {name} has no active profile", "pass --profile, or write required: false")
            elif name not in asleep:
                here.report(f"the service {name[:200]!r} is not defined", suggest(name, [*services, *asleep]))
        settled[service.name] = kept
        _check_balanced(site, service, services, asleep)
    _check_cycles(site, services, settled)
    return settled


def _check_balanced(site: Site, balancer: Service, services: Mapping[str, Service], asleep: set[str]) -> None:
    """What an active balancer balances must be active: its replicas may run, and would be cut off without a word."""
    place = site.at("services", balancer.name, "x-fleet", "balance")
    for index, balance in enumerate(balancer.balance):
        if balance.service not in services and balance.service in asleep:
            (place if place.has("service") else place.at(index)).at("service").report(
                f"the service {balance.service} has no active profile",
                f"pass --profile, or give {balancer.name} the same profiles",
            )


def _check_cycles(site: Site, services: Mapping[str, Service], settled: Mapping[str, Mapping[str, Dependency]]) -> None:
    """A balancer comes after what it balances, as if it depended on it."""
    balanced = {name: [one.service for one in service.balance] for name, service in services.items()}
    try:
        TopologicalSorter({name: [*needed, *balanced[name]] for name, needed in settled.items()}).prepare()
    except CycleError as error:
        circle: list[str] = list(reversed(error.args[1]))
        said = next((one for one, needed in pairwise(circle) if needed in settled[one]), circle[0])
        site.at("services", said, "depends_on").report(
            f"the services wait for each other: {' -> '.join(circle[:20])}",
            "remove one of these dependencies"
            + ("; a balancer waits for what it balances" if any(balanced[name] for name in circle) else ""),
        )


@dataclass(frozen=True, slots=True)
class HostPortClaim:
    """A service that is to have replicas, and host ports that they take, the `rank`-th such claim of the file."""

    service: str
    port: PortMapping
    published: tuple[int, int]
    rank: int

    @property
    def is_everywhere(self) -> bool:
        return self.port.host_ip in EVERYWHERE

    def where(self, host_ip: str) -> tuple[str, bool, str]:
        """What it shares its ports with: a protocol, an address family, and an address of it."""
        return self.port.protocol, ":" in self.port.host_ip, host_ip


def check_host_ports(site: Site, services: Mapping[str, Service]) -> None:
    """No host port may be claimed twice; `site` is the file's."""
    for owner, why, hint in find_shared_ports(services.values()):
        site.at("services", owner, "ports").report(why, hint)


def find_shared_ports(services: Iterable[Service]) -> Iterator[tuple[str, str, str]]:
    """Services that claim a host port that another one, or they themselves, claim before: the name, why that cannot
    be, what to do. Which port of a range a replica gets is the engine's choice, so that any of them counts as claimed;
    without replicas none does."""
    claims = (
        (service.name, port, port.published)
        for service in services
        if service.replicas
        for port in service.ports
        if port.published is not None
    )
    ranked = [HostPortClaim(*claim, rank) for rank, claim in enumerate(claims)]
    furthest: dict[tuple[str, bool, str], HostPortClaim] = {}
    for claim in sorted(ranked, key=lambda claim: claim.published):
        # Of those that begin before this one, the one that reaches furthest overlaps it if any does.
        rivals = [ANY] if claim.is_everywhere else [claim.port.host_ip, *EVERYWHERE]
        found = [furthest[where] for where in map(claim.where, rivals) if where in furthest]
        former = max(found, key=lambda one: one.published[1], default=None)
        if former is not None and former.published[1] >= claim.published[0]:
            yield _told(*sorted((former, claim), key=lambda one: one.rank))
        for where in map(claim.where, (ANY, claim.port.host_ip)):
            if where not in furthest or furthest[where].published[1] < claim.published[1]:
                furthest[where] = claim


def _told(former: HostPortClaim, claim: HostPortClaim) -> tuple[str, str, str]:
    """Who claims what the former has claimed, why that cannot be, what to do."""
    first = max(former.published[0], claim.published[0])
    last = min(former.published[1], claim.published[1])
    shared = f"host port {first}" if first == last else f"host ports {first}-{last}"
    whose = f" of the service {former.service}" if former.service != claim.service else ""
    why = f"{format_port(claim.port)} takes {shared} of {format_port(former.port)}{whose}"
    ranges = [one for one in (former, claim) if one.published[0] != one.published[1]]
    hint = "; a replica may get any port of a range" if ranges else ""
    return claim.service, why, f"publish it on another port or address{hint}"


def check_images(site: Site, services: Mapping[str, Service]) -> None:
    """Services that build one image must build it alike, or each would replace the other's; `site` is the file's."""
    first: dict[str, Service] = {}
    for service in services.values():
        if service.build is None:
            continue
        other = first.setdefault(_tagged(service.image), service)
        if service.build != other.build:
            place = site.at("services", service.name)
            place.at("image" if place.has("image") else "build").report(
                f"{_tagged(service.image)} is built in another way by the service {other.name}",
                "give each an image of its own, or write the same build",
            )


def _tagged(image: str) -> str:
    """The reference with the tag that it has when none is written."""
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"
