"""What is shown of a plan while it runs."""

from __future__ import annotations

from fleetctl.plan.actions import AwaitReplica, PullImage, Ref
from fleetctl.plan.outcome import Event
from fleetctl.plan.steps import Plan, Step
from fleetctl.spec.model import Service
from fleetctl.view.progress import Progress, done_text


def test_the_head_counts_the_steps_that_ended_and_no_clean_up() -> None:
    first, second = Step("a", PullImage("a"), "a test"), Step("b", PullImage("b"), "a test")
    clean = Step("c", PullImage("c"), "a test", only_if_failed=("b",))
    progress = Progress()
    progress.prepare(Plan((first, second, clean)))
    for step in (first, clean):
        progress(Event(step, "started"))
        progress(Event(step, "done"))
    assert (progress.ended, progress.total) == (1, 2)


def test_what_was_done_is_told_in_the_past_also_where_a_verb_has_two_words() -> None:
    assert [done_text(verb) for verb in ("create network", "add server", "drain server", "stop")] == [
        "created network",
        "in rotation",
        "out of rotation",
        "stopped",
    ]


def test_who_is_watched_after_it_was_ready_is_not_counted_as_ready_again() -> None:
    """Or three replicas would be "ready 6"."""
    progress = Progress()
    for seen in (False, True):
        for number in range(3):
            action = AwaitReplica(Ref(f"f-web-{number}"), Service("web", "i"), monitor=1.0, seen=seen)
            progress(Event(Step(f"{number} {seen}", action, "a test"), "done"))
    assert progress.summary().startswith("ready 3, watched 3 in ")
