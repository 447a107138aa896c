"""Faults that the authors of the diagnosis did not choose: bridge ports, traffic control, packet filters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_network

from tests.lab.fault import fault
from tests.lab.faults_unlisted import forgotten_neighbours
from tests.lab.fleet import CLIENT, PORT, WEB, WRONG_MAC, Fleet, Run, changed, rule
from tests.lab.questions import EGRESS, FROM_CLIENT, FROM_OUTSIDE

ANSWERS = f"-p tcp --sport {PORT}"


def mac(inside: Run) -> str:
    return str(json.loads(inside("ip", "-json", "link", "show", "eth0"))[0]["address"])


def address_of(inside: Run) -> str:
    """The IPv4 address of eth0."""
    link = json.loads(inside("ip", "-json", "-4", "addr", "show", "eth0"))[0]
    return str(link["addr_info"][0]["local"])


@fault("b15", "A static entry of the bridge sends the server's frames to another port", WEB, "link")
def static_entry(fleet: Fleet) -> Iterator[None]:
    address, port = mac(fleet.into(WEB)), fleet.veth(CLIENT)
    entry = f"{address} dev {port} master static"
    with changed(fleet.lab.host, f"bridge fdb replace {entry}", f"bridge fdb del {entry}"):
        yield


@fault("b16", "The bridge port is locked", WEB, "link")
def locked_port(fleet: Fleet) -> Iterator[None]:
    veth = fleet.veth(WEB)
    with changed(fleet.lab.host, f"bridge link set dev {veth} locked on learning off",
                 f"bridge link set dev {veth} locked off learning on"):  # fmt: skip
        fleet.lab.host("ip", "link", "set", fleet.bridge, "type", "bridge", "fdb_flush")
        yield


@fault("b17", "Broadcasts are not flooded to the port", WEB, "link", tolerates=("neighbour/unknown",))
def no_broadcasts(fleet: Fleet) -> Iterator[None]:
    veth = fleet.veth(WEB)
    with (
        changed(fleet.lab.host, f"bridge link set dev {veth} bcast_flood off",
                f"bridge link set dev {veth} bcast_flood on"),
        forgotten_neighbours(fleet),
    ):  # fmt: skip
        yield


@fault("b18", "The bridge itself does not speak ARP", WEB, "link|neighbour")
def bridge_without_arp(fleet: Fleet) -> Iterator[None]:
    with (
        changed(fleet.lab.host, f"ip link set {fleet.bridge} arp off", f"ip link set {fleet.bridge} arp on"),
        forgotten_neighbours(fleet),
    ):
        yield


@fault("b19", "A server asks its own published port, and nothing hides that it is the asker", f"--from {WEB} --to "
       "{uplink}:{published}", "publish|route|filter", healthy=WEB, place="engine")  # fmt: skip
def no_masquerade_for_itself(fleet: Fleet) -> Iterator[None]:
    web = f"{fleet.names['web']}/32"
    masquerade = f"POSTROUTING -s {web} -d {web} -p tcp -m tcp --dport {PORT} -j MASQUERADE"
    with changed(fleet.lab.host, f"iptables -t nat -D {masquerade}", f"iptables -t nat -A {masquerade}"):
        yield


@fault("b20", "Two containers wear one another's interfaces", FROM_CLIENT, "address|link")
def interfaces_swapped(fleet: Fleet) -> Iterator[None]:
    network = ip_network(fleet.subnet)
    pids = {name: str(fleet.lab.pid(name)) for name in (WEB, "lab-web-2")}

    def swap() -> None:
        current = {name: address_of(fleet.into(name)) for name in pids}
        for name, other in ((WEB, "lab-web-2"), ("lab-web-2", WEB)):
            fleet.lab.inside(name, "ip", "link", "set", "eth0", "down")
            fleet.lab.inside(name, "ip", "link", "set", "eth0", "name", "swapped", "netns", pids[other])
        for name, other in ((WEB, "lab-web-2"), ("lab-web-2", WEB)):
            inside = fleet.into(name)
            inside("ip", "link", "set", "swapped", "name", "eth0")
            inside("ip", "link", "set", "eth0", "up")
            inside("ip", "addr", "add", f"{current[other]}/{network.prefixlen}", "brd", "+", "dev", "eth0")
            inside("ip", "route", "replace", "default", "via", fleet.gateway)

    swap()
    try:
        yield
    finally:
        swap()


@fault("b21", "Traffic control in the client sends its requests elsewhere", FROM_CLIENT, "client|link")
def stolen_at_egress(fleet: Fleet) -> Iterator[None]:
    inside = fleet.into(CLIENT)
    with changed(inside, "tc qdisc add dev eth0 clsact", "tc qdisc del dev eth0 clsact"):
        inside("tc", *f"filter add dev eth0 egress protocol ip u32 match ip dport {PORT} 0xffff".split(),
               "action", "mirred", "egress", "redirect", "dev", "lo")  # fmt: skip
        yield


@fault("b22", "A limit of new connections in DOCKER-USER is used up", FROM_CLIENT, "filter/filter-rule",
       tolerates=("filter/bridge-netfilter",))  # fmt: skip
def limit_used_up(fleet: Fleet) -> Iterator[None]:
    limit = "-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 1 --hashlimit-mode dstip --hashlimit-name blind"
    with rule(fleet.lab.host, f"-I DOCKER-USER -d {fleet.names['web']} -p tcp --syn {limit} -j DROP"):
        ask = f"import socket; socket.create_connection(('{fleet.names['web']}', {PORT}), 3)"
        fleet.lab.inside(CLIENT, "python3", "-c", ask)
        yield


@fault("b23", "Answers are dropped, requests pass", FROM_CLIENT, "filter/filter-rule",
       tolerates=("filter/bridge-netfilter",))  # fmt: skip
def answers_dropped(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I DOCKER-USER -s {fleet.names['web']} {ANSWERS} --tcp-flags SYN,ACK SYN,ACK -j DROP"):
        yield


@fault("b24", "Long packets are dropped, handshakes pass", FROM_CLIENT, "filter/filter-rule",
       tolerates=("filter/bridge-netfilter",))  # fmt: skip
def long_packets_dropped(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I DOCKER-USER -s {fleet.names['web']} {ANSWERS} -m length --length 600: -j DROP"):
        yield


@fault("b25", "A proxy's redirection inside outlived the proxy", WEB, "filter-inside/filter-inside")
def redirected_to_a_dead_port(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(WEB), f"-t nat -I PREROUTING -p tcp --dport {PORT} -j REDIRECT --to-ports 15001"):
        yield


@fault("b26", "A NAT rule of the host leads the container's address elsewhere", WEB, "filter")
def led_elsewhere(fleet: Fleet) -> Iterator[None]:
    target = f"-d {fleet.names['web']} -p tcp --dport {PORT}"
    with rule(fleet.lab.host, f"-t nat -I OUTPUT {target} -j DNAT --to-destination {fleet.names['client']}:{PORT}"):
        yield


@fault("b27", "The client's own NAT gives it a source that nobody answers", FROM_CLIENT, "client|filter-inside")
def translated_source(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(CLIENT), f"-t nat -I POSTROUTING -p tcp --dport {PORT} -j SNAT --to-source 192.0.2.77"):
        yield


@fault("b28", "A stale NAT rule before Docker's sends the published port to an old address", FROM_OUTSIDE, "publish",
       healthy=WEB)  # fmt: skip
def stale_nat_rule(fleet: Fleet) -> Iterator[None]:
    old = f"{ip_network(fleet.subnet)[-5]}:{PORT}"
    port = fleet.names["published"]
    with rule(fleet.lab.host, f"-t nat -I DOCKER -p tcp --dport {port} -j DNAT --to-destination {old}"):
        yield


@fault("b29", "The published port is exempt from connection tracking", FROM_OUTSIDE, "filter|publish", healthy=WEB,
       place="engine")  # fmt: skip
def untracked(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-t raw -I OUTPUT -p tcp --dport {fleet.names['published']} -j CT --notrack"):
        yield


@fault("b30", "A mark and a policy lead marked answers into a black hole", FROM_CLIENT, "route|address|filter-inside")
def marked_inside(fleet: Fleet) -> Iterator[None]:
    inside = fleet.into(WEB)
    with (
        rule(inside, f"-t mangle -I OUTPUT {ANSWERS} -j MARK --set-mark 0x7"),
        changed(inside, "ip route add blackhole default table 70", "ip route del blackhole default table 70"),
        changed(inside, "ip rule add fwmark 0x7 pref 60 lookup 70", "ip rule del pref 60"),
    ):
        yield


@fault("b31", "An IPsec policy inside blocks what comes in", WEB, "filter-inside|address")
def ipsec_policy(fleet: Fleet) -> Iterator[None]:
    selector = f"src 0.0.0.0/0 dst {fleet.names['web']}/32 proto tcp dir in"
    with changed(fleet.into(WEB), f"ip xfrm policy add {selector} action block", f"ip xfrm policy del {selector}"):
        yield


@fault("b32", "FORWARD rejects with an ICMP that looks like a missing host", FROM_CLIENT, "filter/filter-rule",
       tolerates=("filter/bridge-netfilter",))  # fmt: skip
def rejected_as_unreachable(fleet: Fleet) -> Iterator[None]:
    reject = "-j REJECT --reject-with icmp-host-unreachable"
    with rule(fleet.lab.host, f"-I FORWARD -d {fleet.names['web']} -p tcp {reject}"):
        yield


@fault("b70", "The host's OUTPUT drops what it sends to the container", WEB, "filter/filter-rule")
def output_of_the_host(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I OUTPUT -d {fleet.names['web']} -p tcp --dport {PORT} -j DROP"):
        yield


@fault("b71", "The client's INPUT drops the answers", FROM_CLIENT, "client/filter-in-client")
def answers_dropped_in_client(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(CLIENT), f"-I INPUT -p tcp --sport {PORT} -j DROP"):
        yield


@fault("b72", "The bridge's NAT gives frames for the server another MAC", WEB, "filter|link")
def bridge_nat(fleet: Fleet) -> Iterator[None]:
    turn = f"-d {mac(fleet.into(WEB))} -j dnat --to-destination {WRONG_MAC}"
    with (
        rule(fleet.lab.host, f"-t nat -I PREROUTING {turn}", tool="ebtables"),
        rule(fleet.lab.host, f"-t nat -I OUTPUT {turn}", tool="ebtables"),
    ):
        yield


@fault("b73", "A filter inside drops what goes over loopback", WEB, "filter-inside", reachable=None)
def loopback_dropped(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(WEB), "-I INPUT -i lo -p tcp -j DROP"):
        yield


@fault("b81", "The network is hidden behind an address that the host has not", EGRESS, "route|filter|publish")
def hidden_behind_nobody(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-t nat -I POSTROUTING -s {fleet.subnet} -o uplink -j SNAT --to-source 198.18.0.200"):
        yield


@fault("b83", "A queue to a program that is gone", FROM_CLIENT, "filter/filter-rule",
       tolerates=("filter/bridge-netfilter",))  # fmt: skip
def queue_to_nobody(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I DOCKER-USER -d {fleet.names['web']} -p tcp -j NFQUEUE --queue-num 77"):
        yield
