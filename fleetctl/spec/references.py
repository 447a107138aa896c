"""What one part of a fleet says about another: networks, images, dependencies, host ports that must fit together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from fleetctl.spec.model import Dependency, PortMapping, Service
from fleetctl.spec.ports import format_port
from fleetctl.spec.site import Site, suggest


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


def check_host_ports(site: Site, services: Mapping[str, Service]) -> None:
    """No two services may claim the same single host port; `site` is the file's."""
    claimed: dict[tuple[object, ...], list[tuple[PortMapping, str]]] = {}
    for service in services.values():
        for port in service.ports:
            if port.published is None or port.published[0] != port.published[1]:
                continue
            others = claimed.setdefault((port.published, port.protocol, ":" in port.host_ip), [])
            for other, owner in others:
                if owner != service.name and _overlap(port.host_ip, other.host_ip):
                    site.at("services", service.name, "ports").report(
                        f"{format_port(port)} takes the host port of {format_port(other)} of the service {owner}",
                        "publish it on another port or address",
                    )
            others.append((port, service.name))


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


def _overlap(one: str, other: str) -> bool:
    """Whether two addresses of one family share a port: they are the same, or one of them is all addresses."""
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    return one == other or not everywhere.isdisjoint((one, other))
