"""A fleet as a Compose document with every value explicit, which load_fleet reads back to the same fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetctl.spec.model import (
    Balance,
    Fleet,
    Healthcheck,
    HttpSettings,
    Mount,
    Network,
    PortMapping,
    Resources,
    Service,
    Subnet,
    UpdatePolicy,
    Volume,
)
from fleetctl.spec.origins import origin_of
from fleetctl.spec.units import format_duration
from fleetctl.spec.wording import join

Document = dict[str, Any]


def to_document(fleet: Fleet) -> Document:
    """The effective configuration: short forms expanded, baseline and defaults written out, $ doubled.

    Paths are absolute, so it must be read again in the same directory; of services only active ones are in it.
    """
    document = {
        "name": fleet.name,
        "services": {name: _service(service) for name, service in fleet.services.items()},
        "networks": {key: _network(network) for key, network in fleet.networks.items()},
        "volumes": {key: _volume(volume) for key, volume in fleet.volumes.items()},
        "configs": _files(fleet, "config"),
        "secrets": _files(fleet, "secret"),
        "x-fleet": {"addresses": {"block": fleet.addresses.block, "prefix": fleet.addresses.prefix}},
    }
    escaped: Document = _escape({key: value for key, value in document.items() if value})
    return escaped


def document_origins(fleet: Fleet) -> dict[str, str]:
    """Path of each single value of the services in `to_document` -> where it comes from."""
    found: dict[str, str] = {}
    for name, service in fleet.services.items():
        prefix = join("services", name)
        for path in _leaves(_service(service), ""):
            found[f"{prefix}.{path}"] = origin_of(path, service.origins)
    return found


def _escape(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escape(child) for key, child in value.items()}
    return [_escape(child) for child in value] if isinstance(value, list) else value


def _leaves(value: Any, path: str) -> list[str]:
    if isinstance(value, dict) and value:
        return [leaf for key, child in value.items() for leaf in _leaves(child, join(path, key))]
    if isinstance(value, list) and value:
        return [leaf for index, child in enumerate(value) for leaf in _leaves(child, f"{path}[{index}]")]
    return [path]


def _said(values: Mapping[str, Any], *, meant: frozenset[str] = frozenset()) -> Document:
    """Without what says nothing: None, and empty collections but those whose emptiness is `meant`."""
    return {
        key: value for key, value in values.items() if value is not None and (key in meant or value not in ({}, []))
    }


def _service(service: Service) -> Document:
    return _said(
        {
            "image": service.image,
            "build": service.build
            and _said(
                {
                    "context": str(service.build.context),
                    "dockerfile": service.build.dockerfile,
                    "args": dict(service.build.args),
                    "target": service.build.target,
                }
            ),
            "command": _listed(service.command),
            "entrypoint": _listed(service.entrypoint),
            "environment": dict(service.environment),
            "labels": dict(service.labels),
            "expose": list(service.expose),
            "ports": [_port(port) for port in service.ports],
            "networks": {
                key: _said({"aliases": list(membership.aliases), "ipv4_address": membership.ipv4_address})
                for key, membership in service.networks.items()
            },
            "healthcheck": None if service.healthcheck is None else _healthcheck(service.healthcheck),
            "depends_on": {
                name: {"condition": needed.condition, "required": needed.required}
                for name, needed in service.depends_on.items()
            },
            "volumes": [_mount(mount) for mount in service.mounts],
            "configs": [{"source": f.name, "target": f.target} for f in service.files if f.kind == "config"],
            "secrets": [{"source": f.name, "target": f.target} for f in service.files if f.kind == "secret"],
            "tmpfs": [f"{path}:{options}" if options else path for path, options in service.tmpfs.items()],
            "read_only": service.read_only,
            "user": service.user,
            "init": service.init,
            "cap_drop": list(service.cap_drop),
            "cap_add": list(service.cap_add),
            "security_opt": list(service.security_opt),
            "sysctls": dict(service.sysctls),
            "ulimits": {name: {"soft": limit.soft, "hard": limit.hard} for name, limit in service.ulimits.items()},
            "stop_signal": service.stop_signal,
            "stop_grace_period": format_duration(service.stop_grace_period),
            "restart": f"on-failure:{service.restart.maximum}" if service.restart.maximum else service.restart.name,
            "pull_policy": service.pull_policy,
            "hostname": service.hostname,
            "working_dir": service.working_dir,
            "logging": service.logging and {"driver": service.logging.driver, "options": dict(service.logging.options)},
            "profiles": list(service.profiles),
            "deploy": _deploy(service),
            "x-fleet": _extension(service),
        },
        # No arguments, the image's check as it is, nothing dropped, no option.
        meant=frozenset(("command", "entrypoint", "healthcheck", "cap_drop", "security_opt")),
    )


def _listed(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)


def _deploy(service: Service) -> Document:
    return _said(
        {
            "mode": "replicated",
            "replicas": service.replicas,
            "endpoint_mode": "dnsrr",
            "labels": dict(service.deploy_labels),
            "update_config": _policy(service.update),
            "rollback_config": _policy(service.rollback),
            "resources": _said(
                {"limits": _resources(service.limits), "reservations": _resources(service.reservations)}
            ),
        }
    )


def _policy(policy: UpdatePolicy) -> Document:
    return {
        "parallelism": policy.parallelism,
        "delay": format_duration(policy.delay),
        "order": policy.order,
        "monitor": format_duration(policy.monitor),
        "max_failure_ratio": policy.max_failure_ratio,
        "failure_action": policy.failure_action,
    }


def _resources(resources: Resources) -> Document:
    # Compose takes memory in deploy as text only.
    memory = None if resources.memory is None else str(resources.memory)
    cpus = None if resources.cpus is None else f"{resources.cpus:g}"
    return _said({"cpus": cpus, "memory": memory, "pids": resources.pids})


def _port(port: PortMapping) -> Document:
    first, last = port.published or (0, 0)
    return _said(
        {
            "target": port.target,
            "published": None if port.published is None else f"{first}" if first == last else f"{first}-{last}",
            "host_ip": port.host_ip,
            "protocol": port.protocol,
            "name": port.name,
            "app_protocol": port.app_protocol,
            "mode": port.mode,
        }
    )


def _mount(mount: Mount) -> Document:
    return _said(
        {
            "type": mount.kind,
            "source": mount.source,
            "target": mount.target,
            "read_only": mount.read_only,
            "bind": {"create_host_path": mount.create_host_path} if mount.kind == "bind" else None,
            "tmpfs": _said({"size": mount.tmpfs_size, "mode": mount.tmpfs_mode}),
        }
    )


def _healthcheck(check: Healthcheck) -> Document:
    if check.disable:
        return {"disable": True}
    times = {name: getattr(check, name) for name in ("interval", "timeout", "start_period", "start_interval")}
    return _said(
        {
            "test": list(check.test) if check.test else None,
            **{name: None if value is None else format_duration(value) for name, value in times.items()},
            "retries": check.retries,
        }
    )


def _extension(service: Service) -> Document:
    entries = [_balance(balance) for balance in service.balance]
    return _said(
        {
            "baseline": service.baseline,
            "http": service.http and _http(service.http),
            "balance": entries[0] if len(entries) == 1 else entries,
        }
    )


def _balance(balance: Balance) -> Document:
    return _said(
        {
            "service": balance.service,
            "port": balance.port,
            "target_port": balance.target_port,
            "health_path": balance.health_path,
            "host": balance.host,
            "algorithm": balance.algorithm,
            "retries": balance.retries,
            "drain_timeout": format_duration(balance.drain_timeout),
            "timeout": format_duration(balance.timeout),
        }
    )


def _http(http: HttpSettings) -> Document:
    return _said(
        {
            "port": http.port,
            "path": http.path,
            "health_path": http.health_path,
            "identity": _said({"pattern": http.identity.pattern, "pointer": http.identity.pointer}),
        }
    )


def _network(network: Network) -> Document:
    if network.external:
        return {"name": network.engine_name, "external": True}
    return _said(
        {
            "name": network.engine_name,
            "driver": network.driver,
            "driver_opts": dict(network.driver_opts),
            "ipam": _said({"driver": network.ipam_driver, "config": [_subnet(subnet) for subnet in network.subnets]}),
            "internal": network.internal,
            "enable_ipv6": network.enable_ipv6,
            "attachable": network.attachable,
            "labels": dict(network.labels),
        }
    )


def _subnet(subnet: Subnet) -> Document:
    return _said(
        {
            "subnet": subnet.subnet,
            "ip_range": subnet.ip_range,
            "gateway": subnet.gateway,
            "aux_addresses": dict(subnet.aux_addresses),
        }
    )


def _volume(volume: Volume) -> Document:
    if volume.external:
        return {"name": volume.engine_name, "external": True}
    return _said(
        {
            "name": volume.engine_name,
            "driver": volume.driver,
            "driver_opts": dict(volume.driver_opts),
            "labels": dict(volume.labels),
        }
    )


def _files(fleet: Fleet, kind: str) -> Document:
    return {
        file.name: {"file": str(file.source)}
        for service in fleet.services.values()
        for file in service.files
        if file.kind == kind
    }
