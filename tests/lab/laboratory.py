"""A laboratory for faults of the whole host: a second Docker engine in a network namespace of its own.

`FLAB-host` is the engine's host, `FLAB-outside` the rest of the internet, a veth pair joins them and the host's
default route leads through it. Only what is in these two namespaces and in this engine is ever changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fleetctl.engine.endpoint import find_endpoint
from tests.e2e.project import WORTH_WAITING, wait_for

ROOT = Path(__file__).resolve().parents[2]
HOST_ADDRESS = "198.18.0.1"  # of the range for measuring networks (RFC 2544); these namespaces know no other network
OUTSIDE_ADDRESS = "198.18.0.2"
REMOTE_ENDPOINT = f"{HOST_ADDRESS}:2375"
"""Where the engine answers those who are outside, without TLS: nobody but the laboratory can reach it. It has to be
told --tls=false, or it waits for 15 s to frighten us."""


class Laboratory:
    """Two namespaces and an engine; made by `laboratory`. Programs run where the name of the method says."""

    def __init__(self) -> None:
        self.name = f"flab-{uuid.uuid4().hex[:8]}"
        self.host_namespace, self.outside_namespace = f"{self.name}-host", f"{self.name}-outside"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.endpoint = f"unix://{self.folder}/engine.sock"
        self.environment = {**os.environ, "DOCKER_HOST": self.endpoint, "NO_COLOR": "1"}
        self._engine: subprocess.Popen[bytes] | None = None

    def host(self, *command: str, stdin: str | None = None, check: bool = True) -> str:
        """What a program prints that runs in the host's namespace."""
        return self._output(entering(f"/run/netns/{self.host_namespace}", command), stdin, check)

    def outside(self, *command: str, stdin: str | None = None, check: bool = True) -> str:
        """What a program prints that runs beyond the host's uplink."""
        return self._output(entering(f"/run/netns/{self.outside_namespace}", command), stdin, check)

    def inside(self, container: str, *command: str, stdin: str | None = None, check: bool = True) -> str:
        """What one of this machine's programs prints that runs in the network namespace of a container."""
        return self._output(entering(f"/proc/{self.pid(container)}/ns/net", command), stdin, check)

    def docker(self, *arguments: str, check: bool = True) -> str:
        return self._output(["docker", *arguments], None, check).strip()

    def inspect(self, container: str) -> Any:
        return json.loads(self.docker("container", "inspect", container))[0]

    def pid(self, container: str) -> int:
        return int(self.docker("inspect", "--format", "{{.State.Pid}}", container))

    @contextlib.contextmanager
    def running(self, namespace: str, *command: str, ready: str | None = None) -> Iterator[None]:
        """A program of this machine in a namespace (its path), for as long as the block lasts. With `ready` the block
        begins when the program has printed that line."""
        with subprocess.Popen(entering(namespace, command), stdout=subprocess.PIPE, text=True) as program:
            try:
                if ready is not None:
                    assert program.stdout is not None
                    line = program.stdout.readline().strip()
                    assert line == ready, f"{command} said {line!r} instead of {ready!r}"
                yield
            finally:
                program.kill()

    def fleetctl(self, *arguments: str, outside: bool = False) -> subprocess.CompletedProcess[str]:
        """A run of fleetctl in the laboratory's folder, on the engine's host or outside."""
        command = [sys.executable, "-m", "fleetctl", *arguments]
        namespace = self.outside_namespace if outside else self.host_namespace
        endpoint = f"tcp://{REMOTE_ENDPOINT}" if outside else self.endpoint
        environment = {**self.environment, "PYTHONPATH": str(ROOT), "DOCKER_HOST": endpoint}
        return subprocess.run(
            entering(f"/run/netns/{namespace}", command),
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def load(self, image: str) -> None:
        """Give the engine an image that the machine's engine has."""
        machine = {**os.environ, "DOCKER_HOST": find_endpoint(os.environ).address}
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE, env=machine) as saved:
            subprocess.run(
                ["docker", "load", "--quiet"], stdin=saved.stdout, env=self.environment, check=True, capture_output=True
            )

    def start_engine(self, *options: str) -> None:
        """Start dockerd with everything it keeps in the laboratory's folder, and wait until it answers."""
        command = [
            "dockerd", "--host", self.endpoint, "--host", f"tcp://{REMOTE_ENDPOINT}", "--tls=false",
            "--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec"),
            "--pidfile", str(self.folder / "engine.pid"), "--cgroup-parent", f"/{self.name}",
            "--bip", "10.231.0.1/24", "--default-address-pool", "base=10.232.0.0/16,size=24", *options,
        ]  # fmt: skip
        with (self.folder / "engine.log").open("ab") as log:
            self._engine = subprocess.Popen(  # nsenter becomes dockerd: its pid is the engine's
                entering(f"/run/netns/{self.host_namespace}", command),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for("the private engine answers", self._engine_answers)

    def stop_engine(self) -> None:
        """End dockerd as a service manager would; its containers end with it."""
        if self._engine is None:
            return
        self._engine.send_signal(signal.SIGTERM)
        try:
            self._engine.wait(timeout=WORTH_WAITING)
        except subprocess.TimeoutExpired:
            self._engine.kill()
            self._engine.wait()
        self._engine = None

    def make_namespaces(self) -> None:
        host, outside = self.host_namespace, self.outside_namespace
        for namespace in (host, outside):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("ip", "-n", host, "link", "add", "uplink", "type", "veth", "peer", "name", "uplink", "netns", outside)
        for namespace, address in ((host, HOST_ADDRESS), (outside, OUTSIDE_ADDRESS)):
            run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", "uplink")
            run("ip", "-n", namespace, "link", "set", "uplink", "up")
        run("ip", "-n", host, "route", "add", "default", "via", OUTSIDE_ADDRESS)
        # As on a machine that has just booted: dockerd switches forwarding on, and only then forbids what it does not
        # know. A namespace inherits the setting from the machine, whose own engine has switched it on already.
        self.host("sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")

    def remove(self) -> None:
        """Remove everything that was made, whatever state it is in."""
        if self._engine is not None and self._engine.poll() is None:
            containers = self.docker("ps", "--all", "--quiet", check=False).split()
            if containers:
                self.docker("rm", "--force", "--volumes", *containers, check=False)
        self.stop_engine()
        for mount in reversed(mounts_under(self.folder)):
            run("umount", "--lazy", mount)
        for namespace in (self.host_namespace, self.outside_namespace):
            if Path("/run/netns", namespace).exists():
                run("ip", "netns", "del", namespace)
        for group in control_groups(self.name):
            wait_for(f"{group} is removed", partial(removed_empty, group))
        shutil.rmtree(self.folder)

    def _engine_answers(self) -> bool:
        assert self._engine is not None
        if self._engine.poll() is not None:
            raise AssertionError(f"dockerd ended: {(self.folder / 'engine.log').read_text()[-2000:]}")
        return (
            subprocess.run(["docker", "version"], env=self.environment, capture_output=True, check=False).returncode
            == 0
        )

    def _output(self, command: Sequence[str], stdin: str | None, check: bool) -> str:
        done = subprocess.run(
            command, input=stdin, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}"
        return done.stdout


@contextlib.contextmanager
def laboratory(*engine_options: str) -> Iterator[Laboratory]:
    """A laboratory with a started engine and no image, for as long as the block lasts."""
    lab = Laboratory()
    try:
        lab.make_namespaces()
        lab.start_engine(*engine_options)
        yield lab
    finally:
        lab.remove()


def entering(namespace: str, command: Sequence[str]) -> list[str]:
    """The command in the network namespace at that path. Not `ip netns exec`: that mounts a /sys without cgroups."""
    return ["nsenter", f"--net={namespace}", "--", *command]


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}"


def mounts_under(folder: Path) -> list[str]:
    """The mount points in a folder, in the order they were mounted (proc_pid_mountinfo(5))."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [point for point in points if point.startswith(f"{folder}/")]


def control_groups(name: str) -> list[Path]:
    """The cgroups that --cgroup-parent made, children first, in every hierarchy."""
    tops = [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]
    return [path for top in tops for path in (*sorted(filter(Path.is_dir, top.rglob("*")), reverse=True), top)]


def removed_empty(group: Path) -> bool:
    """Whether the cgroup is gone; the kernel lets go of one a moment after its last process."""
    with contextlib.suppress(FileNotFoundError):
        try:
            group.rmdir()
        except OSError:
            return False
    return True
