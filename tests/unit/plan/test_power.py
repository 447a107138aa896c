from __future__ import annotations

from pathlib import Path
from typing import Any

from fleetctl.plan.power import plan_restart, plan_start
from fleetctl.plan.steps import Plan
from fleetctl.plan.wishes import Wishes
from fleetctl.spec.model import Fleet
from tests.fakes.memory_engine import MemoryEngine
from tests.fakes.memory_rotations import MemoryRotations
from tests.unit.plan.story import carry_out, deploy, happen, provide_images, read_fleet

WEB = {"image": "app", "deploy": {"replicas": 2}, "x-fleet": {"http": 8080}}


def deployed(directory: Path, **services: Any) -> tuple[MemoryEngine, Fleet]:
    engine, fleet = MemoryEngine(), read_fleet({"services": services}, directory)
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    return engine, fleet


def balancer(*balances: Any) -> dict[str, Any]:
    return {"image": "haproxy", "x-fleet": {"balance": list(balances)}}


def planned_restart(engine: MemoryEngine, fleet: Fleet, *names: str) -> Plan:
    observed = MemoryRotations(engine).look(fleet, engine.observe(fleet.name))
    return plan_restart(fleet, observed, [one for one in fleet.services.values() if not names or one.name in names])


def test_a_restart_says_beforehand_where_a_replica_serves_alone(tmp_path: Path) -> None:
    engine, fleet = deployed(tmp_path, mute={"image": "app"}, web=WEB)
    assert planned_restart(engine, fleet).notices == ()
    happen(engine, "kill f-web-2")
    alone = "f-web-1 serves alone: web does not answer until it is ready again"
    assert planned_restart(engine, fleet).notices == (alone,)


def test_a_restart_goes_on_once_a_replica_is_in_every_pool_again(tmp_path: Path) -> None:
    ports = balancer({"service": "web"}, {"service": "web", "port": 8081, "target_port": 9090})
    engine, fleet = deployed(tmp_path, web=WEB, inner=ports, outer=balancer({"service": "web"}))
    steps = planned_restart(engine, fleet, "web").steps
    entries = {step.id for step in steps if step.id.startswith("add server f-web-1 ")}
    exits = [set(step.after) for step in steps if step.id.startswith("drain server f-web-2 ")]
    assert len(entries) == 3
    assert exits == [entries] * 3


def test_a_start_goes_on_once_the_replicas_are_in_every_pool(tmp_path: Path) -> None:
    late = {"image": "app", "depends_on": ["web"]}
    first, second = balancer({"service": "web"}), balancer({"service": "web"})
    engine, fleet = deployed(tmp_path, web=WEB, late=late, first=first, second=second)
    for name in ("f-web-1", "f-web-2", "f-late-1"):
        happen(engine, f"kill {name}")
    observed = MemoryRotations(engine).look(fleet, engine.observe(fleet.name))
    steps = plan_start(fleet, observed, [fleet.services["web"], fleet.services["late"]]).steps
    (start,) = (step for step in steps if step.id == "start f-late-1")
    assert set(start.after) == {step.id for step in steps if step.id.startswith("add server ")}
    assert len(start.after) == 4


def test_a_balancer_that_does_not_run_is_restarted_with_those_who_run_by_now(tmp_path: Path) -> None:
    engine, fleet = deployed(tmp_path, web=WEB, balancer=balancer({"service": "web"}))
    for state in ("kill", "created", "restarting"):
        happen(engine, f"{state} f-balancer-1")
        happen(engine, "remove f-web-2")
        assert not deploy(engine, fleet, wishes=Wishes(services=("web",))).failures
        assert not carry_out(engine, planned_restart(engine, fleet, "balancer")).failures
        (pools,) = engine.pools.values()
        in_rotation = {server.container_id for servers in pools.values() for server in servers.values()}
        assert in_rotation == {one.id[:12] for one in engine.replicas.values() if one.service == "web"}


def test_a_balancer_that_runs_keeps_its_settings_over_a_restart(tmp_path: Path) -> None:
    engine, fleet = deployed(tmp_path, web=WEB, balancer=balancer({"service": "web"}))
    told = [step.id for step in planned_restart(engine, fleet, "balancer").steps]
    assert told == ["restart f-balancer-1", "await f-balancer-1"]
