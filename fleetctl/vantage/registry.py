"""Opens the best place from which the engine's host can be asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from fleetctl.engine.base import HelperHost
from fleetctl.engine.daemon import serving_process
from fleetctl.errors import ConfigError, EngineUnreachable, FleetError
from fleetctl.vantage.base import Answer, Request, Vantage
from fleetctl.vantage.engine_only import EngineOnly

NET_ADMIN, SYS_PTRACE, SYS_ADMIN = 12, 19, 21
NEEDED = 1 << NET_ADMIN | 1 << SYS_PTRACE | 1 << SYS_ADMIN
"""Of capabilities(7): list rules, look at processes, enter namespaces."""
CHOICES = ("direct", "helper", "none")


class Somewhere(Protocol):
    """What an Engine says of where it is."""

    endpoint: str
    local: bool


def open_vantage(engine: Somewhere, *, wanted: str | None = None) -> Vantage:
    """The first that can be had of: this host itself, where the engine runs on it and this process may look; a helper
    container; this host with what anyone may know, where the engine runs on it; the engine only. Its `reasons` say why
    the better ones were not taken.

    `wanted`, or else the environment's FLEET_VANTAGE, forces one: direct, helper or none. Raises ConfigError for
    another word, and for a wish that cannot be meant.
    """
    wish = wanted or os.environ.get("FLEET_VANTAGE") or None
    if wish is None:
        return Ladder(engine)
    if wish not in CHOICES:
        raise ConfigError(f"FLEET_VANTAGE={wish!r} is none of {', '.join(CHOICES)}")
    if wish == "none":
        return EngineOnly(("FLEET_VANTAGE=none asks for nothing more than the engine says",))
    return forced_direct(engine) if wish == "direct" else forced_helper(engine)


def forced_direct(engine: Somewhere) -> Vantage:
    if elsewhere := why_not_here(engine):
        raise ConfigError(f"FLEET_VANTAGE=direct cannot be meant: {elsewhere}", hint="unset it, or set it to helper")
    from fleetctl.vantage.local import Local

    return Local()


def forced_helper(engine: Somewhere) -> Vantage:
    if not isinstance(engine, HelperHost):
        raise ConfigError("FLEET_VANTAGE=helper cannot be meant: this engine runs no helper container")
    from fleetctl.vantage.helper import Helper

    return Helper(engine)


class Ladder:
    """A Vantage that goes down to the next place when one refuses, and stays where it is answered."""

    def __init__(self, engine: Somewhere) -> None:
        self.reasons: tuple[str, ...] = ()
        self.rungs = self.places(engine)
        self.place = next(self.rungs)
        self.name = self.place.name

    def ask(self, request: Request) -> Answer:
        """Raises EngineUnreachable: without the engine no place is worth trying."""
        while True:
            try:
                return self.place.ask(request)
            except EngineUnreachable:
                raise
            except FleetError as error:
                self.reasons += (error.message,)
                self.place = next(self.rungs)
                self.name = self.place.name

    def places(self, engine: Somewhere) -> Iterator[Vantage]:
        """From the best to the one that always answers."""
        elsewhere = why_not_here(engine)
        lacking = elsewhere or why_not_privileged()
        if lacking is None:
            from fleetctl.vantage.local import Local

            yield Local()
        self.reasons += (str(lacking),)
        if isinstance(engine, HelperHost):
            from fleetctl.vantage.helper import Helper

            yield Helper(engine, self.reasons)
        else:
            self.reasons += ("this engine runs no helper container",)
        if elsewhere is None:
            from fleetctl.vantage.local import Local

            yield Local(self.reasons)
        yield EngineOnly(self.reasons)


def why_not_here(engine: Somewhere) -> str | None:
    """Why the engine's containers are not to be found in this kernel and from this process, None when they are.

    An engine of this very kernel can be in other namespaces: fleetctl in a container with the engine's socket, an
    engine in a container. Its process ids would be other processes here, and the host's interfaces others.
    """
    if not engine.local:
        return "the engine is on another host, or in a virtual machine"
    if sys.platform != "linux":
        return "the engine's containers run in a virtual machine"
    pid = serving_process(engine.endpoint)
    if pid == 0:
        return "the engine is in another process namespace than this process"
    if pid is not None and not shares_network(pid):
        return "the engine is in another network namespace than this process"
    return None


def shares_network(pid: int) -> bool:
    """Whether the process is in our network namespace; taken for granted where that may not be read, for then nothing
    is entered either."""
    try:
        return Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    except OSError:
        return True


def why_not_privileged() -> str | None:
    """Which capabilities are missing to look into the replicas' namespaces, None when there are all."""
    effective = 0
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
    if effective & NEEDED == NEEDED:
        return None
    return "looking into namespaces needs CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_NET_ADMIN: this process is not root"
