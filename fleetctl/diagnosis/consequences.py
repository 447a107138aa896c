"""Leaves out what only follows from something else, and puts findings in the order of a request's way."""

from __future__ import annotations

from collections.abc import Iterable

from fleetctl.diagnosis.scene import Finding

CONSEQUENCES = {
    # a finding: those that bring it about, at the same or another object
    "no-default-route": ("interface-down", "veth-missing", "address-missing", "address-changed", "prefix-wrong"),
    "wrong-gateway": ("interface-down", "veth-missing"),
    "no-route-back": (
        "interface-down",
        "veth-missing",
        "address-missing",
        "address-changed",
        "prefix-wrong",
        "bound-to-loopback",
    ),
    "port-not-forwarding": ("veth-down", "bridge-down", "interface-down"),
    "route-shadowed": ("bridge-down", "gateway-missing"),
    "wrong-neighbour": ("arp-off", "mac-changed", "address-changed", "duplicate-address"),
    "accept-queue-full": ("process-stopped", "out-of-file-descriptors"),
    "no-answer": (
        "filter-rule",
        "filter-inside",
        "forward-policy",
        "bridge-netfilter",
        "legacy-filter-rule",
        "input-filter-rule",
        "icc-disabled",
        "other-listener",
        "process-stopped",
        "accept-queue-full",
        "out-of-file-descriptors",
        "cpu-starved",
        "mtu-mismatch",
    ),
    "slow": ("cpu-starved",),
    "draining": ("no-server-ready",),
    "dns-redirect-missing": ("different-network",),
    "unknown-name": ("different-network",),
    "filter-rule": ("forward-policy", "different-network", "restart-loop", "no-userland-proxy"),
    "forward-policy": ("different-network", "restart-loop"),
    "not-listening-yet": ("restart-loop",),
    "veth-missing": ("disconnected", "no-network"),
    "health-check-wrong": ("loopback-down",),
    "stopped": ("engine-restarted",),
    "wrong-port": ("published-to-wrong-port",),
}
"""What follows from something else is not another fault."""


def settle(findings: Iterable[Finding]) -> list[Finding]:
    """Each once, without what follows from another, in the order of the way."""
    once: dict[tuple[str, str], Finding] = {}
    for one in findings:
        once.setdefault((one.cause, one.where), one)
    causes = {cause for cause, _ in once}
    kept = [one for one in once.values() if not causes & set(CONSEQUENCES.get(one.cause, ()))]
    return sorted(kept, key=lambda one: (one.level == "warning", one.order))
