"""The steps that bring one new replica to life, and what they need to know of its service."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fleetctl.errors import FleetError
from fleetctl.plan.actions import (
    AwaitReplica,
    ConfigureBalancer,
    ConnectNetwork,
    CreateReplica,
    Ref,
    RemoveReplica,
    StartReplica,
)
from fleetctl.plan.order import is_one_shot
from fleetctl.plan.reasons import changed_keys
from fleetctl.plan.rotation import Pools, plan_entry
from fleetctl.plan.steps import Draft
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.balance import CONFIGURATION
from fleetctl.spec.model import Fleet, Membership, Service
from fleetctl.state.observed import ObservedImage, Release, Replica


@dataclass(frozen=True, slots=True)
class ServiceWork:
    """One service with all that its steps need."""

    fleet: Fleet
    service: Service
    image: ObservedImage
    network_refs: Mapping[str, Ref]
    digests: Mapping[str, str]
    """What a replica of the service would be made from today."""
    wishes: Wishes
    after: tuple[str, ...] = ()
    pools: Pools = ()
    """Where its replicas are in rotation."""
    telling: Collection[str] = ()
    """The ids of balancers that answer."""
    balanced: tuple[str, ...] = ()
    """Of a balancer: the steps of the services that it is to balance, or still does."""
    previous: Release | None = None
    """What today's release is to replace."""
    needed: bool = False
    """Whether other services wait for this one, so that running replicas have to be awaited, too."""

    def container_name(self, number: int) -> str:
        return f"{self.fleet.name}-{self.label(number)}"

    def label(self, number: int) -> str:
        return f"{self.service.name}-{number}"

    def creation(self, number: int, container_name: str) -> CreateReplica:
        """What makes one replica, in the first of its networks. Raises FleetError for a balancer whose image
        is none."""
        service = self.service
        if service.balance:
            refuse_other_than_balancer(service, self.image)
        first = next(iter(service.networks), None)
        return CreateReplica(
            fleet=self.fleet.name,
            service=service,
            number=number,
            container_name=container_name,
            image_id=self.image.id,
            digests=self.digests,
            network=self.network_refs[first] if first else None,
            membership=service.networks[first] if first else Membership(),
            user=service.user or (None if self.image.user else service.default_user),
            volumes={key: volume.engine_name for key, volume in self.fleet.volumes.items()},
            previous=self.previous,
            restored=self.wishes.restoring,
        )


def refuse_other_than_balancer(service: Service, image: ObservedImage) -> None:
    """Raise FleetError for an image that keeps no balancer's settings, before its predecessor is gone for it."""
    if image.volumes is not None and CONFIGURATION not in image.volumes:
        raise FleetError(
            f"{image.reference}, the image of {service.name}, is no balancer: it has no volume {CONFIGURATION}",
            hint="the image of a balancer is made from images/balancer: build it from there",
        )


@dataclass(frozen=True, slots=True)
class Outdated:
    """A replica to be replaced, why, and the steps that have to be through first."""

    replica: Replica
    because: str
    after: tuple[str, ...] = ()


@dataclass(slots=True)
class Reached:
    """What the steps of one service come to: those that start its replicas, those that wait for them, those that clear
    up after an interrupted update, the ids of replicas that these bring into rotation, the ids of those that stay,
    those that are made where there is none, and the outdated replicas that are still to be replaced."""

    started: list[str] = field(default_factory=list)
    ready: list[str] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)
    entering: set[str] = field(default_factory=set)
    staying: set[str] = field(default_factory=set)
    made: list[Launch] = field(default_factory=list)
    outdated: list[Outdated] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Launch:
    """The ids of the steps that create, start and await one new replica, and of the last one: then it does its work, in
    rotation wherever its service is balanced, and was watched as long as the update policy asks for."""

    create: str
    before_start: tuple[str, ...]
    """What comes between the two."""
    start: str
    cleared: str
    """Removes it again where it could not be started."""
    ready: str
    serving: str
    trials: tuple[str, ...]
    """All that it can fail at once it has started."""
    replica: Ref


