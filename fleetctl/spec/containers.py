"""Hardening, health check, limits of processes and logging of a service's containers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from fleetctl.spec.baseline import Defaults
from fleetctl.spec.compose_parts import HealthcheckShape, LoggingShape, UlimitShape
from fleetctl.spec.compose_service import ServiceShape
from fleetctl.spec.danger import (
    canonical_capability,
    is_dangerous_capability,
    known_capabilities,
    why_dangerous_option,
)
from fleetctl.spec.model import Healthcheck, Logging, Ulimit
from fleetctl.spec.project import Project
from fleetctl.spec.site import Site, suggest
from fleetctl.spec.units import parse_duration
from fleetctl.spec.values import read_pairs, read_quantity

_UNSAFE = "delete it, or pass --unsafe if you mean it"

# The settings that belong to a container's own namespaces: `docker run --sysctl` accepts no others.
_SYSCTLS = re.compile(r"net\..+|fs\.mqueue\..+|kernel\.(msg|shm)[a-z_]*|kernel\.sem", re.ASCII)
_OPTION = re.compile(r"(no-new-privileges)(?:[:=](true|false))?|(apparmor|label|seccomp|systempaths)[:=](.+)")

# getrlimit(2), under the names that the engine knows.
_ULIMITS = frozenset(
    [
        "as",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ]
)


class Hardening(NamedTuple):
    """What a container may do beyond or short of the engine's defaults."""

    cap_drop: tuple[str, ...]
    cap_add: tuple[str, ...]
    security_opt: tuple[str, ...]
    sysctls: dict[str, str]


def read_hardening(site: Site, shape: ServiceShape, defaults: Defaults, project: Project) -> Hardening:
    """Capabilities, security options and sysctls, with the baseline's where the file says nothing."""
    drop = defaults.cap_drop if shape.cap_drop is None else _read_capabilities(site.at("cap_drop"), shape.cap_drop)
    add = _read_capabilities(site.at("cap_add"), shape.cap_add)
    for index, raw in enumerate(shape.cap_add or ()):
        if is_dangerous_capability(canonical_capability(raw)):
            project.refuse(site.at("cap_add", index), f"{raw} reaches beyond the container", _UNSAFE)
    sysctls = read_pairs(site.at("sysctls"), shape.sysctls)
    for name in sysctls:
        if not _SYSCTLS.fullmatch(name):
            site.at("sysctls").key(name).report(
                f"{name[:80]!r} belongs to the whole host",
                "only net.*, fs.mqueue.* and SysV IPC settings are a container's",
            )
    options = _read_options(site.at("security_opt"), shape.security_opt, defaults, project)
    return Hardening(drop, add, options, sysctls)


def _read_capabilities(site: Site, raw: list[str] | None) -> tuple[str, ...]:
    names: list[str] = []
    for index, text in enumerate(raw or ()):
        name = canonical_capability(text)
        if name not in known_capabilities():
            hint = suggest(name, known_capabilities()) or "see capabilities(7)"
            site.at(index).report(f"not a capability: {text[:60]!r}", hint)
        elif name in names:
            site.at(index).report(f"{name} appears twice", "keep one of them")
        else:
            names.append(name)
    return tuple(names)


def _read_options(site: Site, raw: list[str] | None, defaults: Defaults, project: Project) -> tuple[str, ...]:
    """The baseline's no-new-privileges stays unless the file says false."""
    options: dict[str, None] = {}
    for index, text in enumerate(raw or ()):
        match = _OPTION.fullmatch(text)
        if match is None:
            site.at(index).report(
                f"not a known security option: {text[:80]!r}", "write no-new-privileges:true, apparmor=..., label=..."
            )
            continue
        option = f"{match[1]}:{match[2] or 'true'}" if match[1] else f"{match[3]}={match[4]}"
        why = why_dangerous_option(option)
        if why is not None:
            project.refuse(site.at(index), why, _UNSAFE)
        if option.startswith("seccomp=") and option != "seccomp=unconfined":
            site.at(index).report("not yet supported: a seccomp profile of your own", "delete it")
        elif option in options:
            site.at(index).report(f"{option} appears twice", "keep one of them")
        else:
            options[option] = None
    if not any(option.startswith("no-new-privileges") for option in options):
        return (*defaults.security_opt, *options)
    return tuple(options)


def read_healthcheck(site: Site, shape: HealthcheckShape | None) -> Healthcheck | None:
    """The engine's own check; None leaves the image's as it is."""
    if shape is None:
        return None
    test = shape.test
    if isinstance(test, str):
        test = ["CMD-SHELL", test]
    if test is not None and (not test or test[0] not in ("NONE", "CMD", "CMD-SHELL")):
        site.at("test").report("a list must begin with CMD, CMD-SHELL or NONE", 'write ["CMD", "program", "argument"]')
    elif test is not None and test[0] != "NONE" and (len(test) < 2 or (test[0] == "CMD-SHELL" and len(test) > 2)):
        site.at("test").report("CMD takes a program and its arguments, CMD-SHELL one text", None)
    if shape.disable or test == ["NONE"]:
        if shape.disable and test not in (None, ["NONE"]):
            site.at("disable").report("a check is given and switched off", "keep one of them")
        return Healthcheck(disable=True)
    return Healthcheck(
        test=tuple(test) if test else None,
        interval=read_quantity(site.at("interval"), parse_duration, shape.interval),
        timeout=read_quantity(site.at("timeout"), parse_duration, shape.timeout),
        start_period=read_quantity(site.at("start_period"), parse_duration, shape.start_period),
        start_interval=read_quantity(site.at("start_interval"), parse_duration, shape.start_interval),
        retries=shape.retries,
    )


def read_ulimits(
    site: Site, raw: Mapping[str, int | UlimitShape] | None, defaults: Mapping[str, Ulimit]
) -> dict[str, Ulimit]:
    """Limits by name; those of the baseline stay unless the file names the same one."""
    limits = dict(defaults)
    for name, value in (raw or {}).items():
        limit = Ulimit(value, value) if isinstance(value, int) else Ulimit(value.soft, value.hard)
        if name not in _ULIMITS:
            site.key(name).report("not a limit", suggest(name, _ULIMITS) or "see getrlimit(2)")
        if limit.hard != -1 and (limit.soft == -1 or limit.soft > limit.hard):
            site.at(name).report("the soft limit is above the hard one", "raise hard, or lower soft")
        limits[name] = limit
    return limits


def read_logging(shape: LoggingShape | None, defaults: Defaults) -> Logging:
    """Where output goes; options of the baseline stay for its own driver unless the file names them."""
    usual = defaults.logging
    if shape is None:
        return usual
    driver = shape.driver or usual.driver
    options = {key: str(value) for key, value in (shape.options or {}).items()}
    return Logging(driver, {**usual.options, **options} if driver == usual.driver else options)
