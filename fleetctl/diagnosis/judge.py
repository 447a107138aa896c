"""Puts the hops together: what is in order, what is broken, and what that leaves unexplained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from shlex import quote

from fleetctl.diagnosis import (
    addresses,
    answers,
    container,
    elsewhere,
    filtering,
    links,
    naming,
    nexthop,
    outward,
    publishing,
    rotation,
    sockets,
    unlisted,
)
from fleetctl.diagnosis.consequences import settle
from fleetctl.diagnosis.scene import (
    INFORMATIVE,
    Evidence,
    Finding,
    Judged,
    Proof,
    Scene,
    Target,
    Verdict,
    Way,
    finding,
)
from fleetctl.spec.site import suggest
from fleetctl.spec.wording import listed
from fleetctl.state.network import WiredNetwork
from fleetctl.state.observed import Replica
from fleetctl.state.probes import NOT_ASKED

Part = Finding | Proof


def judge(target: Target, scene: Scene) -> Verdict:
    """The verdict on one target: findings in the order of a request's way."""
    asked = target.container
    judged = tuple(judge_way(way, target) for way in target.ways)
    if target.problem is not None or asked is None:
        return Verdict(target, judged, tuple(settle(elsewhere.examine(target, judged, scene))))
    life = list(container.examine(asked, scene))
    if any(isinstance(part, Finding) for part in life):
        return verdict(target, scene, judged, life)
    judged, strays = without_cut_off_peers(target, corrected(judged, target, asked, scene), scene)
    broken = [one.way for one in judged if one.good is False and one.way.vantage not in INFORMATIVE]
    # docker-proxy takes connections to a published port for servers that cannot be reached.
    direct = [way for way in broken if way.vantage != "published"] or broken
    parts = [*life, *strays, *in_general(target, asked, scene, broken=broken)]
    for number, way in enumerate(direct):
        # Every way is looked at, the hops of one are shown.
        seen = on_the_way(way, target, asked, scene)
        parts += (part for part in seen if number == 0 or isinstance(part, Finding))
    parts += () if broken else proven_by(judged, target, asked, scene)
    parts += filter(None, (naming.proxies(way, target) for way in target.ways))
    parts += filter(None, (naming.impostor(way, asked, scene) for way in target.ways))
    parts += (one for way in target.ways for one in naming.slow_server(way, scene))
    refused = any(way.last is not None and way.last.status == answers.TOO_EARLY_TO_SAY for way in broken)
    parts += rotation.examine(asked, scene, refused=refused)
    parts += () if broken else rotation.left_out(asked, scene)
    parts += () if broken else answers.refused(target.ways, target.path, asked.name)
    known = settle(part for part in parts if isinstance(part, Finding) and part.level == "fault")
    if broken and not explained(known, broken):
        parts += (one for way in told_most(direct) for one in unlisted.examine(way, asked, scene))
    answering = any(one.good for one in judged if one.way.vantage not in INFORMATIVE) and not broken
    parts += answers.health(asked, scene, answers=answering)
    harmless = HARMLESS_WHILE_ANSWERING if answering else ()
    if answering and not target.from_named:
        harmless = (*harmless, "proxy-variables")
    return verdict(target, scene, judged, parts, harmless=harmless)


def verdict(
    target: Target, scene: Scene, judged: tuple[Judged, ...], parts: Sequence[Part], *, harmless: Sequence[str] = ()
) -> Verdict:
    """Everything that was found, each once; what is `harmless` just now is a warning."""
    found = (part for part in parts if isinstance(part, Finding))
    findings = settle(one.as_warning() if one.cause in harmless else one for one in found)
    proofs = tuple(dict.fromkeys(part for part in parts if isinstance(part, Proof)))
    return Verdict(target, judged, tuple(findings), proofs, unknown(target, scene))


def corrected(judged: tuple[Judged, ...], target: Target, asked: Replica, scene: Scene) -> tuple[Judged, ...]:
    """A queue that overflowed for a moment loses no packets, and an answer that goes on is one, unless large packets
    may be lost."""
    narrow = any(True for network in networks_of(target, asked, scene) for _ in links.mtu(asked, network, scene))
    overflowed = sockets.overflowed(asked, scene)
    return tuple(
        replace(one, good=True, told=f"{one.told}, which had begun well")
        if one.good is False and one.way.last is not None and answers.flows(one.way.last) and not narrow
        else replace(one, good=True)
        if overflowed and is_lossy(one.way)
        else one
        for one in judged
    )


