"""Decides which images to build or pull before any container is planned."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fleetctl.errors import FleetError
from fleetctl.plan.actions import BuildImage, PullImage
from fleetctl.plan.steps import Draft, Plan
from fleetctl.spec.model import Fleet, PullPolicy, Service
from fleetctl.state.observed import Observed


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
    """One step per image that is missing, outdated or asked for. `contexts` maps services with a build to the digest
    of their build context; `build` names those to build in any case; `pull` overrides every pull_policy. Raises
    FleetError for an image that is missing and may not be pulled."""
    draft = Draft()
    for service in services:
        found = observed.images.get(service.image)
        policy = pull or service.pull_policy
        if service.build is not None:
            because = None
            if service.name in build or (policy == "build" and pull != "never"):
                because = "a build was asked for"
            elif found is None:
                because = f"image {service.image} is missing"
            elif found.context != contexts[service.name]:
                because = (
                    "its build context changed" if found.context else f"image {service.image} was not built by fleetctl"
                )
            if because:
                draft.add(
                    BuildImage(
                        fleet.name,
                        service.name,
                        service.image,
                        service.build,
                        contexts[service.name],
                        no_cache=no_cache,
                        pull=pull_base,
                    ),
                    because,
                )
        elif any(isinstance(step.action, PullImage) and step.action.reference == service.image for step in draft.steps):
            continue
        elif policy == "always":
            draft.add(PullImage(service.image), "pull_policy is always")
        elif found is None:
            if policy == "never":
                raise FleetError(
                    f"services.{service.name}: image {service.image} is missing and pull_policy is never",
                    hint=f"load it (docker load), build it, or allow a pull: fleetctl pull {service.name}",
                )
            draft.add(PullImage(service.image), f"image {service.image} is missing")
    return draft.plan()
