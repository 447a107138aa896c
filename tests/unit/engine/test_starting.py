"""Among which host ports the engine chose is read from what it was asked for."""

from __future__ import annotations

from fleetctl.engine.starting import choice_of

ASKED = {
    "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}, {"HostIp": "", "HostPort": "9000-9009"}],
    "81/tcp": [{"HostIp": "", "HostPort": ""}],
    "82/tcp": None,
}


def test_a_port_that_was_asked_for_is_the_only_choice() -> None:
    assert choice_of(ASKED, 8080) == range(8080, 8081)


def test_a_port_of_a_range_is_one_of_many() -> None:
    assert choice_of(ASKED, 9000) == range(9000, 9010)
    assert choice_of(ASKED, 9009) == range(9000, 9010)


def test_a_port_that_nobody_asked_for_is_any() -> None:
    assert choice_of(ASKED, 9010) is None
    assert choice_of({}, 8080) is None
