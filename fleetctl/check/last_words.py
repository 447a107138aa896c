"""What is told of a replica that did not become ready: most where its container goes, and its log with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fleetctl.check.cures import next_step
from fleetctl.errors import FleetError
from fleetctl.plan.actions import AwaitReplica, RemoveReplica
from fleetctl.plan.steps import Plan

LINES = 10
"""Of the log of a container that stays."""
PARTING_LINES = 30
"""Of that of one that goes."""


class Logs(Protocol):
    """Whoever has the containers' logs."""

    def last_lines(self, container_id: str, count: int) -> tuple[str, ...]: ...


def bound_to_go(plan: Plan) -> set[str]:
    """The steps that make containers which the plan removes again where they do not become ready."""
    awaited = {step.id: step.action.replica for step in plan.steps if isinstance(step.action, AwaitReplica)}
    gone = ((step.action, step.only_if_failed) for step in plan.steps if isinstance(step.action, RemoveReplica))
    return {
        action.replica.made_by
        for action, failed in gone
        if action.replica.made_by and any(awaited.get(one) == action.replica for one in failed)
    }


def last_words(logs: Logs, action: AwaitReplica, going: Collection[str], what: str, cure: str = "") -> FleetError:
    """The error for a replica that did not become ready, with its last log lines. `going` is as `bound_to_go` says."""
    goes = action.replica.made_by in going
    lines = logs.last_lines(action.replica.id or "", PARTING_LINES if goes else LINES)
    told = "\n".join(f"    {line}" for line in lines) if lines else "    (it has logged nothing)"
    step = next_step(action.service, cure, lines, stays=not goes)
    return FleetError(f"{action.replica.name} {what}; its last log lines:\n{told}", hint=step)
