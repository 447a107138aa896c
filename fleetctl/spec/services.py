"""One service in canonical form: short forms expanded, baseline applied, every mistake noted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from fleetctl.spec.balance import is_balancer
from fleetctl.spec.baseline import Defaults, baseline_origins, defaults_of
from fleetctl.spec.compose_parts import BuildShape, DependencyShape, MembershipShape
from fleetctl.spec.compose_service import ServiceShape
from fleetctl.spec.containers import read_hardening, read_healthcheck, read_logging, read_ulimits
from fleetctl.spec.deploy import read_limits, read_policy, read_reservations, read_restart
from fleetctl.spec.environment import read_environment
from fleetctl.spec.http import read_http
from fleetctl.spec.model import Build, Dependency, Membership, PortMapping, PullPolicy, Service
from fleetctl.spec.mounts import read_files, read_mounts, read_tmpfs
from fleetctl.spec.origins import record
from fleetctl.spec.ports import format_port, parse_exposed, parse_long_port, parse_short_port
from fleetctl.spec.project import Project
from fleetctl.spec.signals import why_no_signal
from fleetctl.spec.site import Site
from fleetctl.spec.units import UnitError, parse_duration
from fleetctl.spec.values import check_names, locate, read_command, read_list, read_pairs, read_quantity
from fleetctl.spec.wording import shown

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}", re.ASCII)
_HOSTNAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?", re.ASCII)
RESERVED_LABELS = ("dev.fleetctl.", "com.docker.")
MAX_PORTS = 1000


def read_service(site: Site, name: str, shape: ServiceShape, project: Project) -> Service:
    """The service at `site`; where problems were noted its parts may be missing. What it balances needs the others and
    is left to `read_balances`."""
    baseline = (shape.x_fleet.baseline if shape.x_fleet else None) or project.baseline
    defaults = defaults_of(baseline, balancer=is_balancer(shape))
    origins = record(site)
    deploy = shape.deploy
    replicas = 1 if deploy is None or deploy.replicas is None else deploy.replicas
    mounts = read_mounts(site.at("volumes"), shape.volumes, project)
    files = (
        *read_files(site, shape.configs, "config", project),
        *read_files(site, shape.secrets, "secret", project),
    )
    resources = site.at("deploy", "resources")
    limits = read_limits(resources.at("limits"), deploy.resources if deploy else None, defaults)
    taken = {mount.target for mount in mounts} | {file.target for file in files}
    hardening = read_hardening(site, shape, defaults, project)
    stop = read_quantity(site.at("stop_grace_period"), parse_duration, shape.stop_grace_period)
    service = Service(
        name=name,
        image=shape.image or f"{project.name}-{name.lower()}",
        build=_read_build(site.at("build"), shape.build, project),
        command=read_command(site.at("command"), shape.command),
        entrypoint=read_command(site.at("entrypoint"), shape.entrypoint),
        environment=read_environment(site, shape, project, origins),
        labels=read_labels(site.at("labels"), shape.labels),
        expose=_read_expose(site.at("expose"), shape.expose),
        ports=_read_ports(site.at("ports"), shape, defaults, replicas),
        networks=_read_memberships(site.at("networks"), shape.networks, replicas),
        healthcheck=read_healthcheck(site.at("healthcheck"), shape.healthcheck),
        depends_on=_read_dependencies(site.at("depends_on"), shape.depends_on),
        mounts=mounts,
        files=files,
        tmpfs=read_tmpfs(site.at("tmpfs"), shape.tmpfs, defaults.tmpfs, taken),
        read_only=defaults.read_only if shape.read_only is None else shape.read_only,
        user=shape.user,
        init=shape.init,
        cap_drop=hardening.cap_drop,
        cap_add=hardening.cap_add,
        security_opt=hardening.security_opt,
        sysctls=hardening.sysctls,
        ulimits=read_ulimits(site.at("ulimits"), shape.ulimits, defaults.ulimits),
        stop_signal=shape.stop_signal,
        stop_grace_period=10.0 if stop is None else stop,
        restart=read_restart(site, shape.restart, deploy, defaults),
        pull_policy=_read_pull_policy(site, shape),
        hostname=shape.hostname,
        working_dir=shape.working_dir,
        logging=read_logging(shape.logging, defaults),
        profiles=read_list(site.at("profiles"), shape.profiles),
        replicas=replicas,
        deploy_labels=read_labels(site.at("deploy", "labels"), deploy.labels if deploy else None),
        update=read_policy(site.at("deploy", "update_config"), deploy.update_config if deploy else None),
        rollback=read_policy(site.at("deploy", "rollback_config"), deploy.rollback_config if deploy else None),
        limits=limits,
        reservations=read_reservations(resources.at("reservations"), deploy.resources if deploy else None, limits),
        http=read_http(site.at("x-fleet", "http"), shape.x_fleet.http if shape.x_fleet else None),
        baseline=baseline,
        origins=origins,
    )
    _check_whole(site, service, project)
    return replace(service, origins={**baseline_origins(service), **origins})


def check_name(site: Site, name: str) -> None:
    """A service's name becomes part of container names and a name in the network's DNS."""
    if not _NAME.fullmatch(name):
        site.report(
            "not a name of a service", "use up to 63 letters, digits and . _ -, beginning with a letter or digit"
        )


def _check_whole(site: Site, service: Service, project: Project) -> None:
    if service.hostname is not None and not _HOSTNAME.fullmatch(service.hostname):
        site.at("hostname").report("not a host name", "use up to 63 letters, digits, - and .")
    if service.stop_signal is not None and (wrong := why_no_signal(service.stop_signal)):
        site.at("stop_signal").report(*wrong)
    if service.working_dir is not None and not service.working_dir.startswith("/"):
        site.at("working_dir").report("not an absolute path", "write it as in /app")
    if service.deploy_labels:
        project.warnings.append(
            f"{site.at('deploy').key('labels').mark}: {site.path}.deploy.labels belong to a Swarm service; "
            "one Docker host has nothing to carry them."
        )
    if not service.image or any(character.isspace() or ord(character) < 32 for character in service.image):
        site.at("image").report("not the name of an image", "write it as in python:3.13-slim")


def _read_build(site: Site, raw: str | BuildShape | None, project: Project) -> Build | None:
    if raw is None:
        return None
    shape = BuildShape(context=raw) if isinstance(raw, str) else raw
    place = site if isinstance(raw, str) else site.at("context")
    context = locate(place, project.directory, shape.context)
    args = read_pairs(site.at("args"), shape.args, bare=project.variables.get)
    check_names(site.at("args"), args)
    if context is None:
        return None
    if not context.is_dir():
        place.report(f"{shown(str(context), 200)} is not a directory", "create it, or correct the path")
        return None
    dockerfile = shape.dockerfile or "Dockerfile"
    locate(site.at("dockerfile"), context, dockerfile)
    return Build(context, dockerfile, args, shape.target)


def _read_pull_policy(site: Site, shape: ServiceShape) -> PullPolicy:
    if shape.build is None and shape.pull_policy == "build":
        site.at("pull_policy").report("there is no build", "add build:, or delete it")
    if shape.image is None and shape.build is None and not (site.has("image") or site.has("build")):
        site.report("neither image nor build", "name an image, or say how to build one")
    if shape.pull_policy is None or shape.pull_policy == "if_not_present":
        return "missing"
    return shape.pull_policy


def read_labels(site: Site, raw: Mapping[str, str | int | float | bool | None] | list[str] | None) -> dict[str, str]:
    """Labels, none of them in a namespace that fleetctl or Docker writes."""
    labels = read_pairs(site, raw)
    for name in labels:
        if name.startswith(RESERVED_LABELS):
            site.key(name).report(f"labels that begin with {' or '.join(RESERVED_LABELS)} are reserved", "rename it")
    return labels


def _read_expose(site: Site, raw: list[str | int] | None) -> tuple[str, ...]:
    exposed: dict[str, None] = {}
    for index, item in enumerate(raw or ()):
        ports = read_quantity(site.at(index), parse_exposed, item)
        exposed.update(dict.fromkeys(ports or ()))
        if len(exposed) > MAX_PORTS:
            site.report(f"more than {MAX_PORTS} ports", "expose fewer; containers of one network reach all anyway")
            break
    return tuple(exposed)


def _read_ports(site: Site, shape: ServiceShape, defaults: Defaults, replicas: int) -> tuple[PortMapping, ...]:
    ports: dict[PortMapping, None] = {}
    for index, item in enumerate(shape.ports or ()):
        place = site.at(index)
        try:
            if isinstance(item, (str, int)):
                mappings = parse_short_port(item, defaults.host_ip)
            else:
                mappings = [parse_long_port(item, defaults.host_ip)]
        except UnitError as error:
            place.report(str(error), error.hint)
            continue
        for mapping in mappings:
            problem = why_too_few_ports(mapping, replicas)
            if problem is not None:
                place.report(problem, f'write a range of {replicas} host ports, such as "8081-{8080 + replicas}:8080"')
                break
        if any(mapping in ports for mapping in mappings):
            place.report("the same port is published twice", "keep one of them")
            break
        ports.update(dict.fromkeys(mappings))
        if len(ports) > MAX_PORTS:
            place.report(f"more than {MAX_PORTS} ports are published", "publish fewer")
            break
    return tuple(ports)


def why_too_few_ports(mapping: PortMapping, replicas: int) -> str | None:
    """Why so many replicas cannot publish this port; None when they can."""
    if mapping.published is None or replicas <= 1:
        return None
    count = mapping.published[1] - mapping.published[0] + 1
    if count >= replicas:
        return None
    ports = "one host port" if count == 1 else f"{count} host ports"
    return f"{format_port(mapping)} gives {ports} to {replicas} replicas"


def _read_memberships(
    site: Site, raw: list[str] | Mapping[str, MembershipShape | None] | None, replicas: int
) -> dict[str, Membership]:
    """Networks of the service; one that names none is on `default`, as in Compose."""
    if not raw:
        return {"default": Membership()}
    if isinstance(raw, list):
        return {name: Membership() for name in read_list(site, raw)}
    memberships: dict[str, Membership] = {}
    for name, shape in raw.items():
        place = site.at(name)
        address = shape.ipv4_address if shape else None
        if address is not None and replicas > 1:
            place.at("ipv4_address").report(
                f"one address cannot serve {replicas} replicas", "delete it; `fleetctl ps` shows each one's address"
            )
        memberships[name] = Membership(read_list(place.at("aliases"), shape.aliases if shape else None), address)
    return memberships


def _read_dependencies(site: Site, raw: list[str] | Mapping[str, DependencyShape] | None) -> dict[str, Dependency]:
    if isinstance(raw, list):
        return {name: Dependency() for name in read_list(site, raw)}
    for name, shape in (raw or {}).items():
        if shape.restart:
            site.at(name, "restart").report(
                "not yet supported: nothing restarts with what it depends on",
                "delete it; `fleetctl restart SERVICE` does it by hand",
            )
    return {name: Dependency(shape.condition, shape.required is not False) for name, shape in (raw or {}).items()}
