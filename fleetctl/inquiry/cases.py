"""One target on its way to a verdict: what is asked of it, and what is asked again when that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fleetctl.diagnosis.judge import dead_alias
from fleetctl.diagnosis.scene import Target, Verdict, Way
from fleetctl.inquiry.targets import Meant
from fleetctl.spec.model import HttpSettings
from fleetctl.state.probes import Outcome, Probe

PATIENCE = 1.2
"""Seconds for the second probe of a way that failed."""
ANSWER_PATIENCE = 6.0
"""The same where the server took the request and only the answer is missing: it may be a slow one."""


@dataclass(slots=True)
class Case:
    """One target on its way to a verdict."""

    meant: Meant
    http: HttpSettings | None
    host: str | None = None
    """The Host header of its requests, where there has to be one."""
    path_key: str = ""
    """Where in fleet.yaml its path comes from."""
    ways: list[Way] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.meant.wanted.path or (self.http.health_path if self.http else "/")

    def target(self, *, from_named: bool) -> Target:
        """For the judge."""
        one = self.meant
        name = one.container.name if one.container else one.wanted.text
        return Target(
            name=name if one.wanted.host != "localhost" else one.wanted.text,
            container=one.container,
            port=one.port,
            ways=tuple(self.ways),
            http=self.http if one.wanted.path is None else None,
            path_key=self.path_key,
            path=one.wanted.path,
            address=one.address,
            from_named=from_named,
            problem=one.problem,
        )


def again(outcome: Outcome | None) -> list[tuple[str, Probe]]:
    """What else is asked of a way that failed: more patience, another Host header, a TLS greeting."""
    if outcome is None:
        return []
    probe = outcome.probe
    # docker-proxy takes every connection to a published port: whether the server is slow, its own address tells.
    waits = outcome.stage in ("answer", "body") and outcome.error == "timeout" and probe.vantage != "published"
    more = [("patient", replace(probe, timeout=ANSWER_PATIENCE if waits else PATIENCE))]
    if outcome.status is not None and 400 <= outcome.status < 500:
        more += [("host", replace(probe, host=name)) for name in ("localhost", "example.com")]
    if outcome.connected and outcome.status is None and outcome.error != "timeout" and not probe.tls:
        more.append(("tls", replace(probe, path=None, tls=True)))
    return more


def with_another(way: Way, kind: str, outcome: Outcome) -> Way:
    if kind == "patient":
        return replace(way, patient=outcome)
    if kind == "tls":
        return replace(way, greeting=outcome)
    return replace(way, other_hosts=(*way.other_hosts, outcome))


def trace_first(case: Case, broken: list[int]) -> int | None:
    """The failed way that tells most: from a client, else from the host."""
    rank = {"client": 0, "host": 1, "published": 2, "own": 3, "lo": 4}
    return min(broken, key=lambda index: rank[case.ways[index].vantage], default=None)


def with_dead_aliases(cases: Sequence[Case], verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """A name that leads to several containers of which some do not answer fails for every client now and then."""
    names = {case.meant.resolve for case, verdict in zip(cases, verdicts, strict=True) if verdict.reachable}
    return tuple(
        dead_alias(verdict, case.meant.resolve)
        if verdict.reachable is False and case.meant.resolve is not None and case.meant.resolve in names
        else verdict
        for case, verdict in zip(cases, verdicts, strict=True)
    )
