"""The security baseline: what a service gets where fleet.yaml says nothing, and where it opted out."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from fleetctl.spec.model import Baseline, Fleet, Logging, Restart, Service, Ulimit
from fleetctl.spec.origins import origin_of
from fleetctl.spec.wording import join

ROTATION = Logging("json-file", {"max-size": "10m", "max-file": "3"})
NO_NEW_PRIVILEGES = "no-new-privileges:true"


class Defaults(Struct, frozen=True):
    """What one baseline sets; a single key in the file beats it."""

    host_ip: str
    pids: int
    read_only: bool = False
    tmpfs: Mapping[str, str] = {}
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = (NO_NEW_PRIVILEGES,)
    ulimits: Mapping[str, Ulimit] = {}
    logging: Logging = ROTATION
    restart: Restart = Restart()


DEFAULTS: Mapping[Baseline, Defaults] = {
    "restricted": Defaults(
        host_ip="127.0.0.1",
        pids=64,
        read_only=True,
        tmpfs={"/tmp": "rw,noexec,nosuid,nodev,size=16m"},  # noqa: S108 - a path in the container
        cap_drop=("ALL",),
        ulimits={"nofile": Ulimit(4096, 4096), "core": Ulimit(0, 0)},
        restart=Restart("on-failure", 5),
    ),
    "compatible": Defaults(host_ip="0.0.0.0", pids=512),  # noqa: S104 - what Compose publishes on
}


BALANCER_FILES = Ulimit(16384, 16384)
"""A balancer has two sockets a request, and so needs more open files than a server."""


def defaults_of(baseline: Baseline, *, balancer: bool) -> Defaults:
    """What a baseline sets for a service, which may be a balancer."""
    defaults = DEFAULTS[baseline]
    if not balancer or "nofile" not in defaults.ulimits:
        return defaults
    return structs.replace(defaults, ulimits={**defaults.ulimits, "nofile": BALANCER_FILES})


def opt_outs(service: Service) -> tuple[str, ...]:
    """One sentence for each way in which a service is less confined than the restricted baseline."""
    restricted = DEFAULTS["restricted"]
    found: list[tuple[str, str]] = []
    if service.baseline != "restricted":
        found.append(("x-fleet.baseline", f"runs under the {service.baseline} baseline"))
    else:
        if not service.read_only:
            found.append(("read_only", "can write to its root file system"))
        if "ALL" not in service.cap_drop:
            found.append(("cap_drop", "keeps the engine's usual capabilities"))
        if service.limits.pids is not None and service.limits.pids > restricted.pids:
            found.append(("deploy.resources.limits.pids", f"may run {service.limits.pids} processes"))
        found += [
            ("ports", f"is published on {port.host_ip}") for port in service.ports if not _is_loopback(port.host_ip)
        ]
    if service.cap_add:
        found.append(("cap_add", f"has the capabilities {', '.join(service.cap_add)}"))
    if NO_NEW_PRIVILEGES not in service.security_opt:
        found.append(("security_opt", "can gain privileges by set-user-ID programs"))
    if service.user is not None and service.user.partition(":")[0] in ("0", "root"):
        found.append(("user", "runs as root"))
    sentences = [f"{service.name} {what} ({path}, {origin_of(path, service.origins)})" for path, what in found]
    return tuple(dict.fromkeys(sentences))


def missing_limits(fleet: Fleet) -> tuple[str, ...]:
    """One sentence for each service that may use all of the host's memory or processors."""
    return tuple(
        f"{service.name} has no limit of {what} (deploy.resources.limits.{key})"
        for service in fleet.services.values()
        for key, what, limit in (
            ("memory", "memory", service.limits.memory),
            ("cpus", "processors", service.limits.cpus),
        )
        if limit is None
    )


def baseline_origins(service: Service) -> dict[str, str]:
    """Key path -> "baseline NAME" for what the file does not say; the order of lists is that of the document."""
    defaults = DEFAULTS[service.baseline]
    origin = f"baseline {service.baseline}"
    said = service.origins
    whole = {"read_only", "cap_drop", "restart", "deploy.resources.limits.pids"}
    policy = next((place for path, place in said.items() if path.startswith("deploy.restart_policy")), None)
    if policy is not None:
        whole.discard("restart")
    found = {path: origin for path in whole if path not in said}
    found |= {f"ulimits.{name}": origin for name in defaults.ulimits if f"ulimits.{name}" not in said}
    options = {f"logging.options.{key}" for key in defaults.logging.options} | {"logging.driver"}
    found |= {path: origin for path in options if path not in said}
    if service.security_opt[:1] == defaults.security_opt:
        found["security_opt[0]"] = origin
    if service.tmpfs.items() & defaults.tmpfs.items():
        found["tmpfs[0]"] = origin
    if policy is not None:
        found["restart"] = policy
    return found


def baseline_notes(fleet: Fleet) -> dict[str, str]:
    """Path of each image in the effective configuration -> what the baseline does there only where the image, which the
    engine alone knows, says nothing."""
    return {
        f"{join('services', name)}.image": f"user: {service.default_user} where the image names none "
        f"(baseline {service.baseline})"
        for name, service in fleet.services.items()
        if service.user is None and service.default_user is not None
    }


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
