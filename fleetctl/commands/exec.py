"""fleetctl exec: run a command inside a replica."""

from __future__ import annotations

import sys

import click

from fleetctl.commands.options import FleetSource, fleet_options, split_target
from fleetctl.commands.session import opened, select_one


@click.command(
    "exec",
    short_help="Run a command in a replica.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@fleet_options
@click.option("--index", type=click.IntRange(min=1), help="Number of the replica.  [default: the first running]")
@click.option("-T", "--no-tty", is_flag=True, help="No terminal even when there is one.")
@click.option("-i", "-t", "habit", is_flag=True, hidden=True, help="Accepted out of habit: both are the default.")
@click.option("-u", "--user", help="Run as this user, as name, uid or uid:gid.")
@click.option("-w", "--workdir", help="Run in this directory.")
@click.option("-e", "--env", multiple=True, metavar="KEY=VALUE", help="Set a variable.")
@click.argument("service")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND [ARGUMENT]…")
@click.pass_context
def command(
    context: click.Context,
    source: FleetSource,
    index: int | None,
    no_tty: bool,
    habit: bool,
    user: str | None,
    workdir: str | None,
    env: tuple[str, ...],
    service: str,
    words: tuple[str, ...],
) -> None:
    """Run a command in a running replica of SERVICE (or in SERVICE-N) and exit with its code.

    On a terminal the command gets one; what it prints reaches you as it is, for you asked for just that."""
    from fleetctl.engine.exec_session import ExecRequest, run_exec

    if words[0] == "--":
        words = words[1:]
    if not words:
        raise click.UsageError("no command is given")
    fleet = source.load_name()
    with opened() as engine:
        replicas = engine.observe_replicas(fleet.name)
        name, number = (service, index) if service in fleet.services else split_target(service, index)
        replica = select_one(replicas, fleet, name, number)
        request = ExecRequest(
            container_id=replica.id,
            command=words,
            tty=not no_tty and sys.stdin.isatty() and sys.stdout.isatty(),
            user=user,
            workdir=workdir,
            environment=env,
        )
        context.exit(run_exec(engine.client, engine.endpoint, request))
