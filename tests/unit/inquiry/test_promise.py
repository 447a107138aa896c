"""What a balancer promises of requests, by what it counted before and after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from fleetctl.inquiry.promise import promise_of
from fleetctl.spec.model import Balance
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Rotation, Server, Traffic

WEB = [
    Replica(
        "web1".ljust(64, "0"), "f-web-1", "web", 1, "i", "i", "running", "none", "", datetime(2026, 1, 1, tzinfo=UTC)
    )
]


def counted(requests: int, retried: int = 0, **changes: object) -> Rotation:
    server = Server(
        "web-1.web100000000", "127.0.0.2", 8080, "ready", True, "L7OK", traffic=Traffic(requests, 0, retried)
    )
    return Rotation("1", servers={"web:80": (replace(server, **changes),)})  # type: ignore[arg-type]


def test_requests_of_others_are_those_that_are_not_ours() -> None:
    balance = Balance("web", 80, 8080)
    assert promise_of(balance, counted(5), counted(105), 100, WEB).others == 0
    assert promise_of(balance, counted(5), counted(108), 100, WEB).others == 3
    assert promise_of(balance, counted(5), counted(3), 100, WEB).others is None, "it was started anew meanwhile"
    assert promise_of(balance, None, counted(3), 100, WEB).others is None
    again = promise_of(balance, counted(5, 1), counted(107, 3), 100, WEB)
    assert (again.others, again.retried) == (0, 2)


def test_a_request_under_way_counts_as_one_of_others_only_where_the_busy_are_passed_over() -> None:
    busy, after = counted(5, sessions=1), counted(105)
    assert promise_of(Balance("web", 80, 8080), busy, after, 100, WEB).others == 0
    assert promise_of(Balance("web", 80, 8080, algorithm="leastconn"), busy, after, 100, WEB).others == 1


def test_who_gets_no_requests_is_told_as_the_balancer_sees_it() -> None:
    balance = Balance("web", 80, 8080)
    assert promise_of(balance, counted(0), counted(0), 0, WEB).standing == {}
    drained = promise_of(balance, counted(0), counted(0, admission="drain"), 0, WEB)
    assert drained.standing == {"f-web-1": "in drain"}
    sick = promise_of(balance, counted(0), counted(0, healthy=False, check="L4CON"), 0, WEB)
    assert sick.standing == {"f-web-1": "not healthy (L4CON)"}


def test_one_that_gets_nothing_while_others_do_is_left_out_unless_it_is_busy() -> None:
    balance = Balance("web", 80, 8080)
    idle = Server("web-1.web100000000", "127.0.0.2", 8080, "ready", True, "L7OK", traffic=Traffic(7))

    def standing(requests: int, first: Server = idle) -> Mapping[str, str]:
        """Of web-1, while another server of the pool gets so many requests."""
        other = replace(idle, name="web-2.web200000000")
        now = replace(other, traffic=Traffic(7 + requests))
        before, after = (
            Rotation("1", servers={"web:80": (first, other)}),
            Rotation("1", servers={"web:80": (idle, now)}),
        )
        return promise_of(balance, before, after, 1, WEB).standing

    assert standing(50) == {"f-web-1": "ready, and sends it nothing"}
    assert standing(50, replace(idle, sessions=1)) == {}
    assert standing(50, replace(idle, traffic=Traffic(6))) == {}
    assert standing(0) == {}
