"""A plan: actions in order, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fleetctl.plan.actions import Action, RemoveReplica
from fleetctl.plan.naming import target, verb


@dataclass(frozen=True, slots=True)
class Step:
    """One action. It begins when every step of `after` succeeded and every step of `behind` ended either way.
    With `only_if_failed` it cleans up: it runs only when one of those steps failed."""

    id: str
    action: Action
    because: str
    after: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    only_if_failed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{verb(self.action)} {target(self.action)}: {self.because}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order that respects their dependencies; false when there is nothing to do."""

    steps: tuple[Step, ...] = ()
    notices: tuple[str, ...] = ()
    """What the user should know though nothing is done about it: orphans, opt-outs."""

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __str__(self) -> str:
        return "".join(f"{step}\n" for step in self.shown())

    def shown(self) -> Iterator[Step]:
        """The steps that change something and will run unless something fails."""
        return (step for step in self.steps if not step.only_if_failed)


@dataclass(slots=True)
class Draft:
    """A plan in the making. Ids are the action's verb and target, made unique by a counter."""

    steps: list[Step] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)

    def add(
        self,
        action: Action,
        because: str,
        *,
        after: tuple[str, ...] = (),
        behind: tuple[str, ...] = (),
        only_if_failed: tuple[str, ...] = (),
    ) -> str:
        """Append a step; returns its id."""
        name = f"{verb(action)} {target(action)}"
        step_id, count = name, 1
        while step_id in self._ids:
            count += 1
            step_id = f"{name} #{count}"
        self._ids.add(step_id)
        self.steps.append(Step(step_id, action, because, after, behind, only_if_failed))
        return step_id

    def removals(self) -> dict[str, str]:
        """The steps so far that remove replicas unless something fails, by the ids of these."""
        return {
            step.action.replica.id: step.id
            for step in self.steps
            if isinstance(step.action, RemoveReplica) and step.action.replica.id and not step.only_if_failed
        }

    def because(self, step_id: str) -> str:
        """The reason of a step."""
        return next(step.because for step in self.steps if step.id == step_id)

    def plan(self) -> Plan:
        return Plan(tuple(self.steps), tuple(self.notices))
