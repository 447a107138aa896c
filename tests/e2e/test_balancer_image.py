"""The balancer's image, built as users build it and run by hand under the restricted baseline."""

from __future__ import annotations

import http.client
import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.built_image import RESTRICTED, base_of, built
from tests.e2e.project import wait_for
from tests.fakes.tiny_image import TEST_LABEL, tiny_image

ROOT = Path(__file__).parents[2]
CONTEXT = ROOT / "images" / "balancer"
FOLDER = "/etc/balancer"
PORT = 8080
LARGEST = 30_000_000

CONFINED = {**RESTRICTED, "mem_limit": "256m"}
# A request is under way for as long as its body is: no other server is needed, and no time either.
ANSWERING = """
global
    stats socket /tmp/admin.sock mode 600 level admin
defaults
    mode http
    option http-buffer-request
    option idle-close-on-response
    timeout client 30s
    timeout http-keep-alive 1s
frontend in
    bind :{port}
    http-request return status 200 content-type text/plain string "{word}"
"""
NO_ADMIN_SOCKET = "frontend in\n    mode http\n    timeout client 1s\n    bind :8080\n"
BROKEN = "frontend in\n    bynd :8080\n"


def base_reference() -> str:
    return base_of("FLEET_BALANCER_BASE", "debian:trixie-slim")


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> Iterator[Any]:
    with built(client, "balancer", base_reference()) as made:
        yield made


class Balancer:
    """One container of the image."""

    def __init__(self, container: Any) -> None:
        self.container = container

    def configure(self, text: str) -> None:
        """Put a file in the place of the configuration, as fleetctl does: by the engine's archive calls."""
        stream, content = io.BytesIO(), text.encode()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            file = tarfile.TarInfo("haproxy.cfg")
            file.size, file.mode = len(content), 0o644
            tar.addfile(file, io.BytesIO(content))
        assert self.container.put_archive(FOLDER, stream.getvalue())

    def start(self) -> None:
        """Start it and return when it works, and its master hears signals."""
        self.container.start()
        wait_for(f"it works\n{self.log}", lambda: "Loading success" in self.log)
        wait_for("its master answers", self.master_answers)

    def master_answers(self) -> bool:
        """Whether the master is there for good; until then it hears no signal."""
        code, version = self.run("socat", "/etc/haproxy/question!!STDOUT", "UNIX-CONNECT:/tmp/master.sock")
        return code == 0 and version.startswith("3.")

    def connect(self) -> http.client.HTTPConnection:
        self.container.reload()
        address = self.container.attrs["NetworkSettings"]["IPAddress"]
        return http.client.HTTPConnection(address, PORT, timeout=10)

    def ask(self) -> str:
        with closing(self.connect()) as connection:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()

    @property
    def log(self) -> str:
        return str(self.container.logs().decode())

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        self.container.reload()
        state = self.container.attrs["State"]
        return None if state["Running"] else int(state["ExitCode"])

    def run(self, *command: str, user: str = "") -> tuple[int, str]:
        """Exit code and output of a program in the container."""
        code, output = self.container.exec_run(list(command), user=user)
        return code, output.decode()

    def check_health(self, user: str = "") -> tuple[int, str]:
        """Exit code and words of the image's health check, which asks the admin socket."""
        return self.run(*self.container.image.attrs["Config"]["Healthcheck"]["Test"][1:], user=user)


Make = Callable[..., Balancer]


@pytest.fixture
def make(client: docker.DockerClient, image: Any) -> Iterator[Make]:
    """Makes balancers under the restricted baseline and removes them, with their volumes, after the test."""
    made: list[Any] = []

    def new(configuration: str | None = None, **options: Any) -> Balancer:
        more = {**CONFINED, "labels": {TEST_LABEL: "balancer-image"}, **options}
        made.append(client.containers.create(image.id, **more))
        balancer = Balancer(made[-1])
        if configuration is not None:
            balancer.configure(configuration)
        return balancer

    yield new
    for container in made:
        container.remove(force=True, v=True)


def test_unconfigured_it_runs_under_the_restricted_baseline_and_listens_to_nobody(make: Make) -> None:
    """Read-only, without capabilities or root: a master and a worker, and no port that anybody could reach."""
    balancer = make()
    balancer.start()
    rows = balancer.container.top(ps_args="-o pid,uid,args")["Processes"]
    assert [row[1] for row in rows] == ["10001", "10001"]
    code, sockets = balancer.run("socat", "-u", "/proc/net/tcp", "STDOUT")
    assert (code, re.findall(r"^ *\d+: \S+ \S+ 0A ", sockets, re.MULTILINE)) == (0, [])
    code, version = balancer.check_health()
    assert (code, version[:2]) == (0, "3.")


def test_only_its_own_user_reaches_the_admin_socket(make: Make) -> None:
    """Mode 600: another user is refused, and another one of the same group."""
    balancer = make()
    balancer.start()
    for stranger in ("10002:10002", "10002:10001"):
        code, words = balancer.check_health(user=stranger)
        assert code == 1
        assert "Permission denied" in words


