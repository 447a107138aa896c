"""Carries out a plan: every step as soon as those before it are through, several at a time; it never decides."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import fields, replace
from typing import Protocol

from fleetctl.errors import FleetError
from fleetctl.plan.actions import (
    Action,
    AddServer,
    AwaitReplica,
    ConfigureBalancer,
    Delay,
    DrainServer,
    Ref,
    RemoveReplica,
    RestartReplica,
    RotationAction,
    StopReplica,
    Tally,
)
from fleetctl.plan.outcome import Event, Listener, RunReport, StepResult
from fleetctl.plan.steps import Plan, Step

WORKERS = 8
"""Engine calls at a time: 4 to 16 are equally quick on one host, one at a time is half as quick."""
WAITERS = 64
"""Replicas waited for, or told to stop, at a time; waiting costs next to nothing and must not hold up a start."""
POLL = 0.2
"""Seconds after which a request to stop is noticed at the latest."""


WAITING = (AwaitReplica, Delay, AddServer, DrainServer, ConfigureBalancer, StopReplica)
"""What waits most of its time: a stop for as long as its replica's grace."""
ENDING = (StopReplica, RestartReplica, RemoveReplica)
"""What ends a container's processes: a balancer waits for all who speak with it, fleetctl among them."""


class Applier(Protocol):
    """The part of an engine that acts."""

    def apply(self, action: Action) -> str: ...


class Gate(Protocol):
    """Whoever knows when a replica is ready."""

    def wait(self, action: AwaitReplica, progress: Callable[[str], None]) -> None: ...


class Rotations(Protocol):
    """Whoever brings replicas into a balancer's rotation and out of it, which `apply` returns what is worth telling of,
    and ends a conversation with a container, if there is one."""

    def apply(self, action: RotationAction, progress: Callable[[str], None]) -> str: ...
    def forget(self, container_id: str) -> None: ...


def execute(
    plan: Plan,
    engine: Applier,
    gate: Gate,
    rotations: Rotations,
    listener: Listener,
    *,
    workers: int = WORKERS,
    stop: threading.Event | None = None,
) -> RunReport:
    """Run the plan to its end, or until `stop` is set: then nothing new begins and what runs is waited for. A step
    that fails takes those that need it with it; the others go on."""
    return Run(plan, engine, gate, rotations, listener, stop or threading.Event()).go(workers)


class Run:
    """One execution of one plan."""

    def __init__(
        self,
        plan: Plan,
        engine: Applier,
        gate: Gate,
        rotations: Rotations,
        listener: Listener,
        stop: threading.Event,
    ) -> None:
        self.plan = plan
        self.engine = engine
        self.gate = gate
        self.rotations = rotations
        self.listener = listener
        self.stop = stop
        self.results: dict[str, StepResult] = {}

    def go(self, workers: int) -> RunReport:
        """Start what is ready, collect what ends, until nothing is left."""
        waiting = list(self.plan.steps)
        running: set[Future[StepResult]] = set()
        with ThreadPoolExecutor(workers) as callers, ThreadPoolExecutor(WAITERS) as waiters:
            while waiting or running:
                ready = [] if self.stop.is_set() else [step for step in waiting if self.is_ready(step)]
                for step in ready:
                    waiting.remove(step)
                    reason = self.reason_to_skip(step)
                    if reason is not None:
                        self.finish(reason)
                        continue
                    pool = waiters if isinstance(step.action, WAITING) else callers
                    running.add(pool.submit(self.perform, step))
                if ready and not running:
                    continue
                if not running:
                    break
                done, running = wait(running, timeout=POLL, return_when=FIRST_COMPLETED)
                for future in done:
                    self.finish(future.result())
        for step in waiting:
            self.finish(StepResult(step, "skipped"))
        return RunReport(tuple(self.results.values()), interrupted=self.stop.is_set())

    def is_ready(self, step: Step) -> bool:
        """Whether everything before the step has ended, one way or another."""
        return all(before in self.results for before in (*step.after, *step.behind))

    def reason_to_skip(self, step: Step) -> StepResult | None:
        """The result of a step that will not run, None when it will."""
        if step.only_if_failed and all(self.results[one].status != "failed" for one in step.only_if_failed):
            return StepResult(step, "not needed")
        for before in step.after:
            result = self.results[before]
            if result.status in ("failed", "skipped"):
                return StepResult(step, "skipped", skipped_for=result.skipped_for or before)
        return None

    def perform(self, step: Step) -> StepResult:
        """Do one step, in a thread of its own."""
        self.listener(Event(step, "started"))
        try:
            action = self.bind(step.action)
            if isinstance(action, AwaitReplica):
                self.gate.wait(action, lambda detail: self.listener(Event(step, "progress", detail)))
            elif isinstance(action, Delay):
                self.stop.wait(action.seconds)
            elif isinstance(action, Tally):
                self.tally(action)
            elif isinstance(action, RotationAction):
                told = self.rotations.apply(action, lambda detail: self.listener(Event(step, "progress", detail)))
                if not self.stop.is_set():
                    return StepResult(step, "done", told=told)
            else:
                if isinstance(action, ENDING) and action.replica.id:
                    self.rotations.forget(action.replica.id)
                said = self.engine.apply(action)
                if isinstance(action, StopReplica | RestartReplica):
                    return StepResult(step, "done", told=said)
                return StepResult(step, "done", made=said)
        except FleetError as error:
            return StepResult(step, "failed", error=error)
        if self.stop.is_set():
            return StepResult(step, "skipped")
        return StepResult(step, "done")

    def tally(self, action: Tally) -> None:
        """Raise FleetError when more new replicas failed than may."""
        lost = sum(self.results[one].status != "done" for one in action.serving)
        if lost > action.tolerated:
            raise FleetError(
                f"{lost} of the {action.replicas} replicas of {action.service_name} could not be replaced, and "
                f"max_failure_ratio tolerates {action.tolerated}: the others stay as they are"
            )

    def bind(self, action: Action) -> Action:
        """The action with the ids of what earlier steps made."""
        known = {
            field.name: replace(value, id=self.results[value.made_by].made)
            for field in fields(action)
            if isinstance(value := getattr(action, field.name), Ref) and value.made_by is not None
        }
        return replace(action, **known) if known else action  # type: ignore[arg-type]  # a union of dataclasses

    def finish(self, result: StepResult) -> None:
        """Take down how a step ended and tell the listener."""
        self.results[result.step.id] = result
        match result.status:
            case "done":
                self.listener(Event(result.step, "done", result.told))
            case "failed":
                self.listener(Event(result.step, "failed", str(result.error)))
            case "skipped":
                self.listener(Event(result.step, "skipped"))
