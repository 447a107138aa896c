"""Which route a namespace takes to an address, from its tables alone."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from fleetctl.state.network import Namespace, Route

MAIN, DEFAULT, LOCAL = 254, 253, 255
USUAL_RULES = (0, 32766, 32767)
"""Priorities of the policy rules that every namespace has (ip-rule(8))."""


def route_to(namespace: Namespace, address: str) -> Route | None:
    """The route with the longest prefix, then the least metric; None where there is none, or none was read. Policy
    rules of the namespace's own are not followed: whoever finds `own_rules` must not be sure."""
    target = ip_address(address)
    fitting = [
        route
        for route in namespace.routes or ()
        if route.table in (MAIN, DEFAULT, LOCAL)
        and route.kind not in ("broadcast", "multicast", "anycast")
        and target in ip_network(route.destination, strict=False)
    ]
    return min(fitting, key=precedence, default=None)


def precedence(route: Route) -> tuple[int, int, int]:
    """The local table is asked before the others (ip-rule(8))."""
    return (route.table != LOCAL, -ip_network(route.destination, strict=False).prefixlen, route.metric)


def default_route(namespace: Namespace) -> Route | None:
    """The IPv4 route to everywhere else; None where there is none."""
    everywhere = [one for one in namespace.routes or () if one.destination == "0.0.0.0/0" and one.table == MAIN]
    return min(everywhere, key=precedence, default=None)


def own_rules(namespace: Namespace) -> tuple[str, ...]:
    """Policy rules beyond the usual ones, as ip rule shows them."""
    return tuple(one.text for one in namespace.policy or () if one.priority not in USUAL_RULES)


def shown(route: Route | None) -> str:
    """A route as ip route shows it, in short."""
    if route is None:
        return "no route"
    via = f" via {route.gateway}" if route.gateway else ""
    device = f" dev {route.interface}" if route.interface else ""
    kind = "" if route.kind == "unicast" else f"{route.kind} "
    return f"{kind}{route.destination}{via}{device}"
