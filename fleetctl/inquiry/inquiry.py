"""One run of diagnose: looks, probes, looks again where something failed, and lets the diagnosis judge."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from fleetctl.check.probe import ask
from fleetctl.diagnosis.causes import UNKNOWN
from fleetctl.diagnosis.judge import judge, judge_way
from fleetctl.diagnosis.scene import Scene, Verdict, Way
from fleetctl.engine.docker_host import DockerHost
from fleetctl.inquiry.cases import Case, again, trace_first, with_another, with_dead_aliases
from fleetctl.inquiry.rounds import Sending, in_rounds
from fleetctl.inquiry.targets import Meant
from fleetctl.inquiry.ways import (
    PAIRS,
    TIMEOUT,
    control_for,
    peers,
    port_heard,
    ports_to,
    probe_for,
    question_for,
    ways_to,
)
from fleetctl.inquiry.world import World, not_published, service_of
from fleetctl.net.join import join_topology
from fleetctl.state.network import Namespace, Topology
from fleetctl.state.observed import AT_REST, Replica
from fleetctl.state.probes import NOT_ASKED, Outcome, Probe, Question, Resolution
from fleetctl.vantage.base import AT_ONCE, Answer, Request, Vantage

TRACE_TIME = 0.6
"""Seconds for a traced probe: its first packets tell."""
TRACED = 3
"""Probes that are traced in one run."""
LOG_LINES = 8
UNREAD = Namespace(unknown=dict.fromkeys(("interfaces", "nsid"), "it was not looked at yet"))
NOTHING_YET = Answer(host=UNREAD)


class Inquiry:
    """One run: cases in, verdicts out."""

    def __init__(
        self, engine: DockerHost, vantage: Vantage, world: World, client: Replica | None, *, from_named: bool
    ) -> None:
        self.engine = engine
        self.vantage = vantage
        self.world = world
        self.client = client
        self.from_named = from_named
        self.before: Mapping[int, Namespace] = {}
        """The namespaces as they were before anything was asked."""

    def run(self, cases: list[Case]) -> tuple[Verdict, ...]:
        """Look and probe; what failed and is not explained by what was seen, again with patience; what failed again,
        with rules counted and packets traced."""
        scene = self.scene(self.first_look(cases))
        open_cases = [case for case in cases if self.broken(case) and not self.is_plain(case, scene)]
        if open_cases:
            scene = self.scene(self.ask_again(open_cases))
            untold = [case for case in open_cases if self.broken(case) and not self.is_plain(case, scene)]
            if untold:
                scene = self.scene(self.trace(untold))
        return with_dead_aliases(cases, [self.verdict(case, scene) for case in cases])

    def is_plain(self, case: Case, scene: Scene) -> bool:
        """Whether facts explain the failure so far that no packet has to be sent for it: the container does not run, or
        the server was reached and it is up to it."""
        verdict = self.verdict(case, scene)
        first = verdict.first
        if first is None or first.cause == UNKNOWN or first.level != "fault":
            return False
        if first.hop == "container" or first.cause == "no-server-ready":
            return True
        outcomes = [case.ways[index].last for index in self.broken(case)]
        refused = all(one is not None and one.error == "ECONNREFUSED" for one in outcomes)
        taken = all(one is not None and one.connected and one.error == "timeout" for one in outcomes)
        return (refused and first.hop == "socket") or (taken and first.hop == "accept-queue")

    def verdict(self, case: Case, scene: Scene) -> Verdict:
        """Judged, by the networks as they are now; with why there is nothing to ask where that is so."""
        networks = {one.id: one for one in scene.topology.networks}
        case.ways = [replace(way, network=networks.get(way.network.id) if way.network else None) for way in case.ways]
        meant = case.meant
        asked = any(judge_way(way, case.target(from_named=False)).good for way in case.ways)
        if self.client is None and meant.container is None and meant.problem is None and meant.address and not asked:
            why = not_published(meant.port, meant.address, self.world, scene, self.engine)
            case.meant = replace(meant, problem=why)
        return judge(case.target(from_named=self.from_named), scene)

    # The first look

    def pids(self) -> tuple[int, ...]:
        return tuple(one.pid for one in self.world.containers if one.pid)

    def first_look(self, cases: list[Case]) -> Answer:
        """Every namespace, the host's rules, every name, and a probe for every way. Before that the namespaces are read
        once: for the counters, of which only what they rise by is of now, and for the listening sockets, which tell how
        many a server takes at once, and at which port to ask where nothing else does."""
        self.before = self.vantage.ask(Request(pids=self.pids(), deep=True)).namespaces
        for case in cases:
            container = case.meant.container
            if container is not None and container.pid and case.meant.port is None:
                heard = port_heard(self.before.get(container.pid, Namespace()))
                case.meant = replace(case.meant, port=heard)
        self.choose_ways(cases)
        return self.ask(cases, timeout=TIMEOUT)

    def choose_ways(self, cases: list[Case]) -> None:
        networks = {one.id: one for one in self.topology(NOTHING_YET).networks}
        own = [one for one in self.world.containers if one.id in self.world.own]
        others = [one for one in self.world.containers if one.id not in self.world.own]
        pairs = len(cases) * len(own)
        for case in cases:
            container = case.meant.container
            if container is None:
                case.ways = list(self.ways_without_container(case.meant))
                continue
            # A published port is the host's: peers have a way of their own only when they are named.
            candidates = [] if case.meant.published else own if container.id in self.world.own else others
            clients = (
                [self.client]
                if self.client
                else []
                if self.from_named
                else list(peers(container, candidates, ring=pairs > PAIRS))
            )
            case.ways = list(
                ways_to(
                    case.meant,
                    clients[:8],
                    networks,
                    from_named=self.client is not None,
                    host=self.engine.host,
                    ports=ports_to(container, case.meant.port),
                )
            )

    def ways_without_container(self, meant: Meant) -> Iterable[Way]:
        """A port of the host, or a name that only a client may know."""
        if meant.resolve is not None and self.client is not None:
            yield Way("client", "0.0.0.0", meant.port or 0, client=self.client)  # noqa: S104  # never probed
        elif meant.address is not None and meant.port is not None and meant.problem is None:
            yield Way("client" if self.client else "published", meant.address, meant.port, client=self.client)

    def ask(self, cases: list[Case], *, timeout: float) -> Answer:
        sendings: list[Sending] = []
        questions: dict[Question, None] = {}
        for case in cases:
            for index, way in enumerate(case.ways):
                question = question_for(way, case.meant)
                for one in (question, control_for(way) if question is not None else None):
                    if one is not None:
                        questions[one] = None
                if way.port and way.address != "0.0.0.0":  # noqa: S104
                    sendings.append((case, index, self.probe(case, way, timeout)))
        *earlier, last = in_rounds(sendings, self.before)
        for some in earlier:
            self.send(some, Request())
        answer = self.send(last, Request(self.pids(), deep=True, filters=(None,), questions=tuple(questions)))
        named: dict[Question | None, Resolution] = dict(zip(questions, answer.resolutions, strict=False))
        for case in cases:
            for index, way in enumerate(case.ways):
                question, control = question_for(way, case.meant), control_for(way)
                if question in named:
                    case.ways[index] = replace(
                        case.ways[index],
                        resolution=named[question],
                        control=named.get(control),
                    )
        return answer

    def send(self, sendings: list[Sending], request: Request) -> Answer:
        """The request with these probes, whose outcomes go to their ways."""
        answer = self.vantage.ask(replace(request, probes=tuple(probe for _, _, probe in sendings)))
        for (case, index, _), outcome in zip(sendings, self.outcomes(answer), strict=False):
            case.ways[index] = replace(case.ways[index], outcome=outcome)
        return answer

    def probe(self, case: Case, way: Way, timeout: float) -> Probe:
        probe = probe_for(way, case.meant.container, case.path, tls=case.meant.wanted.tls, timeout=timeout)
        return replace(probe, host=case.host)

    def outcomes(self, answer: Answer) -> list[Outcome]:
        """Those of the probes. Ports that an engine on another host publishes are asked from here: so do their users,
        and what is 127.0.0.1 there is not here."""

        def once_more(one: Outcome) -> Outcome:
            here = one.probe.vantage == "published" and (not self.engine.local or one.error == NOT_ASKED)
            return ask(one.probe, stream_socket) if here else one

        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            return list(pool.map(once_more, answer.outcomes))

    # Looking again, where something failed

    def ask_again(self, cases: list[Case]) -> Answer:
        """The failed probes once more with patience, with other Host headers, or with a TLS greeting; and the engine is
        asked once more how the containers are."""
        self.inspect_again(cases)
        probes = [
            (case, index, kind, probe)
            for case in cases
            for index in self.broken(case)
            for kind, probe in again(case.ways[index].outcome)
        ]
        answer = self.vantage.ask(
            Request(self.pids(), deep=True, filters=(None,), probes=tuple(one[3] for one in probes))
        )
        for (case, index, kind, _), outcome in zip(probes, self.outcomes(answer), strict=False):
            case.ways[index] = with_another(case.ways[index], kind, outcome)
        return answer

    def inspect_again(self, cases: list[Case]) -> None:
        found = [case.meant.container for case in cases if case.meant.container is not None]
        known = {one.id: one for one in self.engine.inspect(found)}
        self.world = replace(self.world, containers=tuple(known.get(one.id, one) for one in self.world.containers))
        for case in cases:
            container = case.meant.container
            if container is not None and container.id in known:
                case.meant = replace(case.meant, container=known[container.id])

    def trace(self, cases: list[Case]) -> Answer:
        """One failed probe of a few cases, alone, with the rules that count it and the way of its packets."""
        chosen: list[tuple[Case, int, Probe]] = []
        for case in cases[:TRACED]:
            broken = [one for one in self.broken(case) if self.engine.local or case.ways[one].vantage != "published"]
            index = trace_first(case, broken)
            outcome = case.ways[index].outcome if index is not None else None
            if index is not None and outcome is not None:
                chosen.append((case, index, replace(outcome.probe, timeout=TRACE_TIME)))
        involved = dict.fromkeys(
            one.pid
            for case, index, _ in chosen
            for one in (case.meant.container, case.ways[index].client)
            if one and one.pid
        )
        request = Request(self.pids(), deep=True, filters=(None, *involved), traced=tuple(one[2] for one in chosen))
        answer = self.vantage.ask(request)
        for (case, index, _), followed in zip(chosen, answer.traced, strict=False):
            case.ways[index] = replace(case.ways[index], hits=followed.hits, trace=followed.trace)
        return answer

    def broken(self, case: Case) -> list[int]:
        target = case.target(from_named=self.from_named)
        return [
            index
            for index, way in enumerate(case.ways)
            if way.outcome is not None and judge_way(replace(way, resolution=None), target).good is False
        ]

    # The scene

    def topology(self, answer: Answer) -> Topology:
        name = self.world.fleet.name if self.world.fleet else ""
        inside = answer.namespaces or dict.fromkeys(self.pids(), UNREAD)
        return join_topology(
            name,
            self.world.networks,
            self.world.containers,
            answer.host,
            inside,
            filters=answer.filters.get(None),
        )

    def scene(self, answer: Answer) -> Scene:
        resting = [one for one in self.world.containers if one.inspection and one.state in (*AT_REST, "restarting")]
        lines = {one.id: self.engine.last_lines(one.id, LOG_LINES) for one in resting[:16]}
        return Scene(
            topology=self.topology(answer),
            host=answer.host,
            namespaces=answer.namespaces,
            containers=self.world.containers,
            networks=self.world.networks,
            now=datetime.now(UTC),
            filters=answer.filters,
            before=self.before,
            last_lines=lines,
            engine_started=self.engine.started() if resting else None,
            local=self.engine.local,
            rotations=self.world.rotations,
            own=frozenset(one.id for one in self.world.containers if service_of(self.world, one) is not None),
        )


def stream_socket(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM)
