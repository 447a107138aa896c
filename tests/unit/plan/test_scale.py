"""Scaling down leaves those that serve, and removes what may serve only when others do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleetctl.spec.model import Fleet
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, happen, make_plan, provide_images, read_fleet


def checked(directory: Path, replicas: int) -> Fleet:
    """A balanced service whose containers have a health check of the file's own."""
    web: dict[str, Any] = {
        "image": "app",
        "healthcheck": {"test": ["CMD", "true"]},
        "deploy": {"replicas": replicas},
        "x-fleet": {"http": 8080},
    }
    balancer = {"image": "haproxy", "x-fleet": {"balance": {"service": "web"}}}
    return read_fleet({"services": {"web": web, "balancer": balancer}}, directory)


def none_serves_for_certain(directory: Path) -> MemoryEngine:
    """The first is well and out of rotation, the second in rotation, and the engine calls it unhealthy."""
    engine, fleet = MemoryEngine(), checked(directory, 2)
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    happen(engine, "unbalance f-web-1")
    happen(engine, "unhealthy f-web-2")
    return engine


def test_a_balancer_too_many_goes_when_those_that_leave_its_rotation_are_through(tmp_path: Path) -> None:
    """They are taken out of it, too, which fails where it has stopped."""
    services: dict[str, Any] = {
        "lb": {"image": "haproxy", "deploy": {"replicas": 2}, "x-fleet": {"balance": {"service": "web"}}},
        "web": {"image": "app", "deploy": {"replicas": 2}, "x-fleet": {"http": 8080}},
    }
    engine, former = MemoryEngine(), read_fleet({"services": services}, tmp_path)
    provide_images(engine, former)
    assert not deploy(engine, former).failures
    for service in services.values():
        service["deploy"]["replicas"] = 1
    steps = {step.id: step for step in make_plan(engine, read_fleet({"services": services}, tmp_path)).steps}
    assert "drain server f-web-2 at f-lb-2" in steps
    assert "drain server f-web-2 at f-lb-2" in steps["stop f-lb-2"].behind


def test_one_that_may_be_all_that_serves_goes_when_the_other_one_is_in_rotation(tmp_path: Path) -> None:
    engine, fleet = none_serves_for_certain(tmp_path), checked(tmp_path, 1)
    report = deploy(engine, fleet)
    assert not report.failures
    done = [result.step.id for result in report.results]
    assert done.index("add server f-web-1 at f-balancer-1") < done.index("drain server f-web-2 at f-balancer-1")
    assert {one.name for one in engine.replicas.values()} == {"f-balancer-1", "f-web-1"}
    assert not make_plan(engine, fleet)


def test_one_that_may_be_all_that_serves_stays_where_the_other_one_does_not_get_ready(tmp_path: Path) -> None:
    engine = none_serves_for_certain(tmp_path)
    report = deploy(engine, checked(tmp_path, 1), unready=["f-web-1"])
    assert [failure.step.id for failure in report.failures] == ["await f-web-1"]
    assert {one.name for one in engine.replicas.values()} == {"f-balancer-1", "f-web-1", "f-web-2"}
    (pools,) = engine.pools.values()
    assert [server.label for servers in pools.values() for server in servers.values()] == ["web-2"]
