"""Whether a container's packets get out of the host and their answers back in, by settings and rules."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fleetctl.diagnosis.packet import Packet, fate
from fleetctl.diagnosis.routing import default_route
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Scene, finding
from fleetctl.state.filters import Filters
from fleetctl.state.network import WiredNetwork
from fleetctl.state.observed import Replica

OUTSIDE = "9.9.9.9"
"""Stands for any address outside: rules that drop what is reserved, such as the blocks for documentation, are common.
Nothing is sent there."""
TOO_BIG = ("3", "3/4", "fragmentation-needed", "destination-unreachable", "any", "255")
"""Names of --icmp-type that take the notice (iptables -p icmp -h)."""
IP_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"


def is_managed(filters: Filters) -> bool:
    """Whether the engine keeps the rules: it leads what is sent to the host's own addresses to a chain of its own,
    whatever that is called. One that runs with iptables=false leaves them to somebody else."""
    return any(
        rule.table == "nat" and rule.chain == "PREROUTING" and "--dst-type LOCAL" in rule.text for rule in filters.rules
    )


def forwarding(network: WiredNetwork, scene: Scene, uplink: str) -> Iterator[Finding | Proof]:
    settings = scene.host.settings or {}
    bridge = network.bridge.name if network.bridge else ""
    off = [
        key
        for key in ("ipv4.ip_forward", f"ipv4.conf.{bridge}.forwarding", f"ipv4.conf.{uplink}.forwarding")
        if settings.get(key) == "0"
    ]
    if off:
        key = off[0].replace(f".{bridge}.", f"/{bridge}/") if "." in bridge else off[0]
        seen = Evidence(
            f"net.{key} is 0: the host passes nothing on between {uplink} and {bridge}", f"sysctl net.{key}"
        )
        yield finding(
            "forwarding-off", "the host", seen, cure="switch forwarding on", commands=(f"sysctl -w net.{key}=1",)
        )
    elif settings:
        yield Proof("route", "the host forwards")


def masquerade(
    container: Replica, address: str | None, network: WiredNetwork, scene: Scene, filters: Filters, uplink: str
) -> Iterator[Finding]:
    settings = scene.settings(network)
    if address is None or settings is None or settings.options.get(IP_MASQUERADE) == "false":
        return
    if "nft" in filters.unknown or any(rule.tool == "nft" for rule in filters.rules):
        return
    if not is_managed(filters):
        return
    leaving = Packet(address, OUTSIDE, 443, out_interface=uplink, destination_is_local=False, source_is_local=False)
    left = fate(filters, leaving, "postrouting")
    if left.passes and left.masqueraded is False:
        subnet = network.subnets[0][0] if network.subnets else address
        bridge = network.bridge.name if network.bridge else "BRIDGE"
        seen = Evidence(
            f"no rule hides {subnet} behind the host's address: answers from outside do not come back",
            "iptables -t nat -S POSTROUTING",
        )
        commands = (f"iptables -t nat -A POSTROUTING -s {subnet} ! -o {quote(bridge)} -j MASQUERADE",)
        yield finding(
            "masquerade-missing",
            network.name,
            seen,
            cure="restart the engine, which adds the rule again, or add it",
            commands=commands,
        )


def path_mtu(network: WiredNetwork, scene: Scene, filters: Filters | None) -> Iterator[Finding]:
    """A way out with a smaller MTU than the network's, whose notices about it are dropped."""
    uplink = scene.host_interface(uplink_name(scene))
    bridge = network.bridge
    if uplink is None or bridge is None or uplink.mtu >= bridge.mtu or filters is None:
        return
    dropping = [rule for rule in filters.rules if rule.verdict in ("DROP", "REJECT") and is_about_size(rule.text)]
    if dropping:
        seen = Evidence(
            f"{uplink.name} has MTU {uplink.mtu}, {bridge.name} {bridge.mtu}", f"ip link show {quote(uplink.name)}"
        )
        rule = Evidence(
            f"{dropping[0].tool} {dropping[0].table}/{dropping[0].chain} drops the notice: {dropping[0].text}",
            "iptables -S",
        )
        yield finding(
            "path-mtu-black-hole",
            network.name,
            seen,
            rule,
            cure=f"give the network MTU {uplink.mtu} (driver_opts com.docker.network.driver.mtu), or allow ICMP type 3",
        )


def is_about_size(text: str) -> bool:
    """Whether a rule, as iptables-save shows it, takes the ICMP notice that a packet is too big (type 3, code 4)."""
    words = text.split()
    if "icmp" not in (words[at + 1] for at, word in enumerate(words[:-1]) if word == "-p"):
        return False
    types = [words[at + 1] for at, word in enumerate(words[:-1]) if word == "--icmp-type"]
    return not types or types[0] in TOO_BIG


def uplink_name(scene: Scene) -> str | None:
    """The host's interface towards everything else."""
    route = default_route(scene.host)
    return route.interface if route else None


def own_address(scene: Scene, interface: str) -> str | None:
    found = scene.host_interface(interface)
    return next((one.partition("/")[0] for one in (found.addresses if found else ()) if ":" not in one), None)


def egress(client: Replica, scene: Scene) -> Iterator[Finding]:
    """Why a container does not reach what is outside, as the rules of its networks have it."""
    filters, uplink = scene.filters.get(None), uplink_name(scene)
    if filters is None or not filters.rules or uplink is None:
        return
    for network in scene.topology.networks:
        endpoint = next((one for one in client.endpoints.values() if one.network_id == network.id), None)
        settings = scene.settings(network)
        if endpoint is None or not endpoint.gateway or settings is None or settings.internal:
            continue
        if network.driver != "bridge":
            continue
        yield from (one for one in forwarding(network, scene, uplink) if isinstance(one, Finding))
        yield from masquerade(client, endpoint.ipv4, network, scene, filters, uplink)
