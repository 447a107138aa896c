"""Finds out who is to be asked, asks, and has the answers judged: through the fleet's balancers, or anybody's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

from fleetctl.check.distribution import enough, judge
from fleetctl.check.reach import address_of, why_unreachable
from fleetctl.check.series import Target, ask_series
from fleetctl.errors import ConfigError, FleetError
from fleetctl.inquiry.promise import promise_of
from fleetctl.plan.order import find_service
from fleetctl.spec.model import Balance, Fleet, HttpSettings, Identity, Service
from fleetctl.state.distribution import NO_IDENTITY, Distribution, Member, Promise, Series, Verified
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Rotation

DIRECTLY = 8
"""Requests to each replica by its own address: enough to meet every worker of a few."""
SEARCHING = 32
"""The same once more, when somebody unknown answered the balancer: it may be a worker not met yet."""
AT_ONCE = 8
"""Replicas that are asked directly side by side."""


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """How to ask: `requests` None is as many as it takes to judge; `path` is that of a URL, None that of the service.
    `timeout` in seconds bounds one request. With `fresh` each has a connection of its own."""

    requests: int | None = None
    concurrency: int = 1
    path: str | None = None
    timeout: float = 5.0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on: `stop` ends the asking early, `told` gets the number of requests that ended and of all."""

    stop: threading.Event = field(default_factory=threading.Event)
    told: Callable[[int, int], None] = lambda ended, total: None


class Source(Protocol):
    """What verifying needs of an engine."""

    host: str | None

    def observe_replicas(self, fleet_name: str) -> tuple[Replica, ...]: ...


RotationOf = Callable[[Replica, Service], Rotation | None]
"""A balancer's container and its service -> what it does and has counted; None where it does not tell."""


def through_balancers(
    fleet: Fleet,
    engine: Source,
    service_name: str | None,
    wanted: VerifyOptions,
    watch: Watch,
    rotation_of: RotationOf = lambda balancer, service: None,
) -> Iterator[Verified]:
    """One judgement for each balancer's container and service that it balances. Raises FleetError where there is
    nothing to ask."""
    pools = pools_of(fleet, service_name)
    replicas = engine.observe_replicas(fleet.name)
    for balancer, balance in pools:
        service = fleet.services.get(balance.service) or Service(balance.service, "")
        http = replace(service.http or HttpSettings(balance.target_port), port=balance.target_port)
        behind = Behind.look(fleet, engine, service.name, http, replicas, wanted)
        for front in running(replicas, balancer):
            front_http = HttpSettings(balance.port)
            address = address_of(front, front_http, engine.host)
            if address is None:
                raise FleetError(f"{front.name}: {why_unreachable(front, front_http, engine.host)}")
            target = Target(*address, behind.path, balance.host, http.identity, wanted.timeout, fresh=wanted.fresh)
            before = rotation_of(front, balancer)
            series, members = behind.ask(target, watch, turns=balance.algorithm == "roundrobin")
            after = rotation_of(front, balancer)
            promise = promise_of(balance, before, after, len(series.answers), replicas)
            found = behind.judge(series, members, promise)
            where = f"{target.url} as {balance.host}" if balance.host else target.url
            yield Verified("balancer", where, found, service.name, front.name, balance.algorithm)


def pools_of(fleet: Fleet, name: str | None) -> list[tuple[Service, Balance]]:
    """Balancers and what they balance: all of it, or what has to do with the service of that name."""
    if name is not None:
        find_service(fleet, name)
    found = [
        (service, balance)
        for service in fleet.services.values()
        for balance in service.balance
        if name in (None, service.name, balance.service)
    ]
    if not found:
        raise FleetError(
            f"no balancer of fleet {fleet.name} has {name or 'a service'} behind it",
            hint="make a service the balancer with x-fleet: {balance: {service: …}}, or ask with --via dns or --url",
        )
    return found


def running(replicas: Sequence[Replica], service: Service) -> list[Replica]:
    """The service's running replicas. Raises FleetError when there is none."""
    found = [replica for replica in replicas if replica.service == service.name and replica.state == "running"]
    if not found:
        raise FleetError(f"service {service.name} has no running replica", hint="start it with 'fleetctl up'")
    return found


def at_url(
    url: str,
    wanted: VerifyOptions,
    watch: Watch,
    *,
    fleet: Fleet | None,
    engine: Source | None,
    service_name: str | None,
) -> Verified:
    """Whoever answers there; with a service of the fleet it is judged whether those are its replicas."""
    target = replace(target_of(url), timeout=wanted.timeout, fresh=wanted.fresh)
    if wanted.path is not None:
        target = replace(target, path=wanted.path)
    behind = Behind(wanted, target.path)
    if service_name is not None and fleet is not None and engine is not None:
        service = find_service(fleet, service_name)
        if service.http is None:
            raise FleetError(
                f"service {service_name} does not say how it speaks HTTP", hint="add x-fleet: {http: {port: …}} to it"
            )
        replicas = engine.observe_replicas(fleet.name)
        running(replicas, service)
        behind = Behind.look(fleet, engine, service_name, service.http, replicas, wanted)
        target = replace(target, identity=service.http.identity)
    series, members = behind.ask(target, watch, turns=False)
    found = behind.judge(series, members, Promise(turns=False, why="nobody promises one"))
    return Verified("url", target.url, found, service_name)


