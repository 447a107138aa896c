"""Whether frames get from a container's interface over its veth pair and bridge port to the bridge."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fleetctl.diagnosis import shell
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Scene, Way, finding
from fleetctl.state.network import Attachment, Interface, WiredNetwork
from fleetctl.state.observed import Replica


def examine(container: Replica, network: WiredNetwork, scene: Scene, *, role: str) -> Iterator[Finding | Proof]:
    """One end of a way through a bridge: the container's interface, its veth and the port. `role` is client or
    target."""
    attachment = scene.attachment(container, network)
    namespace = scene.inside(container)
    if attachment is None or network.driver != "bridge" or namespace.interfaces is None:
        return
    inner, veth = attachment.interface, attachment.veth
    if inner is None:
        yield without_interface(container, attachment, network, scene)
        return
    wrong = list(own_interface(container, attachment, inner))
    if veth is not None:
        wrong += host_end(container, attachment, veth, network)
    yield from wrong
    if veth is not None and not wrong and not mtus_differ(inner, veth):
        yield Proof("link", f"{role}: {inner.name} ({inner.ifindex}) ⇄ {veth.name} ({veth.ifindex}), both up")


def without_interface(container: Replica, attachment: Attachment, network: WiredNetwork, scene: Scene) -> Finding:
    name = container.name
    there = [one for one in scene.inside(container).interfaces or () if one.kind is not None and one.name != "lo"]
    show = f"{shell.inside(container)}ip link"
    reconnect = (
        f"docker network disconnect -f {quote(network.name)} {quote(name)}",
        f"docker network connect {quote(network.name)} {quote(name)}",
    )
    expected = Evidence(
        f"the engine gave it {attachment.engine_ipv4 or 'an address'} on an interface with MAC {attachment.engine_mac}",
        shell.networks_of(name),
    )
    listed = ", ".join(f"{one.name} ({one.mac})" for one in there) or "only lo"
    seen = Evidence(f"inside there is {listed}", show)
    others = len(container.endpoints)
    if len(there) >= max(others, 1):
        cure = "give the interface the engine's MAC again, or connect the container anew"
        return finding("mac-changed", name, expected, seen, cure=cure, commands=reconnect)
    cure = "its veth pair is gone, both ends: connect the container to the network anew"
    return finding("veth-missing", name, expected, seen, cure=cure, commands=reconnect)


def own_interface(container: Replica, attachment: Attachment, inner: Interface) -> Iterator[Finding]:
    name, enter = container.name, shell.inside(container)
    yield from without_arp(inner, enter)
    if not inner.up:
        seen = Evidence(
            f"{inner.name} in {name} is switched off (state {inner.state})", f"{enter}ip link show {quote(inner.name)}"
        )
        again = [f"{enter}ip link set {quote(inner.name)} up"]
        if attachment.gateway:
            again.append(f"{enter}ip route replace default via {quote(attachment.gateway)}")
        cure = "bring it up, and add the default route again, which went with it"
        yield finding("interface-down", name, seen, cure=cure, commands=tuple(again))
    if attachment.engine_mac and inner.mac != attachment.engine_mac:
        seen = Evidence(
            f"{inner.name} has MAC {inner.mac}, the engine gave {attachment.engine_mac}",
            f"{enter}ip link show {quote(inner.name)}",
        )
        cure = "give it back its MAC, or have the others forget the old one (ip neigh flush)"
        yield finding(
            "mac-changed",
            name,
            seen,
            cure=cure,
            commands=(f"{enter}ip link set {quote(inner.name)} address {quote(attachment.engine_mac)}",),
        )


def host_end(container: Replica, attachment: Attachment, veth: Interface, network: WiredNetwork) -> Iterator[Finding]:
    name, bridge = container.name, network.bridge
    if not veth.up:
        seen = Evidence(
            f"{veth.name}, the host's end of {name}'s veth pair, is switched off", f"ip link show {quote(veth.name)}"
        )
        yield finding(
            "veth-down", veth.name, seen, cure="bring it up", commands=(f"ip link set {quote(veth.name)} up",)
        )
    if bridge is None:
        return
    if veth.bridge_ifindex != bridge.ifindex:
        seen = Evidence(
            f"{veth.name} is plugged into {attachment.unknown.get('port', 'no bridge')}",
            f"ip link show {quote(veth.name)}",
        )
        if veth.bridge_ifindex is None:
            seen = Evidence(f"{veth.name} is plugged into no bridge", f"ip link show {quote(veth.name)}")
        commands = (f"ip link set {quote(veth.name)} master {quote(bridge.name)}",)
        yield finding("port-detached", veth.name, seen, cure=f"plug it into {bridge.name}", commands=commands)
    elif veth.port is not None and veth.port.state != "forwarding" and veth.up and bridge.up:
        seen = Evidence(f"bridge port {veth.name} is {veth.port.state}", f"bridge -d link show dev {quote(veth.name)}")
        stp = Evidence(
            f"the spanning tree protocol is {'on' if bridge.stp else 'off'} at {bridge.name}",
            f"ip -d link show {quote(bridge.name)}",
        )
        cure = "switch the spanning tree protocol off, or wait out its forward delay (twice 15 s)"
        yield finding(
            "port-not-forwarding",
            veth.name,
            seen,
            stp,
            cure=cure,
            commands=(f"ip link set {quote(bridge.name)} type bridge stp_state 0",),
        )


def mtus_differ(inner: Interface, veth: Interface) -> bool:
    return inner.mtu != veth.mtu


def mtu(container: Replica, network: WiredNetwork, scene: Scene) -> Iterator[Finding]:
    """Two ends of one cable that take frames of different sizes: large answers are lost."""
    attachment = scene.attachment(container, network)
    if attachment is None or attachment.interface is None or attachment.veth is None:
        return
    inner, veth = attachment.interface, attachment.veth
    if mtus_differ(inner, veth):
        enter = shell.inside(container)
        right = network.bridge.mtu if network.bridge else max(inner.mtu, veth.mtu)
        right = max(right, inner.mtu, veth.mtu)
        commands = []
        if veth.mtu != right:
            commands.append(f"ip link set {quote(veth.name)} mtu {right}")
        if inner.mtu != right:
            commands.append(f"{enter}ip link set {quote(inner.name)} mtu {right}")
        seen = Evidence(
            f"{inner.name} in {container.name} has MTU {inner.mtu}, its other end {veth.name} {veth.mtu}",
            f"ip link show {quote(veth.name)}",
        )
        yield finding(
            "mtu-mismatch", container.name, seen, cure="give both ends the same MTU", commands=tuple(commands)
        )


def bridge(network: WiredNetwork, scene: Scene) -> Iterator[Finding | Proof]:
    """The bridge itself."""
    if network.driver != "bridge" or scene.host.interfaces is None:
        return
    own = network.bridge
    if own is None:
        reason = network.unknown.get("bridge", "there is no such bridge")
        seen = Evidence(reason, "ip link show type bridge")
        cure = "the bridge is gone: restart the engine, which makes it anew, or take the fleet down and up"
        yield finding("bridge-down", network.name, seen, cure=cure)
        return
    if not own.up:
        seen = Evidence(f"{own.name} is switched off", f"ip link show {quote(own.name)}")
        yield finding(
            "bridge-down", own.name, seen, cure="bring it up", commands=(f"ip link set {quote(own.name)} up",)
        )
        return
    wrong = [*without_arp(own, ""), *without_gateway(own, network, scene)]
    yield from wrong
    if not wrong:
        yield Proof("link", f"bridge {own.name} up, MTU {own.mtu}")


def without_arp(interface: Interface, enter: str) -> Iterator[Finding]:
    if not interface.arp:
        device = quote(interface.name)
        seen = Evidence(f"{interface.name} does not speak ARP (NOARP)", f"{enter}ip link show {device}")
        commands = (f"{enter}ip link set {device} arp on",)
        yield finding("arp-off", interface.name, seen, cure="switch ARP on", commands=commands)


def without_gateway(own: Interface, network: WiredNetwork, scene: Scene) -> Iterator[Finding]:
    """The bridge has the gateway's address, unless the network is internal or the engine was told otherwise."""
    bridge = scene.host_interface(own.name)
    have = {one.partition("/")[0] for one in (bridge.addresses if bridge else ())}
    for subnet, gateway in network.subnets:
        if (
            gateway is None
            or ":" in gateway
            or gateway in have
            or bridge is None
            or not told_by_engine(network, gateway)
        ):
            continue
        prefix = subnet.partition("/")[2]
        seen = Evidence(f"{own.name} does not have the gateway's address {gateway}", f"ip addr show {quote(own.name)}")
        commands = (f"ip addr add {gateway}/{prefix} dev {quote(own.name)}",)
        yield finding("gateway-missing", own.name, seen, cure="give the bridge its address back", commands=commands)


