"""Faults inside the container's network namespace: addresses, routes, filters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from ipaddress import ip_network

from tests.lab.fault import fault
from tests.lab.fleet import PORT, WEB, Fleet, added, changed, rule, setting
from tests.lab.questions import FROM_CLIENT, FROM_OUTSIDE

"""Asked over the address of the uplink the reply needs the replica's default route, as one to the outside does."""


@contextlib.contextmanager
def own_address_kept(fleet: Fleet) -> Iterator[None]:
    """Whatever happens to the addresses of eth0, it has its own one and its default route again."""
    inside = fleet.into(WEB)
    try:
        yield
    finally:
        inside("ip", "addr", "flush", "dev", "eth0")
        inside("ip", "addr", "add", f"{fleet.names['web']}/{ip_network(fleet.subnet).prefixlen}", "dev", "eth0")
        inside("ip", "route", "replace", "default", "via", fleet.gateway)


@fault("54", "IP removed", WEB, "address/address-missing")
def address_removed(fleet: Fleet) -> Iterator[None]:
    with own_address_kept(fleet):
        fleet.lab.inside(WEB, "ip", "addr", "flush", "dev", "eth0")
        yield


@fault("55", "IP changed", WEB, "address/address-changed")
def address_changed(fleet: Fleet) -> Iterator[None]:
    with own_address_kept(fleet):
        network = ip_network(fleet.subnet)
        fleet.lab.inside(WEB, "ip", "addr", "flush", "dev", "eth0")
        fleet.lab.inside(WEB, "ip", "addr", "add", f"{network[-3]}/{network.prefixlen}", "dev", "eth0")
        yield


@fault("56", "Prefix /32", WEB, "address/prefix-wrong")
def wrong_prefix(fleet: Fleet) -> Iterator[None]:
    with own_address_kept(fleet):
        fleet.lab.inside(WEB, "ip", "addr", "flush", "dev", "eth0")
        fleet.lab.inside(WEB, "ip", "addr", "add", f"{fleet.names['web']}/32", "dev", "eth0")
        yield


@fault("57", "No default route", FROM_OUTSIDE, "route/no-default-route")
def no_default_route(fleet: Fleet) -> Iterator[None]:
    with changed(fleet.into(WEB), "ip route del default", f"ip route replace default via {fleet.gateway}"):
        yield


@fault("58", "Wrong gateway", FROM_OUTSIDE, "route/wrong-gateway")
def wrong_gateway(fleet: Fleet) -> Iterator[None]:
    nobody = ip_network(fleet.subnet)[-3]
    with changed(
        fleet.into(WEB), f"ip route replace default via {nobody}", f"ip route replace default via {fleet.gateway}"
    ):
        yield


@fault("59", "rp_filter inside and an asymmetric route", FROM_CLIENT, "address/reverse-path-filter")
def reverse_path_filter(fleet: Fleet) -> Iterator[None]:
    inside, route = fleet.into(WEB), f"{fleet.names['client']}/32 dev lo"
    with (
        setting(inside, "ipv4/conf/all/rp_filter", "1"),
        setting(inside, "ipv4/conf/eth0/rp_filter", "1"),
        added(inside, "route", route),
    ):
        yield


@fault("60a", "DROP inside, incoming", WEB, "filter-inside/filter-inside")
def drop_inside(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(WEB), f"-I INPUT -p tcp --dport {PORT} -j DROP"):
        yield


@fault("60b", "REJECT inside", WEB, "filter-inside/filter-inside")
def reject_inside(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(WEB), f"-I INPUT -p tcp --dport {PORT} -j REJECT --reject-with tcp-reset"):
        yield


@fault("60c", "DROP inside, outgoing", WEB, "filter-inside/filter-inside")
def drop_inside_outgoing(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(WEB), f"-I OUTPUT -p tcp --sport {PORT} -j DROP"):
        yield


@fault("61", "lo down inside", WEB, "address/loopback-down", reachable=None)
def loopback_down(fleet: Fleet) -> Iterator[None]:
    with changed(fleet.into(WEB), "ip link set lo down", "ip link set lo up"):
        yield
