"""One balancer that runs: a session with its admin socket, looks that many share, its file, and what it counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from fleetctl.balancer.admin import Admin, ConversationEnded, Pipe, read_rotation
from fleetctl.balancer.config import DIRECTORY, FILE_NAME, MASTER_SOCKET, SOCKET, with_servers
from fleetctl.balancer.places import admitted
from fleetctl.errors import EngineUnreachable, FleetError
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Rotation, Server, Traffic

CONNECT = ("socat", "-", f"UNIX-CONNECT:{SOCKET}")
CONNECT_MASTER = ("socat", "-t", "0", "-", f"UNIX-CONNECT:{MASTER_SOCKET}")
"""Which ends as soon as the master ends the conversation: after a reload it does, else when it is told to quit."""
RELOADED_WITHIN = 15.0
"""Seconds for a new worker to have read the file."""
ANSWERED_WITHIN = 2.0
"""Seconds for the master to answer everything else, which it does at once."""
LOOK_EVERY = 0.1
"""Seconds between two looks at servers that are waited for, shared by all who wait."""


class Host(Protocol):
    """What driving a balancer needs of an engine. Every method raises only kinds of FleetError."""

    def observe_replicas(self, fleet_name: str, container_id: str | None = None) -> tuple[Replica, ...]: ...
    def open_pipe(self, container_id: str, command: tuple[str, ...]) -> Pipe: ...
    def put_files(self, container_id: str, directory: str, files: Mapping[str, bytes]) -> None: ...
    def get_file(self, container_id: str, path: str) -> bytes: ...


class LiveBalancer:
    """For many threads. `changed` says whether something was changed in its rotation by this run."""

    def __init__(self, host: Host, balancer_id: str, name: str) -> None:
        self.host = host
        self.balancer_id = balancer_id
        self.name = name
        self.changed = False
        self._admin: Admin | None = None
        self._hears = False
        self._opening = threading.Lock()
        self._looking = threading.Lock()
        self._latest: tuple[float, Rotation] | None = None
        self._leaving = threading.Lock()
        self._writing = threading.Lock()
        self._saved = float("-inf")
        self._text: str | None = None
        self._first: Traffic | None = None
        self._carried = Traffic()

    # Speak

    def admin(self) -> Admin:
        """The session, opened where there is none. Raises ConversationEnded or EngineUnreachable."""
        with self._opening:
            if self._admin is None or self._admin.ended:
                try:
                    self._admin = Admin(self.host.open_pipe(self.balancer_id, CONNECT), self.name)
                except EngineUnreachable:
                    raise
                except FleetError as error:
                    raise ConversationEnded(error.message, hint=error.hint) from error
            return self._admin

    def forget(self) -> None:
        """End the session; the next one may be with another process."""
        admin = self.let_go()
        if admin is not None:
            admin.close()

    def let_go(self) -> Admin | None:
        """Hand the session over: whoever gets it closes it."""
        with self._opening:
            admin, self._admin = self._admin, None
            self._hears = False
        return admin

    def hears_signals(self) -> bool:
        """Whether the master is itself, which it is not yet when its first worker answers; once it is, it stays so.
        Raises FleetError."""
        if not self._hears:
            self._hears = bool(self.ask_master("show version; quit"))
        return self._hears

    def ask_master(self, command: str, within: float = ANSWERED_WITHIN) -> str:
        """What the master process says to a command within so many seconds (Management Guide, section 9.4), '' where it
        says nothing. Raises FleetError."""
        pipe = self.host.open_pipe(self.balancer_id, CONNECT_MASTER)
        deadline, said = time.monotonic() + within, b""
        try:
            pipe.send(command.encode() + b"\n")
            with suppress(TimeoutError):
                while data := pipe.receive(max(0.0, deadline - time.monotonic())):
                    said += data
        finally:
            pipe.close()
        return said.decode(errors="replace")

    def reload(self) -> str:
        """Have a new worker read the file anew and take over the ports; what the master says of that, which begins
        with Success=1 where it worked. Raises FleetError."""
        return self.ask_master("reload", RELOADED_WITHIN) or "Success=0\n(it did not come to an end)"

    # Look

    def look(self, newer_than: float | None = None) -> Rotation:
        """Who is in rotation, as of now, or as somebody else was told since that time (monotonic seconds). Raises
        FleetError."""
        now = time.monotonic()
        with self._looking:
            if self._latest is None or self._latest[0] < (now if newer_than is None else newer_than):
                begun = time.monotonic()
                self._latest = (begun, read_rotation(self.admin(), self.balancer_id))
            rotation = self._latest[1]
            if self._first is None:
                self._first = rotation.traffic
            return rotation

    def servers(self, pool: str, since: float | None = None) -> tuple[Server, ...]:
        """Those of a pool; with `since` a look that others share will do, if it began later than that."""
        newer_than = None if since is None else max(since, time.monotonic() - LOOK_EVERY)
        return self.look(newer_than).servers.get(pool, ())

    def server(self, pool: str, name: str, since: float | None = None) -> Server | None:
        """One of them, None where it has none of that name."""
        return next((one for one in self.servers(pool, since) if one.name == name), None)

    def gone(self, fleet_name: str) -> bool:
        """Whether its container was removed, as by a step before. An engine that cannot be asked has not said so."""
        with suppress(EngineUnreachable):
            return not self.host.observe_replicas(fleet_name, self.balancer_id)
        return False

    def networks(self, fleet_name: str) -> frozenset[str]:
        """The networks that it is in, by their names in the engine. Raises ConversationEnded when it is gone."""
        found = self.host.observe_replicas(fleet_name, self.balancer_id)
        if not found:
            raise ConversationEnded(f"balancer {self.name} vanished meanwhile", hint="run the command again")
        return frozenset(name for replica in found for name in replica.endpoints)

    # Withdraw

    def withdraw(self, pool: str, name: str, least: int = 0) -> int | None:
        """Have a server get no new requests, but a healthy one not while fewer than `least` others serve: how many do
        is returned then, None when it was done. Raises FleetError."""
        admin = self.admin()
        # One after the other, each with a look of its own: two at once would count on each other.
        with self._leaving:
            servers = self.servers(pool) if least else ()
            others = sum(one.admission == "ready" and one.healthy for one in servers if one.name != name)
            if others < least and any(one.name == name and one.healthy for one in servers):
                return others
            admin.order(f"set server {pool}/{name} state drain")
            return None

    # Count

    def follow(self, carried: Traffic) -> None:
        """Another process has taken over, which counts anew: `carried` is what the one before had counted."""
        self._carried = carried
        self._first = Traffic()

    def traffic(self) -> Traffic:
        """What it has counted since the first look. Raises FleetError."""
        now = self.look().traffic
        first = self._first or now
        # One that was restarted has begun anew, and what it had counted by then nobody knows.
        return self._carried + (now - first if now.requests >= first.requests else now)

    # The file

    def save(self) -> None:
        """Write the file with those that are ready now, so that a restart comes back with them. Whoever waited while
        another wrote what was read later than he came has nothing left to do."""
        came = time.monotonic()
        with self._writing:
            if self._saved < came:
                begun = time.monotonic()
                self.write(with_servers(self.read(), admitted(self.look())))
                self._saved = begun

    def read(self) -> str:
        """The file, which nobody else writes while a run has the fleet's lock. Raises FleetError."""
        if self._text is None:
            content = self.host.get_file(self.balancer_id, f"{DIRECTORY}/{FILE_NAME}")
            self._text = content.decode(errors="replace")
        return self._text

    def write(self, text: str) -> None:
        """Replace the file. Raises FleetError."""
        self._text = None
        try:
            self.host.put_files(self.balancer_id, DIRECTORY, {FILE_NAME: text.encode()})
        except EngineUnreachable:
            raise
        except FleetError as error:
            raise FleetError(
                f"balancer {self.name} takes no settings: {error.message}",
                hint="the image of a balancer is made from images/balancer: build it from there",
            ) from error
        self._text = text
