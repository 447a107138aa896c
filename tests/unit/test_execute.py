"""The executor: order, failures, clean-up steps and stopping."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fleetctl.errors import FleetError
from fleetctl.execute import execute
from fleetctl.plan.actions import Action, AwaitReplica, PullImage, Ref, StartReplica, StopReplica
from fleetctl.plan.naming import verb
from fleetctl.plan.outcome import Event, RunReport
from fleetctl.plan.steps import Plan, Step


class Recorder:
    """An engine that writes down what it is asked, fails where told, and calls back."""

    def __init__(self, failing: tuple[str, ...] = (), then: Callable[[str], None] = lambda name: None) -> None:
        self.failing = failing
        self.then = then
        self.asked: list[str] = []
        self.ids: list[str | None] = []

    def apply(self, action: Action, progress: Callable[[str], None] | None = None) -> str:
        name = action.reference if isinstance(action, PullImage) else verb(action)
        self.ids.append(action.replica.id if isinstance(action, StartReplica) else None)
        self.asked.append(name)
        self.then(name)
        if name in self.failing:
            raise FleetError(f"{name} failed")
        return f"id of {name}"

    def wait(self, action: AwaitReplica, progress: Callable[[str], None]) -> None:
        raise AssertionError("nothing is awaited here")

    def forget(self, container_id: str) -> None:
        self.asked.append(f"forget {container_id}")


def step(name: str, after: tuple[str, ...] = (), behind: tuple[str, ...] = (), cleans: tuple[str, ...] = ()) -> Step:
    return Step(name, PullImage(name), "a test", after, behind, cleans)


def run(recorder: Recorder, *steps: Step, stop: threading.Event | None = None) -> RunReport:
    return execute(Plan(steps), recorder, recorder, recorder, lambda event: None, workers=4, stop=stop)


def statuses(report: RunReport) -> dict[str, str]:
    return {result.step.id: result.status for result in report.results}


def test_a_step_begins_after_those_it_needs() -> None:
    """A chain runs in order even with several workers."""
    recorder = Recorder()
    run(recorder, step("a"), step("b", after=("a",)), step("c", after=("b",)))
    assert recorder.asked == ["a", "b", "c"]


def test_steps_that_need_nothing_of_each_other_run_side_by_side() -> None:
    """Two steps meet at a barrier that only both together can pass."""
    barrier = threading.Barrier(2, timeout=10)

    def meet(name: str) -> None:
        barrier.wait()

    report = run(Recorder(then=meet), step("a"), step("b"))
    assert statuses(report) == {"a": "done", "b": "done"}


def test_replicas_use_up_their_grace_side_by_side_however_few_workers_there_are() -> None:
    """As many as a fleet has at most meet at a barrier that only all together can pass."""
    barrier = threading.Barrier(60, timeout=10)
    stops = [Step(f"{number}", StopReplica(Ref(f"web-{number}", id="x"), grace=10), "a test") for number in range(60)]

    def meet(name: str) -> None:
        barrier.wait()

    report = run(Recorder(then=meet), *stops)
    assert set(statuses(report).values()) == {"done"}


def test_a_failure_skips_what_needs_it_and_nothing_else() -> None:
    """Partial failure is data: done, failed, or skipped because of the step before it."""
    recorder = Recorder(failing=("a",))
    report = run(recorder, step("a"), step("b", after=("a",)), step("c", after=("b",)), step("d"))
    assert statuses(report) == {"a": "failed", "b": "skipped", "c": "skipped", "d": "done"}
    assert {result.step.id: result.skipped_for for result in report.results}["c"] == "a"


def test_a_step_behind_another_runs_whatever_became_of_it() -> None:
    """`behind` is order without need."""
    report = run(Recorder(failing=("a",)), step("a"), step("b", behind=("a",)))
    assert statuses(report)["b"] == "done"


def test_a_clean_up_step_runs_only_when_its_step_failed() -> None:
    """It is not needed otherwise, and the report says so."""
    assert statuses(run(Recorder(), step("a"), step("clean", behind=("a",), cleans=("a",))))["clean"] == "not needed"
    failed = run(Recorder(failing=("a",)), step("a"), step("clean", behind=("a",), cleans=("a",)))
    assert statuses(failed)["clean"] == "done"


def test_ids_of_what_was_made_reach_later_steps() -> None:
    """A reference by step becomes a reference by id."""
    recorder = Recorder()
    start = Step("s", StartReplica(Ref("web-1", made_by="a")), "a test", after=("a",))
    run(recorder, step("a"), start)
    assert recorder.ids == [None, "id of a"]


def test_stopping_finishes_what_has_begun_and_begins_nothing_new() -> None:
    """The rest is skipped and the report says that the run was interrupted."""
    stop = threading.Event()
    recorder = Recorder(then=lambda name: stop.set())
    report = run(recorder, step("a"), step("b", after=("a",)), step("c", after=("b",)), stop=stop)
    assert report.interrupted
    assert statuses(report) == {"a": "done", "b": "skipped", "c": "skipped"}


def test_every_step_is_told_from_start_to_end() -> None:
    """The listener hears started and done, failed or skipped."""
    heard: list[tuple[str, str]] = []

    def listen(event: Event) -> None:
        heard.append((event.step.id, event.kind))

    recorder = Recorder(failing=("b",))
    execute(Plan((step("a"), step("b", after=("a",)), step("c", after=("b",)))), recorder, recorder, recorder, listen)
    assert heard == [("a", "started"), ("a", "done"), ("b", "started"), ("b", "failed"), ("c", "skipped")]


def test_a_conversation_with_a_container_ends_before_the_container_is_told_to() -> None:
    """HAProxy waits for all who speak with it, also for fleetctl's own session with its admin socket."""
    recorder = Recorder()
    run(recorder, Step("stop", StopReplica(Ref("balancer", id="b1")), "a test"))
    assert recorder.asked == ["forget b1", "stop"]
