"""Whom a balancer balances, as far as it says so, and which balancer is meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetctl.errors import ConfigError, FleetError
from fleetctl.inquiry.rotation import Told, balancing, chosen_balancers
from fleetctl.inquiry.targets import port_of
from fleetctl.inquiry.world import World, front_of, host_of, http_of
from fleetctl.spec.model import Balance, Fleet, HttpSettings, Service
from fleetctl.state.observed import Replica
from fleetctl.state.rotation import Rotation, Server

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
BALANCE = Balance("web", 8000, 8080, health_path="/healthz")
FLEET = Fleet(
    "f",
    Path(),
    (),
    {
        "web": Service("web", "i", http=HttpSettings(8080)),
        "api": Service("api", "i"),
        "db": Service("db", "i"),
        "front": Service("front", "i", balance=(BALANCE,)),
        "side": Service(
            "side", "i", balance=(replace(BALANCE, port=8001), Balance("api", 8002, 9000, host="api.test"))
        ),
    },
)


def replica(service: str) -> Replica:
    return Replica(service.ljust(64, "0"), f"f-{service}-1", service, 1, "i", "i", "running", "none", "Up", CREATED)


WEB, FRONT, SIDE = (replica(name) for name in ("web", "front", "side"))
SERVER = Server(f"web-1.{WEB.id[:12]}", "10.9.0.2", 8080, "ready", healthy=True)
WORLD = World(FLEET, (WEB, FRONT, SIDE), (), frozenset({WEB.id, FRONT.id, SIDE.id}))


def test_a_service_belongs_in_the_pools_of_every_balancer_that_says_who_is_there() -> None:
    rotations = {
        FRONT.id: Rotation(FRONT.id, servers={"web:8000": (SERVER,)}),
        SIDE.id: Rotation(SIDE.id, servers={"web:8001": (), "api:8002:api.test": ()}),
    }
    pools = Told(rotations).pools(FLEET, [WEB, FRONT, SIDE])
    assert {name: [one.name for one in found or ()] for name, found in pools.items()} == {
        "web": ["web:8000", "web:8001"],
        "api": ["api:8002:api.test"],
    }
    assert [one.server_of(WEB.id) for one in pools["web"] or ()] == [SERVER, None]


def test_where_one_of_its_balancers_is_silent_nothing_is_known_of_a_service() -> None:
    rotations = {FRONT.id: Rotation(FRONT.id, servers={"web:8000": (SERVER,)})}
    pools = Told(rotations, {SIDE.id: FleetError("silent")}).pools(FLEET, [WEB, FRONT, SIDE])
    assert pools == {"web": None, "api": None}


def test_a_balancer_that_does_not_run_has_no_pools() -> None:
    assert Told().pools(FLEET, [WEB]) == {"web": (), "api": ()}


@pytest.mark.parametrize(
    ("name", "meant"),
    [(None, ["front", "side"]), ("web", ["front", "side"]), ("api", ["side"]), ("front", ["front"]), ("db", [])],
)
def test_a_balancer_is_meant_by_its_own_name_or_by_what_it_balances(name: str | None, meant: list[str]) -> None:
    assert [one.name for one in balancing(FLEET, name)] == meant


def test_without_a_balancer_the_error_says_what_to_write() -> None:
    with pytest.raises(FleetError, match="no balancer of fleet f has db behind it") as caught:
        chosen_balancers(FLEET, "db")
    assert "x-fleet: {balance: {service: db}}" in (caught.value.hint or "")
    with pytest.raises(ConfigError, match="no service named nobody in fleet f"):
        chosen_balancers(FLEET, "nobody")
    with pytest.raises(FleetError, match="fleet f has no balancer"):
        chosen_balancers(replace(FLEET, services={"web": FLEET.services["web"]}), None)


# How diagnose asks a balancer


def test_a_balancer_is_asked_at_its_own_port_for_the_path_by_which_it_checks_its_servers() -> None:
    assert port_of(FRONT, WORLD) == 8000
    assert http_of(WORLD, FRONT, 8000) == HttpSettings(8000, "/healthz", "/healthz")
    assert http_of(WORLD, FRONT, 8080) is None
    assert host_of(WORLD, FRONT, 8000) is None


def test_it_is_asked_by_name_where_it_knows_nobody_else() -> None:
    assert host_of(WORLD, SIDE, 8002) == "api.test"
    assert host_of(WORLD, SIDE, 8001) is None
    assert host_of(WORLD, WEB, 8080) is None
    named = replace(
        FLEET.services["side"], balance=(Balance("api", 80, 9000, host="api.test"), replace(BALANCE, port=80))
    )
    assert front_of(named) == replace(BALANCE, port=80)
