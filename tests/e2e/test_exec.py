"""A command inside a replica has our standard streams: all of them, to the last byte, however much and whenever."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from fleetctl.engine.endpoint import find_endpoint
from tests.conftest import Bystanders, lend
from tests.e2e.project import PATIENCE, Project, idle
from tests.fakes.faultproxy import CHUNK, FaultProxy, end, pump
from tests.shown_sessions import run_on_terminal

LARGE = 30_000_000
"""Bytes that fit into no buffer on the way."""


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, client: docker.DockerClient, bystanders: Bystanders
) -> Iterator[Project]:
    """A fleet with one replica for commands to run in."""
    for project in lend(tmp_path_factory.mktemp("standing"), client, bystanders):
        project.write({"web": idle()})
        project.up()
        yield project


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of LARGE random bytes."""
    path = tmp_path_factory.mktemp("large") / "bytes"
    path.write_bytes(random.randbytes(LARGE))
    return path


def stream(project: Project, source: Path, sink: Path, *command: str) -> int:
    """Run a command with files as stdin and stdout; returns its exit code."""
    with source.open("rb") as stdin, sink.open("wb") as stdout:
        process = project.popen("exec", "-T", "web", *command, stdin=stdin, stdout=stdout)
        return process.wait(PATIENCE)


def test_megabytes_go_in_and_out_at_once_and_come_back_unchanged(
    standing: Project, large: Path, tmp_path: Path
) -> None:
    assert stream(standing, large, tmp_path / "out", "cat") == 0
    assert (tmp_path / "out").read_bytes() == large.read_bytes()


def test_a_command_that_does_not_read_its_stdin_ends_as_it_likes(
    standing: Project, large: Path, tmp_path: Path
) -> None:
    assert stream(standing, large, tmp_path / "out", "sh", "-c", "echo done; exit 7") == 7
    assert (tmp_path / "out").read_text() == "done\n"


class Together(FaultProxy):
    """Holds back the engine's answer until the command's output can go with it."""

    def relay(self, client: socket.socket, engine: socket.socket, head: bytes) -> None:
        if not self.count(head).path.endswith("/start"):
            super().relay(client, engine, head)
            return
        engine.connect(self.upstream)
        engine.sendall(head)
        threading.Thread(target=pump, args=(client, engine), daemon=True).start()
        answer = b""
        while b"hello" not in answer:
            answer += engine.recv(CHUNK)
        client.sendall(answer)
        pump(engine, client)
        end(client)


def test_output_that_comes_together_with_the_engines_answer_is_printed(standing: Project) -> None:
    with Together(find_endpoint(os.environ).address) as proxy:
        done = standing.run("exec", "web", "echo", "hello", env=proxy.environment)
    assert (done.code, done.stdout) == (0, "hello\n"), done


def test_a_reader_that_goes_away_ends_exec_without_a_word(standing: Project) -> None:
    """As in `fleetctl exec web seq 1 200000 | head -1`."""
    process = standing.popen("exec", "-T", "web", "seq", "1", "200000")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "1\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(PATIENCE) == 141


def test_without_a_stdin_the_command_gets_an_empty_one(standing: Project) -> None:
    command = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "fleetctl", "exec", "web", "wc", "-c"]
    done = subprocess.run(command, cwd=standing.directory, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_a_stdin_that_cannot_be_read_is_told(standing: Project, tmp_path: Path) -> None:
    with (tmp_path / "written").open("w") as stdin:
        done = standing.finish(standing.popen("exec", "-T", "web", "cat", stdin=stdin))
    assert (done.code, done.stderr) == (1, "error: stdin cannot be read: Bad file descriptor\n")


def test_on_a_terminal_the_command_has_one(standing: Project) -> None:
    command = f"{sys.executable} -m fleetctl exec web sh -c 'test -t 0 && test -t 1 && echo a terminal'"
    code, written = run_on_terminal(command, standing.directory, {**os.environ, "TERM": "xterm"})
    assert (code, written) == (0, "a terminal\r\n")
