"""Laws of the judge: over every scene of tests/cases/diagnosis, whole, with parts unknown, and two faults at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetctl.diagnosis.causes import CAUSES, HOPS
from fleetctl.diagnosis.judge import dead_alias, judge
from fleetctl.diagnosis.scene import INFORMATIVE, Scene, Target, Verdict
from fleetctl.state.network import Attachment, Interface, Namespace, Topology
from fleetctl.state.observed import Endpoint, Replica
from tests.fakes.made_up_scene import change, healthy, scene, target

FOLDER = Path(__file__).parents[2] / "cases" / "diagnosis"
CASES = sorted(FOLDER.glob("*.txt"))
HEALTHY = [path for path in CASES if path.stem.startswith("healthy")]


@cache
def changes(path: Path) -> Any:
    return yaml.safe_load(path.read_text().partition("---\n")[0]) or {}


def seen_in(*paths: Path) -> tuple[Target, Scene]:
    """The scene of a case, or of several at once."""
    data = healthy()
    for path in paths:
        change(data, changes(path))
    seen = scene(data)
    return target(data, seen), seen


def named(verdict: Verdict) -> list[str]:
    return [one.cause for one in verdict.findings]


# Order, several at once


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_faults_come_in_the_order_of_the_way_and_warnings_after_them(path: Path) -> None:
    found = [(one.level == "warning", list(HOPS).index(one.hop)) for one in judge(*seen_in(path)).findings]
    assert found == sorted(found)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_nobody_is_called_reachable_whom_a_client_or_the_host_did_not_reach(path: Path) -> None:
    """Neither by a fault that is told nor, were there none, by the ways alone."""
    verdict = judge(*seen_in(path))
    if any(one.good is False and one.way.vantage not in INFORMATIVE for one in verdict.judged):
        assert "fault" in [one.level for one in verdict.findings]
        assert replace(verdict, findings=()).reachable is False


INDEPENDENT = (
    "wrong-neighbour",
    "veth-down",
    "mtu-mismatch",
    "port-isolated",
    "conntrack-full",
    "no-default-route",
    "forwarding-off",
    "loopback-down",
    "process-stopped",
    "proxy-variables",
)
"""Cases that neither bring one another about nor hide one another. Those with outcomes of their own come in the order
of the way, and the outcomes of the later are kept."""


@pytest.mark.parametrize(("first", "second"), list(combinations(INDEPENDENT, 2)))
def test_two_independent_faults_are_both_named_and_the_first_on_the_way_is_the_first(first: str, second: str) -> None:
    verdict = judge(*seen_in(FOLDER / f"{first}.txt", FOLDER / f"{second}.txt"))
    assert {first, second} <= set(named(verdict))
    assert verdict.reachable is False
    assert verdict.first is not None
    order = list(HOPS)
    assert order.index(verdict.first.hop) == min(order.index(CAUSES[one][0]) for one in (first, second))


def test_a_verdict_does_not_depend_on_the_order_of_containers_and_networks() -> None:
    for path in CASES:
        asked, seen = seen_in(path)
        turned = replace(seen, containers=seen.containers[::-1], networks=seen.networks[::-1])
        assert named(judge(asked, turned)) == named(judge(asked, seen)), path.stem


def test_a_dead_replica_behind_a_shared_name_is_told_at_the_name() -> None:
    verdict = dead_alias(judge(*seen_in(FOLDER / "stopped.txt")), "shop")
    assert [(one.cause, one.where) for one in verdict.findings] == [("dead-alias", "shop"), ("stopped", "web-1")]


# What is shown is pasted into a shell

HOSTILE = {"eth0": "e;$(reboot)", "lan": "l an;$(reboot)"}
"""Whoever is root in a container names its interfaces; an engine takes any text for a network's name."""


def renamed(node: Any) -> Any:
    """With the hostile names instead of the harmless ones, as keys and as values."""
    if isinstance(node, dict):
        return {HOSTILE.get(key, key): renamed(value) for key, value in node.items()}
    if isinstance(node, list):
        return [renamed(one) for one in node]
    return HOSTILE.get(node, node) if isinstance(node, str) else node


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_names_that_others_chose_are_quoted_in_every_command(path: Path) -> None:
    data = renamed(change(healthy(), changes(path)))
    seen = scene(data)
    verdict = judge(target(data, seen), seen)
    commands = [command for one in verdict.findings for command in one.commands]
    commands += [fact.command for one in verdict.findings for fact in one.evidence]
    assert [command for command in commands if "$(" in re.sub("'[^']*'", "", command)] == []


# What is not known


@dataclass(frozen=True)
class Missing:
    """One part of what was seen that is not known."""

    what: str
    take: Callable[[Target, Scene], tuple[Target, Scene]]


def without_namespace_part(field: str, *, inside: bool) -> Missing:
    def take(asked: Target, seen: Scene) -> tuple[Target, Scene]:
        empty: dict[str, Any] = {field: None}
        if inside:
            return asked, replace(seen, namespaces={pid: replace(one, **empty) for pid, one in seen.namespaces.items()})
        return asked, replace(seen, host=replace(seen.host, **empty))

    return Missing(f"{'inside' if inside else 'host'}.{field}", take)


def without_attachment_part(field: str) -> Missing:
    empty: dict[str, Any] = {field: None}
    return Missing(f"attachment.{field}", in_attachments(lambda one: replace(one, **empty)))


