"""Who answered how often: what was asked of a balancer, who is known to stand behind it, and what that comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal["failed", "nameless", "silent", "missing", "foreign", "duplicate", "wandering", "order", "uneven"]
"""What can be wrong: requests failed; answers name nobody; a replica does not answer by itself, or is never chosen;
somebody unknown answers; two replicas give one identity; one gives several; a turn was not kept; counts differ."""

Via = Literal["balancer", "dns", "url"]
"""Who chose the replica of each request: a balancer of the fleet, Docker's name server, or somebody else."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: the identity read from a successful answer (None: it names nobody), or the kind of its
    failure, such as "HTTP 503", "timeout" or "connection refused"."""

    identity: str | None = None
    milliseconds: float = 0.0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Requests one after the other, in the order in which they were begun; with `concurrency` 1 that is also the order
    of their ends. `seconds` is how long it took, `wanted` how many there were to be."""

    answers: tuple[Answer, ...] = ()
    concurrency: int = 1
    seconds: float = 0.0
    wanted: int = 0


NO_IDENTITY = "its answer holds no identity"
"""The `error` of a Member that answers and does not say who it is."""


@dataclass(frozen=True, slots=True)
class Member:
    """A replica that is known to stand behind the balancer, by the identities it gave when it was asked directly;
    `error` says why it gave none. More than one identity is a fault of it, as is none."""

    replica: str
    identities: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """What the balancer promises. With `turns` every server gets its turn; without, `why` says why the order is not
    judged. `random` is whether each is as likely as any other. `replicas` is how many are to answer where no Member is
    known; None where not even that is."""

    turns: bool = True
    why: str = ""
    random: bool = False
    replicas: int | None = None
    others: int | None = None
    """How many requests the balancer had meanwhile from other clients, who take turns, too; None where nobody knows."""
    retried: int = 0
    """How many requests it sent to one replica after another, which takes a turn of each."""
    standing: Mapping[str, str] = field(default_factory=dict)
    """Replica -> how the balancer sees it, where that is anything but ready for requests."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many answers came from one replica. `replicas` is empty for somebody unknown, and names all of those whose
    answers cannot be told apart."""

    replicas: tuple[str, ...]
    identities: tuple[str, ...]
    answers: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, as a sentence without its stop, and the replicas it is wrong with."""

    kind: FaultKind
    message: str
    replicas: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Distribution:
    """The judgement. `kept` are sentences about what was judged and holds, `notes` about what was not judged; `median`
    and `p99` of successful answers, in milliseconds."""

    shares: tuple[Share, ...]
    faults: tuple[Fault, ...]
    kept: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    asked: int = 0
    wanted: int = 0
    concurrency: int = 1
    failures: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    median: float | None = None
    p99: float | None = None

    @property
    def answered(self) -> int:
        return self.asked - sum(self.failures.values())

    @property
    def passed(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class Verified:
    """A distribution with what it is of: the service, who was asked and where. `asked` is the balancer's container or
    the name server's address, None where neither is known."""

    via: Via
    where: str
    distribution: Distribution
    service: str | None = None
    asked: str | None = None
    algorithm: str | None = None
