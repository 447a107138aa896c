"""The shape of fleet.yaml as written: its keys, their types and what they mean; source of the JSON Schema."""

# Annotations are read at run time, so they must be real objects: no `from __future__ import annotations`.
from typing import Annotated, Literal

from msgspec import Meta

from fleetctl.spec.compose_service import ServiceShape
from fleetctl.spec.compose_values import Options, Pairs, Shape


class SubnetShape(Shape):
    """A subnet of a network."""

    subnet: Annotated[str, Meta(description="CIDR notation.")]
    ip_range: (
        Annotated[
            str,
            Meta(description="Part of the subnet that replicas take addresses from."),
        ]
        | None
    ) = None
    gateway: Annotated[str, Meta(description="The bridge's own address.")] | None = None
    aux_addresses: Annotated[dict[str, str], Meta(description="Addresses that must not be given out.")] | None = None


class IpamShape(Shape):
    """How a network gives out addresses."""

    driver: Annotated[str, Meta(description="Default: default.")] | None = None
    config: Annotated[list[SubnetShape], Meta(description="Subnets; none: one is chosen.")] | None = None


class NetworkShape(Shape):
    """A network of the fleet."""

    name: Annotated[str, Meta(description="Name in the engine; default FLEET_KEY.")] | None = None
    driver: Annotated[Literal["bridge"], Meta(description="Default bridge.")] | None = None
    driver_opts: Annotated[Options, Meta(description="Options of the driver.")] | None = None
    ipam: IpamShape | None = None
    internal: Annotated[bool, Meta(description="No way out of the network.")] | None = None
    enable_ipv4: Annotated[bool, Meta(description="Default true; false is not yet supported.")] | None = None
    enable_ipv6: Annotated[bool, Meta(description="Default false.")] | None = None
    attachable: Annotated[bool, Meta(description="For other containers to join, on Swarm.")] | None = None
    labels: Annotated[Pairs, Meta(description="Labels of the network.")] | None = None
    external: Annotated[bool, Meta(description="It exists already and is never changed.")] | None = None


class VolumeShape(Shape):
    """A volume of the fleet."""

    name: Annotated[str, Meta(description="Name in the engine; default FLEET_KEY.")] | None = None
    driver: Annotated[str, Meta(description="Default local.")] | None = None
    driver_opts: Annotated[Options, Meta(description="Options of the driver.")] | None = None
    labels: Annotated[Pairs, Meta(description="Labels of the volume.")] | None = None
    external: Annotated[bool, Meta(description="It exists already and is never changed.")] | None = None


class FileShape(Shape):
    """A config or secret: a file of the project."""

    file: Annotated[str, Meta(description="The file, within the project.")]


class AddressesShape(Shape):
    """Where the subnets of networks without their own come from."""

    block: Annotated[str, Meta(description="IPv4 block in CIDR notation; default 172.30.0.0/15.")] | None = None
    prefix: (
        Annotated[
            int,
            Meta(ge=8, le=29, description="Prefix length of each subnet; default 22."),
        ]
        | None
    ) = None


class FleetExtension(Shape):
    """What fleetctl knows about the fleet beyond Compose."""

    baseline: (
        Annotated[
            Literal["restricted", "compatible"],
            Meta(description="Security baseline; default restricted."),
        ]
        | None
    ) = None
    addresses: AddressesShape | None = None


class Document(Shape, rename={"x_fleet": "x-fleet"}):
    """A fleet: a strict subset of the Compose Specification with one extension key, x-fleet."""

    services: Annotated[dict[str, ServiceShape], Meta(description="The services, by name.")]
    version: Annotated[str, Meta(description="Obsolete; delete it.")] | None = None
    name: Annotated[str, Meta(description="The fleet's name; default: the directory's.")] | None = None
    networks: Annotated[dict[str, NetworkShape | None], Meta(description="The networks, by key.")] | None = None
    volumes: Annotated[dict[str, VolumeShape | None], Meta(description="The volumes, by key.")] | None = None
    configs: Annotated[dict[str, FileShape], Meta(description="The configs, by name.")] | None = None
    secrets: Annotated[dict[str, FileShape], Meta(description="The secrets, by name.")] | None = None
    x_fleet: FleetExtension | None = None
