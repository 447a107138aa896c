"""fleetctl logs: what the replicas have written."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, fleet_options_without_f
from fleetctl.commands.session import opened, select_replicas
from fleetctl.errors import FleetError

if TYPE_CHECKING:
    from fleetctl.engine.base import LogOptions
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.state.observed import Replica


@click.command("logs", short_help="Show what the replicas have written.")
@click.argument("names", nargs=-1, metavar="[SERVICE|REPLICA]…")
@fleet_options_without_f
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come, until interrupted.")
@click.option("-n", "--tail", "tail", default="all", metavar="LINES", help="Only the last lines of each replica.")
@click.option("--since", metavar="TIME", help="RFC 3339, or relative such as 10m or 1h30m.")
@click.option("-t", "--timestamps", is_flag=True, help="Begin lines with the engine's timestamp.")
@click.option("--no-log-prefix", is_flag=True, help="Leave out the replicas' names.")
def command(
    source: FleetSource,
    names: tuple[str, ...],
    follow: bool,
    tail: str,
    since: str | None,
    timestamps: bool,
    no_log_prefix: bool,
) -> None:
    """Show the logs of replicas, made safe for the terminal: control characters appear as escapes."""
    from fleetctl.engine.base import LogOptions
    from fleetctl.view.loglines import LogLines
    from fleetctl.view.terminal import note

    if tail != "all" and not (tail.isascii() and tail.isdecimal()):
        raise click.BadParameter(f"{tail!r} is neither a number of lines nor 'all'", param_hint="--tail")
    wanted = LogOptions(
        follow=follow,
        tail=None if tail == "all" else int(tail),
        since=parse_since(since) if since else None,
        timestamps=timestamps,
    )
    fleet = source.load_name()
    with opened() as engine:
        everything = engine.observe_replicas(fleet.name)
        replicas = select_replicas(fleet, everything, names)
        if not replicas:
            note(f"fleet {fleet.name} has no replicas; 'fleetctl up' starts it")
            return
        lines = LogLines([replica.name for replica in replicas], prefixed=not no_log_prefix)
        if follow:
            for replica, chunk in merged(engine, replicas, wanted):
                if chunk is None:
                    lines.end(replica.name)
                else:
                    lines.feed(replica.name, chunk)
        else:
            for replica in replicas:
                for chunk in engine.logs(replica.id, wanted):
                    lines.feed(replica.name, chunk)
                lines.end(replica.name)


def merged(engine: DockerHost, replicas: list[Replica], wanted: LogOptions) -> Iterator[tuple[Replica, bytes | None]]:
    """Chunks of all logs as they come, None where a container has ended; ends when every one has."""
    arrived: queue.SimpleQueue[tuple[Replica, bytes | FleetError | None]] = queue.SimpleQueue()

    def follow(replica: Replica) -> None:
        try:
            for chunk in engine.logs(replica.id, wanted):
                arrived.put((replica, chunk))
            arrived.put((replica, None))
        except FleetError as error:
            arrived.put((replica, error))

    for replica in replicas:
        threading.Thread(target=follow, args=(replica,), daemon=True).start()
    open_logs = len(replicas)
    while open_logs:
        replica, chunk = arrived.get()
        if isinstance(chunk, FleetError):
            raise chunk
        open_logs -= chunk is None
        yield replica, chunk


UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def parse_since(text: str, option: str = "--since") -> float:
    """A Unix time in seconds, from RFC 3339 or from a time back from now, as an option gives it. Raises
    click.BadParameter, also for what was before 1970: an engine knows no such time."""
    try:
        if re.fullmatch(r"(\d+[dhms])+", text):
            ago = sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)([dhms])", text))
            moment = time.time() - ago
        else:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        moment = -1.0
    if moment < 0:
        raise click.BadParameter(
            f"{text!r} is no time; for example 10m, 1h30m or 2026-01-31T12:00:00Z", param_hint=option
        )
    return moment
