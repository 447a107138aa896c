"""An old container that was stopped for a successor serves again where that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleetctl.spec.model import Fleet
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, happen, provide_images, read_fleet


def balanced(directory: Path, greeting: str, **update: Any) -> Fleet:
    web = {
        "image": "app",
        "environment": {"GREETING": greeting},
        "deploy": {"replicas": 2, "update_config": {"order": "stop-first", **update}},
        "x-fleet": {"http": 8080},
    }
    balancer = {"image": "haproxy", "x-fleet": {"balance": {"service": "web"}}}
    return read_fleet({"services": {"web": web, "balancer": balancer}}, directory)


def states(engine: MemoryEngine) -> dict[str, str]:
    return {one.name: one.state for one in engine.replicas.values()}


def in_rotation(engine: MemoryEngine) -> set[str]:
    (pools,) = engine.pools.values()
    names = {replica.id[:12]: replica.name for replica in engine.replicas.values()}
    return {names[server.container_id] for servers in pools.values() for server in servers.values()}


def test_it_is_in_rotation_again_before_the_next_one_leaves(tmp_path: Path) -> None:
    engine, fleet = MemoryEngine(), balanced(tmp_path, "")
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    before = set(engine.replicas)
    report = deploy(
        engine, balanced(tmp_path, "bad", failure_action="continue"), unready=["f-web-1.next", "f-web-2.next"]
    )
    assert len(report.failures) == 2
    assert set(engine.replicas) == before
    assert states(engine) == {"f-balancer-1": "running", "f-web-1": "running", "f-web-2": "running"}
    assert in_rotation(engine) == {"f-web-1", "f-web-2"}
    done = [result.step.id for result in report.results if result.status == "done"]
    back = next(step for step in done if step.startswith("add server f-web-1 "))
    assert done.index(back) < done.index("drain server f-web-2 at f-balancer-1")


def test_it_is_started_by_a_later_run_whose_successor_does_not_get_ready_either(tmp_path: Path) -> None:
    engine, fleet = MemoryEngine(), balanced(tmp_path, "")
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    happen(engine, "copy f-web-1 f-web-1.next running")
    happen(engine, "unbalance f-web-1")
    happen(engine, "kill f-web-1")
    assert deploy(engine, fleet, unready=["f-web-1.next"]).failures
    assert states(engine) == {"f-balancer-1": "running", "f-web-1": "running", "f-web-2": "running"}
    assert in_rotation(engine) == {"f-web-1", "f-web-2"}


def following(directory: Path, greeting: str, condition: str = "service_healthy", **ports: str) -> Fleet:
    """Web, which is updated stop-first, waits for api; each with the host port of its name, if any."""
    keys = {"image": "app", "environment": {"GREETING": greeting}}
    services: dict[str, Any] = {"api": {**keys}, "web": {**keys, "depends_on": {"api": {"condition": condition}}}}
    services["web"]["deploy"] = {"update_config": {"order": "stop-first"}}
    for name, port in ports.items():
        services[name]["ports"] = [port]
    return read_fleet({"services": services}, directory)


def test_it_serves_on_where_what_its_successor_waits_for_does_not_get_ready(tmp_path: Path) -> None:
    engine, fleet = MemoryEngine(), following(tmp_path, "")
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    before = set(engine.replicas)
    report = deploy(engine, following(tmp_path, "bad"), unready=["f-api-1.next"])
    assert [failure.step.id for failure in report.failures] == ["await f-api-1.next"]
    assert set(engine.replicas) == before
    assert states(engine) == {"f-api-1": "running", "f-web-1": "running"}


def test_it_serves_until_what_its_successor_waits_for_is_through(tmp_path: Path) -> None:
    engine, fleet = MemoryEngine(), following(tmp_path, "")
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    report = deploy(engine, following(tmp_path, "new"))
    done = [result.step.id for result in report.results if result.status == "done"]
    assert done.index("rename f-api-1.next to f-api-1") < done.index("stop f-web-1")


def test_it_does_not_wait_for_a_service_that_waits_for_its_port(tmp_path: Path) -> None:
    engine, fleet = MemoryEngine(), following(tmp_path, "", web="8080:80")
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    moved = following(tmp_path, "", api="8080:80", web="8081:80")
    for _ in range(2):  # in the first run whoever is first may find the port still taken
        report = deploy(engine, moved)
    assert not report.failures
    assert {one.name: one.ports[0].host_port for one in engine.replicas.values()} == {"f-api-1": 8080, "f-web-1": 8081}
