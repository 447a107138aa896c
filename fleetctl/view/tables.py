"""Tables for people: as wide as they need where nobody measures, fitted to the terminal where there is one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fleetctl.spec.wording import listed
from fleetctl.state.observed import Published, Replica
from fleetctl.state.probes import ReplicaReply
from fleetctl.view.terminal import note, stdout
from fleetctl.view.text import safe

if TYPE_CHECKING:
    from rich.text import Text

GAP = 2
COMMAND_WIDTH = 24


@dataclass(frozen=True, slots=True)
class Column:
    """A column. Where the terminal is too narrow, the columns give way in the order of `spare`, the highest first; 0
    never gives way. One with a `least` width is cut down to that, one that may `fold` breaks its text over lines, any
    other is left out."""

    title: str
    spare: int = 0
    right: bool = False
    least: int = 0
    fold: bool = False


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of foreign or own text under their titles; columns that do not fit are named on stderr."""
    cells = [[safe(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        # Rich would take a tenth of a second to lay out fifty rows that need neither fitting nor colour.
        print_lines(plain(columns, cells))
        return
    from rich.table import Table

    console = stdout()
    widths = fit(columns, cells, console.width)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold", show_edge=False)
    for index, width in widths.items():
        table.add_column(
            columns[index].title,
            justify="right" if columns[index].right else "left",
            width=width,
            no_wrap=not columns[index].fold,
            overflow="fold" if columns[index].fold else "ellipsis",
        )
    for row in cells:
        table.add_row(*(styled(row[index]) for index in widths))
    with console.capture() as captured:
        console.print(table)
    print_lines(captured.get())
    dropped = [column.title for index, column in enumerate(columns) if index not in widths]
    if dropped:
        note(f"({', '.join(dropped)} hidden at {console.width} columns)")


def plain(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> str:
    """The table in full width, without colour."""
    from rich.cells import cell_len

    lines = [[column.title for column in columns], *cells]
    padded = []
    for column, *texts in zip(columns, *lines, strict=True):
        lengths = [cell_len(text) for text in texts]
        blanks = [" " * (max(lengths) - length) for length in lengths]
        padded.append(
            [blank + text if column.right else text + blank for text, blank in zip(texts, blanks, strict=True)]
        )
    return "\n".join((" " * GAP).join(line) for line in zip(*padded, strict=True))


def fit(columns: Sequence[Column], cells: Sequence[Sequence[str]], available: int) -> dict[int, int]:
    """Index -> width in terminal cells of the columns that are shown."""
    from rich.cells import cell_len

    widths = {
        index: max([cell_len(column.title), *(cell_len(row[index]) for row in cells)])
        for index, column in enumerate(columns)
    }
    for index in sorted(widths, key=lambda index: -columns[index].spare):
        excess = sum(widths.values()) + GAP * (len(widths) - 1) - available
        column = columns[index]
        if excess <= 0 or not column.spare:
            break
        least = max(column.least, cell_len(column.title))
        if not (column.least or column.fold):
            del widths[index]
        elif widths[index] > least:
            widths[index] = max(least, widths[index] - excess)
    return widths


def print_lines(text: str) -> None:
    """Write lines without trailing blanks."""
    from fleetctl.view.terminal import write

    write("\n".join(line.rstrip() for line in text.rstrip("\n").splitlines()))


STYLES = (
    ("Up", "green"),
    ("running", "green"),
    ("Exited (0)", "yellow"),
    ("Exited", "red"),
    ("Restarting", "red"),
    ("Created", "yellow"),
    ("Paused", "yellow"),
)


def styled(cell: str) -> Text:
    """A cell in the colour of what it says; never read as markup."""
    from rich.text import Text

    if "(unhealthy)" in cell:
        return Text(cell, style="red")
    style = next((style for start, style in STYLES if cell.startswith(start)), "")
    return Text(cell, style=style)


IDENTITY = 9
"""Terminal cells of an identity that is cut: enough to tell replicas apart."""
STATUS = len("Up 59 minutes (unhealthy)")

PS_COLUMNS = (
    Column("NAME"),
    Column("IMAGE", spare=4),
    Column("COMMAND", spare=9),
    Column("SERVICE", spare=7),
    Column("CREATED", spare=8),
    Column("STATUS", spare=3, least=STATUS),
    Column("PORTS", spare=6),
    Column("IP"),
    Column("INSTANCE", spare=5, least=IDENTITY),
    Column("ROTATION", spare=1),
)


def show_replicas(
    replicas: Iterable[Replica],
    instances: Mapping[str, str],
    *,
    full: bool,
    standings: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> None:
    """The table of `ps`; `instances` maps replica names to the identity each gave, or to why it gave none, `standings`
    to how they stand with their balancers, None where the fleet has no balancer."""
    now = now or datetime.now(UTC)
    columns = PS_COLUMNS if standings is not None else PS_COLUMNS[:-1]
    show_table(
        columns,
        [
            (
                replica.name,
                replica.image,
                command_text(replica.command, full=full),
                replica.service,
                f"{ago(now - replica.created.astimezone(UTC))} ago",
                status_text(replica),
                ", ".join(port_text(port) for port in replica.ports),
                ", ".join(endpoint.ipv4 for endpoint in replica.endpoints.values() if endpoint.ipv4) or "-",
                instances.get(replica.name, "-"),
                (standings or {}).get(replica.name, "-"),
            )[: len(columns)]
            for replica in replicas
        ],
    )


SHORTER = (
    ("Less than a second", "<1 second"),
    ("About a minute", "1 minute"),
    ("About an hour", "1 hour"),
    ("(health: starting)", "(starting)"),
)


def status_text(replica: Replica) -> str:
    """The engine's own words, a little shorter."""
    text = replica.status or replica.state
    for long, short in SHORTER:
        text = text.replace(long, short)
    return text


def command_text(command: str, *, full: bool) -> str:
    short = command if full or len(command) <= COMMAND_WIDTH else command[: COMMAND_WIDTH - 1] + "…"
    return f'"{short}"'


def port_text(port: Published) -> str:
    """In Docker's own way: 127.0.0.1:32768->8080/tcp, or 8080/tcp when it is only exposed."""
    inside = f"{port.container_port}/{port.protocol}"
    if port.host_port is None:
        return inside
    host = port.host_ip or ""
    return f"{f'[{host}]' if ':' in host else host}:{port.host_port}->{inside}"


def ago(delta: object) -> str:
    """A duration in its largest whole unit, as Docker shows it."""
    seconds = max(0, int(getattr(delta, "total_seconds", lambda: 0)()))
    for size, name in ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (seconds >= size and name != "minute"):
            count = seconds // size
            return f"{count} {name}{'s' if count != 1 else ''}"
    return f"{seconds} second{'s' if seconds != 1 else ''}" if seconds < 60 else "1 minute"


REPLY_COLUMNS = (
    Column("REPLICA"),
    Column("URL", spare=4),
    Column("STATUS"),
    Column("MS", right=True),
    Column("INSTANCE", spare=2, least=IDENTITY),
    Column("ANSWER", spare=3, least=12),
)


def show_replies(replies: Iterable[ReplicaReply]) -> None:
    """The table of `curl`: what every replica answered."""
    show_table(
        REPLY_COLUMNS,
        [
            (
                reply.replica,
                reply.reply.url,
                str(reply.reply.status) if reply.reply.status is not None else "-",
                milliseconds(reply.reply.milliseconds),
                reply.identity or "-",
                reply.error or shorten(reply.reply.first_line),
            )
            for reply in replies
        ],
    )


def shorten(text: str, width: int = 60) -> str:
    from fleetctl.view.text import first_line

    return first_line(text, width)


def milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


FLEET_COLUMNS = (
    Column("NAME"),
    Column("IP"),
    Column("VETH", spare=1),
    Column("INSTANCE", spare=2, least=IDENTITY),
    Column("MS", right=True),
    Column("STATUS", spare=3),
)


def show_fleet(replicas: Iterable[Replica], replies: Iterable[ReplicaReply], veths: Mapping[str, str]) -> None:
    """The table that ends `up`: name, address, veth on the host, identity and latency of every replica."""
    answers = {reply.replica: reply for reply in replies}
    rows = []
    for replica in replicas:
        answer = answers.get(replica.name)
        rows.append(
            (
                replica.name,
                ", ".join(endpoint.ipv4 for endpoint in replica.endpoints.values() if endpoint.ipv4) or "-",
                veths.get(replica.name, "-"),
                "-" if answer is None else answer.identity or answer.error or "answers",
                "-" if answer is None else milliseconds(answer.reply.milliseconds),
                status_text(replica),
            )
        )
    show_table(FLEET_COLUMNS, rows)


def show_entrances(entrances: Mapping[str, Sequence[str]]) -> None:
    """Where each service answers on the engine's host."""
    for service, urls in entrances.items():
        if urls:
            note(f"{service} answers at {listed(urls, 3)}")


def show_processes(name: str, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """The table of `top` for one replica."""
    print_lines(safe(name))
    last = len(titles) - 1
    show_table([Column(title, spare=index == last, fold=index == last) for index, title in enumerate(titles)], rows)
