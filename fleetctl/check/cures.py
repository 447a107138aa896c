"""What to do about a replica that does not get ready."""

from __future__ import annotations

from fleetctl.spec.model import HttpSettings, Service

REFUSALS = ("read-only file system", "operation not permitted", "permission denied", "errno 30", "errno 13", "errno 1]")


CURE_OF_RELAPSE = (
    "it was ready before, so where it listens and what it is asked are right: find out what became of it since"
)


def next_step(service: Service, cure: str, lines: tuple[str, ...], *, stays: bool) -> str:
    """What to do next; where the log shows that the restricted baseline refused something, the line that opts out. The
    rest of the log is to be had only of a container that `stays`."""
    told = next((line.strip() for line in lines if any(word in line.lower() for word in REFUSALS)), None)
    if told is not None and service.baseline == "restricted":
        return (
            f"it runs under the restricted baseline, which refused: {told[:160]}\n"
            f"allow just what it needs in services.{service.name} (tmpfs, user, cap_add, read_only: false), "
            "or opt out: x-fleet: {baseline: compatible}"
        )
    see = f"see all of it with 'fleetctl logs {service.name}', " if stays else ""
    return cure or f"{see}mend the cause, and run 'fleetctl up' again"


def cure_of_silence(service: Service, http: HttpSettings) -> str:
    return (
        f"it has to listen on 0.0.0.0:{http.port}: bound to 127.0.0.1 in a container it cannot be reached; "
        f"another port goes into services.{service.name}.x-fleet.http.port"
    )


def cure_of_refusal(service: Service, http: HttpSettings) -> str:
    return (
        f"it answers, but not with success on {http.health_path}: mend that, or name another path with "
        f"services.{service.name}.x-fleet.http.health_path"
    )
