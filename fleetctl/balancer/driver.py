"""Drives balancers: reads who is in rotation, lets replicas in, and takes them out when their requests are through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from fleetctl.balancer.admin import Admin, ConversationEnded, read_rotation, refuse_surprise
from fleetctl.balancer.config import SERVER, render, settings_digest
from fleetctl.balancer.live import LOOK_EVERY, Host, LiveBalancer
from fleetctl.balancer.places import Servers, admitted, place_of, places_of
from fleetctl.errors import EngineUnreachable, FleetError
from fleetctl.plan.actions import AddServer, ConfigureBalancer, DrainServer, Ref, RotationAction
from fleetctl.spec.model import Balance
from fleetctl.spec.wording import counted
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Rotation, Traffic, server_name

HEALTHY_WITHIN = 15.0
"""Seconds within which a balancer has to find a replica healthy that answered fleetctl already, and within which one
that went away meanwhile has to come back."""
REMOVED_WITHIN = 5.0


class Balancers:
    """All balancers of one fleet, for many threads."""

    def __init__(self, host: Host, fleet_name: str, stop: threading.Event | None = None) -> None:
        self.host = host
        self.fleet_name = fleet_name
        self.stop = stop or threading.Event()
        self._met: dict[str, LiveBalancer] = {}
        self._meeting = threading.Lock()

    def __enter__(self) -> Balancers:
        return self

    def __exit__(self, *_: object) -> None:
        for live in self._met.values():
            live.forget()

    def meet(self, balancer_id: str | None, name: str) -> LiveBalancer:
        """The balancer of that container; no session is opened for that."""
        known = identify(balancer_id)
        with self._meeting:
            return self._met.setdefault(known, LiveBalancer(self.host, known, name))

    def forget(self, balancer_id: str) -> None:
        """End the session with a balancer, if there is one: it waits for all who speak with it before it stops."""
        if balancer_id in self._met:
            self._met[balancer_id].forget()

    # Look

    def look(self, balancer_id: str, name: str, balances: Sequence[Balance]) -> Rotation:
        """Who is in rotation there, and whether its settings are these. Raises FleetError when its admin socket does
        not answer."""
        rotation = self.meet(balancer_id, name).look()
        return replace(rotation, settled=rotation.digest == settings_digest(balances))

    def traffic(self) -> dict[str, Traffic]:
        """What the balancers that were changed have counted since they were looked at first, by their names. Those that
        cannot be asked any more are left out."""
        found = {}
        for live in self._met.values():
            if live.changed:
                with suppress(FleetError):
                    found[live.name] = live.traffic()
        return found

    def lack(self, balancer: Replica) -> str | None:
        """What a balancer still lacks to be ready, None when it answers: the worker, and the master, which is not yet
        itself when its first worker answers. A signal to stop that comes before is lost, and the grace with it."""
        live = self.meet(balancer.id, balancer.name)
        try:
            live.look()
            return None if live.hears_signals() else f"the master of balancer {live.name} does not answer"
        except FleetError as error:
            live.forget()
            return error.message

    # Act

    def apply(self, action: RotationAction, progress: Callable[[str], None]) -> str:
        """Do one thing; returns what is worth telling of it, else ''. Where the balancer went away meanwhile, as when
        it was restarted, a server is added or drained once more, which changes nothing that was done; where it is
        gone for good, nobody is in its rotation. Raises FleetError."""
        live = self.meet(action.balancer.id, action.balancer.name)
        deadline = time.monotonic() + HEALTHY_WITHIN
        while True:
            try:
                return self.act(live, action, progress)
            except (ConversationEnded, EngineUnreachable) as error:
                if isinstance(action, ConfigureBalancer):
                    raise
                if isinstance(error, ConversationEnded) and live.gone(self.fleet_name):
                    return ""
                if self.stop.is_set() or time.monotonic() > deadline:
                    raise
            progress("the balancer does not answer: waiting for it")
            self.stop.wait(LOOK_EVERY)

    def act(self, live: LiveBalancer, action: RotationAction, progress: Callable[[str], None]) -> str:
        match action:
            case ConfigureBalancer(running=False):
                # Its settings, and everybody who runs: it is about to start.
                replicas, networks = self.host.observe_replicas(self.fleet_name), live.networks(self.fleet_name)
                live.write(render(action.balances, places_of(action.balances, replicas, networks)))
                return ""
            case ConfigureBalancer():
                return self.configure(live, action, progress)
            case AddServer():
                return self.add(live, action, progress)
            case DrainServer():
                return self.drain(live, action, progress)

    def configure(self, live: LiveBalancer, action: ConfigureBalancer, progress: Callable[[str], None]) -> str:
        """Give a balancer that runs new settings: a new process takes over, and the old one ends its requests."""
        live.changed = True
        former, before = live.read(), admitted(live.look())
        live.write(render(action.balances, self.served(live, action.balances, before)))
        carried, old = live.traffic(), live.let_go()
        try:
            said = live.reload()
            if not said.startswith("Success=1"):
                live.write(former)
                lines = "".join(f"\n    {line}" for line in said.splitlines()[1:])
                raise FleetError(
                    f"balancer {live.name} goes on with its former settings; it said of the new ones:{lines}",
                    hint="mend what it complains of, and run 'fleetctl up' again",
                )
            live.follow(carried)
            return self.outlast(old, action.balances, progress) if old is not None else ""
        finally:
            if old is not None:
                old.close()

    def served(self, live: LiveBalancer, balances: Sequence[Balance], before: Servers) -> Servers:
        """Those whom new settings begin with: who is in rotation, whatever its pool is called, and of a service of
        which nobody is, all who run."""
        ids = {place.name.rpartition(".")[2] for places in before.values() for place in places}
        present = self.host.observe_replicas(self.fleet_name)
        there = {one.service for one in present if one.id[:12] in ids}
        chosen = [one for one in present if one.id[:12] in ids or one.service not in there]
        return places_of(balances, chosen, live.networks(self.fleet_name))

    def outlast(self, old: Admin, balances: Sequence[Balance], progress: Callable[[str], None]) -> str:
        """Wait until the process that is followed by another has ended the requests it has: nobody else can tell when
        their replicas may be stopped."""
        patience = max((one.drain_timeout for one in balances), default=0.0)
        deadline = time.monotonic() + patience
        while True:
            try:
                left = sum(one.sessions for pool in read_rotation(old, "").servers.values() for one in pool)
            except FleetError:
                return ""
            if not left or self.stop.is_set():
                return ""
            if time.monotonic() > deadline:
                return (
                    f"{counted(left, 'request')} under the former settings went on after {patience:g} s (drain_timeout)"
                )
            progress(f"{counted(left, 'request')} under way with the former settings")
            self.stop.wait(LOOK_EVERY)

    def add(self, live: LiveBalancer, action: AddServer, progress: Callable[[str], None]) -> str:
        """Bring a replica into rotation: known to the balancer, held, found healthy by the balancer itself, ready."""
        live.changed = True
        admin, replica = live.admin(), self.find(action.replica)
        place = place_of(action.label, action.port, replica, live.networks(self.fleet_name))
        path = f"{action.pool}/{place.name}"
        known = live.server(action.pool, place.name)
        if known is not None and (known.address, known.port) != (place.address, place.port):
            # Requests that still wait for a connection to where it was are sent elsewhere, if nobody cuts them.
            live.withdraw(action.pool, place.name)
            if self.empty(live, action.pool, place.name, HEALTHY_WITHIN, progress) is not None:
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
        if self.hold(live, action, place.name, progress):
            admin.order(f"set server {path} state ready")
            live.save()
        return ""

    def hold(self, live: LiveBalancer, action: AddServer, name: str, progress: Callable[[str], None]) -> bool:
        """Wait until the balancer finds a server healthy; False when the run is to stop before: it stays held then.
        Raises FleetError when it does not, ConversationEnded when it does not know the server any more."""
        since = time.monotonic()
        while not self.stop.is_set():
            server = live.server(action.pool, name, since)
            if server is None:
                # Who is held is in no file. The balancer was restarted, and another thread speaks with it again.
                raise ConversationEnded(
                    f"balancer {live.name} does not know {action.replica.name} any more",
                    hint="run the command again",
                )
            if server.check in GOOD:
                return True
            progress(f"held until healthy ({server.check})" if server.check else "held until healthy")
            if time.monotonic() > since + HEALTHY_WITHIN:
                raise FleetError(
                    f"balancer {live.name} does not find {action.replica.name} healthy within {HEALTHY_WITHIN:g} s: "
                    f"{server.check}",
                    hint="the release has to answer on the health path that the balancer asks, which a new health_path "
                    f"replaces only after the update; 'fleetctl diagnose --from {live.name} --to "
                    f"{action.replica.name}' tells more",
                )
            self.stop.wait(LOOK_EVERY)
        return False

    def drain(self, live: LiveBalancer, action: DrainServer, progress: Callable[[str], None]) -> str:
        """Take a replica out of rotation: no new requests, then those it has until the timeout, then none."""
        live.changed = True
        admin, name = live.admin(), server_name(action.label, identify(action.replica.id))
        path = f"{action.pool}/{name}"
        if live.server(action.pool, name) is None:
            return ""
        if not self.withdraw(live, action, name, progress):
            return ""
        # From here on a restarted balancer does not know it any more, either.
        live.save()
        cut = self.empty(live, action.pool, name, action.drain_timeout, progress)
        if cut is None:
            return ""
        self.remove(admin, path)
        return f"{counted(cut, 'request')} cut after {action.drain_timeout:g} s (drain_timeout)" if cut else ""

    def withdraw(self, live: LiveBalancer, action: DrainServer, name: str, progress: Callable[[str], None]) -> bool:
        """Have a server get no new requests as soon as enough others serve; False when the run is to stop before.
        Raises FleetError when they do not."""
        since = time.monotonic()
        while (others := live.withdraw(action.pool, name, action.least)) is not None:
            if time.monotonic() > since + HEALTHY_WITHIN:
                raise FleetError(
                    f"{action.replica.name} stays: without it {live.name} would find {others} of {action.least} "
                    "replicas healthy; those that took over have died, or do not answer any more",
                    hint="see their logs; 'fleetctl rollback' and the service's name puts the former release back",
                )
            progress(f"waiting for others to serve: {others} of {action.least}")
            if self.stop.wait(LOOK_EVERY):
                return False
        return True

    def empty(
        self, live: LiveBalancer, pool: str, name: str, patience: float, progress: Callable[[str], None]
    ) -> int | None:
        """Wait until a server that gets no new requests has ended those it has, or may take no longer; how many are
        left. None when there is nothing to remove: it is gone, or the run is to stop, and whoever is in a hurry cuts
        nothing, for the next run goes on here."""
        # Only what is seen from here on tells of all its requests.
        since = time.monotonic()
        while server := live.server(pool, name, since):
            if not server.sessions or time.monotonic() > since + patience:
                return server.sessions
            progress(f"draining: {counted(server.sessions, 'request')} under way")
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

    def find(self, replica: Ref) -> Replica:
        for found in self.host.observe_replicas(self.fleet_name, identify(replica.id)):
            return found
        raise FleetError(f"{replica.name} vanished before it came into rotation", hint="run the command again")


GOOD = ("L7OK", "L7OKC")
"""What the last check of a server says when it was answered with success (Management Guide, section 9.1)."""


def identify(container_id: str | None) -> str:
    """The id; whoever executes a plan has put it in."""
    if container_id is None:
        raise ValueError("a container has no id yet")
    return container_id
