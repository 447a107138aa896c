"""Faults of the whole host: its packet filter, NAT, forwarding, routes, table of connections."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import ip_network

from tests.lab.fault import fault
from tests.lab.fleet import HERE, PORT, WEB, Fleet, changed, kept_rules, rule, setting
from tests.lab.laboratory import HOST_ADDRESS, OUTSIDE_ADDRESS
from tests.lab.questions import EGRESS, FROM_CLIENT, FROM_OUTSIDE

LOCALLY = "http://127.0.0.1:{published}/"


@fault("62", "DROP in DOCKER-USER", FROM_CLIENT, "filter/filter-rule", tolerates=("filter/bridge-netfilter",))
def docker_user_drop(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I DOCKER-USER -d {fleet.names['web']} -p tcp --dport {PORT} -j DROP"):
        yield


@fault("63", "FORWARD flushed, policy DROP", FROM_CLIENT, "filter/forward-policy")
def forward_flushed(fleet: Fleet) -> Iterator[None]:
    with kept_rules(fleet.lab.host):
        fleet.lab.host("iptables", "-P", "FORWARD", "DROP")
        fleet.lab.host("iptables", "-F", "FORWARD")
        yield


@fault("64", "bridge-nf: dropped within the bridge", FROM_CLIENT, "filter/bridge-netfilter")
def bridge_netfilter(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I FORWARD -i {fleet.bridge} -o {fleet.bridge} -j DROP"):
        yield


@fault("65", "DROP in the legacy tables", FROM_CLIENT, "filter/legacy-filter-rule")
def legacy_rule(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-w 30 -I FORWARD -d {fleet.names['web']} -j DROP", tool="iptables-legacy"):
        yield


@fault("66a", "INPUT drops what comes from the bridge", LOCALLY, "filter/input-filter-rule")
def input_drop(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I INPUT -i {fleet.bridge} -j DROP"):
        yield


@fault("66b", "INPUT drops the published port", LOCALLY, "filter/input-filter-rule")
def input_port_drop(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I INPUT -p tcp --dport {fleet.names['published']} -j DROP"):
        yield


@fault("67", "DNAT missing", FROM_OUTSIDE, "publish/nat-rule-missing", reachable=None)
def nat_missing(fleet: Fleet) -> Iterator[None]:
    with kept_rules(fleet.lab.host):
        fleet.lab.host("iptables", "-t", "nat", "-F", "DOCKER")
        yield


@fault("68", "MASQUERADE missing", EGRESS, "route/masquerade-missing")
def masquerade_missing(fleet: Fleet) -> Iterator[None]:
    masquerade = f"POSTROUTING -s {fleet.subnet} ! -o {fleet.bridge} -j MASQUERADE"
    with changed(fleet.lab.host, f"iptables -t nat -D {masquerade}", f"iptables -t nat -A {masquerade}"):
        yield


@fault("69", "ip_forward = 0", EGRESS, "route/forwarding-off")
def forwarding_off(fleet: Fleet) -> Iterator[None]:
    with setting(fleet.lab.host, "ipv4/ip_forward", "0"):
        yield


@fault("70", "A VPN's route shadows the subnet", WEB, "route/route-shadowed")
def shadowed(fleet: Fleet) -> Iterator[None]:
    half = next(half for half in ip_network(fleet.subnet).subnets() if fleet.names["web"] in map(str, half))
    route = f"ip route add {half} via {OUTSIDE_ADDRESS}"
    with changed(fleet.lab.host, route, f"ip route del {half} via {OUTSIDE_ADDRESS}"):
        yield


@fault("71", "Table of connections full", LOCALLY, "filter/conntrack-full")
def conntrack_full(fleet: Fleet) -> Iterator[None]:
    # The maximum is the machine's and must not be changed; the entries are counted for each namespace of its own.
    fill = [sys.executable, str(HERE / "connections.py"), HOST_ADDRESS, OUTSIDE_ADDRESS]
    try:
        fleet.lab.host(*fill, "fill")
        yield
    finally:
        fleet.lab.host(*fill, "flush")
