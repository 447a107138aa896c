"""fleetctl version: ours and the engine's."""

from __future__ import annotations

import os
import platform

import click

from fleetctl import __version__
from fleetctl.commands.options import format_option


@click.command("version", short_help="Print fleetctl's and the engine's version.")
@click.option("--client", is_flag=True, help="Do not ask the engine.")
@format_option
def command(client: bool, output: str) -> None:
    """Print the versions of fleetctl, Python and the engine. Exits 3 when the engine does not answer."""
    from importlib.metadata import version

    from fleetctl.view.documents import SCHEMA, show_document
    from fleetctl.view.terminal import write
    from fleetctl.view.text import safe

    own = {"fleetctl": __version__, "python": platform.python_version(), "docker-py": version("docker")}
    engine = {} if client else ask_engine()
    if output == "json":
        show_document({"schema": SCHEMA, **own, "engine": engine or None})
        return
    write("\n".join(f"{key:<10} {value}" for key, value in own.items()))
    if engine:
        write(safe(f"engine     {engine['version']} (API {engine['api']}, {engine['os']}) at {engine['endpoint']}"))


def ask_engine() -> dict[str, str]:
    from fleetctl.engine.registry import open_engine

    engine = open_engine(os.environ)
    try:
        return {**engine.about(), "endpoint": engine.endpoint}
    finally:
        engine.close()
