"""Where replicas are stopped before their successors serve, those that are missing come first."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import carry_out, deploy, happen, make_plan, provide_images, read_fleet, shuffled

STOP_FIRST: dict[str, Any] = {"order": "stop-first"}


def web(replicas: int, ports: str | None = None, **environment: str) -> dict[str, Any]:
    service = {"image": "app", "environment": environment, "deploy": {"replicas": replicas}}
    if ports is None:
        return {"services": {"web": {**service, "deploy": {"replicas": replicas, "update_config": STOP_FIRST}}}}
    return {"services": {"web": {**service, "ports": [ports]}}}


@pytest.mark.parametrize(
    ("before", "now", "events"),
    [
        pytest.param(web(1), web(2, A="1"), [], id="scaled up and changed"),
        pytest.param(web(1, "8080:80"), web(2, "8080-8081:80", A="1"), [], id="forced by a host port"),
        pytest.param(web(2), web(2, A="1"), ["kill f-web-2"], id="the other one is dead"),
    ],
)
def test_somebody_serves_all_the_time(
    before: dict[str, Any], now: dict[str, Any], events: list[str], tmp_path: Path
) -> None:
    start, fleet = MemoryEngine(), read_fleet(before, tmp_path)
    provide_images(start, fleet)
    assert not deploy(start, fleet).failures
    for event in events:
        happen(start, event)
    fleet = read_fleet(now, tmp_path)
    for seed in range(12):
        engine = copy.deepcopy(start)
        engine.running.clear()
        assert not carry_out(engine, shuffled(make_plan(engine, fleet), seed)).failures
        assert min(engine.running) >= 1
        assert not make_plan(engine, fleet)
