"""Which images are built or pulled, and how often."""

from __future__ import annotations

from pathlib import Path

from fleetctl.plan.images import plan_images
from fleetctl.spec.model import Build, Fleet, Service
from fleetctl.state.observed import Observed, ObservedImage

BUILD = Build(Path("/project"))


def steps_for(*services: Service, images: tuple[ObservedImage, ...] = ()) -> list[str]:
    """What is planned, one line a step; the present digest of every context is "new"."""
    fleet = Fleet("f", Path("/project"), (), {service.name: service for service in services})
    observed = Observed("f", images={image.reference: image for image in images})
    contexts = {service.name: "new" for service in services if service.build is not None}
    return [str(step) for step in plan_images(fleet, observed, services, contexts).steps]


def test_an_image_that_two_services_build_alike_is_built_once() -> None:
    """Two builds at a time under one tag would overwrite each other."""
    services = (Service("web", "app", build=BUILD), Service("job", "app", build=BUILD))
    assert len(steps_for(*services)) == 1
    assert len(steps_for(*services, images=(ObservedImage("app", "1", context="old"),))) == 1
    assert steps_for(*services, images=(ObservedImage("app", "1", context="new"),)) == []


def test_an_image_that_one_service_builds_is_not_pulled_for_another() -> None:
    """Whichever of them comes first in the file."""
    builds, uses = Service("web", "app", build=BUILD), Service("job", "app")
    for services in ((builds, uses), (uses, builds)):
        (step,) = steps_for(*services)
        assert step.startswith("build"), step
