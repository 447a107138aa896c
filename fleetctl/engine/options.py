"""Renders actions as bodies of the Docker Engine API (v1.41). Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from fleetctl.engine import labels
from fleetctl.plan.actions import CreateNetwork, CreateReplica, CreateVolume
from fleetctl.spec.digest import volume_digests
from fleetctl.spec.model import FileMount, Healthcheck, Membership, Mount, Service, Subnet
from fleetctl.spec.release import pack

NANOSECONDS = 1_000_000_000
Body = dict[str, Any]


def container_body(action: CreateReplica, network_id: str | None, run: str) -> Body:
    """The body of POST /containers/create; `network_id` is that of the replica's first network."""
    service, before = action.service, action.previous
    body: Body = {
        "Image": service.image,
        "Env": [f"{key}={value}" for key, value in service.environment.items()],
        "Labels": {
            **service.labels,
            labels.FLEET: action.fleet,
            labels.SERVICE: service.name,
            labels.REPLICA: str(action.number),
            labels.DIGESTS: compact(action.digests),
            labels.RELEASE: pack(service),
            # Said also where it is empty: else a label of the image would be taken for it.
            labels.PREVIOUS: f"{before.image_id} {before.packed}" if before is not None else "",
            labels.RESTORED: "true" if action.restored else "",
            labels.RUN: run,
        },
        "ExposedPorts": {port: {} for port in exposed_ports(service)},
        "StopTimeout": math.ceil(service.stop_grace_period),
        "HostConfig": host_config(action, network_id),
    }
    optional = {
        "Cmd": list(service.command) if service.command is not None else None,
        "Entrypoint": list(service.entrypoint) if service.entrypoint is not None else None,
        "Hostname": service.hostname,
        "WorkingDir": service.working_dir,
        "User": action.user,
        "StopSignal": service.stop_signal,
        "Healthcheck": healthcheck(service.healthcheck) if service.healthcheck else None,
    }
    body.update({key: value for key, value in optional.items() if value is not None})
    if network_id is not None:
        body["NetworkingConfig"] = {"EndpointsConfig": {network_id: endpoint_config(service.name, action.membership)}}
    return body


def exposed_ports(service: Service) -> list[str]:
    published = [f"{port.target}/{port.protocol}" for port in service.ports]
    exposed = [port if "/" in port else f"{port}/tcp" for port in service.expose]
    return list(dict.fromkeys(published + exposed))


def host_config(action: CreateReplica, network_id: str | None) -> Body:
    service = action.service
    config: Body = {
        "NetworkMode": network_id or "none",
        "PortBindings": port_bindings(service),
        "ReadonlyRootfs": service.read_only,
        "Tmpfs": dict(service.tmpfs),
        "Binds": [bind(mount) for mount in service.mounts if mount.create_host_path],
        "Mounts": [mount_body(mount, action.volumes) for mount in service.mounts if not mount.create_host_path]
        + [file_mount(entry) for entry in service.files],
        "CapDrop": list(service.cap_drop),
        "CapAdd": list(service.cap_add),
        # The engine logs a warning for each that has a colon.
        "SecurityOpt": [option.replace("no-new-privileges:", "no-new-privileges=") for option in service.security_opt],
        "Sysctls": dict(service.sysctls),
        "Ulimits": [{"Name": name, "Soft": limit.soft, "Hard": limit.hard} for name, limit in service.ulimits.items()],
        "RestartPolicy": {"Name": service.restart.name, "MaximumRetryCount": service.restart.maximum},
    }
    if service.init is not None:
        config["Init"] = service.init
    if service.logging is not None:
        config["LogConfig"] = {"Type": service.logging.driver, "Config": dict(service.logging.options)}
    limits, reservations = service.limits, service.reservations
    if limits.cpus is not None:
        config["NanoCpus"] = round(limits.cpus * NANOSECONDS)
    if limits.memory is not None:
        config["Memory"] = limits.memory
    if limits.pids is not None:
        config["PidsLimit"] = limits.pids
    if reservations.memory is not None:
        config["MemoryReservation"] = reservations.memory
    return config


