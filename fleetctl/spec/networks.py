"""Networks, volumes and the address range of a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from fleetctl.spec.bridges import check_bridges
from fleetctl.spec.compose import AddressesShape, NetworkShape, SubnetShape, VolumeShape
from fleetctl.spec.model import AddressRange, Network, Service, Subnet, Volume
from fleetctl.spec.mounts import check_host_path
from fleetctl.spec.project import Project
from fleetctl.spec.services import read_labels
from fleetctl.spec.site import Site
from fleetctl.spec.wording import shown

IPNetwork = IPv4Network | IPv6Network
IPAddress = IPv4Address | IPv6Address

_USELESS: Mapping[IPNetwork, str] = {
    ip_network("127.0.0.0/8"): "loopback",
    ip_network("224.0.0.0/4"): "multicast",
    ip_network("::1/128"): "loopback",
    ip_network("ff00::/8"): "multicast",
}
_HABITABLE = "choose another, as in 172.30.0.0/22"

_OWN_FILES = ("tmpfs", "nfs", "nfs4", "cifs")
"""File systems that hold nothing of the host's: what is mounted lies in memory or elsewhere."""


def read_networks(site: Site, raw: Mapping[str, NetworkShape | None] | None, project: Project) -> dict[str, Network]:
    """The networks of the file; `site` is that of `networks`."""
    networks = {key: _read_network(site.at(key), key, shape, project) for key, shape in (raw or {}).items()}
    _check_names(site, networks)
    _check_overlaps(site, networks)
    check_bridges(site, networks)
    return networks


def _read_network(site: Site, key: str, shape: NetworkShape | None, project: Project) -> Network:
    shape = shape or NetworkShape()
    if shape.external:
        for name in ("driver", "driver_opts", "ipam", "internal", "attachable", "labels", "enable_ipv4", "enable_ipv6"):
            if site.has(name):
                site.key(name).report("an external network is used as it is", "delete it, or external")
        return Network(key, shape.name or key, external=True)
    ipam = shape.ipam
    subnets = tuple(
        read
        for index, subnet in enumerate((ipam.config if ipam else None) or ())
        if (read := _read_subnet(site.at("ipam", "config", index), subnet)) is not None
    )
    _check_families(site.at("ipam", "config"), subnets)
    if shape.enable_ipv4 is False:
        site.at("enable_ipv4").report("not yet supported: every network has IPv4", "delete it")
    return Network(
        key=key,
        engine_name=shape.name or f"{project.name}_{key}",
        driver=shape.driver or "bridge",
        driver_opts={name: str(value) for name, value in (shape.driver_opts or {}).items()},
        ipam_driver=(ipam.driver if ipam else None) or "default",
        subnets=subnets,
        internal=shape.internal or False,
        enable_ipv6=shape.enable_ipv6 or False,
        attachable=shape.attachable or False,
        labels=read_labels(site.at("labels"), shape.labels),
    )


def _read_subnet(site: Site, shape: SubnetShape) -> Subnet | None:
    network = read_block(site.at("subnet"), shape.subnet)
    if network is None:
        return None
    _check_habitable(site.at("subnet"), network)
    auxiliary = {
        name: str(address)
        for name, text in (shape.aux_addresses or {}).items()
        if (address := read_address(site.at("aux_addresses", name), text, [network])) is not None
    }
    gateway = None if shape.gateway is None else read_address(site.at("gateway"), shape.gateway, [network])
    owners = {} if gateway is None else {str(gateway): "the gateway"}
    for name, taken in auxiliary.items():
        owner = owners.setdefault(taken, name)
        if owner != name:
            site.at("aux_addresses", name).report(f"{taken} belongs to {owner} already", "choose another")
    part = None if shape.ip_range is None else read_block(site.at("ip_range"), shape.ip_range)
    if part is not None and not (part.version == network.version and part.subnet_of(network)):  # type: ignore[arg-type]
        site.at("ip_range").report(f"{part} does not lie in {network}", "choose a part of the subnet")
    return Subnet(
        subnet=str(network),
        gateway=None if gateway is None else str(gateway),
        ip_range=None if part is None else str(part),
        aux_addresses=auxiliary,
    )


