from __future__ import annotations

from pathlib import Path

from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, make_plan, provide_images, read_fleet


def publishing(**ports: str) -> dict[str, object]:
    return {"services": {name: {"image": "app", "ports": [port]} for name, port in ports.items()}}


def test_services_that_swap_their_host_ports_come_to_it_in_two_runs(tmp_path: Path) -> None:
    """Started beside its predecessor, each would wait for what the other one holds, for ever."""
    engine, fleet = MemoryEngine(), read_fleet(publishing(a="8080:80", b="8081:80"), tmp_path)
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    swapped = read_fleet(publishing(a="8081:80", b="8080:80"), tmp_path)
    deploy(engine, swapped)
    assert not deploy(engine, swapped).failures
    assert not make_plan(engine, swapped)
    assert {one.name: one.ports[0].host_port for one in engine.replicas.values()} == {"f-a-1": 8081, "f-b-1": 8080}
