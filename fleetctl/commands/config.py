"""fleetctl config: what fleet.yaml comes to, and where each value comes from."""

from __future__ import annotations

import click

from fleetctl.commands.options import FleetSource, fleet_options


@click.command("config", short_help="Check the file and print what it comes to.")
@fleet_options
@click.option("-q", "--quiet", is_flag=True, help="Only check; print nothing.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="How to print it.",
)
@click.option("--services", is_flag=True, help="Print the services' names, one a line.")
@click.option("--images", is_flag=True, help="Print the images' references, one a line.")
@click.option("--origins", is_flag=True, help="Print every effective value of a service with where it comes from.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of fleet.yaml for editors.")
def command(
    source: FleetSource,
    quiet: bool,
    output: str,
    services: bool,
    images: bool,
    origins: bool,
    schema: bool,
) -> None:
    """Check the file and print the effective configuration: short forms expanded, variables filled in, defaults and
    the security baseline applied. Needs no engine."""
    from fleetctl.view.documents import show_document
    from fleetctl.view.terminal import write
    from fleetctl.view.text import safe

    if schema:
        from fleetctl.spec.schema import json_schema

        show_document(json_schema())
        return
    fleet = source.load()
    if quiet:
        return
    if services:
        for name in fleet.services:
            write(name)
    elif images:
        for reference in dict.fromkeys(service.image for service in fleet.services.values()):
            write(safe(reference))
    elif origins:
        from fleetctl.spec.document import to_document
        from fleetctl.view.origins import show_origins

        show_origins(fleet, to_document(fleet))
    else:
        from fleetctl.spec.document import render_yaml, to_document

        document = to_document(fleet)
        if output == "json":
            show_document(document)
        else:
            write(safe(render_yaml(document).rstrip("\n"), newlines=True))