def read_block(site: Site, text: str) -> IPNetwork | None:
    """A block of addresses in CIDR notation; None, with the mistake noted, for others."""
    try:
        if "/" not in text:
            raise ValueError("the prefix length is missing")
        return ip_network(text)
    except ValueError as error:
        site.report(f"not a subnet: {error}", "write it as in 172.30.0.0/22")
        return None


def _check_habitable(site: Site, block: IPNetwork) -> None:
    """Refuse addresses that no container starts with: some of them the engine gives to a network all the same."""
    for useless, what in _USELESS.items():
        if block.version == useless.version and block.subnet_of(useless):  # type: ignore[arg-type]
            site.report(f"{block} is {what}: no container can have its addresses", _HABITABLE)
    if block.network_address.is_unspecified:
        site.report(f"{block} begins with the address that means none: no container starts in it", _HABITABLE)


def _check_families(site: Site, subnets: tuple[Subnet, ...]) -> None:
    """The bridge driver takes one subnet of each family (libnetwork, drivers/bridge: ValidateIPAM)."""
    families: dict[int, str] = {}
    for index, subnet in enumerate(subnets):
        first = families.setdefault(ip_network(subnet.subnet).version, subnet.subnet)
        if first != subnet.subnet:
            site.at(index, "subnet").report(f"a bridge has one subnet of a family, here {first}", "keep one of them")


def read_address(site: Site, text: str, blocks: list[IPNetwork]) -> IPAddress | None:
    """An address that a container or gateway can have within one of `blocks`; None, with the mistake noted."""
    try:
        address = ip_address(text)
    except ValueError:
        site.report(f"not an address: {text[:60]!r}", "write it as in 172.30.0.1")
        return None
    block = next((block for block in blocks if address in block), None)
    if block is None:
        site.report(f"{address} does not lie in {' or '.join(map(str, blocks))}", "choose one that does")
        return None
    if block.num_addresses > 2 and address in (block.network_address, block.broadcast_address):
        site.report(f"{address} is the network's or broadcast address of {block}", "choose one between them")
        return None
    return address


def _check_names(site: Site, networks: Mapping[str, Network]) -> None:
    """The engine makes one network of a name, and none of the names that stand for its own."""
    owners = dict.fromkeys(("bridge", "default", "host", "none"), "the engine's own")
    for key, network in networks.items():
        if network.external:
            continue
        owner = owners.setdefault(network.engine_name, f"that of {key}")
        if owner != f"that of {key}":
            site.at(key, "name").report(f"the name {shown(network.engine_name)} is {owner}", "choose another")


def _check_overlaps(site: Site, networks: Mapping[str, Network]) -> None:
    blocks = [
        (ip_network(subnet.subnet), key, index)
        for key, network in networks.items()
        for index, subnet in enumerate(network.subnets)
    ]
    # Two blocks are apart or one holds the other; in this order the holder comes first and its parts right after.
    blocks.sort(key=lambda entry: (entry[0].version, int(entry[0].network_address), entry[0].prefixlen))
    holder: tuple[IPNetwork, str] | None = None
    for block, key, index in blocks:
        if holder is not None and holder[0].version == block.version and block.network_address in holder[0]:
            site.at(key, "ipam", "config", index, "subnet").report(
                f"{block} overlaps {holder[0]} of the network {holder[1]}", "choose another"
            )
        else:
            holder = (block, key)


