"""What a diagnosis is made from, and what it is: a scene of facts, the ways of a request, findings and a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from fleetctl.diagnosis.causes import CAUSES, HOPS, UNKNOWN
from fleetctl.spec.model import HttpSettings
from fleetctl.state.filters import Filters, RuleHit, Trace
from fleetctl.state.network import Attachment, Interface, Namespace, Topology, WiredNetwork
from fleetctl.state.observed import ObservedNetwork, Published, Replica
from fleetctl.state.probes import Outcome, Resolution
from fleetctl.state.rotation import Rotation

NOTHING = Namespace()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact, and the command that shows it; without one where no single command does."""

    fact: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """A hop that is in order, with the fact that shows it."""

    hop: str
    fact: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at one hop, of which object (`where`), and the cure: a sentence and the commands. A warning does
    not keep a request from its answer."""

    hop: str
    cause: str
    where: str
    evidence: tuple[Evidence, ...]
    cure: str
    commands: tuple[str, ...] = ()
    level: Literal["fault", "warning"] = "fault"

    def as_warning(self) -> Finding:
        """The same, where it keeps nobody from an answer."""
        return replace(self, level="warning")

    @property
    def meaning(self) -> str:
        """The cause in a few words."""
        return CAUSES[self.cause][1] if self.cause in CAUSES else "a cause that fleetctl has no name for"

    @property
    def order(self) -> int:
        """Its place on a request's way."""
        return tuple(HOPS).index(self.hop)


def finding(cause: str, where: str, *evidence: Evidence | str, cure: str, commands: tuple[str, ...] = ()) -> Finding:
    """A fault with the hop that its cause belongs to."""
    facts = tuple(fact if isinstance(fact, Evidence) else Evidence(fact) for fact in evidence)
    return Finding(CAUSES[cause][0], cause, where, facts, cure, commands)


