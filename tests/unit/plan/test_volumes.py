"""What is told of a volume that exists: its data is never removed by the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, make_plan, provide_images, read_fleet

BEFORE = {"services": {"db": {"image": "app", "volumes": ["data:/data"]}}, "volumes": {"data": {}}}
NOW = {**BEFORE, "volumes": {"data": {"labels": {"for": "db"}}}}


def test_a_volume_that_does_not_say_what_it_was_made_from_is_no_news(tmp_path: Path) -> None:
    """As made by a former version; beside one that says it."""
    engine = MemoryEngine()
    fleet = read_fleet(BEFORE, tmp_path)
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    changed = read_fleet(NOW, tmp_path)
    assert len(make_plan(engine, changed).notices) == 1
    engine.volumes["f_data"] = replace(engine.volumes["f_data"], digests={})
    assert make_plan(engine, changed).notices == ()
