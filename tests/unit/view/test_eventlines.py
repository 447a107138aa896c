"""Events on one line each: what matters of each, and nothing that could steer a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from fleetctl.state.events import FleetEvent
from fleetctl.view.eventlines import line, show_event, show_event_document

WHEN = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)
ID = "3fa9c2d1e0b1".ljust(64, "0")


def of_web(action: str, **told: object) -> FleetEvent:
    return FleetEvent(WHEN, "container", action, ID, "f-web-1", "web", 1, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (of_web("start"), "container start         f-web-1"),
        (of_web("die", exit_code=0), "container die           f-web-1 (exit code 0)"),
        (of_web("kill", signal=9), "container kill          f-web-1 (SIGKILL)"),
        (of_web("kill", signal=200), "container kill          f-web-1 (signal 200)"),
        (of_web("health_status", health="unhealthy"), "container health_status f-web-1 (unhealthy)"),
        (of_web("rename", former_name="f-web-9"), "container rename        f-web-1 (was f-web-9)"),
        (FleetEvent(WHEN, "network", "create", network="f_lan"), "network   create        f_lan"),
        (
            FleetEvent(WHEN, "network", "connect", ID, "f-web-1", "web", 1, "f_lan"),
            "network   connect       f-web-1 (f_lan)",
        ),
        (
            FleetEvent(WHEN, "network", "connect", ID, network="f_lan"),
            "network   connect       3fa9c2d1e0b1 (f_lan)",
        ),
    ],
)
def test_an_event_says_what_happened_to_whom(event: FleetEvent, told: str) -> None:
    when, _, words = line(event).partition(" ")[2].partition(" ")
    assert when.endswith(".123")
    assert words == told


def test_nothing_that_the_engine_says_reaches_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = FleetEvent(WHEN, "container", "die\x1b[2J", ID, "f-\u202eweb", health="\x9b31m\r\n")
    show_event(hostile)
    show_event_document("f", hostile)
    shown, document = capsys.readouterr().out.splitlines()
    assert shown.isprintable()
    assert r"die\x1b[2J       f-\u202eweb (\x9b31m\r\n)" in shown
    assert document.isascii()
    assert document.isprintable()
    assert json.loads(document)["action"] == "die\x1b[2J"