def port_bindings(service: Service) -> Body:
    """Per container port what it is published on; a range is left to the engine, which takes a free port from it."""
    bindings: dict[str, list[Body]] = {}
    for port in service.ports:
        host_port = ""
        if port.published is not None:
            low, high = port.published
            host_port = str(low) if low == high else f"{low}-{high}"
        entry = {"HostIp": port.host_ip, "HostPort": host_port}
        bindings.setdefault(f"{port.target}/{port.protocol}", []).append(entry)
    return dict(bindings)


def endpoint_config(service_name: str, membership: Membership) -> Body:
    """How a replica takes part in a network: reachable by its service's name and the aliases."""
    config: Body = {"Aliases": list(dict.fromkeys((service_name, *membership.aliases)))}
    if membership.ipv4_address:
        config["IPAMConfig"] = {"IPv4Address": membership.ipv4_address}
    return config


def bind(mount: Mount) -> str:
    return f"{mount.source}:{mount.target}{':ro' if mount.read_only else ''}"


def mount_body(mount: Mount, volumes: Mapping[str, str]) -> Body:
    body: Body = {"Type": mount.kind, "Target": mount.target, "ReadOnly": mount.read_only}
    if mount.kind == "volume":
        body["Source"] = volumes[mount.source] if mount.source is not None else ""
    elif mount.kind == "bind":
        body["Source"] = mount.source
    else:
        options = {"SizeBytes": mount.tmpfs_size, "Mode": mount.tmpfs_mode}
        body["TmpfsOptions"] = {key: value for key, value in options.items() if value is not None}
    return body


def file_mount(entry: FileMount) -> Body:
    return {"Type": "bind", "Source": str(entry.source), "Target": entry.target, "ReadOnly": True}


def healthcheck(check: Healthcheck) -> Body:
    """Times in nanoseconds; what is left out is inherited from the image."""
    if check.disable:
        return {"Test": ["NONE"]}
    body: Body = {"Test": list(check.test) if check.test is not None else []}
    times = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
    }
    body.update({key: round(value * NANOSECONDS) for key, value in times.items() if value is not None})
    if check.retries is not None:
        body["Retries"] = check.retries
    return body


def network_options(action: CreateNetwork, run: str) -> Body:
    """The arguments of docker-py's create_network."""
    network = action.network
    return {
        "name": network.engine_name,
        "check_duplicate": True,
        "driver": network.driver,
        "options": dict(network.driver_opts),
        "internal": network.internal,
        "attachable": network.attachable,
        "enable_ipv6": network.enable_ipv6,
        "ipam": {
            "Driver": network.ipam_driver,
            "Config": [subnet_body(entry) for entry in action.subnets],
        },
        "labels": {
            **network.labels,
            labels.FLEET: action.fleet,
            labels.NETWORK: network.key,
            labels.DIGESTS: compact(action.digests),
            labels.RUN: run,
        },
    }


def subnet_body(entry: Subnet) -> Body:
    body: Body = {
        "Subnet": entry.subnet,
        "Gateway": entry.gateway,
        "IPRange": entry.ip_range,
        "AuxiliaryAddresses": dict(entry.aux_addresses) or None,
    }
    return {key: value for key, value in body.items() if value is not None}


def volume_options(action: CreateVolume, run: str) -> Body:
    """The arguments of docker-py's create_volume."""
    volume = action.volume
    return {
        "name": volume.engine_name,
        "driver": volume.driver,
        "driver_opts": dict(volume.driver_opts),
        "labels": {
            **volume.labels,
            labels.FLEET: action.fleet,
            labels.VOLUME: volume.key,
            labels.DIGESTS: compact(volume_digests(volume)),
            labels.RUN: run,
        },
    }


def compact(digests: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(digests.items())), separators=(",", ":"))
