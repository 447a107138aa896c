"""Every case file: what is changed in the healthy scene, and below the line of dashes the verdict that follows."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fleetctl.diagnosis.judge import judge
from fleetctl.diagnosis.scene import Finding, Verdict
from tests.fakes.made_up_scene import change, healthy, scene, target

CASES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_verdict_follows_from_what_was_seen(path: Path) -> None:
    given, expected = path.read_text().split("---\n")
    data = change(healthy(), yaml.safe_load(given) or {})
    seen = scene(data)
    verdict = judge(target(data, seen), seen)
    assert written(verdict) == expected
    for one in verdict.findings:
        assert one.evidence, f"{one.cause} shows nothing"
        assert one.cure, f"{one.cause} has no cure"
        texts = [one.where, one.cure, *one.commands, *(f"{fact.fact} {fact.command}" for fact in one.evidence)]
        assert [text for text in texts if "None" in text] == []


def written(verdict: Verdict) -> str:
    words = {True: "answers", False: "does not answer", None: "could not be asked"}
    lines = [f"{verdict.target.name} {words[verdict.reachable]}"]
    for one in verdict.findings:
        lines += finding_lines(one)
    return "\n".join(lines) + "\n"


def finding_lines(one: Finding) -> list[str]:
    return [f"{one.level}: {one.hop}/{one.cause} at {one.where}", *(f"  $ {command}" for command in one.commands)]