def test_the_health_check_fails_where_the_admin_socket_does_not_answer(make: Make) -> None:
    """Although requests are taken: fleetctl could not change who is in rotation."""
    balancer = make(NO_ADMIN_SOCKET)
    balancer.start()
    assert balancer.check_health()[0] == 1


def test_the_engine_finds_it_healthy(make: Make) -> None:
    balancer = make(healthcheck={"interval": 500_000_000})
    balancer.start()

    def health() -> str:
        balancer.container.reload()
        return str(balancer.container.attrs["State"]["Health"]["Status"])

    wait_for("the engine finds it healthy", lambda: health() == "healthy")


def test_docker_stop_lets_a_request_that_is_under_way_end(make: Make) -> None:
    """The image's stop signal is the soft one: nobody new is let in, and the exit code is 0."""
    balancer = make(ANSWERING.format(port=PORT, word="done"))
    balancer.start()
    with closing(balancer.connect()) as connection, ThreadPoolExecutor(1) as pool:
        connection.request("POST", "/", headers={"Content-Length": "4", "Expect": "100-continue"})
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 ")
        stopped = pool.submit(balancer.container.stop, timeout=30)
        wait_for("it stops", lambda: "Proxy in stopped" in balancer.log)
        with pytest.raises(ConnectionRefusedError):
            balancer.ask()
        connection.send(b"body")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"done")
        connection.close()
        stopped.result()
    assert balancer.exit_code == 0


def test_a_reload_refuses_nobody_and_a_restart_keeps_what_was_loaded(make: Make) -> None:
    """The root is read-only, the folder of the configuration is not."""
    balancer = make(ANSWERING.format(port=PORT, word="before"))
    balancer.start()
    assert balancer.ask() == "before"
    balancer.configure(ANSWERING.format(port=PORT, word="after"))
    balancer.container.kill(signal="SIGUSR2")
    wait_for("the new configuration answers", lambda: balancer.ask() == "after")
    wait_for("its master answers", balancer.master_answers)
    balancer.container.restart(timeout=30)
    wait_for("it works again", lambda: balancer.log.count("Loading success") == 3)
    assert balancer.ask() == "after"
    assert balancer.check_health()[0] == 0


def test_a_broken_configuration_ends_it_with_file_and_line_in_its_log(make: Make) -> None:
    balancer = make(BROKEN)
    balancer.container.start()
    wait_for("it ends", lambda: balancer.exit_code is not None)
    assert balancer.exit_code == 1
    assert f"[{FOLDER}/haproxy.cfg:2] : unknown keyword 'bynd'" in balancer.log


def test_a_broken_configuration_does_not_end_a_running_one(make: Make) -> None:
    """A reload that fails leaves the worker that serves."""
    balancer = make(ANSWERING.format(port=PORT, word="before"))
    balancer.start()
    balancer.configure(BROKEN)
    balancer.container.kill(signal="SIGUSR2")
    wait_for("it tells", lambda: "unknown keyword 'bynd'" in balancer.log)
    assert balancer.ask() == "before"


def test_the_image_has_two_programs_and_no_shell(make: Make, image: Any) -> None:
    """What the build needs stays in the build stage."""
    balancer = make()
    balancer.start()
    for absent in ("sh", "bash", "apt-get", "dpkg", "perl"):
        assert "executable file not found" in balancer.run(absent)[1]
    assert image.attrs["Size"] < LARGEST


def test_the_image_says_how_it_is_to_be_run(image: Any) -> None:
    """An exec-form entry point, the signal for a soft stop, a volume to configure, and a health check that is rare."""
    config = image.attrs["Config"]
    assert config["User"] == "10001:10001"
    assert (config["StopSignal"], config["Entrypoint"][0]) == ("SIGUSR1", "haproxy")
    assert config["Volumes"] == {FOLDER: {}}
    assert "ExposedPorts" not in config
    assert config["Healthcheck"]["Interval"] == 30_000_000_000


def test_the_base_step_records_the_balancers_base_beside_the_other(client: docker.DockerClient, tmp_path: Path) -> None:
    """In a tree of its own; asked a second time it changes nothing."""
    step, dotenv = Path(tmp_path, "images/base/build"), Path(tmp_path, ".env")
    step.parent.mkdir(parents=True)
    shutil.copy(ROOT / "images/base/build", step)
    dotenv.write_text("FLEET_BASE=other\n")
    command: tuple[Path | str, ...] = (step, "balancer")
    named = {**os.environ, "FLEET_BALANCER_BASE": tiny_image(client)}
    subprocess.run(command, env=named, check=True)
    before = dotenv.stat()
    unnamed = {name: value for name, value in named.items() if name != "FLEET_BALANCER_BASE"}
    subprocess.run(command, env=unnamed, check=True)
    assert dotenv.read_text() == f"FLEET_BASE=other\nFLEET_BALANCER_BASE={tiny_image(client)}\n"
    assert (dotenv.stat().st_ino, dotenv.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
