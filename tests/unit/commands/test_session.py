"""How a run ends, and when it asks before it begins."""

from __future__ import annotations

import signal

import pytest

from fleetctl.commands.session import conclude, outage
from fleetctl.errors import FleetError, Interrupted, VerificationFailed
from fleetctl.plan.actions import Action, CreateNetwork, PullImage, Ref, RemoveNetwork, RemoveReplica
from fleetctl.plan.outcome import RunReport, StepResult
from fleetctl.plan.steps import Plan, Step
from fleetctl.spec.model import Network


def step(name: str) -> Step:
    return Step(name, PullImage(name), "a test")


FAILED = StepResult(step("one"), "failed", error=FleetError("one failed"))
WRONG = StepResult(step("two"), "failed", error=VerificationFailed("two is wrong"))
DONE = StepResult(step("three"), "done")
LEFT = StepResult(step("four"), "skipped")


def test_what_failed_before_an_interruption_is_shown_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Interrupted) as caught:
        conclude(RunReport((FAILED, WRONG, DONE, LEFT), interrupted=True), signal.SIGINT, "up")

    assert capsys.readouterr().err == "error: one failed\nerror: two is wrong\n"
    assert caught.value.message == "interrupted after 1 steps; 2 failed; 1 left: pull image four"
    assert caught.value.exit_code == 130


def test_of_several_failures_the_gravest_ends_the_run_and_the_others_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(VerificationFailed, match="two is wrong"):
        conclude(RunReport((WRONG, FAILED, FAILED, DONE)), 0, "up")

    assert capsys.readouterr().err == "error: one failed\n"


def test_a_run_without_failures_ends_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    conclude(RunReport((DONE,)), 0, "up")

    assert capsys.readouterr().err == ""


REMOVE = Step("remove", RemoveNetwork(Ref("f_lan", id="1")), "networks.lan.internal changed")
CREATE = Step(
    "create", CreateNetwork("f", Network("lan", "f_lan"), (), {}), "networks.lan.internal changed", after=("remove",)
)


def removal(*only_if_failed: str) -> Step:
    action: Action = RemoveReplica(Ref("f-web-1", id="2"))
    return Step("gone", action, "a test", only_if_failed=only_if_failed)


@pytest.mark.parametrize(
    ("steps", "asked"),
    [
        ((removal(), REMOVE, CREATE), [REMOVE]),
        ((removal("create"), REMOVE, CREATE), []),
        ((removal(), REMOVE), []),
        ((REMOVE, CREATE), []),
    ],
    ids=["made anew", "replicas removed only after a failure", "a network too many", "no replica yet"],
)
def test_an_outage_is_a_network_made_anew_while_replicas_are_gone(steps: tuple[Step, ...], asked: list[Step]) -> None:
    assert outage(Plan(steps)) == asked
