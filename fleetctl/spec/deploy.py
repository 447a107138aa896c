"""Replicas, updates, limits and restarts of a service."""

from __future__ import annotations

import re

from fleetctl.spec.baseline import Defaults
from fleetctl.spec.compose_deploy import DeployShape, ResourcesShape, RestartPolicyShape, RollbackShape, UpdateShape
from fleetctl.spec.model import Resources, Restart, RestartName, UpdatePolicy
from fleetctl.spec.site import Site, suggest
from fleetctl.spec.units import parse_bytes, parse_duration, parse_processors
from fleetctl.spec.values import read_quantity

_RESTARTS: dict[str, RestartName] = {name: name for name in ("no", "always", "on-failure", "unless-stopped")}
_CONDITIONS: dict[str | None, RestartName] = {"none": "no", "on-failure": "on-failure", "any": "always"}
_RETRIES = re.compile(r"on-failure:([0-9]{1,5})", re.ASCII)


def read_policy(site: Site, shape: UpdateShape | RollbackShape | None) -> UpdatePolicy:
    """update_config or rollback_config with the defaults applied."""
    if shape is None:
        return UpdatePolicy()
    usual = UpdatePolicy()
    delay = read_quantity(site.at("delay"), parse_duration, shape.delay)
    monitor = read_quantity(site.at("monitor"), parse_duration, shape.monitor)
    return UpdatePolicy(
        parallelism=usual.parallelism if shape.parallelism is None else shape.parallelism,
        delay=usual.delay if delay is None else delay,
        order=shape.order or usual.order,
        monitor=usual.monitor if monitor is None else monitor,
        max_failure_ratio=float(shape.max_failure_ratio or usual.max_failure_ratio),
        failure_action=shape.failure_action or usual.failure_action,
    )


def read_limits(site: Site, shape: ResourcesShape | None, defaults: Defaults) -> Resources:
    """deploy.resources.limits; only the number of processes has a default."""
    limits = shape.limits if shape else None
    if limits is None:
        return Resources(pids=defaults.pids)
    memory = read_quantity(site.at("memory"), parse_bytes, limits.memory)
    # Docker refuses less; saying it here gives the place. https://docs.docker.com/engine/containers/resource_constraints
    if memory is not None and memory < 6 << 20:
        site.at("memory").report("less than 6 MiB, the least that Docker accepts", 'write it as in "128m"')
    return Resources(
        cpus=read_quantity(site.at("cpus"), parse_processors, limits.cpus),
        memory=memory,
        pids=defaults.pids if limits.pids is None else limits.pids,
    )


def read_reservations(site: Site, shape: ResourcesShape | None, limits: Resources) -> Resources:
    """deploy.resources.reservations, which one host knows for memory only."""
    reservations = shape.reservations if shape else None
    if reservations is None:
        return Resources()
    memory = read_quantity(site.at("memory"), parse_bytes, reservations.memory)
    if memory is not None and limits.memory is not None and memory > limits.memory:
        site.at("memory").report("more is reserved than the limit allows", "raise the limit, or reserve less")
    return Resources(memory=memory)


def read_restart(site: Site, restart: str | None, deploy: DeployShape | None, defaults: Defaults) -> Restart:
    """`restart`, or deploy.restart_policy in its terms."""
    policy = deploy.restart_policy if deploy else None
    if restart is not None and policy is not None:
        site.key("restart").report("said twice: deploy.restart_policy is there, too", "keep one of them")
    if policy is not None:
        return _from_policy(site.at("deploy", "restart_policy"), policy)
    if restart is None:
        return defaults.restart
    retries = _RETRIES.fullmatch(restart)
    if retries:
        return Restart("on-failure", int(retries[1]))
    if restart not in _RESTARTS:
        known = [*_RESTARTS, "on-failure:5"]
        site.at("restart").report(
            f"not a restart policy: {restart[:60]!r}", suggest(restart, known) or f"write one of {', '.join(known)}"
        )
        return defaults.restart
    return Restart(_RESTARTS[restart])


def _from_policy(site: Site, policy: RestartPolicyShape) -> Restart:
    name = _CONDITIONS[policy.condition or "any"]
    if policy.max_attempts is not None and name != "on-failure":
        site.at("max_attempts").report(
            "one Docker host counts attempts after failures only", "write condition: on-failure, or delete it"
        )
        return Restart(name)
    return Restart(name, policy.max_attempts or 0)
