"""Replicas behind a balancer come, go and change without a failed request, and clients cannot lie to them."""

from __future__ import annotations

import os
import re
import signal
import socket

import pytest

from tests.e2e.balanced import ASK, PORT, Balanced, assert_clean, lend_balanced
from tests.e2e.project import wait_for

NO_RETRIES = {"retries": 0}
balanced = pytest.fixture(scope="module", name="balanced")(lend_balanced)


# Without retries: what nobody repairs behind the scenes was never broken


def test_a_rollout_fails_no_request_and_never_has_fewer_servers_than_replicas(balanced: Balanced) -> None:
    balanced.settle(balance=NO_RETRIES)
    before = balanced.project.ids()
    balanced.write_next(balance=NO_RETRIES)
    with balanced.watch() as watch, balanced.load() as running:
        balanced.project.up()
    assert_clean(running.result, instances=4)
    assert min(ready for _, ready in watch.samples) >= 2
    after = balanced.project.ids()
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] == before[name]] == ["balancer-1"]
    balanced.wait_serving("web-1", "web-2")


def test_two_at_a_time_are_replaced_without_a_failed_request(balanced: Balanced) -> None:
    balanced.settle(balance=NO_RETRIES)
    balanced.write_next(balance=NO_RETRIES, update={"parallelism": 2})
    with balanced.watch() as watch, balanced.load() as running:
        balanced.project.up()
    assert_clean(running.result, instances=4)
    assert min(ready for _, ready in watch.samples) >= 2
    assert max(ready for _, ready in watch.samples) <= 4
    balanced.project.assert_converged()


def test_scaling_up_and_down_fails_no_request(balanced: Balanced) -> None:
    """Those that leave end what they have begun: some requests take half a second."""
    balanced.settle(balance=NO_RETRIES)
    with balanced.watch() as watch, balanced.load() as running:
        for replicas in (4, 1):
            done = balanced.project.run("scale", f"web={replicas}")
            assert done.code == 0, done
            assert "cut after" not in done.stderr
            balanced.wait_serving(*(f"web-{number}" for number in range(1, replicas + 1)))
    assert_clean(running.result, instances=4)
    assert min(ready for _, ready in watch.samples) == 1


def test_other_settings_are_taken_over_by_the_same_container_without_a_failed_request(balanced: Balanced) -> None:
    balanced.settle(balance=NO_RETRIES)
    before = balanced.project.ids()
    with balanced.load() as running:
        for settings in ({"algorithm": "leastconn"}, {"retries": 1}):
            balanced.write(balance={**NO_RETRIES, **settings})
            balanced.project.up()
            assert balanced.serving() == ["web-1", "web-2"]
    assert_clean(running.result, instances=2)
    assert balanced.project.ids() == before
    balanced.project.assert_converged()


# A balancer that ends comes back with those that are in rotation now