def check_fixed_addresses(site: Site, services: Mapping[str, Service], networks: Mapping[str, Network]) -> None:
    """Fixed addresses must lie in a subnet that the file gives, and belong to one service; `site` is the file's."""
    owners: dict[tuple[str, IPAddress], str] = {}
    for network in networks.values():
        for subnet in network.subnets:
            for name, text in (("the gateway", subnet.gateway), *subnet.aux_addresses.items()):
                if text is not None:
                    owners[network.key, ip_address(text)] = name
    for service in services.values():
        for key, membership in service.networks.items():
            joined = networks.get(key)
            if membership.ipv4_address is None or joined is None or joined.external:
                continue
            place = site.at("services", service.name, "networks", key, "ipv4_address")
            blocks = [ip_network(subnet.subnet) for subnet in joined.subnets]
            if not blocks:
                place.report(f"the network {key} has no subnet in the file", f"write networks.{key}.ipam.config")
                continue
            address = read_address(place, membership.ipv4_address, blocks)
            if address is None:
                continue
            if (key, address) in owners:
                place.report(f"{address} belongs to {owners[key, address]} already", "choose another")
            owners[key, address] = f"the service {service.name}"


def read_volumes(site: Site, raw: Mapping[str, VolumeShape | None] | None, project: Project) -> dict[str, Volume]:
    """The volumes of the file; `site` is that of `volumes`."""
    return {key: _read_volume(site.at(key), key, shape, project) for key, shape in (raw or {}).items()}


def _read_volume(site: Site, key: str, shape: VolumeShape | None, project: Project) -> Volume:
    shape = shape or VolumeShape()
    if shape.external:
        for name in ("driver", "driver_opts", "labels"):
            if site.has(name):
                site.key(name).report("an external volume is used as it is", "delete it, or external")
        return Volume(key, shape.name or key, external=True)
    options = {name: str(value) for name, value in (shape.driver_opts or {}).items()}
    driver = shape.driver or "local"
    if driver == "local":
        _check_mounted(site.at("driver_opts"), options, project)
    elif options.get("device", "").startswith("/"):
        check_host_path(site.at("driver_opts", "device"), options["device"], project)
    return Volume(
        key=key,
        engine_name=shape.name or f"{project.name}_{key}",
        driver=driver,
        driver_opts=options,
        labels=read_labels(site.at("labels"), shape.labels),
    )


def _check_mounted(site: Site, options: Mapping[str, str], project: Project) -> None:
    """The local driver hands `type`, `o` and `device` to mount(2) as they are (moby, volume/local): a bind in disguise,
    or a file system that shows the host's own files."""
    if not options.keys() & {"type", "o", "device"}:
        return
    kind, device = options.get("type", ""), options.get("device", "")
    if {"bind", "rbind"}.isdisjoint(options.get("o", "").split(",")):
        if kind not in _OWN_FILES:
            hint = f"write type {', '.join(_OWN_FILES)}, or none with o: bind; or pass --unsafe if you mean it"
            what = f"a file system of type {shown(kind, 60)}" if kind else "a file system of no type"
            project.refuse(site.at("type"), f"{what} may show the host's files", hint)
    elif device.startswith("/"):
        check_host_path(site.at("device"), device, project)
    else:
        why = f"{shown(device, 200)} is taken from wherever the engine itself runs, mostly the host's root"
        project.refuse(site.at("device"), why, "write an absolute path, or pass --unsafe if you mean it")


def read_address_range(site: Site, shape: AddressesShape | None) -> AddressRange:
    """x-fleet.addresses; the block must hold at least one subnet of the prefix length."""
    usual = AddressRange()
    if shape is None:
        return usual
    prefix = usual.prefix if shape.prefix is None else shape.prefix
    if shape.block is None:
        block: IPNetwork | None = ip_network(usual.block)
    else:
        block = read_block(site.at("block"), shape.block)
        if block is not None:
            _check_habitable(site.at("block"), block)
    if block is not None and block.version != 4:
        site.at("block").report("not an IPv4 block", "write it as in 172.30.0.0/15")
    elif block is not None and prefix < block.prefixlen:
        site.at("prefix").report(f"a /{prefix} does not fit in {block}", "raise prefix, or widen block")
    return AddressRange(usual.block if block is None else str(block), prefix)
