"""Who answers how often: through a URL, through Docker's name server, and through the fleet's own balancer."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import pytest

from fleetctl.check.http import fetch
from tests.conftest import Bystanders, lend
from tests.e2e.project import Project, idle, server, shell, wait_for
from tests.e2e.test_balancer_image import CONTEXT, base_reference
from tests.fakes.round_robin import Choose, RoundRobin, in_turn, says
from tests.fakes.tiny_image import TAG

HTTP = {"http": {"port": 8080}}
PINNED = "0f2a9c11-5a6b-4c3d-8e9f-000000000001"
RESTLESS = "while :; do cat /proc/sys/kernel/random/uuid > /tmp/index.html; sleep 0.01; done &"
SERVICES = {
    "web": server(3, networks=["lan"]),
    "pinned": {
        **idle(2, networks=["lan"]),
        "command": shell(f"echo {PINNED} > /tmp/index.html\nhttpd -f -p 8080 -h /tmp & wait"),
        "x-fleet": HTTP,
    },
    "restless": server(1, before=RESTLESS, networks=["lan"]),
    "client": idle(1, networks=["lan"]),
}
IDS = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(4)]


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, client: docker.DockerClient, bystanders: Bystanders
) -> Iterator[Project]:
    """A fleet with a balancer, in which a service is as it should be and two are not."""
    for project in lend(tmp_path_factory.mktemp("verified"), client, bystanders):
        pools = [{"service": name, "port": 8080 + place} for place, name in enumerate(("web", "pinned", "restless"))]
        balancer = {
            "image": f"fleetctl-test/balancer:{project.name}",
            "build": {"context": "balancer", "args": {"BASE": base_reference()}},
            "networks": ["lan"],
            "x-fleet": {"balance": pools},
        }
        shutil.copytree(CONTEXT, project.directory / "balancer")
        project.write({"balancer": balancer, **SERVICES}, networks={"lan": None})
        project.run("up")  # it says that the pinned identity is given twice
        project.assert_converged()
        yield project


def address(project: Project, short_name: str) -> str:
    (network,) = project.container(short_name).attrs["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def row(output: str, name: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if line.startswith(f"{name} "))


# Through the fleet's balancer


def test_every_replica_has_its_turn_behind_the_balancer(standing: Project) -> None:
    done = standing.run("verify", "web")
    assert done.code == 0, done
    title, header, *rest = done.stdout.splitlines()
    at = address(standing, "balancer-1")
    assert title == f"web through {standing.name}-balancer-1, http://{at}:8080/, roundrobin"
    assert header.split() == ["REPLICA", "INSTANCE", "ANSWERS", "SHARE", "BAR"]
    assert len(rest) == 6
    assert sorted(int(line.split()[2]) for line in rest[:3]) == [33, 33, 34]
    assert "100 of 100 requests answered" in rest[3]
    assert rest[4:] == ["PASS  each of 3 replicas answered", "      every window of 3 answers came from 3 replicas"]


def test_clients_at_the_same_time_get_counts_that_differ_by_one_at_most(standing: Project) -> None:
    done = standing.run("verify", "web", "-c", "8", "-n", "301", "--format", "json")
    assert done.code == 0, done
    (one,) = done.json()["verified"]
    assert sorted(share["answers"] for share in one["shares"]) == [100, 100, 101]
    assert (one["requests"], one["concurrency"], one["algorithm"], one["faults"]) == (301, 8, "roundrobin", [])


def test_other_clients_at_the_same_time_are_told_and_nobody_is_accused(standing: Project) -> None:
    at, done_asking = address(standing, "balancer-1"), threading.Event()

    def disturb() -> None:
        while not done_asking.is_set():
            fetch(at, 8080)

    other = threading.Thread(target=disturb)
    other.start()
    try:
        done = standing.run("verify", "web", "-n", "200")
    finally:
        done_asking.set()
        other.join()
    assert done.code == 0, done
    assert re.search(r"^note: the order is not judged: other clients made \d+ requests? meanwhile", done.stdout, re.M)


def test_a_pinned_identity_names_both_replicas(standing: Project) -> None:
    """Reliability case 36."""
    done = standing.run("verify", "pinned")
    assert done.code == 4, done
    both = f"{standing.name}-pinned-1 and {standing.name}-pinned-2 give the same identity {PINNED}"
    assert done.stdout.splitlines()[-1] == f"FAIL  {both}"
    assert f"error: {both}" in done.stderr


def test_an_identity_that_varies_names_its_replica(standing: Project) -> None:
    """Reliability case 37."""
    done = standing.run("verify", "restless", "--format", "json")
    assert done.code == 4, done
    (one,) = done.json()["verified"]
    wandering = [fault for fault in one["faults"] if fault["kind"] == "wandering"]
    assert [fault["replicas"] for fault in wandering] == [[f"{standing.name}-restless-1"]]
    assert f"{standing.name}-restless-1 gives " in done.stderr


def test_without_a_service_all_that_is_balanced_is_verified(standing: Project) -> None:
    document = standing.run("verify", "--format", "json").json()
    assert (document["schema"], document["fleet"], document["passed"]) == (1, standing.name, False)
    found = {one["service"]: one["passed"] for one in document["verified"]}
    assert found == {"web": True, "pinned": False, "restless": False}


def test_a_replica_that_has_ended_is_named(standing: Project) -> None:
    container = standing.container("web-2")
    container.kill()
    try:
        done = standing.run("verify", "web")
    finally:
        assert standing.run("start", "web").code == 0
    assert done.code == 4, done
    assert f"{standing.name}-web-2 does not answer by itself: it is exited" in done.stderr
    assert row(done.stdout, f"{standing.name}-web-2")[2] == "0"


def test_nothing_to_ask_is_1_and_an_unknown_service_2(standing: Project) -> None:
    done = standing.run("verify", "client")
    assert done.code == 1, done
    assert "has client behind it" in done.stderr
    assert standing.run("verify", "nope").code == 2
    assert standing.run("verify", "-n", "0").code == 2
    assert standing.run("verify", "-c", "65").code == 2
    assert standing.run("verify", "web", "--path", "no/slash").code == 2


# Through Docker's name server


def test_docker_s_name_server_names_every_replica_and_nobody_else(standing: Project) -> None:
    done = standing.run("verify", "web", "--via", "dns")
    assert done.code == 0, done
    assert f"web as told by 127.0.0.11, web as {standing.name}-balancer-1 resolves it" in done.stdout
    shares = {name: row(done.stdout, f"{standing.name}-{name}") for name in ("web-1", "web-2", "web-3")}
    assert sum(int(cells[2]) for cells in shares.values()) == 500
    assert {name: cells[1] for name, cells in shares.items()} == {name: address(standing, name) for name in shares}
    assert "PASS  each of 3 replicas answered\n      the shares differ no more than by chance" in done.stdout


def test_a_stranger_under_the_service_s_name_is_found(fleet: Project, client: docker.DockerClient) -> None:
    """An alias of somebody else's container on the fleet's network."""
    fleet.write({"web": server(1, networks=["lan"])}, networks={"lan": None})
    fleet.up()
    stranger = client.containers.create(TAG, name=f"{fleet.name}-x", labels=fleet.stranger_labels)
    lan = client.networks.get(fleet.networks()[0]["Id"])
    lan.connect(stranger, aliases=["web"])
    stranger.start()
    stranger.reload()
    (network,) = (
        one for one in stranger.attrs["NetworkSettings"]["Networks"].values() if "web" in (one["Aliases"] or ())
    )
    done = fleet.run("verify", "web", "--via", "dns")
    stranger.remove(force=True)
    assert done.code == 4, done
    assert f"{network['IPAddress']} ({fleet.name}-x)" in done.stderr


def test_the_name_server_is_asked_for_names_only(fleet: Project) -> None:
    fleet.write({"web": idle(1)})
    for words in (["--via", "dns"], ["web", "--via", "dns", "-c", "2"], ["web", "--via", "dns", "--path", "/"]):
        assert fleet.run("verify", *words).code == 2
    assert fleet.run("verify", "web", "--via", "dns", "--url", "http://127.0.0.1/").code == 2
    assert fleet.run("verify", "web", "--via", "dns").code == 1, "nothing runs"


# Through somebody else's balancer


@contextmanager
def before(project: Project, *names: str, choose: Choose | None = None) -> Iterator[RoundRobin]:
    """A balancer before replicas that fleetctl knows nothing of."""
    addresses = [address(project, name) for name in names]
    turns: Choose = lambda number: says(fetch(addresses[number % len(addresses)], 8080).body.decode())  # noqa: E731
    with RoundRobin(choose or turns) as balancer:
        yield balancer


def test_a_foreign_balancer_is_judged_by_the_replicas_of_a_service(standing: Project) -> None:
    with before(standing, "web-1", "web-2", "web-3") as balancer:
        done = standing.run("verify", "web", "--url", balancer.url)
        assert done.code == 0, done
        assert balancer.seen.connections == balancer.seen.requests == 100
        assert standing.run("verify", "web", "--url", balancer.url, "--keep-alive").code == 0
        assert balancer.seen.connections == 101
    assert "PASS  each of 3 replicas answered" in done.stdout


def test_a_foreign_balancer_that_leaves_one_out_or_lets_a_stranger_in_fails(standing: Project) -> None:
    with before(standing, "web-1", "web-3") as balancer:
        done = standing.run("verify", "web", "--url", balancer.url)
    assert done.code == 4, done
    assert f"{standing.name}-web-2 never answered" in done.stderr
    with before(standing, "web-1", "web-2", "web-3", "pinned-1") as balancer:
        done = standing.run("verify", "web", "--url", balancer.url)
    assert done.code == 4, done
    assert f"came from none of the known replicas: {PINNED}" in done.stderr


def test_a_url_needs_neither_a_fleet_nor_an_engine(fleet: Project) -> None:
    with RoundRobin(in_turn(*(f"My id is {one}" for one in IDS))) as balancer:
        environment = {"DOCKER_HOST": "unix:///nope"}
        done = fleet.run("verify", "--url", balancer.url, "-n", "10", "--format", "json", env=environment)
    assert done.code == 0, done
    document = done.json()
    assert (document["fleet"], document["passed"]) == (None, True)
    (one,) = document["verified"]
    found = {share["identities"][0]: share["answers"] for share in one["shares"]}
    assert found == dict(zip(IDS, (3, 3, 2, 2), strict=True))


def test_failed_requests_are_counted_by_kind(fleet: Project) -> None:
    def choose(number: int) -> bytes:
        return says("busy", "503 Service Unavailable") if number % 4 == 3 else says(IDS[number % 4])

    with RoundRobin(choose) as balancer:
        done = fleet.run("verify", "--url", balancer.url, "-n", "40")
    assert done.code == 4, done
    assert "10 of 40 requests failed: HTTP 503 (10)" in done.stderr


def test_nobody_at_the_url_is_told_without_asking_to_the_end(fleet: Project) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # so that nobody else gets the port; who does not listen refuses
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        done = fleet.run("verify", "--url", url, "-n", "1000")
    assert done.code == 4, done
    assert "20 of 20 requests failed: connection refused (20)" in done.stderr


def test_hostile_answers_do_no_harm(fleet: Project) -> None:
    """Reliability cases 41 and 42: what steers a terminal, no end of a body, and a redirect."""
    answers = [says("x\x1b]0;pwned\x07 " + IDS[0]), says("x" * 1_000_000), says("My id is " + IDS[1], "302 Found")]
    with RoundRobin(lambda number: answers[number % 3]) as balancer:
        done = fleet.run("verify", "--url", balancer.url, "-n", "9")
    assert done.code == 4, done
    assert "3 of 9 requests failed: a body longer than 65536 bytes (3)" in done.stderr


def test_an_interruption_shows_what_was_judged_so_far(fleet: Project) -> None:
    with RoundRobin(in_turn(*IDS)) as balancer:
        process = fleet.popen("verify", "--url", balancer.url, "-n", "100000")
        wait_for("it asks", lambda: balancer.seen.requests > 20)
        process.send_signal(signal.SIGINT)
        done = fleet.finish(process)
    assert done.code == 130, done
    asked = re.search(r"^note: (\d+) of 100000 requests were made$", done.stdout, re.M)
    assert asked is not None, done
    assert f"error: interrupted after {asked[1]} requests" in done.stderr
