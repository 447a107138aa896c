"""Which rule of a packet filter dropped a probe: by the counters around it, and the kernel's own drop reason."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from shlex import quote

from fleetctl.diagnosis import shell
from fleetctl.diagnosis.matching import words_of
from fleetctl.diagnosis.scene import Evidence, Finding, Scene, Way, finding
from fleetctl.state.filters import FilterRule, RuleHit
from fleetctl.state.observed import Replica

REWRITES = ("DNAT", "SNAT", "REDIRECT", "MASQUERADE", "NOTRACK", "TPROXY")
"""What leads a packet elsewhere. Inside a container only Docker's DNS needs that."""
ENGINES, USERS = "DOCKER", "DOCKER-USER"
"""How the chains that the engine keeps are called, and the one of them that is the user's (docs.docker.com, Packet
filtering and firewalls). Its own rules are never to be deleted; which rule drops a packet does not depend on names."""
ENDS = ("DROP", "REJECT", "STEAL", "QUEUE", "NFQUEUE", "TARPIT")


def examine(way: Way, target: Replica | None, scene: Scene) -> Iterator[Finding]:
    """The rules that counted this way's probe and ended it; and a full table of connections."""
    yield from conntrack(scene)
    for hit in way.hits:
        if hit.rule.verdict.upper() not in REWRITES:
            continue
        if hit.namespace is not None:
            yield inner_rule(hit, way, target)
        elif hit.rule.verdict.upper() in ("DNAT", "REDIRECT") and way.published is None and target is not None:
            yield host_rule(hit, way, target, scene)
    if not dropped_by_filter(way):
        return
    for hit in way.hits:
        if hit.rule.verdict.upper() in ENDS:
            yield host_rule(hit, way, target, scene) if hit.namespace is None else inner_rule(hit, way, target)


def dropped_by_filter(way: Way) -> bool:
    """Whether the kernel's account of the probe speaks of a filter; true where there is no account."""
    points = way.trace.points if way.trace else ()
    drops = [one for one in points if one.event == "drop"]
    if not drops:
        return True
    return any("NETFILTER" in (one.reason or "") or "nf_" in (one.location or "") for one in drops)


def seen_rule(hit: RuleHit, enter: str = "") -> tuple[Evidence, str]:
    """The rule as evidence, and the command that deletes it."""
    rule, tool = hit.rule, hit.rule.tool
    if tool == "nft":
        show = delete = f"{enter}nft -a list chain {shlex.join(rule.table.split())} {quote(rule.chain)}"
    else:
        show = f"{enter}{tool} -t {quote(rule.table)} -L {quote(rule.chain)} -v -n --line-numbers"
        delete = enter + deletion(rule)
    fact = f"{place(rule)} counted {hit.packets} packet(s) of this probe: {rule.text}"
    return Evidence(fact, show), delete


def deletion(rule: FilterRule) -> str:
    """The command that takes a rule away by what it says, for its position changes with its neighbours; a policy is set
    to ACCEPT."""
    start = f"{rule.tool} -t {quote(rule.table)}"
    if rule.position == 0:
        return f"{start} -P {quote(rule.chain)} ACCEPT"
    _, chain, *match = words_of(rule.text)
    return f"{start} -D {quote(chain)} {shlex.join(match)}"


def place(rule: FilterRule) -> str:
    what = f"rule {rule.position}" if rule.position else "the policy"
    return f"{what} of {rule.tool} table {rule.table}, chain {rule.chain},"


def host_rule(hit: RuleHit, way: Way, target: Replica | None, scene: Scene) -> Finding:
    """A rule of the engine's host, by what it is about."""
    rule, bridge = hit.rule, way.network.bridge.name if way.network and way.network.bridge else ""
    seen, delete = seen_rule(hit)
    settings = scene.settings(way.network)
    where = f"{rule.table}/{rule.chain}"
    within = way.client is not None
    nf = (scene.host.settings or {}).get("bridge.bridge-nf-call-iptables")
    bridged = Evidence(
        "packets within a bridge pass these rules: bridge-nf-call-iptables is 1",
        "sysctl net.bridge.bridge-nf-call-iptables",
    )
    beside = (bridged,) if within and nf == "1" else ()
    both = bridge and f"-i {bridge}" in rule.text and f"-o {bridge}" in rule.text
    if (
        within
        and settings
        and settings.options.get("com.docker.network.bridge.enable_icc") == "false"
        and (both or rule.position == 0)
    ):
        why = Evidence(
            f"network {settings.name} was made with enable_icc=false", f"docker network inspect {quote(settings.name)}"
        )
        cure = "make the network anew without com.docker.network.bridge.enable_icc: false (fleetctl down, up)"
        return finding("icc-disabled", settings.name, why, seen, cure=cure)
    if rule.tool.endswith("-legacy"):
        return finding("legacy-filter-rule", where, seen, cure="delete that rule", commands=(delete,))
    if rule.position == 0 and rule.chain.upper() == "FORWARD":
        cure = "restart the engine, which adds the rules that allow its networks"
        return finding(
            "forward-policy",
            where,
            seen,
            *beside,
            cure=cure,
            commands=("systemctl restart docker",),
        )
    if rule.chain.upper() == "INPUT":
        cure = "let the host take in what comes from the network's bridge"
        return finding("input-filter-rule", where, seen, cure=cure, commands=(delete,))
    if within and nf == "1" and (both or "physdev" in rule.text):
        cure = "delete that rule, or allow what stays within the bridge"
        return finding("bridge-netfilter", where, seen, bridged, cure=cure, commands=(delete,))
    if rule.chain.startswith(ENGINES) and rule.chain != USERS:
        cure = "it is the engine's own rule: connect both to one network, or allow this in chain DOCKER-USER"
        return finding("filter-rule", where, seen, cure=cure)
    return finding(
        "filter-rule",
        where,
        seen,
        *beside,
        cure="delete that rule, or allow this before it",
        commands=(delete,),
    )


def inner_rule(hit: RuleHit, way: Way, target: Replica | None) -> Finding:
    """A rule inside the target, or inside the client."""
    holder = next((one for one in (target, way.client) if one is not None and one.pid == hit.namespace), target)
    name = holder.name if holder else "the container"
    seen, delete = seen_rule(hit, shell.enter(hit.namespace))
    cause = "filter-in-client" if way.client is not None and holder is way.client else "filter-inside"
    return finding(cause, name, seen, cure="delete that rule", commands=(delete,))


def lost(way: Way) -> Finding:
    """Packets of which some pass."""
    seen = Evidence(f"from {way.source} the first attempt to connect met silence, the second succeeded")
    rules = Evidence("no rule counted the traced probe; one that drops some packets only may stand anywhere on the way")
    cure = "look for rules that drop some packets (-m statistic, limit), a queue that drops, or a bad link"
    return finding("lost-packets", way.network.name if way.network else way.source, seen, rules, cure=cure)


def conntrack(scene: Scene) -> Iterator[Finding]:
    settings = scene.host.settings or {}
    count, most = settings.get("netfilter.nf_conntrack_count", ""), settings.get("netfilter.nf_conntrack_max", "")
    if count.isdecimal() and most.isdecimal() and int(most) and int(count) >= int(most) * 0.99:
        seen = Evidence(
            f"{count} of {most} connections are tracked: new ones are dropped",
            "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
        )
        more = f"sysctl -w net.netfilter.nf_conntrack_max={int(most) * 2}"
        yield finding(
            "conntrack-full", "the host", seen, cure="raise the limit, and find out who holds so many", commands=(more,)
        )
