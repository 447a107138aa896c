from __future__ import annotations

from pathlib import Path

from fleetctl.plan.power import plan_restart
from fleetctl.spec.model import Fleet
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, happen, provide_images, read_fleet


def notices_of_a_restart(engine: MemoryEngine, fleet: Fleet) -> tuple[str, ...]:
    return plan_restart(fleet, engine.observe(fleet.name), list(fleet.services.values())).notices


def test_a_restart_says_beforehand_where_a_replica_serves_alone(tmp_path: Path) -> None:
    services = {
        "mute": {"image": "app"},
        "web": {"image": "app", "x-fleet": {"http": 8080}, "deploy": {"replicas": 2}},
    }
    engine, fleet = MemoryEngine(), read_fleet({"services": services}, tmp_path)
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    assert notices_of_a_restart(engine, fleet) == ()
    happen(engine, "kill f-web-2")
    assert notices_of_a_restart(engine, fleet) == ("f-web-1 serves alone: web does not answer until it is ready again",)