def target_of(url: str) -> Target:
    """Whom a URL names. Raises ConfigError for what is none that can be asked."""
    why = "is no URL such as http://127.0.0.1:8080/"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"{url!r} {why}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # as a socket will: raises for a label that is empty or too long
    except ValueError:  # UnicodeError is one
        raise ConfigError(f"{url!r} {why}") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ConfigError(f"{url!r} {why}")
    if parts.username is not None:
        raise ConfigError(f"a name or password in a URL is not sent: {parts.scheme}://{host} asks without")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    tls = parts.scheme == "https"
    return Target(host, port or (443 if tls else 80), path, parts.netloc, tls=tls)


@dataclass(frozen=True, slots=True)
class Behind:
    """The replicas that are to answer, and how they are asked directly. Without `pairs`, of replicas and where each is
    asked or why it cannot be, nobody is known."""

    wanted: VerifyOptions
    path: str
    pairs: tuple[tuple[Replica, tuple[str, int] | str], ...] = ()
    identity: Identity = field(default_factory=Identity)
    notes: tuple[str, ...] = ()
    number: int | None = None
    """How many are to answer, where they cannot be asked directly."""

    @classmethod
    def look(
        cls,
        fleet: Fleet,
        engine: Source,
        service_name: str,
        http: HttpSettings,
        replicas: Sequence[Replica],
        wanted: VerifyOptions,
    ) -> Behind:
        """The service's replicas as they are now."""
        own = [replica for replica in replicas if replica.service == service_name]
        path = wanted.path if wanted.path is not None else http.path
        notes = []
        asked_for = fleet.services[service_name].replicas if service_name in fleet.services else len(own)
        if asked_for != len(own):
            notes.append(f"the file asks for {asked_for} replicas of {service_name}, there are {len(own)}")
        places = [(one, address_of(one, http, engine.host)) for one in own]
        if engine.host is not None and all(place is None for _, place in places):
            notes.append(
                f"the replicas cannot be asked directly from here, only counted: the engine is at {engine.host}"
            )
            number = sum(one.state == "running" for one in own)
            return cls(wanted, path, (), http.identity, tuple(notes), number)
        pairs = tuple(
            (one, f"it is {one.state}" if one.state != "running" else place or why_unreachable(one, http, engine.host))
            for one, place in places
        )
        return cls(wanted, path, pairs, http.identity, tuple(notes))

    def ask(self, target: Target, watch: Watch, *, turns: bool) -> tuple[Series, tuple[Member, ...]]:
        """Each directly, then the target as often as wanted; and directly once more where somebody unknown answered."""
        members = self.members(DIRECTLY, watch)
        number = self.number or sum(bool(member.identities) for member in members)
        total = self.wanted.requests or enough(number, turns=turns)
        series = ask_series(
            target,
            total,
            concurrency=self.wanted.concurrency,
            stop=watch.stop,
            told=lambda ended: watch.told(ended, total),
        )
        known = {identity for member in members for identity in member.identities}
        unknown = any(answer.identity is not None and answer.identity not in known for answer in series.answers)
        if members and unknown and not watch.stop.is_set():
            members = met_in_either(members, self.members(SEARCHING, watch))
        return series, members

    def judge(self, series: Series, members: Sequence[Member], promise: Promise) -> Distribution:
        found = judge(series, members, replace(promise, replicas=self.number))
        return replace(found, notes=(*self.notes, *found.notes))

    def members(self, times: int, watch: Watch) -> tuple[Member, ...]:
        """Who each replica says it is, by so many connections to its own address."""

        def ask(pair: tuple[Replica, tuple[str, int] | str]) -> Member:
            replica, place = pair
            if isinstance(place, str):
                return Member(replica.name, error=place)
            target = Target(*place, self.path, identity=self.identity, timeout=self.wanted.timeout, fresh=True)
            series = ask_series(target, times, concurrency=2, stop=watch.stop, give_up=2)
            identities = dict.fromkeys(one.identity for one in series.answers if one.identity is not None)
            failures = [one.failure for one in series.answers if one.failure is not None]
            error = failures[0] if failures else None
            if series.answers and not identities:
                error = error or NO_IDENTITY
            return Member(replica.name, tuple(identities), error)

        if not self.pairs:
            return ()
        with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(self.pairs))) as pool:
            return tuple(pool.map(ask, self.pairs))


def met_in_either(members: Sequence[Member], again: Sequence[Member]) -> tuple[Member, ...]:
    """The same replicas with all identities that either round met."""
    return tuple(
        replace(one, identities=tuple(dict.fromkeys((*one.identities, *other.identities))))
        for one, other in zip(members, again, strict=True)
    )
