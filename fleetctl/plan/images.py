"""Decides which images to build or pull before any container is planned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from fleetctl.errors import FleetError
from fleetctl.plan.actions import BuildImage, PullImage
from fleetctl.plan.steps import Draft, Plan
from fleetctl.spec.model import Fleet, PullPolicy, Service
from fleetctl.state.observed import Observed, ObservedImage


def images_of(services: Iterable[Service]) -> set[str]:
    """The references of what they run."""
    return {service.image for service in services}


def plan_images(
    fleet: Fleet,
    observed: Observed,
    services: Sequence[Service],
    contexts: Mapping[str, str],
    *,
    build: Collection[str] = (),
    pull: PullPolicy | None = None,
    no_cache: bool = False,
    pull_base: bool = False,
) -> Plan:
    """One step per image that is missing, outdated or asked for, also where several services share it: what one of them
    builds is not pulled for another. `contexts` maps services with a build
    to the digest of their build context; `build` names those to build in any case; `pull` overrides every pull_policy.
    Raises FleetError for an image that is missing and may not be pulled."""
    draft = Draft()
    built = {service.image for service in services if service.build is not None}
    planned: set[str] = set()
    for service in services:
        if service.image in planned:
            continue
        found = observed.images.get(service.image)
        policy = pull or service.pull_policy
        action: BuildImage | PullImage
        if service.build is not None:
            context = contexts[service.name]
            asked = service.name in build or (policy == "build" and pull != "never")
            because = "a build was asked for" if asked else reason_to_build(service, found, context)
            action = BuildImage(
                fleet.name, service.name, service.image, service.build, context, no_cache=no_cache, pull=pull_base
            )
        elif service.image in built:
            continue
        else:
            because = reason_to_pull(service, found, policy)
            action = PullImage(service.image)
        if because:
            draft.add(action, because)
            planned.add(service.image)
    return draft.plan()


def reason_to_build(service: Service, found: ObservedImage | None, context: str) -> str | None:
    """Why the image that is there, if any, is not what the build would give; None when it is."""
    if found is None:
        return f"image {service.image} is missing"
    if found.context is None:
        return f"image {service.image} was not built by fleetctl"
    return "its build context changed" if found.context != context else None


def reason_to_pull(service: Service, found: ObservedImage | None, policy: PullPolicy) -> str | None:
    """Why the image is to be pulled; None when the one that is there will do. Raises FleetError when there is none and
    the policy forbids to pull it."""
    if policy == "always":
        return "pull_policy is always"
    if found is not None:
        return None
    if policy == "never":
        raise FleetError(
            f"services.{service.name}: image {service.image} is missing and pull_policy is never",
            hint=f"load it (docker load), build it, or allow a pull: fleetctl pull {service.name}",
        )
    return f"image {service.image} is missing"
