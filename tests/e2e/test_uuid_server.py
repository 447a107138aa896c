"""The instance server in the foreground on this machine, as `make serve` runs it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import wait_for

SOURCE = Path(__file__).parents[2] / "images" / "uuid"
MODULE = ("-m", "uuid_server")
ON_A_FREE_PORT = ("-p", "0")
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    ours = {key: value for key, value in os.environ.items() if not key.startswith("UUID_SERVER_")}
    return {**ours, "PYTHONPATH": str(SOURCE), **(changes or {})}


def run_to_end(*options: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A run that is to end by itself."""
    command = [sys.executable, *MODULE, *options]
    return subprocess.run(command, env=environment(env), capture_output=True, text=True, timeout=30, check=False)


class Instance:
    """A server in a session of its own, as in a terminal; its output goes to files."""

    def __init__(
        self, directory: Path, *options: str, env: Mapping[str, str] | None = None, program: tuple[str, ...] = MODULE
    ) -> None:
        self.stdout_path, self.stderr_path = directory / "stdout", directory / "stderr"
        with self.stdout_path.open("w") as stdout, self.stderr_path.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *program, *options],
                env=environment(env),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self.stdout_path.read_text()

    def await_port(self) -> int:
        """The port of the line that tells where it listens."""
        found = wait_for("it says where it listens", lambda: re.search(r"Listening at: http://\S+:(\d+) ", self.log))
        return int(found[1])

    def ask(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """The body of a page that has to be there."""
        with closing(http.client.HTTPConnection(host, self.await_port(), timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == http.client.OK
            return response.read().decode()

    def whoami(self, host: str = "127.0.0.1") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("/whoami", host))
        return found

    def workers(self) -> set[int]:
        """The pids of the master's children."""
        master = self.process.pid
        return {int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()}

    def press_ctrl_c(self) -> None:
        """What a terminal does: SIGINT to every process of the foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def await_end(self) -> int:
        """The exit code; ends what does not end."""
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end; its log:\n{self.log}") from None

    def remove(self) -> None:
        """End it and every worker that might be left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


Start = Callable[..., Instance]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts instances, on free ports unless the options say otherwise, and ends them after the test."""
    started: list[Instance] = []

    def new(*options: str, **more: Any) -> Instance:
        directory = tmp_path / f"instance-{len(started)}"
        directory.mkdir()
        started.append(Instance(directory, *(options if "-p" in options else (*ON_A_FREE_PORT, *options)), **more))
        return started[-1]

    yield new
    for instance in started:
        instance.remove()


def test_one_uuid_in_a_thousand_answers_of_three_workers(start: Start) -> None:
    """The UUID belongs to the instance: it is the same whichever worker answers, and it is a version 4."""
    instance = start("-w", "3")
    instance.await_port()
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: instance.whoami(), range(1000)))
    assert len({answer["uuid"] for answer in answers}) == 1
    assert len({answer["pid"] for answer in answers}) > 1, "one worker answered everything: this proves nothing"
    assert re.fullmatch(rf"My id is ({UUID4})", instance.ask())
    assert instance.ask() == f"My id is {answers[0]['uuid']}"


def test_one_uuid_while_workers_are_recycled(start: Start) -> None:
    """`--max-requests` replaces a worker again and again; no request fails and the UUID stays."""
    instance = start("-w", "2", "--max-requests", "20")
    answers = [instance.whoami() for _ in range(200)]
    assert len({answer["uuid"] for answer in answers}) == 1
    assert len({answer["pid"] for answer in answers}) > 4


@pytest.mark.parametrize("way", ["a worker killed", "all workers reloaded"])
def test_one_uuid_when_workers_die(start: Start, way: str) -> None:
    """The master makes new workers after a crash and at SIGHUP, and hands them the UUID it has."""
    instance = start("-w", "2")
    before = instance.ask()
    wait_for("two workers", lambda: len(instance.workers()) == 2)
    old = instance.workers()
    if way == "a worker killed":
        os.kill(min(old), signal.SIGKILL)
        gone = {min(old)}
    else:
        instance.process.send_signal(signal.SIGHUP)
        gone = old
    wait_for("new workers", lambda: len(instance.workers()) == 2 and not instance.workers() & gone)
    assert {instance.ask() for _ in range(20)} == {before}


def test_two_instances_stand_side_by_side_on_different_ports(start: Start) -> None:
    """And have different UUIDs."""
    assert start().ask() != start().ask()


def test_bound_to_loopback_it_answers_there_alone(start: Start) -> None:
    """127.0.0.1 is the default: another address of the same machine is refused."""
    instance = start()
    assert instance.ask(host="127.0.0.1").startswith("My id is ")
    with pytest.raises(ConnectionRefusedError):
        instance.ask(host="127.0.0.2")


def test_bound_to_all_addresses_it_tells_which_one_was_reached(start: Start) -> None:
    """/whoami names the address of the connection, not the 0.0.0.0 that was bound."""
    instance = start("-a", "0.0.0.0")
    port = instance.await_port()
    with closing(socket.create_connection(("127.0.0.2", port), timeout=10, source_address=("127.0.0.3", 0))) as client:
        client.sendall(b"GET /whoami HTTP/1.0\r\n\r\n")
        answer = json.loads(client.makefile("rb").read().partition(b"\r\n\r\n")[2])
        assert answer["local"] == {"ip": "127.0.0.2", "port": port}
        assert answer["peer"] == {"ip": "127.0.0.3", "port": client.getsockname()[1]}
    assert answer["hostname"] == socket.gethostname()
    assert answer["pid"] in instance.workers()


def test_environment_variables_set_options_and_the_command_line_wins(start: Start) -> None:
    """So an image is configured without a change of its command."""
    set_there = {"UUID_SERVER_ADDRESS": "127.0.0.2", "UUID_SERVER_WORKERS": "1", "UUID_SERVER_PORT": "1"}
    instance = start("-p", "0", env=set_there)
    assert instance.await_port() > 1
    assert instance.ask(host="127.0.0.2").startswith("My id is ")
    assert len(instance.workers()) == 1


def test_the_help_says_what_to_bind_in_a_container() -> None:
    """The one thing that most people get wrong."""
    done = run_to_end("--help")
    assert done.returncode == 0
    assert "In a container bind 0.0.0.0, not 127.0.0.1" in done.stdout
    for option in ("-a, --address", "-p, --port", "-w, --workers", "--version"):
        assert option in done.stdout


def test_the_version_is_told() -> None:
    done = run_to_end("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"uuid_server, version \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize(
    ("options", "env", "says"),
    [
        (["-p", "65536"], {}, "65536"),
        (["-p", "http"], {}, "http"),
        (["-w", "0"], {}, "'--workers'"),
        (["-a", ""], {}, "'--address'"),
        (["-a", "no address"], {}, "'no address'"),
        ([], {"UUID_SERVER_PORT": "-1"}, "UUID_SERVER_PORT"),
    ],
)
def test_a_bad_option_is_told_in_one_message(options: list[str], env: dict[str, str], says: str) -> None:
    """Exit code 2 and no traceback."""
    done = run_to_end(*options, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(re.findall("^Error:", done.stderr, flags=re.MULTILINE)) == 1


def test_a_busy_port_is_told_at_once_and_spares_who_has_it(start: Start) -> None:
    """Exit code 1 and one line, with no attempt after attempt."""
    first = start()
    port = first.await_port()
    done = run_to_end("-p", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"Error: Port {port} on 127\.0\.0\.1 is in use\..*\n", done.stderr)
    assert first.ask().startswith("My id is ")


def test_an_address_of_another_machine_is_told() -> None:
    """Exit code 1 and one line; 192.0.2.0/24 is nobody's (RFC 5737)."""
    done = run_to_end("-a", "192.0.2.1")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: 192\.0\.2\.1 is no address of this machine\..*\n", done.stderr)


def test_every_line_of_the_log_names_the_instance(start: Start) -> None:
    """On stdout, requests among them but not health checks, and nothing that a client sends steers a terminal."""
    instance = start("-w", "1")
    instance_id = instance.ask().removeprefix("My id is ")
    instance.ask("/healthz")
    with closing(socket.create_connection(("127.0.0.1", instance.await_port()), timeout=10)) as client:
        client.sendall(b"GET /\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 400 " in client.makefile("rb").readline()
    instance.ask("/users?last")
    instance.process.terminate()
    assert instance.await_end() == 0
    assert all(f" {instance_id} [" in line for line in instance.log.splitlines()), instance.log
    assert '"GET /users?last HTTP/1.1" 200' in instance.log
    assert "healthz" not in instance.log
    assert "\x1b" not in instance.log
    assert instance.stderr_path.read_text() == ""


def half_a_request(instance: Instance) -> socket.socket:
    """A connection whose request the only worker has begun to read.

    It takes connections in their order, so an answer on a later one says that it has this one.
    """
    client = socket.create_connection(("127.0.0.1", instance.await_port()), timeout=20)
    client.sendall(b"GET / HTTP/1.0\r\n")
    instance.ask()
    return client


def stop(instance: Instance, number: signal.Signals) -> None:
    """SIGTERM as Docker sends it, to the master, or SIGINT as a terminal does; returns when it has been heard."""
    if number == signal.SIGINT:
        instance.press_ctrl_c()
    else:
        instance.process.send_signal(number)
    wait_for("the master handles the signal", lambda: "Handling signal" in instance.log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_flight_is_answered_after_the_signal(start: Start, number: signal.Signals) -> None:
    """Whatever the signal; the exit code is 0."""
    instance = start("-w", "1")
    with closing(half_a_request(instance)) as client:
        stop(instance, number)
        client.sendall(b"\r\n")
        assert b"My id is " in client.makefile("rb").read()
    assert instance.await_end() == 0
    assert instance.stderr_path.read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_kept_connection_is_answered_once_more_after_the_signal(start: Start, number: signal.Signals) -> None:
    """A client that was promised to keep the connection may be sending already; it is told to close this time."""
    instance = start("-w", "1")
    with closing(http.client.HTTPConnection("127.0.0.1", instance.await_port(), timeout=20)) as connection:
        connection.request("GET", "/")
        first = connection.getresponse()
        assert first.getheader("Connection") == "keep-alive"
        body = first.read()
        stop(instance, number)
        connection.request("GET", "/")
        second = connection.getresponse()
        assert (second.read(), second.getheader("Connection")) == (body, "close")
    assert instance.await_end() == 0


def test_a_second_ctrl_c_does_not_wait_for_requests(start: Start) -> None:
    """Who presses it twice wants it to end now."""
    instance = start("-w", "1")
    with closing(half_a_request(instance)):
        instance.press_ctrl_c()
        wait_for("the master handles the signal", lambda: "Handling signal: int" in instance.log)
        began = time.monotonic()
        instance.press_ctrl_c()
        assert instance.await_end() == 0
        assert time.monotonic() - began < 5
    assert "Quick shutdown requested" in instance.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_it_quietly(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    """Also while modules load, where Python would print a traceback, and process 1 of a container would not hear it."""
    (tmp_path / "flask.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\nimport time\ntime.sleep(60)\n")
    instance = start(env={"PYTHONPATH": f"{tmp_path}:{SOURCE}"})
    assert instance.await_end() == 0
    assert (instance.log, instance.stderr_path.read_text()) == ("", "")


STOP_THE_FIRST_WORKER_AS_IT_IS_FORKED = """
import os, signal, socket
from uuid_server.serve import Server

class Hasty(Server):
    def load_config(self):
        super().load_config()
        self.cfg.set("post_fork", lambda _, worker: worker.age == 1 and os.kill(os.getpid(), signal.SIGTERM))

Hasty("an instance", socket.create_server(("127.0.0.1", 0)), workers=1, max_requests=0).run()
"""


def test_a_worker_is_never_too_young_to_be_stopped(start: Start) -> None:
    """gunicorn's handlers come after the fork; a signal that came between would be lost, and a stop wait in vain."""
    instance = start(program=("-c", STOP_THE_FIRST_WORKER_AS_IT_IS_FORKED))
    wait_for("the first worker ends and a second takes its place", lambda: instance.log.count("Booting worker") == 2)
    assert instance.ask() == "My id is an instance"
