"""Drives balancers: reads who is in rotation, lets replicas in, and takes them out when their requests are through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from fleetctl.balancer.admin import Admin, Pipe, read_rotation
from fleetctl.balancer.config import DIRECTORY, FILE_NAME, SERVER, SOCKET, Place, render, settings_digest
from fleetctl.balancer.places import admitted, place_of, places_of
from fleetctl.errors import FleetError
from fleetctl.plan.actions import AddServer, ConfigureBalancer, DrainServer, RotationAction
from fleetctl.spec.model import Balance
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Rotation, Server, Traffic, server_name

CONNECT = ("socat", "-", f"UNIX-CONNECT:{SOCKET}")
LOOK_EVERY = 0.1
"""Seconds between two looks at a server that is waited for."""
HEALTHY_WITHIN = 15.0
"""Seconds within which a balancer has to find a replica healthy that answered fleetctl already."""
RELOADED_WITHIN = 10.0
REMOVED_WITHIN = 5.0
LOG_LINES = 10


class Host(Protocol):
    """What driving a balancer needs of an engine. Every method raises only kinds of FleetError."""

    def observe_replicas(self, fleet_name: str, container_id: str | None = None) -> tuple[Replica, ...]: ...
    def last_lines(self, container_id: str, count: int) -> tuple[str, ...]: ...
    def open_pipe(self, container_id: str, command: tuple[str, ...]) -> Pipe: ...
    def put_files(self, container_id: str, directory: str, files: Mapping[str, bytes]) -> None: ...
    def signal(self, container_id: str, name: str) -> None: ...


@dataclass(slots=True)
class Count:
    """How a balancer's traffic is counted over a run: what it said at first, what processes that were followed by
    another have counted, and whether something was changed in its rotation."""

    name: str
    first: Traffic
    carried: Traffic = field(default_factory=Traffic)
    changed: bool = False


class Balancers:
    """All balancers of one fleet, for many threads; one admin session each, opened when it is needed."""

    def __init__(self, host: Host, fleet_name: str, stop: threading.Event | None = None) -> None:
        self.host = host
        self.fleet_name = fleet_name
        self.stop = stop or threading.Event()
        self._admins: dict[str, Admin] = {}
        self._counts: dict[str, Count] = {}
        self._opening = threading.Lock()
        self._writing = threading.Lock()

    def __enter__(self) -> Balancers:
        return self

    def __exit__(self, *_: object) -> None:
        for admin in self._admins.values():
            admin.close()
        self._admins.clear()

    # Look

    def look(self, balancer_id: str, name: str, balances: Sequence[Balance]) -> Rotation:
        """Who is in rotation there, and whether its settings are these. Raises FleetError when its admin socket does
        not answer."""
        rotation = read_rotation(self.admin(balancer_id, name), balancer_id)
        self._counts.setdefault(balancer_id, Count(name, rotation.traffic))
        return replace(rotation, settled=rotation.digest == settings_digest(balances))

    def traffic(self) -> dict[str, Traffic]:
        """What the balancers that were changed have counted since they were looked at first, by their names. Those that
        cannot be asked any more are left out."""
        found = {}
        for balancer_id, count in self._counts.items():
            if count.changed:
                with suppress(FleetError):
                    now = read_rotation(self.admin(balancer_id, count.name), balancer_id).traffic
                    found[count.name] = count.carried + now - count.first
        return found

    def lack(self, balancer: Replica, balances: Sequence[Balance]) -> str | None:
        """What a balancer still lacks to be ready, None when it runs with these settings."""
        try:
            settled = self.look(balancer.id, balancer.name, balances).settled
        except FleetError as error:
            self.forget(balancer.id)
            return error.message
        return None if settled else "it runs with other settings"

    def admin(self, balancer_id: str, name: str) -> Admin:
        with self._opening:
            admin = self._admins.get(balancer_id)
            if admin is None or admin.ended:
                admin = self._admins[balancer_id] = Admin(self.host.open_pipe(balancer_id, CONNECT), name)
            return admin

    def forget(self, balancer_id: str) -> None:
        """Open a new session next time: the process behind this one is another, or none."""
        with self._opening:
            admin = self._admins.pop(balancer_id, None)
        if admin is not None:
            admin.close()

    # Act

    def apply(self, action: RotationAction, progress: Callable[[str], None]) -> str:
        """Do one thing; returns what is worth telling of it, else ''. Raises FleetError."""
        if action.balancer.id in self._counts:
            self._counts[action.balancer.id].changed = True
        match action:
            case ConfigureBalancer():
                return self.configure(action, progress)
            case AddServer():
                return self.add(action, progress)
            case DrainServer():
                return self.drain(action, progress)

    def configure(self, action: ConfigureBalancer, progress: Callable[[str], None]) -> str:
        """Write the file with those in rotation now; a balancer that runs takes it over without losing a connection."""
        balancer_id, name = identify(action.balancer.id), action.balancer.name
        if not action.running:
            present = self.host.observe_replicas(self.fleet_name)
            self.write(balancer_id, action.balances, places_of(action.balances, present, self.networks(balancer_id)))
            return ""
        rotation = self.look(balancer_id, name, action.balances)
        before = admitted(rotation)
        ids = {place.name.rpartition(".")[2] for places in before.values() for place in places}
        served = [one for one in self.host.observe_replicas(self.fleet_name) if one.id[:12] in ids]
        # A pool of another name, as one on another port has, takes them over from the start.
        self.write(balancer_id, action.balances, places_of(action.balances, served, self.networks(balancer_id)))
        # The next process begins to count anew.
        count = self._counts[balancer_id]
        count.carried, count.first = count.carried + rotation.traffic - count.first, Traffic()
        self.host.signal(balancer_id, "USR2")
        self.forget(balancer_id)
        deadline = time.monotonic() + RELOADED_WITHIN
        while not self.stop.is_set():
            with suppress(FleetError):
                if self.look(balancer_id, name, action.balances).settled:
                    return ""
            self.forget(balancer_id)
            progress("taking over the new settings")
            if time.monotonic() > deadline:
                lines = "\n".join(f"    {line}" for line in self.host.last_lines(balancer_id, LOG_LINES))
                raise FleetError(
                    f"balancer {name} goes on with its former settings; its last log lines:\n{lines}",
                    hint="mend what it complains of, and run 'fleetctl up' again",
                )
            self.stop.wait(LOOK_EVERY)
        return ""

    def add(self, action: AddServer, progress: Callable[[str], None]) -> str:
        """Bring a replica into rotation: known to the balancer, held, found healthy by the balancer itself, ready."""
        balancer_id, pool = identify(action.balancer.id), action.balance.pool
        admin = self.admin(balancer_id, action.balancer.name)
        replica = self.find(action.replica.id, action.replica.name)
        place = place_of(action.balance, action.label, replica, self.networks(balancer_id))
        path = f"{pool}/{place.name}"
        known = self.server(admin, balancer_id, pool, place.name)
        if known is not None and (known.address, known.port) != (place.address, place.port):
            # Requests that still wait for a connection to where it was are sent elsewhere, if nobody cuts them.
            admin.order(f"set server {path} state drain")
            if self.empty(admin, balancer_id, action.balance, place.name, progress) is not None:
                self.remove(admin, path)
            known = None
        if self.stop.is_set():
            return ""
        if known is None:
            refuse_surprise(admin, admin.ask(f"add server {path} {place.endpoint} {SERVER}"), "New server registered")
        if known is None or known.admission != "ready":
            # Nothing is sent to it before the balancer has seen by itself that it answers. One that is known may have
            # been left unchecked by a run that was killed.
            admin.order(f"set server {path} state drain")
            admin.order(f"enable health {path}")
        deadline = time.monotonic() + HEALTHY_WITHIN
        while not self.stop.is_set():
            server = self.server(admin, balancer_id, pool, place.name)
            if server is not None and server.check in GOOD:
                break
            progress(f"held until healthy{f' ({server.check})' if server else ''}")
            if time.monotonic() > deadline:
                raise FleetError(
                    f"balancer {action.balancer.name} does not find {action.replica.name} healthy within "
                    f"{HEALTHY_WITHIN:g} s: {server.check if server else 'it is gone'} on {action.balance.health_path}",
                    hint=f"'fleetctl diagnose --from {action.balancer.name} --to {action.replica.name}' tells why",
                )
            self.stop.wait(LOOK_EVERY)
        admin.order(f"set server {path} state ready")
        self.save(admin, balancer_id, action.balances)
        return ""

    def drain(self, action: DrainServer, progress: Callable[[str], None]) -> str:
        """Take a replica out of rotation: no new requests, then those it has until the timeout, then none."""
        balancer_id, balance = identify(action.balancer.id), action.balance
        admin = self.admin(balancer_id, action.balancer.name)
        name = server_name(action.label, identify(action.replica.id))
        path = f"{balance.pool}/{name}"
        if self.server(admin, balancer_id, balance.pool, name) is None:
            return ""
        admin.order(f"set server {path} state drain")
        # From here on a restarted balancer does not know it any more, either.
        self.save(admin, balancer_id, action.balances)
        cut = self.empty(admin, balancer_id, balance, name, progress)
        if cut is None:
            return ""
        self.remove(admin, path)
        return f"{requests(cut)} cut after {balance.drain_timeout:g} s (drain_timeout)" if cut else ""

    def empty(
        self, admin: Admin, balancer_id: str, balance: Balance, name: str, progress: Callable[[str], None]
    ) -> int | None:
        """Wait until a server that gets no new requests has ended those it has, or may take no longer; how many are
        left. None when there is nothing to remove: it is gone, or the run is to stop, and whoever is in a hurry cuts
        nothing, for the next run goes on here."""
        deadline = time.monotonic() + balance.drain_timeout
        while server := self.server(admin, balancer_id, balance.pool, name):
            if not server.sessions or time.monotonic() > deadline:
                return server.sessions
            progress(f"draining: {requests(server.sessions)} under way")
            if self.stop.wait(LOOK_EVERY):
                break
        return None

    def remove(self, admin: Admin, path: str) -> None:
        """Delete a server; its sessions end with it."""
        admin.order(f"set server {path} state maint")
        admin.order(f"shutdown sessions server {path}")
        deadline = time.monotonic() + REMOVED_WITHIN
        said = admin.ask(f"del server {path}")
        while "Server deleted" not in said and time.monotonic() < deadline:
            self.stop.wait(LOOK_EVERY)
            said = admin.ask(f"del server {path}")
        refuse_surprise(admin, said, "Server deleted")

    def save(self, admin: Admin, balancer_id: str, balances: Sequence[Balance]) -> None:
        """Write the file with those that are ready now, so that a restart comes back with them. One at a time, so that
        the last one written is the last one read."""
        with self._writing:
            self.write(balancer_id, balances, admitted(read_rotation(admin, balancer_id)))

    def write(self, balancer_id: str, balances: Sequence[Balance], places: Mapping[str, Sequence[Place]]) -> None:
        self.host.put_files(balancer_id, DIRECTORY, {FILE_NAME: render(balances, places).encode()})

    def server(self, admin: Admin, balancer_id: str, pool: str, name: str) -> Server | None:
        servers = read_rotation(admin, balancer_id).servers.get(pool, ())
        return next((one for one in servers if one.name == name), None)

    def networks(self, balancer_id: str) -> frozenset[str]:
        """The networks that a balancer is in, by their names in the engine."""
        found = self.host.observe_replicas(self.fleet_name, balancer_id)
        return frozenset(name for replica in found for name in replica.endpoints)

    def find(self, container_id: str | None, name: str) -> Replica:
        for replica in self.host.observe_replicas(self.fleet_name, identify(container_id)):
            return replica
        raise FleetError(f"{name} vanished before it came into rotation", hint="run the command again")


GOOD = ("L7OK", "L7OKC")
"""What the last check of a server says when it was answered with success (Management Guide, section 9.1)."""


def requests(count: int) -> str:
    return f"{count} {'request' if count == 1 else 'requests'}"


def identify(container_id: str | None) -> str:
    """The id; whoever executes a plan has put it in."""
    if container_id is None:
        raise ValueError("a container has no id yet")
    return container_id


def refuse_surprise(admin: Admin, said: str, expected: str) -> None:
    """Raise FleetError unless the balancer said what it says when all went well."""
    if expected not in said:
        raise FleetError(
            f"balancer {admin.name} refused a change of its servers: {said.strip()}",
            hint="run 'fleetctl up' again: it looks anew",
        )
