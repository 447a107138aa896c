"""Waits until replicas are ready: not unhealthy, answering HTTP where the service speaks it, else running on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from fleetctl.check.cures import CURE_OF_RELAPSE, cure_of_refusal, cure_of_silence
from fleetctl.check.http import fetch
from fleetctl.check.last_words import Logs, last_words
from fleetctl.check.reach import address_of, why_unreachable
from fleetctl.errors import FleetError
from fleetctl.plan.actions import AwaitReplica
from fleetctl.plan.launch import awaits_health
from fleetctl.spec.wording import counted
from fleetctl.state.observed import Replica

LOOK_EVERY = 0.5
"""Seconds between two looks at the fleet, shared by all replicas that are waited for."""
ASK_EVERY = 0.05
"""Seconds between two HTTP requests to one replica, growing to ASK_SELDOM."""
ASK_SELDOM = 0.25
ASK_TIMEOUT = 5.0
MOST_RESTARTS = 3
"""A replica that the engine has restarted this often while it is waited for is given up."""
SETTLED_AFTER = 1.0
"""Seconds a replica has to run without a restart where neither HTTP nor a health check tells that it works."""


class Source(Logs, Protocol):
    """What readiness needs of an engine."""

    host: str | None
    """The engine's host, None for this one."""

    def observe_replicas(self, fleet_name: str, container_id: str | None = None) -> tuple[Replica, ...]: ...
    def inspect_replica(self, replica: Replica) -> Replica | None: ...


class Rotations(Protocol):
    """Whoever can ask a balancer."""

    def lack(self, balancer: Replica) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Look:
    """What the engine showed at a time (monotonic seconds), or why it could not show anything."""

    at: float
    replicas: tuple[Replica, ...] = ()
    error: FleetError | None = None

    @property
    def age(self) -> float:
        return time.monotonic() - self.at


@dataclass(frozen=True, slots=True)
class Life:
    """One run of a container from start to end, as inspection tells it, and when it was first seen (monotonic)."""

    restarts: int | None
    started: datetime | None
    seen: float


@dataclass(frozen=True, slots=True)
class Lack:
    """What a replica still lacks to be ready; `cure` is what to do about just that, where it is known."""

    told: str
    cure: str = ""


