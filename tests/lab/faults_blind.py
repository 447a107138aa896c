"""Faults that the authors of the diagnosis did not choose: names, routes, neighbours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

from tests.e2e.project import wait_for
from tests.lab.fault import fault
from tests.lab.faults_blind_wiring import mac
from tests.lab.faults_unlisted import forgotten_neighbours
from tests.lab.fleet import CLIENT, LAN, PORT, SUBJECT, WEB, WRONG_MAC, Fleet, added, changed, rule, setting
from tests.lab.laboratory import OUTSIDE_ADDRESS
from tests.lab.questions import EGRESS, FROM_CLIENT, FROM_OUTSIDE


@contextlib.contextmanager
def appended(path: Path, text: str) -> Iterator[None]:
    """More text in a file that is mounted into a container: written, not replaced."""
    before = path.read_text()
    path.write_text(before + text)
    try:
        yield
    finally:
        path.write_text(before)


def nobody(fleet: Fleet) -> str:
    """An address of the network that no container has."""
    return str(ip_network(fleet.subnet)[-4])


@fault("b1", "A line left in the client's hosts file sends the name to loopback", FROM_CLIENT, "name")
def hosts_file_to_loopback(fleet: Fleet) -> Iterator[None]:
    hosts = Path(str(fleet.lab.inspect(CLIENT)["HostsPath"]))
    with appended(hosts, f"\n127.0.0.1\told-web  {WEB}   # for the demo, remove\n"):
        yield


@fault("b2", "The hosts file sends the name to a container that answers, but is another one", FROM_CLIENT, "name")
def hosts_file_to_sibling(fleet: Fleet) -> Iterator[None]:
    hosts = Path(str(fleet.lab.inspect(CLIENT)["HostsPath"]))
    with appended(hosts, f"{fleet.address('lab-web-2')} {WEB}\n"):
        yield


@fault("b3", "A silent name server stands before Docker's", FROM_CLIENT, "name", reachable=None)
def silent_first_resolver(fleet: Fleet) -> Iterator[None]:
    path = Path(str(fleet.lab.inspect(CLIENT)["ResolvConfPath"]))
    before = path.read_text()
    path.write_text(f"nameserver {nobody(fleet)}\n{before}")
    try:
        yield
    finally:
        path.write_text(before)


@fault("b4", "The client has a host route to the server over an address that nobody has", FROM_CLIENT,
       "route|neighbour")  # fmt: skip
def host_route_to_nobody(fleet: Fleet) -> Iterator[None]:
    route = f"{fleet.names['web']}/32 via {nobody(fleet)}"
    with added(fleet.into(CLIENT), "route", route):
        yield


@fault("b5", "The client's route chooses a source address that the server answers by its gateway", FROM_CLIENT,
       "client|route")  # fmt: skip
def wrong_source_address(fleet: Fleet) -> Iterator[None]:
    inside, own = fleet.into(CLIENT), fleet.names["client"]
    with (
        changed(inside, "ip addr add 203.0.113.9/32 dev lo", "ip addr del 203.0.113.9/32 dev lo"),
        changed(inside, f"ip route replace {fleet.subnet} dev eth0 src 203.0.113.9",
                f"ip route replace {fleet.subnet} dev eth0 proto kernel scope link src {own}"),
    ):  # fmt: skip
        yield


@fault("b6", "A policy inside sends every answer to an address that nobody has", WEB, "address|route|neighbour")
def policy_for_answers(fleet: Fleet) -> Iterator[None]:
    inside, web = fleet.into(WEB), fleet.names["web"]
    route = f"default via {nobody(fleet)} dev eth0 table 100"
    with (
        added(inside, "route", route),
        changed(inside, f"ip rule add from {web} pref 90 lookup 100", "ip rule del pref 90"),
    ):
        yield


@fault("b7", "A VPN's two halves of the world shadow the default route inside", FROM_OUTSIDE, "route")
def halves_of_the_world(fleet: Fleet) -> Iterator[None]:
    inside, via = fleet.into(WEB), nobody(fleet)
    with (
        changed(inside, f"ip route add 0.0.0.0/1 via {via}", f"ip route del 0.0.0.0/1 via {via}"),
        changed(inside, f"ip route add 128.0.0.0/1 via {via}", f"ip route del 128.0.0.0/1 via {via}"),
    ):
        yield


@fault("b8", "A policy on the host leads what comes from the network into a black hole", EGRESS, "route")
def policy_on_the_host(fleet: Fleet) -> Iterator[None]:
    host = fleet.lab.host
    with (
        changed(host, "ip route add blackhole default table 77", "ip route del blackhole default table 77"),
        changed(host, f"ip rule add from {fleet.subnet} iif {fleet.bridge} pref 50 lookup 77", "ip rule del pref 50"),
    ):
        yield


@fault("b9", "The client's packets may take one hop only", EGRESS, "client|route")
def time_to_live(fleet: Fleet) -> Iterator[None]:
    with setting(fleet.into(CLIENT), "ipv4/ip_default_ttl", "1"):
        yield


@fault("b10", "The server has a wrong MAC for the client, for good", FROM_CLIENT, "neighbour")
def wrong_neighbour_in_server(fleet: Fleet) -> Iterator[None]:
    inside, client = fleet.into(WEB), fleet.names["client"]
    change = f"ip neigh replace {client} lladdr {WRONG_MAC} dev eth0 nud permanent"
    with changed(inside, change, f"ip neigh del {client} dev eth0"):
        yield


@fault("b11", "arptables inside drops what asks for its MAC", WEB, "filter-inside|neighbour")
def arp_dropped_inside(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(WEB), "-I INPUT -j DROP", tool="arptables"), forgotten_neighbours(fleet):
        yield


@fault("b12", "The host forgets the subnet's route and has one by the uplink", WEB, "route")
def route_by_the_uplink(fleet: Fleet) -> Iterator[None]:
    gateway = fleet.gateway
    with changed(
        fleet.lab.host,
        f"ip route replace {fleet.subnet} via {OUTSIDE_ADDRESS}",
        f"ip route replace {fleet.subnet} dev {fleet.bridge} proto kernel scope link src {gateway}",
    ):
        yield


@fault("b13", "The bridge lost the gateway's address", FROM_OUTSIDE, "address|route|link", healthy=WEB)
def gateway_address_gone(fleet: Fleet) -> Iterator[None]:
    address = f"{fleet.gateway}/{ip_network(fleet.subnet).prefixlen}"
    with changed(fleet.lab.host, f"ip addr del {address} dev {fleet.bridge}",
                 f"ip addr add {address} brd + dev {fleet.bridge}"):  # fmt: skip
        yield


@fault("b14", "The server answers to its other network's address only", f"--from {CLIENT} --to {SUBJECT}:{PORT}",
       "socket/bound-to-one-address")  # fmt: skip
def bound_to_the_other_network(fleet: Fleet) -> Iterator[None]:
    docker, other = fleet.lab.docker, "10.233.1.80"
    mount = f"{fleet.lab.folder}/app.py:/app.py:ro"
    with fleet.network("second", "--subnet", "10.233.1.0/24"):
        docker("rm", "--force", SUBJECT)
        docker("create", "--name", SUBJECT, "--network", LAN, "--volume", mount, "--env", f"ADDRESS={other}",
               fleet.base, "python3", "/app.py")  # fmt: skip
        docker("network", "connect", "--ip", other, "second", SUBJECT)
        docker("start", SUBJECT)
        wait_for("the subject listens", lambda: fleet.subject_listens(PORT))
        yield
        fleet.run_subject()


@fault("b79", "The host has a route to the client over another interface", EGRESS, "route")
def host_route_elsewhere(fleet: Fleet) -> Iterator[None]:
    route = f"{fleet.names['client']}/32 dev docker0"
    with added(fleet.lab.host, "route", route):
        yield


@fault("b80", "The host has a wrong MAC for its gateway", EGRESS, "neighbour")
def wrong_neighbour_of_the_host(fleet: Fleet) -> Iterator[None]:
    change = f"ip neigh replace {OUTSIDE_ADDRESS} lladdr {WRONG_MAC} dev uplink nud permanent"
    with changed(fleet.lab.host, change, f"ip neigh del {OUTSIDE_ADDRESS} dev uplink"):
        yield


@fault("b82", "The client believes the gateway at another's MAC", EGRESS, "neighbour")
def wrong_gateway_in_client(fleet: Fleet) -> Iterator[None]:
    change = f"ip neigh replace {fleet.gateway} lladdr {mac(fleet.into(WEB))} dev eth0 nud permanent"
    with changed(fleet.into(CLIENT), change, f"ip neigh del {fleet.gateway} dev eth0"):
        yield


@fault("b90", "The bridge has the server's address, too", WEB, "address|route")
def address_on_the_bridge(fleet: Fleet) -> Iterator[None]:
    address = f"{fleet.names['web']}/32 dev {fleet.bridge}"
    with added(fleet.lab.host, "addr", address):
        yield


@fault("b91", "The client has the server's address itself", FROM_CLIENT, "client|address|route")
def address_in_the_client(fleet: Fleet) -> Iterator[None]:
    address = f"{fleet.names['web']}/32 dev lo"
    with added(fleet.into(CLIENT), "addr", address):
        yield


@fault("b92", "The server has the client's address itself", FROM_CLIENT, "address")
def clients_address_in_the_server(fleet: Fleet) -> Iterator[None]:
    address = f"{fleet.names['client']}/32 dev lo"
    with added(fleet.into(WEB), "addr", address):
        yield


@fault("b95", "The client's loopback has a wrong MAC for everything", FROM_CLIENT, "name/unknown",
       tolerates=("client/unknown", "neighbour/unknown"))  # fmt: skip
def loopback_neighbour(fleet: Fleet) -> Iterator[None]:
    # One entry stands for every address on lo (arp_constructor in the kernel); it is given back as it was.
    entry = "ip neigh replace 192.0.2.5 dev lo nud"
    inside = fleet.into(CLIENT)
    with changed(inside, f"{entry} permanent lladdr {WRONG_MAC}", f"{entry} noarp lladdr 00:00:00:00:00:00"):
        yield
