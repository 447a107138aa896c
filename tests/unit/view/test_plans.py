"""The table of `plan`: what a person reads of many steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fleetctl.view.plans import summarize
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, happen, make_plan, provide_images, read_fleet

CASES = Path(__file__).parents[2] / "cases" / "plan"


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (
            "changed-environment-rolls-one-by-one",
            [("replace", "f-web-1"), ("replace", "f-web-2")],
        ),
        ("balanced-replicas-are-replaced-in-rotation", [("replace", "f-web-1"), ("replace", "f-web-2")]),
        (
            "balanced-scale-up-and-down",
            [("remove", "f-web-3"), ("create", "f-api-2")],
        ),
        (
            "servers-without-a-container-leave-the-rotation",
            [("create", "f-web-1"), ("drain server", "web-1")],
        ),
        ("balanced-replicas-out-of-rotation-come-back", [("start", "f-web-1"), ("add server", "f-web-2")]),
        ("stop-first-is-honoured", [("replace", "f-web-1"), ("replace", "f-web-2")]),
        ("scale-down-takes-the-highest-numbers", [("remove", "f-web-3"), ("remove", "f-web-4")]),
        (
            "an-interrupted-update-new-one-runs-beside",
            [
                ("await", "f-web-1.next"),
                ("remove", "f-web-1"),
                ("rename", "f-web-1.next to f-web-1"),
            ],
        ),
    ],
)
def test_each_thing_done_is_one_line_with_its_true_name(
    case: str, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    """A replacement is one line; what an interrupted update left is called by the name it has."""
    story = yaml.safe_load((CASES / f"{case}.yaml").read_text())
    engine = MemoryEngine()
    former = read_fleet(story["before"], tmp_path)
    provide_images(engine, former)
    deploy(engine, former)
    for event in story.get("meanwhile", []):
        happen(engine, event)
    fleet = read_fleet(story.get("now", story["before"]), tmp_path)
    provide_images(engine, fleet)
    assert [(verb, name) for (name, _), verb in summarize(make_plan(engine, fleet)).items()] == expected