def without_cut_off_peers(
    target: Target, judged: tuple[Judged, ...], scene: Scene
) -> tuple[tuple[Judged, ...], list[Finding]]:
    """A peer that nobody named and that is cut off itself says nothing about the target: it is told as a warning."""
    kept: list[Judged] = []
    strays: list[Finding] = []
    for one in judged:
        client = one.way.client
        own: list[Finding] = []
        if client is not None and one.good is False and not target.from_named:
            parts = (*container.examine(client, scene), *clients_end(one.way, scene))
            own = [part.as_warning() for part in parts if isinstance(part, Finding)]
        kept.append(Judged(one.way, None, "it is cut off itself") if own else one)
        strays += own
    return tuple(kept), strays


HARMLESS_WHILE_ANSWERING = (
    "nat-rule-missing",
    "host-network",
    "unhealthy",
)
"""Told as warnings where every request gets its answer all the same."""


def explained(faults: Iterable[Finding], broken: Iterable[Way]) -> bool:
    """Whether some fault accounts for requests that fail. What only concerns the way out does so where only published
    ports fail: the answer has to leave the network, too."""
    outward_only = all(way.vantage == "published" for way in broken)
    beside = ("masquerade-missing", "nat-rule-missing", "unhealthy", *(() if outward_only else ("no-default-route",)))
    return any(one.cause not in beside for one in faults)


def judge_way(way: Way, target: Target) -> Judged:
    """Whether one way led to an answer."""
    resolution = way.resolution
    if resolution is not None and resolution.error != NOT_ASKED and (resolution.error or not resolution.addresses):
        return Judged(way, False, f"{resolution.question.name} is not resolved: {resolution.error}")
    outcome = way.last
    if outcome is None or outcome.error == NOT_ASKED:
        return Judged(way, None, NOT_ASKED)
    if strangers := naming.wrong_addresses(way, target):
        return Judged(way, False, f"{resolution.question.name if resolution else ''} leads to {', '.join(strangers)}")
    strict = target.http is not None and outcome.probe.path == target.http.health_path
    good = answers.is_good(outcome, strict=strict)
    if good and is_lossy(way):
        return Judged(way, False, "the first attempt to connect met silence, the second succeeded")
    if good and way.patient is not None and outcome.milliseconds >= answers.SLOW:
        good = False
    return Judged(way, good, answers.told(outcome))


def told_most(broken: Iterable[Way]) -> tuple[Way, ...]:
    """The failed way whose packets were traced, else the first."""
    return tuple(sorted(broken, key=lambda way: way.trace is None)[:1])


def is_lossy(way: Way) -> bool:
    """Whether an attempt to connect met silence and the next one did not: the kernel answers for a busy server, unless
    its queue overflows."""
    first, second = way.outcome, way.patient
    if first is None or second is None or not second.connected:
        return False
    return first.stage == "connect" and first.error == "timeout"


def dead_alias(verdict: Verdict, name: str) -> Verdict:
    """The verdict on a container that shares its name with others that answer."""
    asked = verdict.target.container
    who = asked.name if asked else name
    seen = Evidence(f"{name} leads to {who} too, which does not answer", f"docker inspect {quote(who)}")
    cure = f"mend {who}, or take it out of the network: until then some requests to {name} fail"
    one = finding("dead-alias", name, seen, cure=cure)
    return replace(verdict, findings=tuple(settle([*verdict.findings, one])))


