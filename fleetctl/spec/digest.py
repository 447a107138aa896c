"""Short digests, key by key, of what a container, network or volume is made from: a changed digest names its reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from fleetctl.spec.model import Network, Service, Volume

Value = str | int | float | bool | None | list[object] | dict[str, object]


def replica_digests(
    service: Service,
    *,
    image_id: str,
    networks: Mapping[str, str],
    volumes: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Key path -> first 8 hex digits of the SHA-256 of its value, for all that a container is made from.

    `networks` and `volumes` map their keys to their names in the engine.
    Replica count, dependencies, update and rollback policies, profiles, pull policy, build, x-fleet.http and the
    settings of x-fleet.balance are not in it.
    """
    return {path: _digest(value) for path, value in _replica_values(service, image_id, networks, volumes or {})}


def network_digests(network: Network) -> dict[str, str]:
    """Key path -> digest of what a network is made from; empty for an external one, which is not made."""
    if network.external:
        return {}
    values: dict[str, object] = {
        "name": network.engine_name,
        "driver": network.driver,
        "internal": network.internal,
        "attachable": network.attachable,
        "enable_ipv6": network.enable_ipv6,
        "ipam.driver": network.ipam_driver,
    }
    if network.subnets:
        values["ipam.config"] = [asdict(subnet) for subnet in network.subnets]
    values.update(_each("driver_opts", network.driver_opts))
    values.update(_each("labels", network.labels))
    return {path: _digest(value) for path, value in values.items()}


def volume_digests(volume: Volume) -> dict[str, str]:
    """Key path -> digest of what a volume is made from; empty for an external one, which is not made."""
    if volume.external:
        return {}
    values = dict(
        [("driver", volume.driver), *_each("driver_opts", volume.driver_opts), *_each("labels", volume.labels)]
    )
    return {path: _digest(value) for path, value in values.items()}


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _each(path: str, values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        yield f"{path}.{key}", value


def _replica_values(
    service: Service, image_id: str, networks: Mapping[str, str], volumes: Mapping[str, str]
) -> Iterator[tuple[str, object]]:
    """Absent values have no entry, so that a key that fleetctl learns later does not recreate what exists."""
    yield "image", image_id
    single: dict[str, object] = {
        "command": service.command,
        "entrypoint": service.entrypoint,
        "user": service.user or service.default_user,
        "init": service.init,
        "stop_signal": service.stop_signal,
        "hostname": service.hostname,
        "working_dir": service.working_dir,
        "healthcheck": service.healthcheck and asdict(service.healthcheck),
        "logging": service.logging and asdict(service.logging),
        "expose": sorted(service.expose) or None,
        "ports": _ports(service) or None,
        "cap_drop": sorted(service.cap_drop) or None,
        "cap_add": sorted(service.cap_add) or None,
        "security_opt": sorted(service.security_opt) or None,
        # What it balances reaches it while it runs; whether it is a balancer at all decides how it is made.
        "x-fleet.balance": True if service.balance else None,
        "deploy.resources.limits.cpus": service.limits.cpus,
        "deploy.resources.limits.memory": service.limits.memory,
        "deploy.resources.limits.pids": service.limits.pids,
        "deploy.resources.reservations.memory": service.reservations.memory,
    }
    yield from ((path, value) for path, value in single.items() if value is not None)
    yield "read_only", service.read_only
    yield "stop_grace_period", service.stop_grace_period
    yield "restart", asdict(service.restart)
    yield from _each("environment", service.environment)
    yield from _each("labels", service.labels)
    yield from _each("sysctls", service.sysctls)
    yield from _each("tmpfs", service.tmpfs)
    yield from ((f"ulimits.{name}", asdict(limit)) for name, limit in service.ulimits.items())
    for key, membership in service.networks.items():
        yield f"networks.{key}", [networks.get(key), sorted(membership.aliases), membership.ipv4_address]
    for mount in service.mounts:
        source = volumes.get(mount.source, mount.source) if mount.kind == "volume" and mount.source else mount.source
        yield f"volumes.{mount.target}", {**asdict(mount), "source": source}
    for file in service.files:
        yield f"{file.kind}s.{file.name}", [str(file.source), file.target, file.content_digest]


def _ports(service: Service) -> list[list[object]]:
    """What the engine is told of published ports; names for people are left out."""
    return sorted([port.target, port.protocol, list(port.published or ()), port.host_ip] for port in service.ports)
