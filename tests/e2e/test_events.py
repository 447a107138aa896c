"""`events` tells what happens to the fleet, and nothing else, as it happens."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import docker
import pytest

from tests.conftest import MakeProxy
from tests.e2e.project import Json, Project, idle, wait_for

WEB = idle(deploy={"replicas": 2, "resources": {"limits": {"memory": "64M", "cpus": "1"}}}, networks=["lan"])
"""Nothing to be warned of."""


def now() -> str:
    return datetime.now(UTC).isoformat()


class Follower:
    """A running `fleetctl events` and the lines that it has told."""

    def __init__(self, fleet: Project, *words: str, **options: object) -> None:
        self.process = fleet.popen("events", *words, **options)  # type: ignore[arg-type]  # passed on as they are
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def wait_for(self, what: str, fits: Callable[[str], object]) -> None:
        wait_for(what, lambda: any(fits(line) for line in list(self.lines)))

    def end(self) -> tuple[int, str]:
        """How it ends, and what it says on stderr."""
        assert self.process.stderr is not None
        code = self.process.wait(timeout=30)
        self.reader.join()
        return code, self.process.stderr.read()

    def events(self) -> list[Json]:
        return [json.loads(line) for line in self.lines]


def test_a_fleets_life_is_told_from_its_first_network_to_its_last(fleet: Project, client: docker.DockerClient) -> None:
    """As it happens; of what is not the fleet's, or only runs by exec, not a word. Ctrl-C ends it."""
    fleet.write({"web": WEB}, networks={"lan": None})
    told = Follower(fleet, "--json", "--since", now())
    fleet.up()
    fleet.run("exec", "web", "true")
    stranger = fleet.stranger(f"{fleet.name}-stranger", network=client.networks.get(fleet.networks()[0]["Id"]).name)
    stranger.remove(force=True)
    fleet.container("web-2").kill()
    fleet.down()
    told.wait_for("the network is gone", lambda line: json.loads(line)["action"] == "destroy" and '"network",' in line)
    told.process.send_signal(signal.SIGINT)
    assert told.end() == (130, "\ninterrupted\n")

    events = told.events()
    network = f"{fleet.name}_lan"
    own = [(event["type"], event["action"]) for event in events if event["replica"] is None]
    assert own == [("network", word) for word in ("create", "connect", "disconnect", "destroy")], events
    assert {event["container_id"] for event in events if event["replica"] is None} == {None, stranger.id}
    second = [event for event in events if event["replica"] == f"{fleet.name}-web-2"]
    happened = [event["action"] for event in second]
    assert sorted(happened[:3]) == ["connect", "create", "start"], second
    assert happened[3:] == ["kill", "die", "disconnect", "destroy"], second
    assert {(event["service"], event["number"]) for event in second} == {("web", 2)}
    assert [(event["signal"], event["exit_code"]) for event in second][3:5] == [(9, None), (None, 137)]
    assert {event["network"] for event in second} == {None, network}
    assert {event["replica"] for event in events} == {None, f"{fleet.name}-web-1", f"{fleet.name}-web-2"}


def test_what_has_happened_already_is_told_of_one_replica_and_then_it_ends(fleet: Project) -> None:
    fleet.write({"web": WEB}, networks={"lan": None})
    fleet.up()
    began = now()
    for name in ("web-1", "web-2"):
        fleet.container(name).pause()
        fleet.container(name).unpause()
    done = fleet.run("events", "web-2", "--since", began, "--until", "0s")
    assert (done.code, done.stderr) == (0, ""), done
    assert [line.split(maxsplit=2)[2].split() for line in done.stdout.splitlines()] == [
        ["container", "pause", f"{fleet.name}-web-2"],
        ["container", "unpause", f"{fleet.name}-web-2"],
    ]


def test_a_health_check_is_told_by_what_it_finds(fleet: Project) -> None:
    check = {"test": ["CMD", "true"], "interval": "1s"}
    fleet.write({"web": {**WEB, "healthcheck": check}}, networks={"lan": None})
    told = Follower(fleet, "web", "--since", now())
    fleet.up()
    told.wait_for("it is healthy", lambda line: line.endswith(f"health_status {fleet.name}-web-1 (healthy)\n"))
    told.process.send_signal(signal.SIGTERM)
    assert told.end() == (-signal.SIGTERM, "")


def test_when_the_reader_goes_it_ends_quietly_at_the_next_event(fleet: Project) -> None:
    fleet.write({"web": WEB}, networks={"lan": None})
    fleet.up()
    process = fleet.popen("events", "--since", now(), stderr=subprocess.PIPE)
    fleet.container("web-1").pause()
    assert process.stdout is not None
    assert process.stdout.readline().endswith(f"pause         {fleet.name}-web-1\n")
    process.stdout.close()
    fleet.container("web-1").unpause()
    assert process.stderr is not None
    assert (process.wait(timeout=30), process.stderr.read()) == (141, "")


def test_when_the_engine_ends_it_says_so(fleet: Project, proxy: MakeProxy) -> None:
    fleet.write({"web": WEB}, networks={"lan": None})
    fleet.up()
    with proxy() as engine:
        told = Follower(fleet, "--since", now(), env=engine.environment)
        fleet.container("web-1").pause()
        told.wait_for("the event", lambda line: "pause" in line)
        engine.cut()
        code, said = told.end()
    assert code == 3
    assert said.startswith("error: the ")
    fleet.container("web-1").unpause()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nobody"], "no service or replica named nobody"),
        (["nobody-1"], "no service or replica named nobody-1"),
        (["--since", "soon"], "--since: 'soon' is no time"),
        (["--until", "later"], "--until: 'later' is no time"),
    ],
)
def test_what_cannot_be_meant_is_exit_2(fleet: Project, words: list[str], told: str) -> None:
    fleet.write({"web": WEB}, networks={"lan": None})
    done = fleet.run("events", *words)
    assert done.code == 2
    assert told in done.stderr


def test_a_replica_still_to_come_may_be_named(fleet: Project) -> None:
    fleet.write({"web": WEB}, networks={"lan": None})
    for name in ("web-7", f"{fleet.name}-web-7"):
        assert fleet.run("events", name, "--until", "0s").code == 0
