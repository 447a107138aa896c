"""The image of the instance server, built as users build it and run under the restricted baseline."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.built_image import RESTRICTED, base_of, built
from tests.e2e.project import wait_for
from tests.fakes.tiny_image import TEST_LABEL

ROOT = Path(__file__).parents[2]
CONTEXT = ROOT / "images" / "uuid"
PORT = 8080
MOST_BYTES_OVER_THE_BASE = 12_000_000

CONFINED = {**RESTRICTED, "mem_limit": "128m"}
IMPORTED_WITHOUT_BYTECODE = """
import os, sys
import gunicorn.workers.gthread, uuid_server.cli, uuid_server.serve
files = [module.__cached__ for module in sys.modules.values() if getattr(module, "__cached__", None)]
print(len(files), [file for file in files if not os.path.exists(file)])
"""
FREEZE_THE_WORKERS = "import os, signal; os.kill(-1, signal.SIGSTOP)"  # kill(2): all but process 1 and the caller


def base_reference() -> str:
    return base_of("FLEET_BASE", "python:3.13-slim")


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> Iterator[Any]:
    subprocess.run([CONTEXT / "fetch-wheels"], env={**os.environ, "PYTHON": sys.executable}, check=True)
    with built(client, "uuid", base_reference()) as made:
        yield made


class Replica:
    """One container of the image."""

    def __init__(self, container: Any) -> None:
        self.container = container
        container.reload()
        self.address = container.attrs["NetworkSettings"]["IPAddress"]

    def ask(self, port: int = PORT) -> str:
        with closing(http.client.HTTPConnection(self.address, port, timeout=10)) as connection:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()

    def await_ready(self) -> None:
        """Return when it listens; from then on a request waits for its answer."""
        wait_for("it listens", lambda: "Listening at" in self.log)

    @property
    def log(self) -> str:
        return str(self.container.logs().decode())

    def python(self, program: str) -> str:
        """What a program prints that the image's Python runs in the container."""
        code, output = self.container.exec_run(["python3", "-c", program])
        assert code == 0, output
        return str(output.decode())

    def check_health(self) -> tuple[int, str]:
        """Exit code and words of the image's health check."""
        code, output = self.container.exec_run(self.container.image.attrs["Config"]["Healthcheck"]["Test"][1:])
        return code, output.decode()


Run = Callable[..., Replica]


@pytest.fixture
def run(client: docker.DockerClient, image: Any) -> Iterator[Run]:
    """Runs replicas under the restricted baseline and removes them after the test."""
    started: list[Any] = []

    def new(*command: str, **options: Any) -> Replica:
        more = {**CONFINED, "labels": {TEST_LABEL: "uuid-image"}, **options}
        started.append(client.containers.create(image.id, list(command), **more))
        started[-1].start()
        return Replica(started[-1])

    yield new
    for container in started:
        container.remove(force=True, v=True)


def test_a_replica_answers_under_the_restricted_baseline(run: Run) -> None:
    """Read-only, without capabilities, few processes: and no user named, for the image names one that is not root."""
    replica = run()
    replica.await_ready()
    assert re.fullmatch(r"My id is [0-9a-f-]{36}", replica.ask())
    assert replica.python("import os; print(os.getuid(), os.getgid())") == "10001 10001\n"
    assert {row[1] for row in replica.container.top(ps_args="-o pid,uid")["Processes"]} == {"10001"}


def test_ps_shows_one_gunicorn_master_and_the_workers_that_were_asked_for(run: Run) -> None:
    """By their names, as in `ps -ef | grep gunicorn`."""
    replica = run("-w", "3")
    replica.await_ready()
    replica.ask()

    def roles() -> list[str]:
        rows = replica.container.top(ps_args="-o pid,args")["Processes"]
        return sorted(row[1].split(" [")[0] for row in rows)

    expected = ["gunicorn: master", *["gunicorn: worker"] * 3]
    wait_for(f"processes {expected}, not {roles()}", lambda: roles() == expected)


def test_options_of_the_command_and_the_environment_are_taken(run: Run) -> None:
    """`docker run IMAGE -p 9090` changes the port and keeps the address, and an environment variable does as well."""
    by_option, by_variable = run("-p", "9090"), run(environment={"UUID_SERVER_PORT": "9091"})
    by_option.await_ready()
    by_variable.await_ready()
    assert by_option.ask(9090) != by_variable.ask(9091)


def test_bound_to_loopback_it_is_healthy_inside_and_refused_over_the_bridge(run: Run) -> None:
    """What the help warns of: only a probe from outside tells."""
    replica = run("-a", "127.0.0.1")
    replica.await_ready()
    assert replica.check_health() == (0, "")
    with pytest.raises(ConnectionRefusedError):
        replica.ask()


def test_the_health_check_follows_the_server_to_another_port(run: Run) -> None:
    """The engine finds it healthy although only the server's own options name the port."""
    half_a_second = {"interval": 500_000_000}
    replica = run("-p", "9090", healthcheck=half_a_second)

    def health() -> str:
        replica.container.reload()
        return str(replica.container.attrs["State"]["Health"]["Status"])

    wait_for("the engine finds it healthy", lambda: health() == "healthy")


def test_the_health_check_fails_when_nobody_answers(run: Run) -> None:
    """Connecting is not enough: with every worker frozen the kernel still takes connections. There is only one, so that
    none comes up afterwards."""
    replica = run("--workers", "1")
    replica.await_ready()
    replica.ask()
    replica.python(FREEZE_THE_WORKERS)
    code, words = replica.check_health()
    assert code == 1
    assert "TimeoutError" in words


def test_docker_stop_ends_it_cleanly(run: Run) -> None:
    """As process 1 it hears SIGTERM; exit code 0 and not the 137 of a kill after the grace period."""
    replica = run()
    replica.await_ready()
    replica.container.stop(timeout=30)
    replica.container.reload()
    assert replica.container.attrs["State"]["ExitCode"] == 0
    assert "Shutting down: Master" in replica.log


def test_every_module_that_serves_has_bytecode(run: Run) -> None:
    """The user of the image cannot write any, and compiling at each start takes longer than all the rest."""
    replica = run()
    count, without = replica.python(IMPORTED_WITHOUT_BYTECODE).split(maxsplit=1)
    assert int(count) > 100
    assert without == "[]\n"


def test_the_image_has_no_installer_and_no_compiler(run: Run) -> None:
    """What the build needs stays in the build stage, or is hidden where the base brings it."""
    replica = run()
    finders = "import importlib.util, shutil"
    tools = "[shutil.which(name) for name in ('pip', 'pip3', 'uv', 'gcc', 'cc', 'make')]"
    modules = "[importlib.util.find_spec(name) for name in ('pip', 'ensurepip')]"
    found = replica.python(f"{finders}; print({{*{tools}, *{modules}}})")
    assert found == "{None}\n"


def test_the_image_adds_little_to_its_base(client: docker.DockerClient, image: Any) -> None:
    """The packages, their bytecode, and what the base lacks of Python's own."""
    assert image.attrs["Size"] - client.images.get(base_reference()).attrs["Size"] < MOST_BYTES_OVER_THE_BASE


def test_the_image_says_how_it_is_to_be_run(image: Any) -> None:
    """An exec-form entry point, a signal that gunicorn takes, and a health check that is rare: each costs an exec."""
    config = image.attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["ExposedPorts"] == {f"{PORT}/tcp": {}}
    assert (config["StopSignal"], config["Entrypoint"][0]) == ("SIGTERM", "python3")
    assert config["Healthcheck"]["Interval"] == 30_000_000_000
