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
    """Each once, without what follows from another, in the order of the way. A warning keeps nobody from an answer: it
    neither stands for a fault of the same name and object nor explains any fault."""
    once: dict[tuple[str, str], Finding] = {}
    for one in sorted(findings, key=is_warning):
        once.setdefault((one.cause, one.where), one)
    causes = {one.cause for one in once.values()}
    faults = {one.cause for one in once.values() if not is_warning(one)}
    kept = [
        one
        for one in once.values()
        if not (causes if is_warning(one) else faults) & set(CONSEQUENCES.get(one.cause, ()))
    ]
    return sorted(kept, key=lambda one: (is_warning(one), one.order))


def is_warning(one: Finding) -> bool:
    return one.level == "warning"
