"""The security baseline: what a service gets where fleet.yaml says nothing, and where it opted out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetctl.spec.model import Baseline, Logging, Restart, Ulimit

ROTATION = Logging("json-file", {"max-size": "10m", "max-file": "3"})
NO_NEW_PRIVILEGES = "no-new-privileges:true"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What one baseline sets; a single key in the file beats it."""

    host_ip: str
    pids: int
    read_only: bool = False
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = (NO_NEW_PRIVILEGES,)
    ulimits: Mapping[str, Ulimit] = field(default_factory=dict)
    logging: Logging = ROTATION
    restart: Restart = field(default_factory=Restart)


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