def told_by_engine(network: WiredNetwork, gateway: str) -> bool:
    """Whether the engine gave the gateway to some container; in an internal network it gives none."""
    return any(attachment.gateway == gateway for attachment in network.attachments)


def when_failed(way: Way, target: Replica, scene: Scene) -> Iterator[Finding]:
    """What may be meant so, and is a fault only where a probe failed: isolation, flooding, VLANs, an MTU."""
    if way.network is None:
        return
    own = way.network.bridge
    end = scene.attachment(target, way.network)
    veth = end.veth if end else None
    if veth is None or veth.port is None or own is None:
        return
    client = scene.attachment(way.client, way.network) if way.client else None
    other = client.veth if client else None
    if veth.port.isolated and other is not None and other.port is not None and other.port.isolated:
        seen = Evidence(
            f"ports {other.name} and {veth.name} of {own.name} are isolated: they reach the bridge, not each other",
            f"bridge -d link show dev {quote(veth.name)}",
        )
        commands = tuple(f"bridge link set dev {quote(one)} isolated off" for one in (veth.name, other.name))
        yield finding("port-isolated", veth.name, seen, cure="end the isolation", commands=commands)
    for port in filter(None, (other, veth)):
        learnt = any(one.port_ifindex == port.ifindex and not one.own for one in scene.host.forwarding or ())
        if port.port is not None and not port.port.learning and not port.port.flood and not learnt:
            seen = Evidence(
                f"port {port.name} of {own.name} neither learns nor floods, and no MAC is known behind it",
                f"bridge fdb show dev {quote(port.name)}",
            )
            commands = (f"bridge link set dev {quote(port.name)} learning on flood on",)
            yield finding(
                "port-not-flooding", port.name, seen, cure="switch learning and flooding on", commands=commands
            )
    if own.vlan_filtering:
        seen = Evidence(f"{own.name} filters VLANs", f"bridge vlan show dev {quote(veth.name)}")
        yield finding(
            "vlan-filtered",
            veth.name,
            seen,
            cure="add the VLAN to the port, or switch the filter off",
            commands=(f"ip link set {own.name} type bridge vlan_filtering 0",),
        )
