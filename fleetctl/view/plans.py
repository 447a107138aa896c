"""A plan for people: one line per thing that is done."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.plan.actions import AddServer, CreateReplica, DrainServer, RenameReplica
from fleetctl.plan.naming import target, verb
from fleetctl.plan.rollout import NEXT
from fleetctl.plan.steps import Plan
from fleetctl.view.tables import Column, show_table


def show_plan(plan: Plan) -> None:
    """One line per thing that is done: what, to what, why. The steps of a replacement are one line."""
    show_table(
        (Column("ACTION"), Column("TARGET"), Column("BECAUSE", spare=1, fold=True)),
        [(what, name, because) for (name, because), what in summarize(plan).items()],
    )


def summarize(plan: Plan) -> dict[tuple[str, str], str]:
    """(target, reason) -> the verb that says it all: a container that is created and one of the same name that is
    removed for the same reason is replaced; creating and starting imply coming into rotation, removing and
    stopping imply leaving it."""
    fresh = {target(step.action) for step in plan.shown() if isinstance(step.action, CreateReplica)}
    verbs: dict[tuple[str, str], list[str]] = {}
    for step in plan.shown():
        action, name = step.action, target(step.action)
        if isinstance(action, AddServer | DrainServer):
            name = action.replica.name.removesuffix(NEXT) if action.replica.name in fresh else action.replica.name
        elif isinstance(action, RenameReplica) and action.replica.name in fresh:
            name = action.container_name
        elif name in fresh:
            name = name.removesuffix(NEXT)
        verbs.setdefault((name, step.because), []).append(verb(action))
    return {key: sum_up(done) for key, done in verbs.items()}


def sum_up(verbs: Sequence[str]) -> str:
    if "create" in verbs and "remove" in verbs:
        return "replace"
    telling = ("create", "remove", "start", "unpause", "stop", "add server", "drain server")
    return next((verb for verb in telling if verb in verbs), verbs[0])
