"""Speaks with HAProxy's admin socket, through any pipe that leads there (HAProxy Management Guide, section 9.3)."""

from __future__ import annotations

import csv
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from fleetctl.errors import EngineUnreachable, FleetError
from fleetctl.state.rotation import Admission, Rotation, Server, Traffic

PROMPT = b"\n> "
PATIENCE = 5.0
"""Seconds within which every answer is there: the balancer answers at once or not at all."""
ANSWER_LIMIT = 16 << 20
DRAIN, MAINTENANCE = 0x08, 0x01
"""Bits of srv_admin_state (Management Guide, "show servers state"): drained, and in maintenance, by command."""


class ConversationEnded(FleetError):
    """The balancer does not answer, or does not know what was said before, as after a restart: it can be said again."""


class Pipe(Protocol):
    """Bytes to and from the admin socket. `receive` gives b"" at the end and raises TimeoutError when nothing comes
    within so many seconds; both may raise FleetError."""

    def send(self, data: bytes) -> None: ...
    def receive(self, seconds: float) -> bytes: ...
    def close(self) -> None: ...


class Admin:
    """One session, for many threads: a command at a time. The first answer that does not come ends it: one that came
    later would be taken for the next command's."""

    def __init__(self, pipe: Pipe, name: str) -> None:
        self.pipe = pipe
        self.name = name
        self.ended = False
        self._lock = threading.Lock()
        self.ask("prompt")

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            self.pipe.close()

    def ask(self, command: str) -> str:
        """What the balancer answers to one command. Raises ConversationEnded or EngineUnreachable when it does not."""
        with self._lock:
            if self.ended:
                raise self._silent("ended the conversation")
            try:
                return self._exchange(command)
            except FleetError:
                self.close()
                raise

    def order(self, command: str) -> None:
        """Have a command carried out, which a word of any kind would say failed. Raises FleetError with that word."""
        said = self.ask(command).strip()
        if said:
            raise FleetError(
                f"balancer {self.name} refused '{command}': {said}",
                hint="run 'fleetctl up' again: it looks anew; 'fleetctl stats' shows what the balancer has",
            )

    def _exchange(self, command: str) -> str:
        deadline = time.monotonic() + PATIENCE
        received = bytearray(b"\n")
        with self._reaching():
            self.pipe.send(command.encode() + b"\n")
        while not received.endswith(PROMPT):
            try:
                with self._reaching():
                    data = self.pipe.receive(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                raise self._silent(f"did not answer '{command}' within {PATIENCE:g} s") from None
            if not data:
                said = received.decode(errors="replace").strip()
                raise self._silent(f"ended the conversation{f': {said}' if said else ''}")
            received += data
            if len(received) > ANSWER_LIMIT:
                raise self._silent("says too much")
        return received[1 : -len(PROMPT)].decode(errors="replace")

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """What keeps a pipe from leading there, told as that."""
        try:
            yield
        except EngineUnreachable:
            raise
        except FleetError as error:
            raise self._silent(f"cannot be reached: {SIGNATURE.sub('', error.message)}") from None

    def _silent(self, what: str) -> ConversationEnded:
        return ConversationEnded(
            f"the admin socket of balancer {self.name} {what}",
            hint="no replica is stopped that may still be in its rotation; 'fleetctl restart' and the balancer's "
            "service name mend it, and interrupt its connections",
        )


SIGNATURE = re.compile(r"^\S+ \S+ socat\[\d+\] \w ")
"""What socat begins its complaints with: date, time, name, process and level."""


def refuse_surprise(admin: Admin, said: str, expected: str) -> None:
    """Raise FleetError unless the balancer said what it says when all went well."""
    if expected not in said:
        raise FleetError(
            f"balancer {admin.name} refused a change of its servers: {said.strip()}",
            hint="run 'fleetctl up' again: it looks anew",
        )


def read_rotation(admin: Admin, balancer_id: str) -> Rotation:
    """Everything of one balancer."""
    lines = (line.partition(":") for line in admin.ask("show info").split("\n"))
    information = {key.strip(): value.strip() for key, _, value in lines}
    rows = list(rows_of(admin.ask("show stat")))
    states = dict(states_of(admin.ask("show servers state")))
    pools: dict[str, list[Server]] = {row["pxname"]: [] for row in rows if row["svname"] == "BACKEND"}
    for row in rows:
        place = states.get((row["pxname"], row["svname"]))
        if row["type"] == SERVER_ROW and place is not None:
            pools[row["pxname"]].append(server_of(row, place))
    clients = [row for row in rows if row["svname"] == "FRONTEND"]
    backends = [row for row in rows if row["svname"] == "BACKEND"]
    return Rotation(
        balancer_id,
        digest=information.get("description", "").removeprefix("fleetctl-"),
        servers={name: tuple(servers) for name, servers in pools.items()},
        traffic=Traffic(
            requests=sum(number(row, "req_tot") for row in clients),
            # Those that were broken off amid the answer had a good status by then.
            failed=sum(number(row, "hrsp_5xx") for row in clients) + sum(number(row, "srv_abrt") for row in backends),
            retried=sum(number(row, "wretr") + number(row, "wredis") for row in backends),
        ),
    )


RUNNING = "2"
"""`srv_op_state` of a server that is up."""
SERVER_ROW = "2"
"""The `type` of a server's row in "show stat"."""


def rows_of(text: str) -> Iterator[Mapping[str, str]]:
    """The rows of "show stat", whose first line names the columns (Management Guide, section 9.1)."""
    return iter(csv.DictReader(text.removeprefix("# ").split("\n")))


@dataclass(frozen=True, slots=True)
class Standing:
    """What "show servers state" tells of a server."""

    address: str
    port: int
    admission: Admission
    healthy: bool


def states_of(text: str) -> Iterator[tuple[tuple[str, str], Standing]]:
    """(pool, server) and how it stands, of "show servers state"."""
    titles: list[str] = []
    for line in text.split("\n"):
        if line.startswith("# "):
            titles = line[2:].split(" ")
        elif titles and " " in line:
            row = dict(zip(titles, line.split(" "), strict=False))
            bits = int(row["srv_admin_state"])
            admission: Admission = "maint" if bits & MAINTENANCE else "drain" if bits & DRAIN else "ready"
            healthy = row["srv_op_state"] == RUNNING
            standing = Standing(row["srv_addr"], int(row["srv_port"]), admission, healthy)
            yield (row["be_name"], row["srv_name"]), standing


def server_of(row: Mapping[str, str], standing: Standing) -> Server:
    return Server(
        name=row["svname"],
        address=standing.address,
        port=standing.port,
        admission=standing.admission,
        healthy=standing.healthy,
        check=row["check_status"].lstrip("* "),
        sessions=number(row, "scur"),
        traffic=Traffic(
            requests=number(row, "req_tot"),
            failed=number(row, "hrsp_5xx") + number(row, "econ") + number(row, "eresp"),
            retried=number(row, "wretr") + number(row, "wredis"),
        ),
    )


def number(row: Mapping[str, str], key: str) -> int:
    """A counter; 0 where a row of that kind has none."""
    return int(row.get(key) or 0)
