"""The command line as a whole: every command by its name; a command's module is imported when it is used."""

from __future__ import annotations

from importlib import import_module

import click

from fleetctl import __version__
from fleetctl.commands.options import FleetSource, fleet_options

COMMANDS = {
    # name: (module, attribute)
    "build": ("images", "build"),
    "completion": ("completion", "command"),
    "config": ("config", "command"),
    "curl": ("curl", "command"),
    "diagnose": ("diagnose", "command"),
    "doctor": ("doctor", "command"),
    "down": ("down", "command"),
    "events": ("events", "command"),
    "exec": ("exec", "command"),
    "inspect-network": ("inspect_network", "command"),
    "logs": ("logs", "command"),
    "ls": ("ls", "command"),
    "plan": ("plan", "command"),
    "port": ("port", "command"),
    "ps": ("ps", "command"),
    "pull": ("images", "pull"),
    "restart": ("power", "restart"),
    "rollback": ("rollback", "command"),
    "scale": ("scale", "command"),
    "start": ("power", "start"),
    "stats": ("stats", "command"),
    "stop": ("power", "stop"),
    "top": ("top", "command"),
    "up": ("up", "command"),
    "verify": ("verify", "command"),
    "version": ("version", "command"),
}


class Commands(click.Group):
    """A group whose commands live in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        found = getattr(import_module(f"fleetctl.commands.{module}"), attribute)
        assert isinstance(found, click.Command)  # noqa: S101  # the table above names commands
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for a mistyped one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            if near:
                raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx=ctx) from None
            raise


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="fleetctl")
@fleet_options
def cli(source: FleetSource) -> None:
    """Launch several copies of a server on a Docker bridge network, and see that it works.

    fleetctl reads fleet.yaml, a strict subset of the Compose Specification. The options that choose it may stand
    before or after the command.

    \b
    Exit codes: 0 converged, 1 failed, 2 usage or configuration,
    3 engine unreachable, 4 verification failed, 5 out of addresses or ports,
    6 another run holds the lock, 7 rolled back, 130/143 interrupted.
    """
