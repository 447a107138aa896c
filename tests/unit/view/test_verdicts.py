"""Verdicts on a terminal and as a document: every fact at every width, nothing hostile, the same keys always."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from fleetctl.diagnosis.causes import HOPS
from fleetctl.diagnosis.judge import judge
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Target, Verdict, Way
from fleetctl.view.verdicts import verdict_document, verdicts_document, verdicts_view
from tests.fakes.made_up_scene import change, healthy, scene, target

CASES = Path(__file__).parents[2] / "cases" / "diagnosis"
HOSTILE = "a\x1b[31m\x1b]0;owned\x07b\r\nc\u202ed\x9b2Je[red]f[/red]:boom:"
SAFE = r"a\x1b[31m\x1b]0;owned\x07b\r\nc\u202ed\x9b2Je[red]f[/red]:boom:"


def verdict(case: str) -> Verdict:
    """The verdict on a case of tests/cases/diagnosis."""
    given = (CASES / f"{case}.txt").read_text().partition("---\n")[0]
    data = change(healthy(), yaml.safe_load(given) or {})
    seen = scene(data)
    return judge(target(data, seen), seen)


def shown(*verdicts: Verdict, width: int = 160, walk: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(verdicts_view(verdicts, walk=walk))
    return capture.get()


def words(text: str) -> str:
    return re.sub(r"\s+", "", text)


def poisoned() -> Verdict:
    """One whose every text was written by somebody hostile."""
    client = scene(healthy()).containers[1]
    way = Way("client", "10.9.0.2", 8080, client=replace(client, name=HOSTILE))
    bad = Finding("socket", "wrong-port", HOSTILE, (Evidence(HOSTILE, HOSTILE),), HOSTILE, (HOSTILE,))
    warning = replace(bad, cause="unknown", level="warning")
    whole = verdict("wrong-port")
    judged = replace(whole.judged[0], way=way, told=HOSTILE)
    asked = Target(HOSTILE, None, None)
    return Verdict(asked, (judged,), (bad, warning), (Proof("route", HOSTILE),), (HOSTILE,))


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize(
    "case", ["veth-missing", "filter-inside", "a-filter-rule-and-a-wrong-port", "nat-rule-missing"]
)
def test_every_fact_cure_and_command_is_shown_at_every_width_and_no_line_is_longer(case: str, width: int) -> None:
    one = verdict(case)
    text = shown(one, width=width)
    facts = [part for found in one.findings for fact in found.evidence for part in (fact.fact, fact.command)]
    told = [part for found in one.findings for part in (found.cause, found.where, found.cure, *found.commands)]
    proofs = [proof.fact for proof in one.proofs]
    assert [part for part in (*facts, *told, *proofs) if words(part) not in words(text)] == []
    assert max(map(len, text.splitlines())) <= width
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_a_long_fact_goes_on_under_its_beginning() -> None:
    lines = shown(verdict("veth-missing"), width=80).splitlines()
    first = next(number for number, line in enumerate(lines) if "seen  the engine gave it" in line)
    assert lines[first + 1].index("02:42:0a:09:00:02") == lines[first].index("the engine")


def test_a_width_smaller_than_any_label_ends_all_the_same() -> None:
    assert "wrong-port" in words(shown(verdict("wrong-port"), width=10))


def test_where_all_is_well_there_is_one_line_and_with_walk_every_hop() -> None:
    good = verdict("healthy")
    assert shown(good) == "✓ web-1:8080  answers by 5 ways, at most 2 ms\n"
    walked = shown(good, walk=True)
    assert len(walked.splitlines()) > 8
    assert "✗" not in walked
    hops = [line.split()[1] for line in walked.splitlines() if line.startswith("  ✓")]
    assert {"publish", "route", "neighbour", "link", "container", "address", "socket", "accept-queue"} <= set(hops)
    assert hops == sorted(hops, key=list(HOPS).index)


def test_a_target_that_could_not_be_asked_is_neither_good_nor_bad() -> None:
    assert shown(verdict("not-asked")).startswith("? web-1:8080  could not be asked from here\n")


def test_a_warning_is_shown_where_every_request_gets_its_answer() -> None:
    first, *rest = shown(verdict("health-check-wrong")).splitlines()
    assert first.startswith("✓ web-1:8080  answers by 5 ways")
    assert any(line.startswith("  ! http") for line in rest)


def test_broken_hops_and_those_in_order_stand_in_the_order_of_the_way() -> None:
    lines = shown(verdict("two-faults-the-first-on-the-way-first")).splitlines()
    marks = [(line.split()[0], line.split()[1]) for line in lines if re.match("  [✓✗] ", line)]
    assert marks.index(("✗", "link")) < marks.index(("✓", "container")) < marks.index(("✗", "socket"))


def test_many_ways_alike_are_counted_not_listed() -> None:
    one = verdict("wrong-port")
    failed = one.judged[-2]
    client = failed.way.client
    assert client is not None
    many = tuple(
        replace(failed, way=replace(failed.way, client=replace(client, name=f"web-{number}")))
        for number in range(2, 62)
    )
    text = shown(replace(one, judged=many))
    assert "from web-2, web-3, web-4, web-5, web-6, web-7 and 54 more: connection refused" in text


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("walk", [True, False])
def test_hostile_text_reaches_the_terminal_as_visible_escapes_only(width: int, walk: bool) -> None:
    text = shown(poisoned(), width=width, walk=walk)
    assert words(SAFE) in words(text)
    assert {ch for ch in text if not ch.isprintable()} == {"\n"}
    # Target and place, the client and what it was told, the fact and command, cure and command of both, and so on.
    assert words(text).count(words(SAFE)) == 16


def test_hostile_text_in_a_document_is_ascii_and_comes_back_as_it_was() -> None:
    document = verdicts_document([poisoned()], "this host")
    text = json.dumps(document, indent=2)
    assert text.isascii()
    assert {ch for ch in text if not ch.isprintable()} == {"\n"}
    assert json.loads(text)["verdicts"][0]["findings"][0]["evidence"] == [{"fact": HOSTILE, "command": HOSTILE}]


TOP = ["schema", "target", "reachable", "hop", "cause", "evidence", "cure", "commands", "vantage", "verdicts"]
VERDICT = [
    *("target", "container", "port", "reachable", "hop", "cause", "level", "meaning", "where", "evidence", "cure"),
    *("commands", "findings", "ways", "proofs", "unknown"),
]
FINDING = ["hop", "cause", "level", "meaning", "where", "evidence", "cure", "commands"]
NOTHING_WRONG: dict[str, list[str]] = {"evidence": [], "commands": []}
WAY = ["vantage", "from", "address", "port", "good", "told", "status", "error", "stage", "milliseconds"]


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda path: path.stem)
def test_a_document_has_the_same_keys_whatever_the_verdict(path: Path) -> None:
    one = verdict(path.stem)
    document = verdicts_document([one], "this host")
    (inner,) = document["verdicts"]
    assert sorted(document) == sorted(TOP)
    assert sorted(inner) == sorted(VERDICT)
    assert [sorted(each) for each in inner["findings"]] == [sorted(FINDING)] * len(one.findings)
    assert [sorted(each) for each in inner["ways"]] == [sorted(WAY)] * len(one.judged)
    first = verdict_document(replace(one, findings=(one.first,)))["findings"] if one.first else []
    assert [{key: inner[key] for key in FINDING}] == (first or [{key: NOTHING_WRONG.get(key) for key in FINDING}])
    assert json.loads(json.dumps(document)) == document


def test_the_top_of_a_document_is_the_first_target_that_does_not_answer() -> None:
    good, unsure, bad = verdict("healthy"), verdict("not-asked"), verdict("wrong-port")
    document = verdicts_document([good, unsure, bad, verdict("paused")], "this host")
    assert (document["schema"], document["reachable"], document["cause"]) == (1, False, "wrong-port")
    assert document["evidence"] == verdict_document(bad)["evidence"]
    assert verdicts_document([good, unsure], "this host")["reachable"] is None
    assert verdicts_document([good], "this host")["cause"] is None
    empty = verdicts_document([], "this host")
    assert sorted(empty) == sorted(TOP)
    assert empty["reachable"] is True
