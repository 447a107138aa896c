"""The UUID server in the foreground ends well, whatever signal comes and whenever."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.project import wait_for
from tests.e2e.uuid_instance import SOURCE, Instance, Start, starter


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    yield from starter(tmp_path)


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
        assert time.monotonic() - began < 15, "it waited for the request"
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
