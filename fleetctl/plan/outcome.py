"""What became of a plan: events while it runs, and a report at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fleetctl.errors import FleetError, SubnetTaken
from fleetctl.plan.actions import CreateNetwork
from fleetctl.plan.steps import Step
from fleetctl.state.rotation import Traffic

Status = Literal["done", "failed", "skipped", "not needed"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a step; `detail` is one line of progress and may hold text of the engine's."""

    step: Step
    kind: Literal["started", "progress", "done", "failed", "skipped"]
    detail: str = ""


Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a step ended. `made` is the id of what it made; `told` is what else is worth knowing of a step that is done;
    `error` is set when it failed; `skipped_for` names the step that failed before it."""

    step: Step
    status: Status
    made: str = ""
    told: str = ""
    error: FleetError | None = None
    skipped_for: str | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """All results in the order in which the steps ended; `interrupted` when a signal stopped the run; `rolled_back` are
    the services whose update failed and whose former release serves again; `errors` are failures of no step; `traffic`
    is what each balancer counted meanwhile, by its name, where something was changed in its rotation."""

    results: tuple[StepResult, ...] = ()
    interrupted: bool = False
    rolled_back: tuple[str, ...] = ()
    errors: tuple[FleetError, ...] = ()
    traffic: Mapping[str, Traffic] = field(default_factory=dict)

    @property
    def failures(self) -> tuple[StepResult, ...]:
        return tuple(result for result in self.results if result.status == "failed")

    @property
    def lost_subnets(self) -> set[str]:
        """The subnets that another network took first. The engine shows that network only once it is complete, which
        can take seconds: until then a look tells nothing of it."""
        return {
            entry.subnet
            for failure in self.failures
            if isinstance(failure.error, SubnetTaken) and isinstance(failure.step.action, CreateNetwork)
            for entry in failure.step.action.subnets
        }

    @property
    def changed(self) -> bool:
        """Whether anything was really done."""
        return any(result.status == "done" for result in self.results)

    def __add__(self, other: RunReport) -> RunReport:
        return RunReport(
            self.results + other.results,
            self.interrupted or other.interrupted,
            self.rolled_back + other.rolled_back,
            self.errors + other.errors,
            {**self.traffic, **other.traffic},
        )
