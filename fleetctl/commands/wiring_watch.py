"""Follows the wiring: looks again when the kernel or the engine says that something has changed."""

from __future__ import annotations

import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from fleetctl.errors import EngineUnreachable, FleetError

if TYPE_CHECKING:
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.net.events import LinkEvents
    from fleetctl.state.network import Topology
    from fleetctl.view.changes import Changes

CALM = 0.2
"""Seconds without another event after which a change counts as over: a start makes a dozen."""
AT_LATEST = 1.0
"""Seconds after the first event when it is looked at in any case."""
SETTLED = 2.0
"""Seconds after the last look when it is looked at once more: no event tells that a server begins to listen."""


class EngineEvents:
    """The engine's events as something select(2) can wait for; they come from a thread, which ends with the process."""

    def __init__(self, engine: DockerHost) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.error: FleetError | None = None
        threading.Thread(target=self.listen, args=(engine,), daemon=True, name="engine-events").start()

    def listen(self, engine: DockerHost) -> None:
        try:
            for _ in engine.events():
                self.far.send(b"x")
            self.error = EngineUnreachable("the engine has ended")
        except FleetError as error:
            self.error = error
        except OSError:
            return  # nobody waits any more
        with suppress(OSError):
            self.far.send(b"x")

    def fileno(self) -> int:
        return self.near.fileno()

    def drain(self) -> None:
        """Take what has come. Raises what the thread ended with."""
        with suppress(BlockingIOError):
            while self.near.recv(4096):
                pass
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.near.close()
        self.far.close()


def follow(engine: DockerHost, picture: Callable[[], Topology], show: Callable[[Topology, Changes], None]) -> None:
    """Show the first picture and every later one that differs, until interrupted. On a terminal it is drawn in place
    with what changed since the last; elsewhere each change is one line. Raises kinds of FleetError."""
    # A shell without job control starts what is in its background with SIGINT ignored; there is no other end of this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from fleetctl.view.changes import changes
    from fleetctl.view.watching import redraw, tell

    in_place = sys.stdout.isatty()
    with closing(Sources(engine)) as sources:
        last = picture()
        if in_place:
            redraw(lambda: show(last, {}))
        else:
            show(last, {})
        sys.stdout.flush()
        while True:
            sources.wait()
            newest = picture()
            marks = changes(last, newest)
            if marks and in_place:
                redraw(lambda: show(newest, marks))  # noqa: B023  # drawn before the next round
            elif marks:
                tell(marks)
            last = newest


class Sources:
    """Everything that may say that the wiring has changed."""

    def __init__(self, engine: DockerHost) -> None:
        self.engine = EngineEvents(engine)
        self.kernel = listen_to_kernel() if engine.local else None
        self.unsettled = False

    def wait(self) -> None:
        """Until something has changed and it is calm again; or, once after every change, for a while."""
        first = self.ready(SETTLED if self.unsettled else None)
        self.unsettled = first
        if not first:
            return
        latest = time.monotonic() + AT_LATEST
        while self.ready(CALM) and time.monotonic() < latest:
            pass

    def ready(self, seconds: float | None) -> bool:
        """Whether an event came within that time; all that have come are taken."""
        sources: list[EngineEvents | LinkEvents] = [self.engine]
        if self.kernel is not None:
            sources.append(self.kernel)
        readable, _, _ = select.select(sources, [], [], seconds)
        for source in readable:
            source.drain()
        return bool(readable)

    def close(self) -> None:
        self.engine.close()
        if self.kernel is not None:
            self.kernel.close()


def listen_to_kernel() -> LinkEvents | None:
    """A subscription, None with a remark where the kernel refuses."""
    from fleetctl.net.events import LinkEvents
    from fleetctl.view.terminal import note

    try:
        events = LinkEvents()
    except OSError as error:
        note(f"changes of links are not heard, only the engine's events: {error.strerror}")
        return None
    if not events.everywhere:
        note("changes inside of replicas are not heard: that needs CAP_NET_BROADCAST; run as root")
    return events
