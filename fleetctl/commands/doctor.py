"""fleetctl doctor: is everything there that a fleet needs?"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from fleetctl.commands.options import FleetSource, fleet_options, format_option
from fleetctl.errors import ConfigError, FleetError

if TYPE_CHECKING:
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.spec.model import Fleet


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `cure` says what to do where it is not well."""

    subject: str
    verdict: Literal["ok", "warning", "error"]
    told: str
    cure: str = ""
    exit_code: int = 0


@click.command("doctor", short_help="Look whether everything a fleet needs is there.")
@fleet_options
@format_option
@click.pass_context
def command(context: click.Context, source: FleetSource, output: str) -> None:
    """Look whether Python, the engine, our rights on this host and the file are well, and say what to do where not.

    Exits with the code of the first thing that is wrong; warnings do not count."""
    from fleetctl.view.documents import SCHEMA, show_document
    from fleetctl.view.tables import Column, show_table
    from fleetctl.view.terminal import note

    findings = list(examine(source))
    if output == "json":
        show_document(
            {
                "schema": SCHEMA,
                "findings": [
                    {"subject": one.subject, "verdict": one.verdict, "told": one.told, "cure": one.cure or None}
                    for one in findings
                ],
            }
        )
    else:
        show_table(
            (Column("VERDICT"), Column("SUBJECT"), Column("FOUND", spare=1, fold=True)),
            [(one.verdict, one.subject, one.told) for one in findings],
        )
        for one in findings:
            if one.cure:
                note(f"{one.subject}: {one.cure}")
    context.exit(next((one.exit_code for one in findings if one.verdict == "error"), 0))


def examine(source: FleetSource) -> Iterator[Finding]:
    """Everything worth looking at, in the order in which it matters."""
    from fleetctl.engine.registry import open_engine

    yield Finding("python", "ok", f"{platform.python_version()} ({sys.executable})")
    engine = None
    try:
        engine = open_engine(os.environ)
        about = engine.about()
        yield Finding("engine", "ok", f"{about['version']} (API {about['api']}) at {engine.endpoint}")
    except FleetError as error:
        if engine is not None:
            engine.close()
            engine = None
        yield Finding("engine", "error", error.message, error.hint or "", error.exit_code)
    try:
        if engine is not None:
            yield access(engine)
        fleet = source.load()
        yield Finding(
            "file", "ok", f"{', '.join(fleet.files)}: fleet {fleet.name}, services {', '.join(fleet.services)}"
        )
        yield from confinement(fleet)
        if engine is not None:
            yield from images(fleet, engine)
    except FleetError as error:
        for problem in getattr(error, "problems", ()):
            yield Finding("file", "error", str(problem), problem.hint or "", error.exit_code)
        if not getattr(error, "problems", ()):
            yield Finding("file", "error", error.message, error.hint or "", error.exit_code)
    finally:
        if engine is not None:
            engine.close()


def access(engine: DockerHost) -> Finding:
    """From where inspect-network and diagnose will look at the wiring; nothing is started to find that out."""
    from fleetctl.vantage.registry import open_vantage, why_not_privileged

    try:
        vantage = open_vantage(engine)
    except ConfigError as error:
        return Finding("network view", "error", error.message, error.hint or "", error.exit_code)
    reason = "; ".join(vantage.reasons)
    if vantage.name == "helper container":
        return Finding("network view", "ok", f"through a helper container ({reason or 'FLEET_VANTAGE=helper'})")
    blind = f"the engine only ({reason})" if vantage.name == "the engine only" else why_not_privileged()
    if blind is not None:
        cure = "unset FLEET_VANTAGE: a helper container sees all of it"
        return Finding("network view", "warning", blind, cure)
    return Finding("network view", "ok", "from this host: its links and those of every replica can be read")


def confinement(fleet: Fleet) -> Iterator[Finding]:
    """Services that may eat the whole host, or that have less than the restricted baseline."""
    from fleetctl.spec.baseline import missing_limits, opt_outs

    for told in missing_limits(fleet):
        yield Finding("limits", "warning", told)
    for service in fleet.services.values():
        for told in opt_outs(service):
            yield Finding("baseline", "warning", told)


def images(fleet: Fleet, engine: DockerHost) -> Iterator[Finding]:
    """Images that the next up has to build or pull; of services that share one, a service that builds it decides."""
    services = {service.image: service for service in sorted(fleet.services.values(), key=lambda one: bool(one.build))}
    observed = engine.observe(fleet.name, images=services.keys())
    for reference, service in services.items():
        found = observed.images.get(reference)
        if found is not None:
            yield Finding(f"image {reference}", "ok", f"present, {found.size / 1e6:.0f} MB")
        else:
            how = "build" if service.build is not None else "pull"
            yield Finding(f"image {reference}", "warning", f"missing; 'fleetctl up' will {how} it")
