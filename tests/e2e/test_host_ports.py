"""Host ports that others have: in part, as a whole, or until they go (reliability cases 15 and 16)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from fleetctl.check.http import fetch
from tests.e2e.project import Project, server, wait_for

FreePort = Callable[[], int]


@pytest.fixture
def pair(free_port: FreePort) -> int:
    """The lower of two neighbouring ports of 127.0.0.1 that nobody listens on."""
    while True:
        low = free_port()
        try:
            socket.create_server(("127.0.0.1", low + 1)).close()
        except OSError:
            continue
        return low


@pytest.fixture
def held(pair: int) -> Iterator[socket.socket]:
    """A process listens on the lower one."""
    with socket.create_server(("127.0.0.1", pair)) as lower:
        yield lower


@pytest.mark.usefixtures("held")
def test_a_range_serves_although_a_process_has_its_first_port(fleet: Project, pair: int) -> None:
    fleet.write({"web": server(1, ports=[f"127.0.0.1:{pair}-{pair + 1}:8080"])})
    fleet.up()
    assert fleet.run("port", "web", "8080").stdout == f"127.0.0.1:{pair + 1}\n"
    fleet.assert_converged()


@pytest.mark.usefixtures("held")
def test_a_range_that_processes_have_is_exit_5_and_leaves_nothing_created(fleet: Project, pair: int) -> None:
    fleet.write({"web": server(1, ports=[f"127.0.0.1:{pair}-{pair + 1}:8080"])})
    with socket.create_server(("127.0.0.1", pair + 1)):
        done = fleet.up(code=5)
    assert f"could not start {fleet.name}-web-1: host ports {pair}-{pair + 1} are all taken" in done.stderr
    assert fleet.states() == {}


def test_a_range_that_containers_have_is_exit_5_and_leaves_nothing_created(
    fleet: Project, another_fleet: Project, pair: int
) -> None:
    ports = [f"127.0.0.1:{pair}-{pair + 1}:8080"]
    another_fleet.write({"web": server(2, ports=ports)})
    another_fleet.up()
    fleet.write({"web": server(1, ports=ports)})
    done = fleet.up(code=5)
    assert "all ports are allocated" in done.stderr
    assert "widen the range" in done.stderr
    assert fleet.states() == {}


def test_services_swap_their_host_ports_in_one_run(fleet: Project, pair: int) -> None:
    """One goes before its successor serves, as that waits for the other service; the plan says so."""

    def publish(api: int, web: int) -> None:
        waits = {"api": {"condition": "service_healthy"}}
        fleet.write(
            {
                "web": server(1, ports=[f"127.0.0.1:{web}:8080"], depends_on=waits),
                "api": server(1, ports=[f"127.0.0.1:{api}:8080"]),
            }
        )

    publish(api=pair + 1, web=pair)
    fleet.up()
    publish(api=pair, web=pair + 1)
    told = f"{fleet.name}-web-1: stopped before others take over, as api is to have its host port {pair}"
    assert told in fleet.run("plan").stderr
    fleet.up()
    assert fleet.run("port", "web", "8080").stdout == f"127.0.0.1:{pair + 1}\n"
    assert fleet.run("port", "api", "8080").stdout == f"127.0.0.1:{pair}\n"
    fleet.assert_converged()


def test_who_gives_way_to_a_service_of_a_new_name_comes_back_when_that_fails(fleet: Project, pair: int) -> None:
    ports = [f"127.0.0.1:{pair}:8080"]
    fleet.write({"web": server(1, ports=ports)})
    fleet.up()
    fleet.write({"site": server(1, before="exit 3", ports=ports)})
    done = fleet.up("--remove-orphans", code=1)
    assert (
        f"{fleet.name}-web-1: stopped before others take over, as site is to have its host port {pair}" in done.stderr
    )
    assert fleet.states() == {"web-1": "running"}
    wait_for("the one that gave way answers again", lambda: fetch("127.0.0.1", pair).status == 200)
    fleet.write({"site": server(1, ports=ports)})
    fleet.up("--remove-orphans")
    assert fleet.states() == {"site-1": "running"}
    fleet.assert_converged()
