"""fleetctl completion: a script that makes the shell complete our commands."""

from __future__ import annotations

import click


@click.command("completion", short_help="Print a shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell, for example: source <(fleetctl completion bash)."""
    from click.shell_completion import get_completion_class

    from fleetctl.view.terminal import write

    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"no completion for {shell}")
    root = context.find_root()
    write(kind(root.command, {}, "fleetctl", "_FLEETCTL_COMPLETE").source())