AskedFrom = Literal["lo", "own", "host", "client", "published"]
INFORMATIVE = ("lo", "own")
"""Inside the target: these tell where a fault lies; a server may rightly not answer there."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way a request can take: from a vantage (a client container, else the host) to an address and port of the
    target. `outcome` is None for a way that is judged by rules and routes because it cannot be probed from here."""

    vantage: AskedFrom
    address: str
    port: int
    client: Replica | None = None
    network: WiredNetwork | None = None
    published: Published | None = None
    outcome: Outcome | None = None
    patient: Outcome | None = None
    """The same probe again with more time, sent only when the first failed."""
    hits: tuple[RuleHit, ...] = ()
    trace: Trace | None = None
    resolution: Resolution | None = None
    control: Resolution | None = None
    """The client's own name, which its DNS server knows if it is reached at all."""
    other_hosts: tuple[Outcome, ...] = ()
    """The same request with other Host headers, sent where it was refused."""
    greeting: Outcome | None = None
    """What came back for a TLS greeting, sent where plain HTTP got no answer."""
    one_of_several: bool = False
    """Whether other ways ask the target at other addresses."""

    @property
    def source(self) -> str:
        """Where it begins, for people, and to which address it goes where that has to be told."""
        if self.vantage in ("lo", "published") and self.client is None:
            return "inside (127.0.0.1)" if self.vantage == "lo" else f"the host (port {self.port})"
        if self.vantage == "own":
            return f"inside (own address{f' {self.address}' if self.one_of_several else ''})"
        return f"{self.asker} (to {self.address})" if self.one_of_several else self.asker

    @property
    def asker(self) -> str:
        """Whose packets these are: the client's, or the host's."""
        return self.client.name if self.client is not None else "the host"

    @property
    def last(self) -> Outcome | None:
        """The last probe's outcome."""
        return self.patient or self.outcome


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for: a container at a port, or an address that no container has. `http` is None where nothing
    says how it speaks; a mere answer is good enough then."""

    name: str
    container: Replica | None
    port: int | None
    ways: tuple[Way, ...] = ()
    http: HttpSettings | None = None
    path_key: str = ""
    """Where in fleet.yaml the path of `http` comes from: "services.web.x-fleet.http.path"."""
    path: str | None = None
    """The path that was asked for, when the target was given by a URL."""
    address: str | None = None
    """The address that was asked for, when the target was given by one."""
    from_named: bool = False
    """Whether the client was named, so that only its way counts."""
    problem: Finding | None = None
    """Why there is nothing to ask."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that was seen in one moment. `filters` by pid, None for the host; `before` are statistics read before
    the failed probes were sent again, by pid."""

    topology: Topology
    host: Namespace
    namespaces: Mapping[int, Namespace]
    containers: tuple[Replica, ...]
    networks: tuple[ObservedNetwork, ...]
    now: datetime
    filters: Mapping[int | None, Filters] = field(default_factory=dict)
    before: Mapping[int, Namespace] = field(default_factory=dict)
    last_lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of containers that do not run, by id: the end of their log, raw."""
    engine_started: datetime | None = None
    local: bool = True
    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    """Of the fleet's balancers that say so, by container id."""
    own: frozenset[str] = frozenset()
    """Ids of the containers that fleetctl itself starts and stops: those of the services in fleet.yaml."""

    def inside(self, container: Replica | None) -> Namespace:
        """What was read in a container's namespace; the host's for None."""
        if container is None:
            return self.host
        return self.namespaces.get(container.pid or 0, NOTHING)

    def attachment(self, container: Replica, network: WiredNetwork | None) -> Attachment | None:
        """The container's place in a network, as engine and kernel have it."""
        if network is None:
            return None
        return next((one for one in network.attachments if one.container_id == container.id), None)

    def settings(self, network: WiredNetwork | None) -> ObservedNetwork | None:
        """The engine's settings of a network."""
        return next((one for one in self.networks if network is not None and one.id == network.id), None)

    def owner(self, address: str) -> Replica | None:
        """The container that the engine gave an address to."""
        for container in self.containers:
            if address in container.addresses:
                return container
        return None

    def counted(self, container: Replica, name: str) -> tuple[int, int]:
        """A counter of the container's namespace (Namespace.statistics), and how far it rose during this diagnosis."""
        now = (self.inside(container).statistics or {}).get(name, 0)
        before = self.before.get(container.pid or 0, NOTHING).statistics or {}
        return now, now - before.get(name, now)

    def siblings(self, container: Replica) -> tuple[Replica, ...]:
        """The other replicas of its service; of a stranger the other containers of its image and command."""

        def kind(one: Replica) -> tuple[str, ...]:
            return (one.fleet, one.service) if one.service else ("", "", one.image_id, one.command)

        return tuple(one for one in self.containers if one.id != container.id and kind(one) == kind(container))

    def host_interface(self, name: str | None) -> Interface | None:
        return next((one for one in self.host.interfaces or () if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Judged:
    """One way with what was found out about it: broken when `good` is False, None when nothing could be asked."""

    way: Way
    good: bool | None
    told: str
    """In a few words: "HTTP 200 in 2 ms", "connection refused" …"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a target answers, from where it does and does not, and why not. Findings in the order of the way."""

    target: Target
    judged: tuple[Judged, ...]
    findings: tuple[Finding, ...] = ()
    proofs: tuple[Proof, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def reachable(self) -> bool | None:
        """Whether every way that was tried or judged is in order; None where none could be tried."""
        broken = (one.good is False and one.way.vantage not in INFORMATIVE for one in self.judged)
        if any(one.level == "fault" for one in self.findings) or any(broken):
            return False
        counted = [one for one in self.judged if not (self.target.from_named and one.way.vantage in INFORMATIVE)]
        return None if self.judged and all(one.good is None for one in counted) else True

    @property
    def first(self) -> Finding | None:
        """The first thing wrong on the way; a warning only where there is no fault."""
        faults = [one for one in self.findings if one.level == "fault"]
        return next(iter(faults or self.findings), None)


def unknown_cause(hop: str, where: str, *evidence: Evidence, cure: str) -> Finding:
    """A fault that fits no cause of the list."""
    return Finding(hop, UNKNOWN, where, evidence, cure)