def test_a_balancer_that_the_engine_restarts_knows_who_came_and_who_went(balanced: Balanced) -> None:
    """web-1 has been there since, web-2 was replaced while the balancer ran, and web-3 came and went."""
    balanced.settle()
    balanced.project.container("web-2").remove(force=True)
    balanced.settle(replicas=3)
    balanced.settle()
    servers = {name: one.address for name, one in balanced.servers().items()}
    pid = balanced.balancer.attrs["State"]["Pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for("the engine has restarted it", lambda: balanced.balancer.attrs["State"]["Pid"] not in (0, pid))
    balanced.wait_serving("web-1", "web-2")
    assert {name: one.address for name, one in balanced.servers().items()} == servers
    balanced.project.assert_converged()


def test_a_balancer_that_was_killed_by_hand_comes_back_with_up(balanced: Balanced) -> None:
    """Also with those that changed while it was away."""
    balanced.settle()
    balanced.balancer.kill()
    wait_for("it has ended", lambda: balanced.project.states()["balancer-1"] == "exited")
    balanced.settle(replicas=3)
    assert sorted(balanced.servers()) == ["web-1", "web-2", "web-3"]
    with balanced.load(more=9) as running:
        pass
    assert_clean(running.result, instances=3)


def test_a_frozen_balancer_is_woken_before_a_replica_is_replaced(balanced: Balanced) -> None:
    """Until it answers nobody can be taken out of its rotation, or brought into it."""
    balanced.settle(balance=NO_RETRIES)
    balanced.write_next(balance=NO_RETRIES, update={"parallelism": 2})
    balanced.balancer.pause()
    balanced.project.up()
    balanced.wait_serving("web-1", "web-2")
    balanced.project.assert_converged()
    balanced.balancer.pause()
    done = balanced.project.run("rollback", "web")
    assert done.code == 0, done
    balanced.wait_serving("web-1", "web-2")


def test_a_balancer_that_ends_again_and_again_is_rolled_back(balanced: Balanced) -> None:
    """It is not waited for first: its former release takes over."""
    balanced.settle()
    path = balanced.project.directory / "fleet.yaml"
    path.write_text(path.read_text().replace("  balancer:\n", "  balancer:\n    environment: {NEXT: '1'}\n"))
    balanced.project.up()
    balanced.balancer.stop(timeout=1)
    balanced.balancer.update(mem_limit="6m", memswap_limit="6m")
    balanced.balancer.start()
    wait_for("it is in its loop", lambda: balanced.project.states()["balancer-1"] == "restarting")
    done = balanced.project.run("rollback", "balancer")
    assert done.code == 0, done
    balanced.wait_serving("web-1", "web-2")


# What clients send


def test_of_two_lengths_neither_is_believed(balanced: Balanced) -> None:
    balanced.settle()
    head = f"POST {ASK} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 3\r\n\r\n"
    answer = send(balanced.address, f"{head}abcd")
    assert re.findall("HTTP/1.1 (...)", answer) == ["400"]
    assert_next_is_clean(balanced)


def test_a_length_beside_chunks_smuggles_no_request(balanced: Balanced) -> None:
    """RFC 9112, 6.3: the length is dropped, and what follows the chunks is no request, for the connection ends."""
    balanced.settle()
    head = f"POST {ASK} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
    answer = send(balanced.address, f"{head}3\r\nabc\r\n0\r\n\r\nGET {ASK} HTTP/1.1\r\nHost: smuggled\r\n\r\n")
    assert re.findall("HTTP/1.1 (...)", answer) == ["200"]
    assert "HTTP_TRANSFER_ENCODING=chunked" in answer
    assert "CONTENT_LENGTH" not in answer
    assert "smuggled" not in answer
    assert_next_is_clean(balanced)


def test_who_asks_is_told_by_the_balancer_alone(balanced: Balanced) -> None:
    balanced.settle()
    lies = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded", "X-Real-IP", "x-forwarded-for")
    head = "".join(f"{name}: 6.6.6.6\r\n" for name in lies)
    answer = send(balanced.address, f"GET {ASK} HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n{head}\r\n")
    told = dict(line.split("=", 1) for line in answer.splitlines() if re.match("HTTP_(X_)?(FORW|REAL)", line))
    gateway = next(iter(balanced.balancer.attrs["NetworkSettings"]["Networks"].values()))["Gateway"]
    assert told == {
        "HTTP_X_FORWARDED_FOR": gateway,
        "HTTP_X_FORWARDED_HOST": "example.test",
        "HTTP_X_FORWARDED_PORT": str(PORT),
        "HTTP_X_FORWARDED_PROTO": "http",
    }
    assert "6.6.6.6" not in answer


def send(address: str, request: str) -> str:
    """All that comes back on a connection of its own until the balancer ends it."""
    with socket.create_connection((address, PORT), timeout=10) as connection:
        connection.sendall(request.encode())
        return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()


def assert_next_is_clean(balanced: Balanced) -> None:
    """The connections that the balancer has to its servers carry nothing of what was sent before."""
    for _ in range(2):
        answer = send(balanced.address, f"POST {ASK} HTTP/1.0\r\nHost: next\r\nContent-Length: 3\r\n\r\nend")
        assert answer.startswith("HTTP/1.1 200")
        assert "HTTP_HOST=next" in answer
        assert answer.endswith("end")
