"""A changed service is replaced without a gap: the new replica is ready before the old one goes."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.project import Json, Project, idle, server


def changed(service: Json, greeting: str = "new", **update: Any) -> Json:
    """The same service with another environment, to be rolled out as `update` says."""
    return {
        **service,
        "environment": {"GREETING": greeting},
        "deploy": {**service["deploy"], **({"update_config": update} if update else {})},
    }


@contextmanager
def watched(fleet: Project) -> Iterator[list[Json]]:
    """What happens to the fleet's containers meanwhile, in order, as the engine tells it (GET /events)."""
    events: list[Json] = []
    since = time.time()
    yield events
    stream = fleet.client.api.events(  # type: ignore[call-overload]  # the engine takes fractions of a second
        since=f"{since:.6f}",
        until=f"{time.time():.6f}",
        filters={"type": "container", "label": fleet.own_label},
        decode=True,
    )
    events += list(stream)


def starts_and_ends(events: list[Json]) -> list[str]:
    return [event["Action"] for event in events if event["Action"] in ("start", "die")]


def running_over_time(events: list[Json], before: int) -> list[int]:
    """How many replicas were running after each start and end."""
    counts = [before]
    for action in starts_and_ends(events):
        counts.append(counts[-1] + (1 if action == "start" else -1))
    return counts


def test_a_new_replica_is_ready_before_its_old_one_goes(fleet: Project) -> None:
    fleet.write({"web": server(3)})
    fleet.up()
    before = fleet.ids()
    fleet.write({"web": changed(server(3))})
    with watched(fleet) as events:
        fleet.up()
    counts = running_over_time(events, before=3)
    assert min(counts) == 3
    assert max(counts) == 4
    assert fleet.ids().keys() == before.keys()
    assert not set(fleet.ids().values()) & set(before.values())


def test_stop_first_never_has_more_than_wanted(fleet: Project) -> None:
    fleet.write({"web": server(2)})
    fleet.up()
    fleet.write({"web": changed(server(2), order="stop-first")})
    with watched(fleet) as events:
        fleet.up()
    assert running_over_time(events, before=2) == [2, 1, 2, 1, 2]


def test_parallelism_replaces_so_many_at_a_time(fleet: Project) -> None:
    fleet.write({"web": server(4)})
    fleet.up()
    fleet.write({"web": changed(server(4, before="sleep 2"), parallelism=2)})
    with watched(fleet) as events:
        fleet.up()
    assert starts_and_ends(events) == ["start", "start", "die", "die"] * 2


def test_delay_is_a_pause_between_batches(fleet: Project) -> None:
    fleet.write({"web": idle(2)})
    fleet.up()
    fleet.write({"web": changed(idle(2), delay="2s")})
    with watched(fleet) as events:
        fleet.up()
    first, second = (event["timeNano"] for event in events if event["Action"] == "start")
    assert second - first >= 2e9


def test_a_release_that_does_not_start_leaves_the_old_set_and_tells_its_last_words(fleet: Project) -> None:
    fleet.write({"web": server(2)})
    fleet.up()
    before = fleet.ids()
    fleet.write({"web": server(2, before="echo cannot open the database; exit 3")})
    with watched(fleet) as events:
        done = fleet.up(code=1)
    assert "exited with code 3" in done.stderr or "exits again and again (code 3)" in done.stderr
    assert "cannot open the database" in done.stderr
    assert "fleetctl logs" not in done.stderr, "its log goes with its container"
    assert fleet.ids() == before, "the old replicas are there, and nothing of the new release"
    assert fleet.states() == {"web-1": "running", "web-2": "running"}
    assert not [event for event in events if event["Actor"]["ID"] in before.values()], "nobody touched them"


def test_a_release_that_never_answers_ends_at_the_deadline_and_the_old_set_serves_all_along(fleet: Project) -> None:
    fleet.write({"web": server(2)})
    fleet.up()
    before = fleet.ids()
    health = {"http": {"port": 8080, "health_path": "/healthz"}}
    fleet.write({"web": {**server(2), "x-fleet": health, "environment": {"RELEASE": "bad"}}})
    with asked_all_along(addresses(fleet)) as answers:
        began = time.monotonic()
        done = fleet.up("--wait-timeout", "3", code=1)
        took = time.monotonic() - began
    assert took < 30
    assert "HTTP 404" in done.stderr
    assert fleet.ids() == before
    assert fleet.states() == {"web-1": "running", "web-2": "running"}
    assert len(answers) > 20
    assert set(answers) == {200}


def addresses(fleet: Project) -> list[str]:
    return [next(iter(entry["NetworkSettings"]["Networks"].values()))["IPAddress"] for entry in fleet.containers()]


@contextmanager
def asked_all_along(hosts: list[str]) -> Iterator[list[int]]:
    """The status of every answer these hosts give meanwhile; 0 for none."""
    answers: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.02):
            for host in hosts:
                connection = http.client.HTTPConnection(host, 8080, timeout=5)
                try:
                    connection.request("GET", "/")
                    answers.append(connection.getresponse().status)
                except OSError:
                    answers.append(0)
                finally:
                    connection.close()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        over.set()
        asking.join()


def test_a_release_that_gets_sick_while_it_is_monitored_does_not_replace_the_old_one(fleet: Project) -> None:
    """Case 23, as far as one host goes today: the old replica has not gone yet, so it stays."""
    fleet.write({"web": server(1)})
    fleet.up()
    before = fleet.ids()
    sick = server(1, before="(sleep 4; rm /tmp/index.html) &")
    fleet.write({"web": changed(sick, monitor="30s")})
    done = fleet.up(code=1)
    assert "did not stay ready: " in done.stderr
    assert fleet.ids() == before


@pytest.mark.parametrize(("action", "survivors"), [("pause", {"web-1", "web-2"}), ("continue", {"web-1"})])
def test_after_a_failure_an_update_pauses_or_goes_on_as_the_file_says(
    fleet: Project, action: str, survivors: set[str]
) -> None:
    """The first of the new replicas fails, the second would do."""
    once = server(2, before="mkdir /data/first 2>/dev/null && exit 9", volumes=["data:/data"], user="0:0")
    before = server(2, volumes=["data:/data"], user="0:0")
    fleet.write({"web": before}, volumes={"data": None})
    fleet.up()
    old = fleet.ids()
    fleet.write({"web": changed({**once, "restart": "no"}, failure_action=action)}, volumes={"data": None})
    fleet.up(code=1)
    assert {name for name, was in old.items() if fleet.ids().get(name) == was} == survivors
    fleet.up()
    assert fleet.states() == {"web-1": "running", "web-2": "running"}
    fleet.assert_converged()
    fleet.down("-v")


def test_a_fixed_host_port_forces_the_old_one_out_first(fleet: Project, free_port: Any) -> None:
    port = free_port()
    one = server(1, ports=[f"127.0.0.1:{port}:8080"])
    fleet.write({"web": one})
    fleet.up()
    fleet.write({"web": changed(one)})
    with watched(fleet) as events:
        fleet.up()
    assert starts_and_ends(events) == ["die", "start"]
    assert fleet.run("port", "web", "8080").stdout == f"127.0.0.1:{port}\n"
