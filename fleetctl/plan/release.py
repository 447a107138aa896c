"""Decides which release of a service comes before the one that runs, and what a fleet is that goes back to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fleetctl.errors import FleetError
from fleetctl.plan.actions import ConfigureBalancer, CreateReplica, DrainServer, RemoveReplica, RenameReplica
from fleetctl.plan.launch import is_outdated, newest
from fleetctl.plan.outcome import RunReport
from fleetctl.plan.rollout import tolerated
from fleetctl.spec.model import Balance, Fleet, Service
from fleetctl.spec.release import unpack
from fleetctl.state.observed import Observed, ObservedImage, Release


@dataclass(frozen=True, slots=True)
class Return:
    """A service as it was, and the image that it was made from then."""

    service: Service
    image_id: str


def former_release(observed: Observed, service: Service) -> Release:
    """What the release that was begun last was to replace, or is putting back. Raises FleetError when nothing is known
    of it."""
    replicas = observed.of_service(service.name)
    latest = newest(replicas)
    if latest is None:
        raise FleetError(f"service {service.name} has no replica to roll back", hint="start it with 'fleetctl up'")
    if latest.restored and latest.release and any(one.release != latest.release for one in replicas):
        # A return was broken off: it goes on.
        return latest.release
    if latest.previous is None:
        raise FleetError(
            f"service {service.name} has no former release: {latest.name} belongs to the first one, or was made by a "
            "fleetctl that kept none",
            hint="bring the former fleet.yaml back, and run 'fleetctl up'",
        )
    return latest.previous


def failed_updates(report: RunReport, before: Observed, services: Sequence[Service]) -> list[tuple[Service, Release]]:
    """The services whose update failed for more replicas than it tolerates and is to be rolled back, each with what it
    was to replace. `before` is what was observed then."""
    found = []
    for service in services:
        made = creations(report, service.name)
        if service.update.failure_action != "rollback" or not made:
            continue
        digests = next(iter(made.values())).digests
        outdated = newest([one for one in before.of_service(service.name) if is_outdated(one, digests)])
        lost = failed_replicas(report, made)
        if outdated is not None and outdated.release is not None and len(lost) > tolerated(service):
            found.append((service, outdated.release))
    return found


def creations(report: RunReport, service_name: str) -> dict[str, CreateReplica]:
    """The steps of a run that were to make replicas of the service, by id."""
    return {
        result.step.id: result.step.action
        for result in report.results
        if isinstance(result.step.action, CreateReplica) and result.step.action.service.name == service_name
    }


def failed_replicas(report: RunReport, made: Mapping[str, CreateReplica]) -> set[str]:
    """The steps of `made` whose replicas did not come to do their work."""
    found = set()
    for failure in report.failures:
        action = failure.step.action
        whom = action.balancer if isinstance(action, ConfigureBalancer) else getattr(action, "replica", None)
        if failure.step.id in made or (isinstance(action, DrainServer) and action.least and made):
            found.add(failure.step.id)
        elif whom is not None and whom.made_by in made and not isinstance(action, RenameReplica | RemoveReplica):
            found.add(str(whom.made_by))
    return found


def describe_return(fleet: Fleet, service: Service, release: Release, replicas: int) -> Return:
    """The service as that release had it, so many times, put back as its rollback_config says. Raises FleetError where
    the fleet of today has no room for it."""
    former = unpack(release.packed)
    networks = sorted(former.networks.keys() - fleet.networks.keys())
    volumes = sorted(
        {mount.source for mount in former.mounts if mount.kind == "volume" and mount.source} - fleet.volumes.keys()
    )
    if networks or volumes:
        raise FleetError(
            f"the former release of {service.name} needs {', '.join((*networks, *volumes))}, which fleet.yaml does not "
            "have any more",
            hint="bring the former fleet.yaml back, and run 'fleetctl up'",
        )
    return Return(
        replace(
            former,
            name=service.name,
            replicas=replicas,
            update=service.rollback,
            rollback=service.rollback,
            depends_on=service.depends_on,
            profiles=service.profiles,
            balance=service.balance,
            origins=service.origins,
        ),
        release.image_id,
    )


def with_returns(fleet: Fleet, observed: Observed, returns: Sequence[Return]) -> tuple[Fleet, Observed]:
    """The fleet with these services as they were, and what is observed with the images that they were made from. Raises
    FleetError when one of those is gone; `observed` has been asked for them by id."""
    services, images = dict(fleet.services), dict(observed.images)
    for name, service in fleet.services.items():
        balances = tuple(as_it_was(balance, fleet, returns) for balance in service.balance)
        services[name] = replace(service, balance=balances)
    for one in returns:
        found = observed.images.get(one.image_id)
        if found is None:
            raise FleetError(
                f"image {one.image_id[:19]} of the former release of {one.service.name} is gone",
                hint="bring the former fleet.yaml back, and run 'fleetctl up': it builds or pulls what is missing",
            )
        # By its name where that still means the same, for that is what people know.
        named = observed.images.get(one.service.image)
        reference = one.service.image if named is not None and named.id == one.image_id else one.image_id
        services[one.service.name] = replace(one.service, image=reference)
        images[reference] = ObservedImage(reference, found.id, user=found.user)
    return replace(fleet, services=services), replace(observed, images=images)


def as_it_was(balance: Balance, fleet: Fleet, returns: Sequence[Return]) -> Balance:
    """How a balancer asks a former release: at that one's own port, where it was asked at that of today's."""
    today = fleet.services[balance.service].http if balance.service in fleet.services else None
    former = next((one.service.http for one in returns if one.service.name == balance.service), None)
    if today is None or former is None or balance.target_port != today.port:
        return balance
    return replace(balance, target_port=former.port)
