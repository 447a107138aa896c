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
@click.option("--schema", is_flag=True, help="Print the JSON Schema of fleet.yaml for editors.")
def command(
    source: FleetSource,
    quiet: bool,
    output: str,
    services: bool,
    images: bool,
    schema: bool,
) -> None:
    """Check the file and print the effective configuration: short forms expanded, variables filled in, defaults and
    the security baseline applied. In YAML a comment beside each value of a service says where it comes from. Needs no
    engine."""
    from fleetctl.spec.baseline import baseline_notes, missing_limits
    from fleetctl.view.documents import show_document
    from fleetctl.view.terminal import warn, write
    from fleetctl.view.text import safe

    if schema:
        from fleetctl.spec.schema import json_schema

        show_document(json_schema())
        return
    fleet = source.load()
    for told in missing_limits(fleet):
        warn(told)
    if quiet:
        return
    if services:
        for name in fleet.services:
            write(name)
    elif images:
        for reference in dict.fromkeys(service.image for service in fleet.services.values()):
            write(safe(reference))
    else:
        from fleetctl.spec.annotate import annotate
        from fleetctl.spec.document import document_origins, to_document
        from fleetctl.spec.yaml_text import render_yaml

        document = to_document(fleet)
        if output == "json":
            show_document(document)
        else:
            text = annotate(render_yaml(document), document_origins(fleet), baseline_notes(fleet))
            write(safe(text.rstrip("\n"), newlines=True))