def in_general(target: Target, asked: Replica, scene: Scene, *, broken: list[Way]) -> Iterator[Part]:
    """What is right or wrong whatever way a request takes."""
    yield from addresses.networks(asked, scene)
    by_published = any(way.published is not None for way in target.ways) and target.address is not None
    yield from publishing.mapping(asked, target.port, scene, by_published=by_published)
    for network in networks_of(target, asked, scene):
        yield from links.bridge(network, scene)
        yield from links.examine(asked, network, scene, role="target")
        yield from links.mtu(asked, network, scene)
        yield from addresses.examine(asked, network, scene)
        yield from addresses.duplicates(asked, network, scene)
        yield from addresses.outward(asked, network, scene)
        yield from publishing.from_outside(asked, network, scene)
        yield from outward.path_mtu(network, scene, scene.filters.get(None))
    if target.port is None:
        return
    direct = [way for way in broken if way.vantage in ("host", "client")]
    for address in dict.fromkeys(
        way.address for way in direct or target.ways if way.vantage in ("host", "client", "own")
    ):
        found = sockets.examine(asked, address, target.port, scene)
        yield from (part for part in found if broken or isinstance(part, Proof))


def networks_of(target: Target, asked: Replica, scene: Scene) -> tuple[WiredNetwork, ...]:
    """Those that the container is in, or is to be in."""
    ids = {one.network_id for one in asked.endpoints.values()}
    return tuple(one for one in scene.topology.networks if one.id in ids)


def on_the_way(way: Way, target: Target, asked: Replica, scene: Scene) -> Iterator[Part]:
    """One way that failed, hop by hop."""
    yield from container.restarted(asked, scene)
    yield from naming.local_ports(way, scene)
    yield from naming.name(way, target, scene)
    yield from naming.apart(way, asked)
    if way.client is not None:
        yield from as_client(container.examine(way.client, scene))
        yield from clients_end(way, scene)
    yield from nexthop.route(way, scene)
    yield from nexthop.neighbour(way, asked, scene)
    yield from nexthop.neighbour_back(way, asked, scene)
    yield from links.when_failed(way, asked, scene)
    yield from filtering.examine(way, asked, scene)
    yield from addresses.way_back(way, asked, scene)
    starved = sockets.starved(asked, scene)
    if starved is not None:
        yield starved
    others = list(publishing.not_reached(way, asked, scene)) if way.published is not None else []
    # That docker-proxy took a connection says nothing about the container.
    of_server = way.vantage != "published" or (way.last is not None and way.last.answered)
    yield from others or (answers.examine(way, target, asked, scene) if of_server else ())
    if is_lossy(way) and not any(hit.rule.verdict.upper() in filtering.ENDS for hit in way.hits):
        yield filtering.lost(way)


def proven_by(judged: Sequence[Judged], target: Target, asked: Replica, scene: Scene) -> Iterator[Proof]:
    """The hops before the container, as the first way from elsewhere that is in order took them."""
    one = next((one for one in judged if one.good and one.way.vantage not in INFORMATIVE), None)
    if one is None:
        return
    way = one.way
    yield Proof("http", f"{one.told}, asked from {way.source}")
    hops = [*naming.name(way, target, scene), *nexthop.route(way, scene), *nexthop.neighbour(way, asked, scene)]
    if way.client is not None:
        hops += clients_end(way, scene)
    yield from (part for part in hops if isinstance(part, Proof))


def clients_end(way: Way, scene: Scene) -> Iterator[Part]:
    """The client's own place in the network."""
    if way.client is None or way.network is None:
        return
    yield from links.examine(way.client, way.network, scene, role="client")
    yield from as_client(addresses.examine(way.client, way.network, scene))


def as_client(parts: Iterable[Part]) -> Iterator[Part]:
    """What holds of the client belongs to the beginning of the way."""
    for part in parts:
        yield Proof("client", part.fact) if isinstance(part, Proof) else part


def unknown(target: Target, scene: Scene) -> tuple[str, ...]:
    """Why parts of the way could not be looked at."""
    asked = target.container
    if asked is None or asked.pid is None:
        return ()
    reasons = {**scene.host.unknown, **scene.inside(asked).unknown}
    return tuple(dict.fromkeys(reasons.values()))


def no_such(name: str, known: Sequence[str]) -> Finding:
    """A target that does not exist; `known` are those that do, the likeliest first."""
    there = listed(known, 12) or "none"
    guess = suggest(name, known)
    return finding(
        "no-such-container",
        name,
        f"the engine has no container of that name; it has {there}",
        cure=f"{guess or 'check the name'}; 'fleetctl up' makes what fleet.yaml describes",
        commands=("fleetctl up",),
    )
