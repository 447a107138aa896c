"""The server that loads are run against does what the tests rely on."""

from __future__ import annotations

import http.client
import time
from contextlib import closing

from bench.harness.load import Mix, load
from fleetctl.check.identity import read_identity
from fleetctl.spec.model import Identity
from tests.e2e.project import Project, wait_for
from tests.fakes.slow_server import MIX, PORT, slow_server


def address(fleet: Project, replica: str = "web-1") -> str:
    networks = fleet.container(replica).attrs["NetworkSettings"]["Networks"]
    return str(next(iter(networks.values()))["IPAddress"])


def ask(host: str, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(host, PORT, timeout=10)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def test_it_bears_a_mixed_load_and_is_slow_where_it_should_be(fleet: Project) -> None:
    fleet.write({"web": slow_server(1, slow=0.5)})
    fleet.up()
    mix = Mix(slow=0.1, post_path=MIX.post_path, slow_path=MIX.slow_path)
    with load(address(fleet), PORT, rate=50, count=100, mix=mix) as running:
        result = running.wait()
    assert result.failed == [], result
    assert len(result.identities) == 1
    slow = [one.latency for one in result.all if one.path == "/slow.sh"]
    assert len(slow) > 3
    assert min(slow) >= 0.5


def test_requests_under_way_fail_when_it_is_killed_and_are_told_by_kind(fleet: Project) -> None:
    """The load notices what it is there to notice."""
    fleet.write({"web": slow_server(1, slow=30)})
    fleet.up()
    host = address(fleet)
    with load(host, PORT, rate=20, mix=Mix(slow=0.5, slow_path=MIX.slow_path, posts=0), timeout=20) as running:
        running.wait(5)
        fleet.container("web-1").kill()
        wait_for("some have failed", lambda: len(running.result.failed) > 5)
    assert {"GET reset"} <= running.result.failures.keys()
    assert all(one.end > running.result.all[0].end for one in running.result.failed)


def test_it_is_sick_from_the_start_or_later_and_says_503(fleet: Project) -> None:
    fleet.write({"web": slow_server(1, sick_after=0)})
    done = fleet.up("--wait-timeout", "2", code=1)
    assert "503" in done.stderr
    fleet.write({"web": slow_server(1, sick_after=3)})
    fleet.up()
    wait_for("it has become sick", lambda: ask(address(fleet), "/healthz.sh")[0] == 503)
    assert ask(address(fleet), "/")[0] == 200


def test_it_ignores_sigterm_and_varies_its_uuid_where_asked_to(fleet: Project) -> None:
    fleet.write({"web": slow_server(1, varies=True, ignores_sigterm=True, stop_grace_period="1s")})
    fleet.up()
    seen = {read_identity(ask(address(fleet), "/varying.sh")[1], Identity()) for _ in range(3)}
    assert len(seen) == 3
    assert None not in seen
    container = fleet.container("web-1")
    container.kill(signal="SIGTERM")
    before = time.time()
    container.stop(timeout=1)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 137, f"killed after its grace, {time.time() - before:.1f} s"
