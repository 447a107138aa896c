"""Faults of the links: veth pairs, bridge, bridge ports, neighbours, MTUs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.lab.fault import fault
from tests.lab.fleet import CLIENT, LAN, PORT, SUBJECT, WEB, Fleet, changed, rule
from tests.lab.questions import FROM_CLIENT

LOCAL_MAC = "02:42:0a:fe:fe:fe"
"""A MAC that nobody has; 02: is the range of those given locally."""


@fault("41", "Host's end of the veth pair down", WEB, "link/veth-down")
def veth_down(fleet: Fleet) -> Iterator[None]:
    veth = fleet.veth(WEB)
    with changed(fleet.lab.host, f"ip link set {veth} down", f"ip link set {veth} up"):
        yield


@fault("42", "eth0 down", WEB, "link/interface-down")
def interface_down(fleet: Fleet) -> Iterator[None]:
    inside = fleet.into(WEB)
    with default_route_kept(fleet), changed(inside, "ip link set eth0 down", "ip link set eth0 up"):
        yield


@contextlib.contextmanager
def default_route_kept(fleet: Fleet) -> Iterator[None]:
    """The kernel forgets a route when its interface goes down, and does not bring it back."""
    yield
    fleet.lab.inside(WEB, "ip", "route", "replace", "default", "via", fleet.gateway)


@fault("43", "veth deleted", f"{SUBJECT}:{PORT}", "link/veth-missing")
def veth_deleted(fleet: Fleet) -> Iterator[None]:
    fleet.lab.host("ip", "link", "del", fleet.veth(SUBJECT))
    yield
    fleet.lab.docker("network", "disconnect", LAN, SUBJECT)
    fleet.lab.docker("network", "connect", LAN, SUBJECT)


@fault("44", "Detached from the bridge", WEB, "link/port-detached")
def detached(fleet: Fleet) -> Iterator[None]:
    veth = fleet.veth(WEB)
    with changed(fleet.lab.host, f"ip link set {veth} nomaster", f"ip link set {veth} master {fleet.bridge}"):
        yield


@fault("45", "Bridge down", WEB, "link/bridge-down", tolerates=("route/route-shadowed",))
def bridge_down(fleet: Fleet) -> Iterator[None]:
    with changed(fleet.lab.host, f"ip link set {fleet.bridge} down", f"ip link set {fleet.bridge} up"):
        yield


@fault("46", "Ports isolated", FROM_CLIENT, "link/port-isolated")
def ports_isolated(fleet: Fleet) -> Iterator[None]:
    with contextlib.ExitStack() as healing:
        for container in (CLIENT, WEB):
            port = f"bridge link set dev {fleet.veth(container)} isolated"
            healing.enter_context(changed(fleet.lab.host, f"{port} on", f"{port} off"))
        yield


@fault("47", "Spanning tree is still listening", WEB, "link/port-not-forwarding")
def stp_listening(fleet: Fleet) -> Iterator[None]:
    veth, bridge, host = fleet.veth(WEB), fleet.bridge, fleet.lab.host
    with changed(
        host, f"ip link set {bridge} type bridge stp_state 1", f"ip link set {bridge} type bridge stp_state 0"
    ):
        plug_again(fleet, veth)
        yield
    plug_again(fleet, veth)  # a port that waits goes on waiting when the protocol is switched off


def plug_again(fleet: Fleet, veth: str) -> None:
    fleet.lab.host("ip", "link", "set", veth, "nomaster")
    fleet.lab.host("ip", "link", "set", veth, "master", fleet.bridge)


@fault("48", "Learning and flooding off", WEB, "link/port-not-flooding")
def neither_learning_nor_flooding(fleet: Fleet) -> Iterator[None]:
    port = f"bridge link set dev {fleet.veth(WEB)}"
    with changed(
        fleet.lab.host, f"{port} learning off flood off mcast_flood off bcast_flood off",
        f"{port} learning on flood on mcast_flood on bcast_flood on",
    ):  # fmt: skip
        # What the bridge has learned already it keeps for five minutes.
        fleet.lab.host("bridge", "fdb", "del", mac(fleet), "dev", fleet.veth(WEB), "master", check=False)
        yield


def mac(fleet: Fleet) -> str:
    return str(fleet.lab.inspect(WEB)["NetworkSettings"]["Networks"][LAN]["MacAddress"])


@fault("50", "MAC changed, the client has the old one for good", FROM_CLIENT, "link/mac-changed",
       tolerates=("neighbour/wrong-neighbour",))  # fmt: skip
def mac_changed(fleet: Fleet) -> Iterator[None]:
    old, inside = mac(fleet), fleet.into(WEB)
    with (
        changed(inside, f"ip link set eth0 address {LOCAL_MAC}", f"ip link set eth0 address {old}"),
        permanent_neighbour(fleet, old),
    ):
        yield


@fault("51", "The client has a wrong MAC for good", FROM_CLIENT, "neighbour/wrong-neighbour")
def wrong_neighbour(fleet: Fleet) -> Iterator[None]:
    with permanent_neighbour(fleet, LOCAL_MAC):
        yield


@contextlib.contextmanager
def permanent_neighbour(fleet: Fleet, address: str) -> Iterator[None]:
    web, client = fleet.names["web"], fleet.into(CLIENT)
    entry = f"ip neigh replace {web} lladdr {address} dev eth0 nud permanent"
    with changed(client, entry, f"ip neigh del {web} dev eth0"):
        yield


@fault("52", "Small MTU of the veth", WEB, "link/mtu-mismatch")
def small_mtu(fleet: Fleet) -> Iterator[None]:
    veth = fleet.veth(WEB)
    with changed(fleet.lab.host, f"ip link set {veth} mtu 576", f"ip link set {veth} mtu 1500"):
        yield


@fault("53", "Path MTU black hole", "http://{uplink}:{published}/", "link/path-mtu-black-hole", reachable=None)
def path_mtu_black_hole(fleet: Fleet) -> Iterator[None]:
    with (
        changed(fleet.lab.host, "ip link set uplink mtu 1280", "ip link set uplink mtu 1500"),
        rule(fleet.lab.host, "-I OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP"),
    ):
        yield
