"""Crash-point sweep (case 5): fleetctl is killed after every request that changes something; the next run heals.

Between two such requests the engine's state stays the same, so a crash at a read in between leaves what these leave."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import MakeProxy
from tests.e2e.project import Json, Project, server
from tests.fakes.faultproxy import Act, Fault, FaultProxy, Request

UP_POINTS = 10  # a network, a volume, four replicas created and started
DOWN_POINTS = 10  # four replicas stopped and removed, the network, the volume
UPDATE_POINTS = 10  # of two replicas: created, started, the old one stopped and removed, renamed
REPLICAS = {"db-1": "running", "db-2": "running", "web-1": "running", "web-2": "running"}


def services(greeting: str = "first") -> dict[str, Json]:
    return {
        "web": server(2, depends_on=["db"], environment={"GREETING": greeting}),
        "db": server(2, volumes=["data:/data"]),
    }


def write(fleet: Project, greeting: str = "first", **top: Json) -> None:
    fleet.write(services(greeting), volumes={"data": None}, **top)


def killed_after(fleet: Project, proxy: MakeProxy, point: int, *args: str) -> tuple[int, int]:
    """Run fleetctl; when the engine has answered the `point`-th request that changes something (0: the first of all),
    kill fleetctl before it hears of it. Returns its exit code and how many such requests it made."""
    victims: list[subprocess.Popen[str]] = []

    def kill() -> None:
        victims[0].kill()
        victims[0].wait()

    def misbehave(request: Request) -> Fault | None:
        reached = request.writes_so_far == point and (request.writes or point == 0)
        return Act(kill) if reached else None

    watched: FaultProxy
    with proxy(misbehave) as watched:
        victims.append(fleet.popen(*args, env=watched.environment))
        code = fleet.finish(victims[0]).code
        return code, len(watched.writes)


def assert_whole(fleet: Project) -> None:
    """Every replica is there once, under its name, and a plan has nothing to do."""
    assert fleet.states() == REPLICAS
    assert len(fleet.networks()) == 1
    assert len(fleet.volumes()) == 1
    fleet.assert_converged()


@pytest.mark.parametrize("point", range(max(UP_POINTS, DOWN_POINTS) + 1))
def test_after_a_crash_of_up_the_next_up_converges_and_after_one_of_down_the_next_leaves_nothing(
    fleet: Project, proxy: MakeProxy, point: int
) -> None:
    write(fleet)
    code, _ = killed_after(fleet, proxy, point, "up")
    assert code == -signal.SIGKILL
    fleet.up()
    assert_whole(fleet)

    code, _ = killed_after(fleet, proxy, point, "down", "-v")
    assert code == -signal.SIGKILL
    fleet.down("-v")


@pytest.mark.parametrize("points", [range(6), range(6, UPDATE_POINTS + 1)], ids=["first", "second"])
def test_after_a_crash_of_an_update_the_next_up_ends_it(fleet: Project, proxy: MakeProxy, points: range) -> None:
    write(fleet)
    fleet.up()
    for point in points:
        write(fleet, greeting=f"crash {point}")
        code, _ = killed_after(fleet, proxy, point, "up")
        assert code == -signal.SIGKILL
        fleet.up()
        assert_whole(fleet)
        for entry in fleet.containers(service="web"):
            variables = fleet.client.api.inspect_container(entry["Id"])["Config"]["Env"]
            assert f"GREETING=crash {point}" in variables
    fleet.down("-v")


def test_after_a_crash_of_an_update_a_rollback_puts_the_former_release_back(fleet: Project, proxy: MakeProxy) -> None:
    """From the first new container on: before that there is nothing to go back from."""
    write(fleet)
    fleet.up()
    for point in range(1, UPDATE_POINTS, 6):
        write(fleet, greeting=f"crash {point}")
        code, _ = killed_after(fleet, proxy, point, "up")
        assert code == -signal.SIGKILL
        done = fleet.run("rollback", "web", "-t", "1")
        assert done.code == 0, done
        write(fleet)
        assert_whole(fleet)
    fleet.down("-v")


def test_the_sweep_has_left_out_no_crash_point(
    fleet: Project, proxy: MakeProxy, free_subnet: Callable[[int], str]
) -> None:
    """On a subnet of its own: the first that is free another test may be about to get, and to ask again counts."""
    networks: Json = {"default": {"ipam": {"config": [{"subnet": free_subnet(28)}]}}}
    write(fleet, networks=networks)
    assert killed_after(fleet, proxy, UP_POINTS + 1, "up") == (0, UP_POINTS)
    write(fleet, greeting="changed", networks=networks)
    assert killed_after(fleet, proxy, UPDATE_POINTS + 1, "up") == (0, UPDATE_POINTS)
    assert killed_after(fleet, proxy, DOWN_POINTS + 1, "down", "-v") == (0, DOWN_POINTS)


def test_an_up_that_ends_where_a_down_was_killed_brings_the_whole_fleet_back(fleet: Project, proxy: MakeProxy) -> None:
    write(fleet)
    fleet.up()
    for point in (1, 5, 9):
        code, _ = killed_after(fleet, proxy, point, "down")
        assert code == -signal.SIGKILL
        fleet.up()
        assert_whole(fleet)
