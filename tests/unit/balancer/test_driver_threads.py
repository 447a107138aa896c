"""Several threads and one balancer: each order of events that was once wrong, forced."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from fleetctl.balancer import driver
from fleetctl.balancer.admin import Admin
from fleetctl.balancer.driver import Balancers
from fleetctl.errors import FleetError
from fleetctl.plan.actions import Ref
from tests.unit.balancer.small_fleet import ADD, BALANCER, DROP, NEW_NAME, OLD_NAME, TO, host, servers_in
from tests.unit.balancer.small_haproxy import DRAIN, READY, Member

PATIENCE = 10.0
"""Seconds after which a thread that does not come is taken for lost."""


class Pair:
    """Two threads, each of which goes on from the first place where it may meet the other when that has come to one,
    too."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)
        self.own = threading.local()

    def meet(self) -> None:
        if not hasattr(self.own, "met"):
            self.own.met = True
            self.barrier.wait(PATIENCE)


class Door:
    """A lock; two threads meet before it."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        self.pair.meet()
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def both(*doings: Callable[[], object]) -> list[BaseException | None]:
    """Do them at once; what each raised."""
    with ThreadPoolExecutor(len(doings)) as threads:
        return [begun.exception() for begun in [threads.submit(doing) for doing in doings]]


def test_two_that_leave_at_once_do_not_count_on_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the two that took over has died: one of the old ones may leave, and whoever is first does."""
    monkeypatch.setattr(driver, "HEALTHY_WITHIN", 0.0)
    there, pair, order = host(), Pair(), Admin.order
    others = {"web-2.old": True, NEW_NAME: True, "web-2.new": False}
    for name, well in others.items():
        there.balancer.members[name] = Member("10.0.0.3:8080", READY, watched=True, well=well)

    def order_together(admin: Admin, command: str) -> None:
        if command.endswith("state drain"):
            pair.meet()
        order(admin, command)

    monkeypatch.setattr(Admin, "order", order_together)
    first, second = replace(DROP, least=2), replace(DROP, label="web-2", replica=Ref("fleet-web-2", id="old"), least=2)
    with Balancers(there, "fleet") as balancers:
        balancers.meet(BALANCER, TO.name)._leaving = Door(pair)  # type: ignore[assignment]  # a lock
        errors = both(lambda: balancers.apply(first, print), lambda: balancers.apply(second, print))
    (refused,) = filter(None, errors)
    assert "without it fleet-balancer-1 would find 1 of 2 replicas healthy" in str(refused)
    serving = [name for name, one in there.balancer.members.items() if one.admin == READY and one.well]
    assert len(serving) == 2


def test_what_one_thread_failed_to_save_another_saves() -> None:
    """Both have come before either writes, and whoever is first finds no room for the file."""
    there, pair = host(), Pair()
    there.full = 1
    with Balancers(there, "fleet") as balancers:
        live = balancers.meet(BALANCER, TO.name)
        live.admin().order(f"set server web:8080/{OLD_NAME} state drain")
        live._writing = Door(pair)  # type: ignore[assignment]  # a lock
        errors = both(live.save, live.save)
    assert [*map(str, filter(None, errors))] == ["balancer fleet-balancer-1 takes no settings: no space left on device"]
    assert servers_in(there.file) == []


@pytest.mark.parametrize("saved", [False, True], ids=["in memory only", "in its file"])
def test_a_server_that_is_held_when_the_balancer_is_restarted_comes_in_whoever_finds_out_first(saved: bool) -> None:
    there = host()
    there.balancer.well = False
    if saved:
        there.balancer.members[NEW_NAME] = Member("10.0.0.3:8080", READY, watched=True, check="L7STS")
    told: list[str] = []
    with Balancers(there, "fleet") as balancers:
        live = balancers.meet(BALANCER, TO.name)

        def restart_once(detail: str) -> None:
            if not told:
                live.save()
                there.restart()
                with suppress(FleetError):
                    live.look()
                live.look()
                there.balancer.well = True
            told.append(detail)

        assert balancers.apply(ADD, restart_once) == ""
    assert told[0].startswith("held until healthy")
    assert there.balancer.members[NEW_NAME].admin == READY
    assert there.balancer.members[OLD_NAME].admin != DRAIN
    assert servers_in(there.file) == [f"{OLD_NAME} 10.0.0.2:8080", f"{NEW_NAME} 10.0.0.3:8080"]
