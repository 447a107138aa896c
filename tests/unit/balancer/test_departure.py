"""A balancer goes in the same run as what it has in rotation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleetctl.plan.wishes import Wishes
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, provide_images, read_fleet

APP = {"image": "app", "x-fleet": {"http": 8080}}


def test_a_service_goes_with_the_balancer_that_has_it(tmp_path: Path) -> None:
    engine = MemoryEngine()
    lb: dict[str, Any] = {"image": "haproxy", "x-fleet": {"balance": {"service": "job"}}}
    former = read_fleet({"services": {"lb": lb, "job": APP, "web": APP}}, tmp_path)
    lb = {"image": "haproxy", "environment": {"A": "b"}, "x-fleet": {"balance": {"service": "web"}}}
    fleet = read_fleet({"services": {"lb": lb, "web": APP}}, tmp_path)
    provide_images(engine, former)
    assert not deploy(engine, former).failures
    assert not deploy(engine, fleet, wishes=Wishes(remove_orphans=True)).failures
    assert [one.name for one in engine.observe("f").replicas] == ["f-lb-1", "f-web-1"]
