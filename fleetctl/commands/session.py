"""What commands that talk to the engine share: opening it, stopping on a signal, and turning a report into an exit."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from fleetctl.errors import FleetError, Interrupted, RolledBack

if TYPE_CHECKING:
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.plan.outcome import RunReport
    from fleetctl.plan.steps import Plan, Step
    from fleetctl.spec.model import Fleet
    from fleetctl.state.observed import Replica
    from fleetctl.view.progress import Progress


@contextmanager
def opened(progress: Callable[[str, str], None] | None = None) -> Iterator[DockerHost]:
    """The engine, closed at the end."""
    from fleetctl.engine.registry import open_engine

    engine = open_engine(os.environ, progress=progress)
    try:
        yield engine
    finally:
        engine.close()


STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Set by the first SIGINT, SIGTERM or SIGHUP; the second ends the process at once, with `last` written to the
    terminal. A process that dies amid a call can leave the engine with half a container, also when its terminal
    goes."""

    def __init__(self, last: bytes = b"") -> None:
        self.event = threading.Event()
        self.number = 0
        self.last = last

    def handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nowhere, stream)
        if self.number:
            os.write(2, self.last)
            os._exit(128 + number)
        self.number = number
        self.event.set()
        os.write(2, b"\nstopping: what has begun is finished; once more to leave at once\n")


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Within the block a signal asks the run to stop instead of breaking it off."""
    from fleetctl.view.terminal import SHOW_CURSOR, is_animated

    stop = Stop(SHOW_CURSOR if is_animated() else b"")
    # Whoever ignores SIGHUP, as nohup(1) does, wants the run to go on.
    heard = [one for one in STOPPING if one != signal.SIGHUP or signal.getsignal(one) is not signal.SIG_IGN]
    former = {number: signal.signal(number, stop.handle) for number in heard}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


Work = Callable[["DockerHost", "Progress", threading.Event], "RunReport"]


def run_to_end(work: Work, *, command: str) -> RunReport:
    """Open the engine, do the work with progress shown, and raise what it failed with. Returns the report of a run
    in which everything was done."""
    from fleetctl.view.progress import Progress

    with stoppable() as stop, Progress() as progress, opened(progress.building) as engine:
        try:
            report = work(engine, progress, stop.event)
        except FleetError:
            if stop.event.is_set():
                raise Interrupted(
                    f"interrupted; run 'fleetctl {command}' again to go on", signal_number=stop.number
                ) from None
            raise
    tell_traffic(report)
    conclude(report, stop.number, command)
    return report


TOLD = 3
"""How many are named of whom the same is told."""


def tell_traffic(report: RunReport) -> None:
    """Say which requests were cut, who had to be killed, and what the balancers counted meanwhile."""
    from fleetctl.plan.naming import target
    from fleetctl.spec.wording import counted, listed
    from fleetctl.view.terminal import note, warn

    told: dict[str, list[str]] = {}
    for result in report.results:
        if result.told:
            told.setdefault(result.told, []).append(target(result.step.action))
    for what, names in told.items():
        warn(f"{listed(names, TOLD)}: {what}")
    for name, traffic in report.traffic.items():
        requests = counted(traffic.requests, "request")
        again = f", {traffic.retried:,} asked again" if traffic.retried else ""
        note(f"{name}: {requests} meanwhile, {traffic.failed:,} failed{again}")


def conclude(report: RunReport, number: int, command: str) -> None:
    """Show what failed, and raise what the run ends with, if anything: the interruption by signal `number`, that a
    former release serves again, or else the gravest failure."""
    from fleetctl.view.terminal import show_error

    errors = [failure.error for failure in report.failures if failure.error is not None] + list(report.errors)
    end: FleetError | None = max(errors, key=lambda error: error.exit_code, default=None)
    if report.interrupted:
        end = interrupted(report, number, command)
    elif report.rolled_back:
        names = ", ".join(report.rolled_back)
        end = RolledBack(
            f"the update of {names} failed and was rolled back: the former release serves",
            hint=f"mend what failed, and run 'fleetctl {command}' again",
        )
    shown: set[str] = set()
    for error in errors:
        if error is not end and error.message not in shown:
            shown.add(error.message)
            show_error(error)
    if end is not None:
        raise end


def interrupted(report: RunReport, number: int, command: str) -> Interrupted:
    """Says what was done and what is left."""
    from fleetctl.plan.naming import target, verb
    from fleetctl.spec.wording import told

    done = sum(result.status == "done" for result in report.results)
    failed = f"{len(report.failures)} failed; " if report.failures else ""
    steps = (result.step for result in report.results if result.status == "skipped")
    left = [step for step in steps if not step.only_if_failed]
    shown = told(f"{verb(step.action)} {target(step.action)}" for step in left)
    return Interrupted(
        f"interrupted after {done} steps; {failed}{len(left)} left{f': {shown}' if left else ''}",
        signal_number=number,
        hint=f"nothing is lost: run 'fleetctl {command}' again to go on, or 'fleetctl down' to take it down",
    )


def confirm_outage(yes: bool) -> Callable[[Plan, Progress], None]:
    """Asks before a network is made anew, because all its replicas are gone meanwhile; only on a terminal."""

    def prepare(plan: Plan, progress: Progress) -> None:
        import sys

        from fleetctl.view.terminal import ask, note

        steps = outage(plan)
        if yes or not steps or not sys.stdin.isatty() or not sys.stderr.isatty():
            return
        with progress.paused(), breakable() as broken:
            for step in steps:
                note(str(step))
            if not ask("Until it is there again nothing answers. Go on?", broken):
                raise FleetError("the fleet was not changed", hint="-y answers the question beforehand")

    return prepare


def outage(plan: Plan) -> list[Step]:
    """The steps that remove a network for which one waits that is then made, the same anew or another one in its
    subnet, when replicas are removed meanwhile. What cleans up after a failure does not count."""
    from fleetctl.plan.actions import CreateNetwork, RemoveNetwork, RemoveReplica

    steps = list(plan.shown())
    awaited = {needed for step in steps if isinstance(step.action, CreateNetwork) for needed in step.after}
    gone = any(isinstance(step.action, RemoveReplica) for step in steps)
    return [step for step in steps if gone and isinstance(step.action, RemoveNetwork) and step.id in awaited]


@contextmanager
def breakable() -> Iterator[int]:
    """Within the block, inside stoppable(), a signal breaks off what runs: a question is no work to be finished.
    Yields a descriptor that a signal makes readable. Whoever blocks waits for it too: a signal that comes just before
    a read has begun does not end it (signal(7))."""
    import socket

    def leave(number: int, frame: FrameType | None) -> None:
        raise Interrupted("interrupted; the fleet was not changed", signal_number=number)

    woken, wake = socket.socketpair()
    wake.setblocking(False)
    former = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    former_wake = signal.set_wakeup_fd(wake.fileno())
    try:
        yield woken.fileno()
    finally:
        signal.set_wakeup_fd(former_wake)
        woken.close()
        wake.close()
        for number, handler in former.items():
            signal.signal(number, handler)


def select_replicas(fleet: Fleet, replicas: Sequence[Replica], names: Sequence[str]) -> list[Replica]:
    """The replicas that are meant by service name, by SERVICE-N or by container name; all without names. Raises
    ConfigError for a name that fits nothing."""
    from fleetctl.errors import ConfigError

    if not names:
        return list(replicas)
    chosen: list[Replica] = []
    for name in names:
        found = [replica for replica in replicas if name in (replica.service, replica.name, replica.label)]
        if not found and name not in fleet.services:
            known = ", ".join(fleet.services) or "none"
            raise ConfigError(f"no service or replica named {name} in fleet {fleet.name}", hint=f"services: {known}")
        chosen += [replica for replica in found if replica not in chosen]
    return chosen


def select_one(replicas: Sequence[Replica], fleet: Fleet, service: str, index: int | None) -> Replica:
    """The replica of that number, or the service's first running one. Raises FleetError when there is none."""
    from fleetctl.errors import ConfigError
    from fleetctl.plan.order import find_service

    if not any(replica.service == service for replica in replicas):
        find_service(fleet, service)
    own = [replica for replica in replicas if replica.service == service]
    if index is not None:
        for replica in own:
            if replica.number == index:
                return replica
        numbers = ", ".join(str(replica.number) for replica in own) or "none"
        raise ConfigError(f"service {service} has no replica {index}", hint=f"its replicas: {numbers}")
    running = [replica for replica in own if replica.state == "running"]
    if not running:
        raise FleetError(f"service {service} has no running replica", hint="fleetctl up")
    return running[0]


def say_if_idle(report: RunReport) -> None:
    """Tell when nothing had to be done."""
    from fleetctl.view.terminal import note

    if not report.changed:
        note("nothing to do")