def without_interface_part(field: str) -> Missing:
    def lose(one: Interface | None) -> Interface | None:
        empty: dict[str, Any] = {field: None}
        return one and replace(one, **empty)

    return Missing(
        f"interface.{field}",
        in_attachments(lambda one: replace(one, interface=lose(one.interface), veth=lose(one.veth))),
    )


def in_attachments(lose: Callable[[Attachment], Attachment]) -> Callable[[Target, Scene], tuple[Target, Scene]]:
    def take(asked: Target, seen: Scene) -> tuple[Target, Scene]:
        networks = tuple(replace(one, attachments=tuple(map(lose, one.attachments))) for one in seen.topology.networks)
        return asked, replace(seen, topology=replace(seen.topology, networks=networks))

    return take


def without_container_part(field: str) -> Missing:
    empty: dict[str, Any] = {field: None}
    return Missing(f"container.{field}", in_containers(lambda one: replace(one, **empty)))


def without_endpoint_part(field: str) -> Missing:
    def lose(one: Endpoint) -> Endpoint:
        empty: dict[str, Any] = {field: None}
        return replace(one, **empty)

    return Missing(
        f"endpoint.{field}",
        in_containers(lambda one: replace(one, endpoints={name: lose(end) for name, end in one.endpoints.items()})),
    )


def in_containers(lose: Callable[[Replica], Replica]) -> Callable[[Target, Scene], tuple[Target, Scene]]:
    def take(asked: Target, seen: Scene) -> tuple[Target, Scene]:
        return (
            replace(asked, container=asked.container and lose(asked.container)),
            replace(seen, containers=tuple(map(lose, seen.containers))),
        )

    return take


def optional(kind: type, *but: str) -> Iterator[str]:
    """Fields that may be None."""
    yield from (one.name for one in fields(kind) if "None" in str(one.type) and one.name not in but)


MISSING = (
    *(without_namespace_part(field, inside=inside) for field in optional(Namespace) for inside in (True, False)),
    *(without_attachment_part(field) for field in optional(Attachment)),
    *(without_interface_part(field) for field in optional(Interface)),
    *(without_container_part(field) for field in optional(Replica, "pid")),
    *(without_endpoint_part(field) for field in optional(Endpoint)),
    Missing("filters", lambda asked, seen: (asked, replace(seen, filters={}))),
    Missing("bridges", lambda asked, seen: (asked, replace(seen, topology=without_bridges(seen.topology)))),
    Missing("networks of the kernel", lambda asked, seen: (asked, replace(seen, topology=Topology("demo")))),
    Missing("networks of the engine", lambda asked, seen: (asked, replace(seen, networks=()))),
    Missing("other containers", lambda asked, seen: (asked, replace(seen, containers=()))),
    Missing("namespaces", lambda asked, seen: (asked, replace(seen, namespaces={}, host=Namespace()))),
    Missing("outcomes", lambda asked, seen: (silent(asked), seen)),
    Missing("traces and hits", lambda asked, seen: (untraced(asked), seen)),
    Missing("ways", lambda asked, seen: (replace(asked, ways=()), seen)),
    Missing("port", lambda asked, seen: (replace(asked, port=None), seen)),
)


def without_bridges(topology: Topology) -> Topology:
    return replace(topology, networks=tuple(replace(one, bridge=None) for one in topology.networks))


def silent(asked: Target) -> Target:
    ways = (replace(one, outcome=None, patient=None, resolution=None, control=None) for one in asked.ways)
    return replace(asked, ways=tuple(ways))


def untraced(asked: Target) -> Target:
    return replace(asked, ways=tuple(replace(one, trace=None, hits=()) for one in asked.ways))


THOROUGHLY = (
    "healthy",
    "healthy-in-two-networks",
    "bound-to-loopback",
    "not-listening",
    "out-of-file-descriptors",
    "restart-loop-seen-while-it-runs",
    "host-port-taken",
    "addresses-exhausted",
    "engine-restarted",
    "different-network",
    "dns-redirect-missing",
    "stale-address",
    "a-name-of-another-network",
    "address-changed",
    "reverse-path-filter",
    "mac-changed",
    "veth-missing",
    "port-not-flooding",
    "filter-inside",
    "nat-rule-missing",
    "no-userland-proxy",
    "unknown-inside-the-target",
    "host-refused",
    "unhealthy",
    "egress-without-forwarding",
)
"""One case of each kind of judgement, for all of them would take half a minute."""


@pytest.mark.parametrize("path", [FOLDER / f"{stem}.txt" for stem in THOROUGHLY], ids=lambda path: path.stem)
def test_whatever_part_is_unknown_the_judge_comes_to_a_verdict(path: Path) -> None:
    asked, seen = seen_in(path)
    for missing in MISSING:
        try:
            verdict = judge(*missing.take(asked, seen))
        except Exception as error:  # what is unknown there is the point of the message
            raise AssertionError(f"without {missing.what}: {error!r}") from error
        texts = [text for one in verdict.findings for text in (one.where, one.cure, *one.commands)]
        assert [text for text in texts if "None" in text] == [], f"without {missing.what}"


A_FACT = ("attachment.interface", "interface.bridge_ifindex", "interface.mac", "endpoint.gateway", "bridges")
"""Where the rest of the wiring is known, that one of these is not there is a fact and no ignorance."""


@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: path.stem)
def test_ignorance_is_no_alarm_where_all_is_well(path: Path) -> None:
    asked, seen = seen_in(path)
    for missing in MISSING:
        if missing.what not in A_FACT:
            verdict = judge(*missing.take(asked, seen))
            assert named(verdict) == [], f"without {missing.what}"
            assert verdict.reachable is not False, f"without {missing.what}"
