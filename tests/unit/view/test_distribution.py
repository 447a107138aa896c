"""How a distribution is shown: rows and bars, the verdict, and what foreign text may do (nothing)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fleetctl.state.distribution import Distribution, Fault, Share, Verified
from fleetctl.view.distribution import BAR, ROWS, bar, show_verified, title, verified_document

GOOD = Distribution(
    shares=(Share(("f-web-1",), ("aaaa",), 50), Share(("f-web-2",), ("bbbb", "BBBB", "bB"), 25)),
    faults=(),
    kept=("each of 2 replicas answered", "every window of 2 answers came from 2 replicas"),
    asked=75,
    wanted=75,
    seconds=0.5,
    median=1.25,
    p99=3.96,
)
ONE = Verified("balancer", "http://172.30.0.5:80/", GOOD, "web", "f-front-1", "roundrobin")


def shown(capsys: pytest.CaptureFixture[str], *found: Verified) -> list[str]:
    show_verified(found)
    return capsys.readouterr().out.splitlines()


def test_a_table_has_a_bar_for_each_replica_and_ends_with_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, ONE) == [
        "web through f-front-1, http://172.30.0.5:80/, roundrobin",
        "REPLICA  INSTANCE         ANSWERS   SHARE  BAR",
        f"f-web-1  aaaa                  50  66.7 %  {'█' * BAR}",
        f"f-web-2  bbbb and 2 more       25  33.3 %  {'█' * (BAR // 2)}",
        "75 of 75 requests answered in 0.50 s: 150/s, p50 1.2 ms, p99 4.0 ms",
        "PASS  each of 2 replicas answered",
        "      every window of 2 answers came from 2 replicas",
    ]


def test_what_is_wrong_ends_with_fail_and_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    faults = (Fault("missing", "f-web-3 never answered", ("f-web-3",)), Fault("failed", "1 of 75 requests failed"))
    bad = replace(GOOD, faults=faults, notes=("the order is not judged",), concurrency=4)
    *_, summary, note, verdict, more = shown(capsys, replace(ONE, distribution=bad))
    assert summary.startswith("75 of 75 requests answered in 0.50 s, 4 at a time: ")
    assert note == "note: the order is not judged"
    assert verdict == "FAIL  f-web-3 never answered"
    assert more == "      1 of 75 requests failed"


@pytest.mark.parametrize(
    ("count", "drawn"),
    [(0, ""), (1, "▏"), (500, "█" * 6), (760, "█" * 9 + "▏"), (990, "█" * 11 + "▉"), (1000, "█" * 12)],
)
def test_a_bar_is_as_long_as_its_part_and_never_nothing_for_something(count: int, drawn: str) -> None:
    assert bar(count, 1000) == drawn


def test_nobody_has_no_bar_and_no_share(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Distribution((Share(("f-web-1",), (), 0),), (), asked=3, failures={"timeout": 3})
    lines = shown(capsys, Verified("url", "http://a/", silent))
    assert lines[:3] == ["http://a/", "REPLICA  INSTANCE  ANSWERS  SHARE  BAR", "f-web-1  -               0      -"]
    assert lines[3] == "0 of 3 requests answered in 0.00 s"


def test_text_of_strangers_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Reliability case 41: an identity may be anything that a server says."""
    evil = "\x1b]0;pwned\x07\r\u202e\x9b31m"
    bad = replace(GOOD, shares=(Share((), (evil,), 1),), faults=(Fault("foreign", evil),), notes=(evil,))
    text = "\n".join(shown(capsys, Verified("url", f"http://{evil}/", bad)))
    assert text.replace("\n", "").isprintable()
    assert "\\x1b]0;pwned" in text
    assert json.dumps(verified_document(None, [Verified("url", evil, bad)])).isascii()


def test_of_very_many_identities_the_first_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    many = tuple(Share((), (f"x{number}",), 1) for number in range(ROWS + 7))
    lines = shown(capsys, Verified("url", "http://a/", replace(GOOD, shares=many)))
    assert f"x{ROWS - 1}" in lines[ROWS + 1]
    assert lines[ROWS + 2] == "and 7 more"


def test_titles_say_who_was_asked() -> None:
    assert title(Verified("dns", "web as f-web-1 resolves it", GOOD, "web", "127.0.0.11")) == (
        "web as told by 127.0.0.11, web as f-web-1 resolves it"
    )
    assert title(Verified("url", "http://a/", GOOD)) == "http://a/"


def test_the_document_has_all_of_it() -> None:
    document = verified_document("f", [ONE])
    assert (document["schema"], document["fleet"], document["passed"]) == (1, "f", True)
    (entry,) = document["verified"]
    assert entry == {
        "via": "balancer",
        "service": "web",
        "asked": "f-front-1",
        "where": "http://172.30.0.5:80/",
        "algorithm": "roundrobin",
        "passed": True,
        "requests": 75,
        "wanted": 75,
        "concurrency": 1,
        "answered": 75,
        "failures": {},
        "shares": [
            {"replicas": ["f-web-1"], "identities": ["aaaa"], "answers": 50},
            {"replicas": ["f-web-2"], "identities": ["bbbb", "BBBB", "bB"], "answers": 25},
        ],
        "faults": [],
        "kept": list(GOOD.kept),
        "notes": [],
        "seconds": 0.5,
        "per_second": 150.0,
        "milliseconds": {"p50": 1.25, "p99": 3.96},
    }


def test_one_fault_anywhere_fails_the_whole() -> None:
    bad = replace(ONE, distribution=replace(GOOD, faults=(Fault("order", "web-1 answered again"),)))
    assert verified_document("f", [ONE, bad])["passed"] is False
