"""Faults that are in no list: the hop must be named all the same, whatever the cause is called."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from ipaddress import ip_network

from tests.lab.fault import fault
from tests.lab.fleet import CLIENT, HERE, LAN, PORT, WEB, Fleet, added, changed, rule, setting
from tests.lab.questions import FROM_CLIENT


@contextlib.contextmanager
def forgotten_neighbours(fleet: Fleet) -> Iterator[None]:
    """What concerns the replica's MAC is asked anew by host and client, in the block and after it."""
    web = fleet.names["web"]

    def forget() -> None:
        fleet.lab.inside(CLIENT, "ip", "neigh", "del", web, "dev", "eth0", check=False)
        fleet.lab.host("ip", "neigh", "del", web, "dev", fleet.bridge, check=False)

    forget()
    try:
        yield
    finally:
        forget()


@fault("u1", "A filter at the veth's ingress takes packets elsewhere (tc)", WEB, "link")
def stolen_at_ingress(fleet: Fleet) -> Iterator[None]:
    veth, host = fleet.veth(WEB), fleet.lab.host
    host("ip", "link", "add", "sink", "type", "ifb")
    with (
        changed(host, "true", "ip link del sink"),
        changed(host, f"tc qdisc add dev {veth} clsact", f"tc qdisc del dev {veth} clsact"),
    ):
        host("tc", *f"filter add dev {veth} ingress protocol ip u32 match ip protocol 6 0xff".split(),
             "action", "mirred", "egress", "redirect", "dev", "sink")  # fmt: skip
        yield


@fault("u2", "A queue that lets nothing through (tc)", WEB, "link")
def strangled(fleet: Fleet) -> Iterator[None]:
    veth = fleet.veth(WEB)
    qdisc = f"dev {veth} root"
    with changed(fleet.lab.host, f"tc qdisc add {qdisc} tbf rate 8bit burst 10 limit 10", f"tc qdisc del {qdisc}"):
        yield


@fault("u3", "A blackhole route inside", FROM_CLIENT, "address")
def blackhole_inside(fleet: Fleet) -> Iterator[None]:
    route = f"blackhole {fleet.names['client']}/32"
    with added(fleet.into(WEB), "route", route):
        yield


@fault("u4", "A policy that prohibits, in the client", FROM_CLIENT, "route")
def prohibited(fleet: Fleet) -> Iterator[None]:
    policy = f"to {fleet.names['web']} pref 100 prohibit"
    with added(fleet.into(CLIENT), "rule", policy):
        yield


@fault("u5", "ARP off inside", WEB, "link")
def arp_off(fleet: Fleet) -> Iterator[None]:
    with changed(fleet.into(WEB), "ip link set eth0 arp off", "ip link set eth0 arp on"), forgotten_neighbours(fleet):
        yield


@fault("u6", "DROP in the host's raw table", FROM_CLIENT, "filter")
def raw_drop(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-t raw -I PREROUTING -d {fleet.names['web']} -p tcp --dport {PORT} -j DROP"):
        yield


@fault("u7", "A drop in the bridge's own filter", WEB, "filter")
def bridge_family_drop(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I INPUT -i {fleet.veth(WEB)} -j DROP", tool="ebtables"):
        yield


@fault("u8", "The server's process is stopped by a signal", WEB, "accept-queue")
def process_stopped(fleet: Fleet) -> Iterator[None]:
    pid = fleet.lab.pid(WEB)
    with changed(fleet.lab.host, f"kill -STOP {pid}", f"kill -CONT {pid}"):
        yield


@fault("u9", "Another container took the address", FROM_CLIENT, "neighbour|address")
def duplicate_address(fleet: Fleet) -> Iterator[None]:
    web = fleet.names["web"]
    with fleet.container("thief", "--network", LAN):
        fleet.lab.inside("thief", "ip", "addr", "add", f"{web}/{ip_network(fleet.subnet).prefixlen}", "dev", "eth0")
        # Both would answer; so that the thief always wins, the owner keeps still.
        with setting(fleet.into(WEB), "ipv4/conf/eth0/arp_ignore", "8"), forgotten_neighbours(fleet):
            yield
    fleet.lab.inside(CLIENT, "ip", "neigh", "del", web, "dev", "eth0", check=False)


@fault("u10", "arp_ignore = 8 inside", WEB, "neighbour")
def arp_ignored(fleet: Fleet) -> Iterator[None]:
    with setting(fleet.into(WEB), "ipv4/conf/eth0/arp_ignore", "8"), forgotten_neighbours(fleet):
        yield


@fault("u11", "A program at the driver drops everything (XDP)", WEB, "link")
def xdp_drop(fleet: Fleet) -> Iterator[None]:
    # Attached to eth0: the last driver on the way in.
    program = [sys.executable, str(HERE / "xdp.py"), "eth0"]
    with fleet.lab.running(f"/proc/{fleet.lab.pid(WEB)}/ns/net", *program, ready="attached"):
        yield


@fault("u12", "DROP in the mangle table inside", WEB, "filter-inside")
def mangle_drop_inside(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(WEB), f"-t mangle -I PREROUTING -p tcp --dport {PORT} -j DROP"):
        yield


@fault("u13", "The client may not send (OUTPUT inside)", FROM_CLIENT, "client|filter-inside")
def client_output_drop(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(CLIENT), f"-I OUTPUT -p tcp --dport {PORT} -j DROP"):
        yield


@fault("u14", "Half of the packets are dropped in FORWARD", FROM_CLIENT, "filter", reachable=None)
def lossy(fleet: Fleet) -> Iterator[None]:
    loss = f"-I FORWARD -d {fleet.names['web']} -m statistic --mode nth --every 2 --packet 0 -j DROP"
    with rule(fleet.lab.host, loss):
        yield


@fault("u15", "The veth is plugged into another bridge", FROM_CLIENT, "link")
def veth_in_another_bridge(fleet: Fleet) -> Iterator[None]:
    veth, host = fleet.veth(WEB), fleet.lab.host
    host("ip", "link", "add", "elsewhere", "up", "type", "bridge")
    with (
        changed(host, "true", "ip link del elsewhere"),
        changed(host, f"ip link set {veth} master elsewhere", f"ip link set {veth} master {fleet.bridge}"),
    ):
        yield
