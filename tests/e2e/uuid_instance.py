"""The UUID server in the foreground on this machine, as `make serve` runs it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

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


def starter(directory: Path) -> Iterator[Start]:
    """Starts instances, on free ports unless the options say otherwise, and ends them after the test; to be made a
    fixture of."""
    started: list[Instance] = []

    def new(*options: str, **more: Any) -> Instance:
        own = directory / f"instance-{len(started)}"
        own.mkdir()
        started.append(Instance(own, *(options if "-p" in options else (*ON_A_FREE_PORT, *options)), **more))
        return started[-1]

    yield new
    for instance in started:
        instance.remove()