class Readiness:
    """Waits for replicas of one fleet, many at a time from many threads; looks at the engine once for all of them.
    `timeout` is how long one replica may take, in seconds; `stop` ends every wait early; `going` are the steps that
    make containers which are removed again where they do not become ready."""

    def __init__(
        self,
        source: Source,
        fleet_name: str,
        rotations: Rotations,
        *,
        timeout: float,
        stop: threading.Event,
        going: Collection[str] = (),
    ) -> None:
        self.source = source
        self.fleet_name = fleet_name
        self.rotations = rotations
        self.timeout = timeout
        self.stop = stop
        self.going = going
        self._lock = threading.Lock()
        self._latest = Look(float("-inf"))

    def wait(self, action: AwaitReplica, progress: Callable[[str], None]) -> None:
        """Return when the replica is ready, or has completed where that is asked for, and has stayed so for `monitor`
        seconds, with HTTP for two answers in a row: a server may give one and die. Raises FleetError with the replica's
        last log lines when it cannot or does not become ready."""
        began = time.monotonic()
        deadline = began + self.timeout
        pause, ready_since = ASK_EVERY, began if action.seen else None
        stay = action.monitor or (ASK_EVERY if action.service.http else 0.0)
        last = Lack("it has not answered yet")
        life: Life | None = None
        restarts: int | None = None
        look = self.look_at_one(action)
        while not self.stop.is_set():
            replica = find(action, look)
            restarts = self.refuse_hopeless(action, replica, restarts)
            if is_completed(replica):
                return
            verdict = self.judge(action, replica)
            if verdict is None and is_mute(action, replica):
                life, verdict = self.settle(replica, life)
            relapsed = verdict is not None and ready_since is not None and action.monitor > 0
            if verdict is None:
                if ready_since is None:
                    ready_since, pause, action = time.monotonic(), ASK_EVERY, replace(action, seen=True)
                if not action.completed and time.monotonic() - ready_since >= stay:
                    return
                progress("ready, monitored" if action.monitor else "ready")
            else:
                ready_since, last = None, verdict
                progress(verdict.told)
            if relapsed or time.monotonic() > deadline + (stay if ready_since else 0):
                # Whatever came of the question, the container may have ended while it was asked.
                replica = find(action, self.look_at_one(action))
                self.refuse_hopeless(action, replica, restarts)
                if is_completed(replica):
                    return
                raise self.given_up(action, replica, last, relapsed=relapsed)
            self.stop.wait(pause)
            pause = min(pause * 1.3, ASK_SELDOM)
            if look.age > LOOK_EVERY:
                look = self.look_at_all()

    def look_at_one(self, action: AwaitReplica) -> Look:
        """The first look, which has to be newer than the replica's start: at this one only, since many replicas start
        one soon after the other, and a list of all of them for each would cost more than the starts. So is the last."""
        at = time.monotonic()
        return Look(at, self.source.observe_replicas(self.fleet_name, action.replica.id))

    def look_at_all(self) -> Look:
        """The latest look at the whole fleet; a new one when that is LOOK_EVERY old. One that fails, fails for all who
        wait for it: a hung engine costs the patience of one, not of each after the other."""
        with self._lock:
            if self._latest.age > LOOK_EVERY:
                self._latest = self.look_anew()
            if self._latest.error is not None:
                raise self._latest.error
            return self._latest

    def look_anew(self) -> Look:
        """A failure is as old as its end, so that it is news to those who waited meanwhile."""
        at = time.monotonic()
        try:
            return Look(at, self.source.observe_replicas(self.fleet_name))
        except FleetError as error:
            return Look(time.monotonic(), error=error)

    def judge(self, action: AwaitReplica, replica: Replica) -> Lack | None:
        """None when the replica is ready, else what it still lacks."""
        service = action.service
        if replica.state != "running":
            return Lack(f"it is {replica.state}")
        asked = bool(service.balance) or (service.http is not None and not awaits_health(service))
        if replica.health == "unhealthy" and not (action.woken and asked):
            return Lack("its health check fails, as the engine last found")
        if service.balance:
            told = self.rotations.lack(replica)
            return Lack(told) if told else None
        if replica.health == "starting" and (awaits_health(service) or service.http is None):
            return Lack("its health check has not passed yet")
        return self.ask(action, replica)

    def ask(self, action: AwaitReplica, replica: Replica) -> Lack | None:
        """None when the health path answers with success, or when the service does not speak HTTP."""
        service = action.service
        if service.http is None:
            return None
        host = self.source.host
        address = address_of(replica, service.http, host)
        if address is None:
            why = why_unreachable(replica, service.http, host)
            if host is None:
                return Lack(why)
            # The ports of a replica that runs are all there are: no use in waiting.
            raise FleetError(
                f"{replica.name}: {why}",
                hint=f"publish it in services.{service.name}.ports on an address that can be reached, for example "
                f'"0.0.0.0:8081-8090:{service.http.port}", or run fleetctl on the engine\'s host',
            )
        reply = fetch(*address, service.http.health_path, timeout=min(ASK_TIMEOUT, self.timeout))
        if reply.refused:
            when = "any more" if action.seen else "yet"
            return Lack(f"nothing listens on {address[0]}:{address[1]} {when}", cure_of_silence(service, service.http))
        if reply.answered:
            return None
        if reply.error is not None:
            return Lack(f"GET {reply.url}: {reply.error}")
        return Lack(f"GET {reply.url}: HTTP {reply.status}", cure_of_refusal(service, service.http))

    def settle(self, replica: Replica, life: Life | None) -> tuple[Life, Lack | None]:
        """The replica's present life, and why that is too short a time to call it ready; None when it is not. A list
        shows a replica that crashes at every start as running, too: only its restarts tell."""
        now = time.monotonic()
        if life is not None and now - life.seen < SETTLED_AFTER:
            return life, Lack("it has only just started")
        found = self.source.inspect_replica(replica) or replica
        if life is not None and (life.restarts, life.started) == (found.restarts, found.started):
            return life, None
        told = "it has only just started" if life is None else "it restarted"
        return Life(found.restarts, found.started, now), Lack(told)

    def refuse_hopeless(self, action: AwaitReplica, replica: Replica, restarts: int | None) -> int | None:
        """Raise FleetError for a replica that has ended, or that the engine restarts again and again. `restarts` is how
        many there were when it was first seen restarting, None before that; returns the same for the next look."""
        if replica.state in ("exited", "dead") and not is_completed(replica):
            inspected = self.source.inspect_replica(replica)
            raise self.ended(action, f"exited with code {replica.exit_code}", replica, inspected)
        if is_completed(replica) and not may_complete(action):
            raise self.failed(action, "exited with code 0 and is not meant to end")
        if replica.state == "restarting":
            inspected = self.source.inspect_replica(replica)
            now = (inspected.restarts if inspected is not None else None) or 0
            restarts = now if restarts is None else restarts
            if now - restarts >= MOST_RESTARTS:
                raise self.ended(action, f"exits again and again (code {replica.exit_code})", replica, inspected)
        return restarts

    def given_up(self, action: AwaitReplica, replica: Replica, last: Lack, *, relapsed: bool) -> FleetError:
        """The error for a replica whose time is up, or that was ready and is not any more."""
        lack = self.restarted(action, replica, last)
        if relapsed:
            return self.failed(action, f"did not stay ready: {lack.told}", CURE_OF_RELAPSE)
        waited = f"(waited {self.timeout:g} s)"
        if action.completed:
            return self.failed(action, f"has not completed {waited}")
        return self.failed(action, f"is not ready: {lack.told} {waited}", last.cure)

    def restarted(self, action: AwaitReplica, replica: Replica, last: Lack) -> Lack:
        """What a replica lacks; of one that was made for this, with how often it has ended, which explains the rest."""
        inspected = self.source.inspect_replica(replica) if action.replica.made_by else None
        times = inspected.restarts if inspected is not None else None
        return Lack(f"{last.told}; it has ended and was started again {counted(times, 'time')}") if times else last

    def ended(self, action: AwaitReplica, what: str, listed: Replica, inspected: Replica | None) -> FleetError:
        """The error for a replica that does not run any more; names the kernel where that killed it, or may have."""
        facts = inspected.inspection if inspected is not None else None
        told = facts.want_of_memory(listed.exit_code) if facts is not None else None
        if facts is None or told is None:
            return self.failed(action, what)
        limit = f", its limit is {facts.memory / 2**20:g} MiB" if facts.memory else ""
        cure = f"raise services.{action.service.name}.deploy.resources.limits.memory, or let the server need less"
        return self.failed(action, f"{what}: {told}{limit}", cure)

    def failed(self, action: AwaitReplica, what: str, cure: str = "") -> FleetError:
        return last_words(self.source, action, self.going, what, cure)


def is_mute(action: AwaitReplica, replica: Replica) -> bool:
    """Whether nothing but going on running tells that the replica works."""
    service = action.service
    return service.http is None and not service.balance and replica.health == "none" and not action.completed


def find(action: AwaitReplica, look: Look) -> Replica:
    """The replica in a look. Raises FleetError when it is not there."""
    for replica in look.replicas:
        if replica.id == action.replica.id:
            return replica
    raise FleetError(
        f"{action.replica.name} vanished while it was waited for", hint="run the command again: it is made anew"
    )


def is_completed(replica: Replica) -> bool:
    return replica.state == "exited" and replica.exit_code == 0


def may_complete(action: AwaitReplica) -> bool:
    """Whether exit code 0 is success: somebody waits for it, or nothing says that the service keeps running."""
    service = action.service
    return action.completed or (service.http is None and service.restart.name in ("no", "on-failure"))
