"""The instance server in the foreground on this machine, as `make serve` runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.project import wait_for
from tests.e2e.uuid_instance import UUID4, Start, run_to_end, starter


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    yield from starter(tmp_path)


def test_one_uuid_in_a_thousand_answers_of_three_workers(start: Start) -> None:
    """The UUID belongs to the instance: it is the same whichever worker answers, and it is a version 4."""
    instance = start("-w", "3")
    wait_for("three workers are there", lambda: instance.log.count("Booting worker") == 3)
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
