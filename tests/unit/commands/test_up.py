"""Where `up` says in the end that the fleet answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleetctl.commands.up import Picture, find_entrances
from fleetctl.spec.model import Balance, HttpSettings, Service
from fleetctl.state.observed import Published, Replica, ReplicaState

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
WEB = Service("web", "i", http=HttpSettings(8080, path="/who"))
BALANCER = Service("balancer", "i", balance=(Balance("web", 8080, 8080), Balance("files", 8081, 8080)))


def replica(service: str, *ports: int, state: ReplicaState = "running") -> Replica:
    published = tuple(Published(port, "tcp", "127.0.0.1", port) for port in ports)
    return Replica("1", f"f-{service}-1", service, 1, "i", "i", state, "none", "", CREATED, ports=published)


def test_a_balancer_answers_where_those_that_it_balances_run_and_503_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = replica("balancer", 8080, 8081), BALANCER
    entrances, idle = find_entrances([before, (replica("web"), WEB)], (), None)
    assert entrances == {"balancer": ("http://127.0.0.1:8080/",)}
    Picture((), (), {}, entrances, idle).tell_idle()
    told = "balancer answers 503 at http://127.0.0.1:8081/: no replica of files runs\n"
    assert capsys.readouterr().err == told


def test_who_does_not_run_or_is_mute_answers_nowhere() -> None:
    web = replica("web", 8080)
    assert find_entrances([(web, WEB)], (), None) == ({"web": ("http://127.0.0.1:8080/who",)}, {})
    assert find_entrances([(web, WEB)], (web.name,), None) == ({}, {})
    assert find_entrances([(replica("web", 8080, state="exited"), WEB)], (), None) == ({}, {})


def test_a_balancer_of_replicas_that_are_mute_has_somebody_to_send_to() -> None:
    """They run, and answer something, if not what was asked for."""
    before = replica("balancer", 8080), BALANCER
    entrances, idle = find_entrances([before, (replica("web"), WEB)], ("f-web-1",), None)
    assert (entrances, idle) == ({"balancer": ("http://127.0.0.1:8080/",)}, {})