def plan_launch(
    draft: Draft,
    work: ServiceWork,
    number: int,
    because: str,
    *,
    after: tuple[str, ...] = (),
    behind: tuple[str, ...] = (),
    container_name: str | None = None,
    monitor: float = 0.0,
) -> Launch:
    """Add the steps that create, connect, start and await one replica, and bring it into rotation. It is watched for
    `monitor` seconds where it does its work: in rotation, if there is one."""
    service = work.service
    creation = work.creation(number, container_name or work.container_name(number))
    create = draft.add(creation, because, after=work.after + after, behind=behind)
    made = Ref(creation.container_name, made_by=create)
    prepared: list[str] = []
    for key in list(service.networks)[1:]:
        connection = ConnectNetwork(made, work.network_refs[key], service.name, service.networks[key])
        named = f"services.{service.name}.networks names {key}"
        prepared.append(draft.add(connection, named, after=(create, *prepared[-1:])))
    if service.balance:
        # It finds its servers when it starts, whatever became of the services that it balances.
        settled = ConfigureBalancer(made, service.balance)
        prepared.append(draft.add(settled, because, after=(create, *prepared[-1:]), behind=work.balanced))
    start = draft.add(StartReplica(made), because, after=(create, *prepared[-1:]))
    may_fail = (*prepared, start)
    cleared = draft.add(RemoveReplica(made), "it could not be started", behind=may_fail, only_if_failed=may_fail)
    ready = add_await(draft, work, made, because, after=(start,), monitor=0.0 if work.pools else monitor)
    entered = plan_entry(draft, work.pools, work.label(number), made, because, after=(ready,))
    trials = (ready, *entered)
    if entered and (monitor or len(entered) > 1):
        trials += (add_await(draft, work, made, because, after=entered, monitor=monitor, seen=True),)
    return Launch(create, tuple(prepared), start, cleared, ready, trials[-1], trials, made)


def plan_comeback(
    draft: Draft, work: ServiceWork, old: Replica, *, failed: tuple[str, ...], behind: tuple[str, ...]
) -> tuple[str, ...]:
    """Add the steps that let a replica serve again which was stopped for a successor, where one of the steps in
    `failed` has; returns them."""
    if is_one_shot(work.fleet, work.service):
        return ()  # it would do its work a second time
    because = "its successor did not become ready"
    steps: tuple[str, ...] = (draft.add(StartReplica(ref(old)), because, behind=behind, only_if_failed=failed),)
    if work.service.balance:
        # Whoever goes on asks it who is in its rotation.
        awaited = AwaitReplica(ref(old), work.service)
        steps += (draft.add(awaited, because, after=steps, only_if_failed=failed),)
    label = work.label(old.number)
    return steps + plan_entry(draft, work.pools, label, ref(old), because, after=steps, only_if_failed=failed)


def add_await(
    draft: Draft,
    work: ServiceWork,
    replica: Ref,
    because: str,
    *,
    after: tuple[str, ...] = (),
    monitor: float = 0.0,
    seen: bool = False,
    woken: bool = False,
) -> str:
    """Add the step that waits until the replica is ready, or has completed when the service is meant to."""
    completed = is_one_shot(work.fleet, work.service)
    awaited = AwaitReplica(replica, work.service, completed=completed, monitor=monitor, seen=seen, woken=woken)
    return draft.add(awaited, because, after=after)


def awaits_health(service: Service) -> bool:
    """Whether the file itself declares a health check: then ready means that the engine calls it healthy. An image's
    own check, often seconds apart, only has to not fail where HTTP tells readiness at once."""
    check = service.healthcheck
    return check is not None and check.test is not None and not check.disable


def is_outdated(replica: Replica, digests: Mapping[str, str]) -> bool:
    return bool(changed_keys(replica.digests, digests))


def newest(replicas: Sequence[Replica]) -> Replica | None:
    """The one that was made last, as far as whole seconds tell; of several one that followed another release."""
    return max(replicas, key=lambda one: (one.created, one.previous is not None, one.name), default=None)


def ref(replica: Replica) -> Ref:
    return Ref(replica.name, id=replica.id)
