"""A project directory with a fleet of its own: runs the command line as users do and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
import docker.errors
import yaml

from fleetctl.engine import labels
from tests.fakes.tiny_image import TAG, TEST_LABEL
from tests.held_networks import HELD_FOR_NOBODY, remove_network

PATIENCE = 120.0
"""Seconds after which a run of fleetctl counts as hung."""
WORTH_WAITING = 60.0
"""Seconds that a state may take to come about on a machine that has much else to do."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Done:
    """How a run of fleetctl ended."""

    args: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float

    def json(self) -> Any:
        return json.loads(self.stdout)

    def __str__(self) -> str:
        return f"fleetctl {' '.join(self.args)}: exit {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


def check_output(done: Done) -> Done:
    """What holds of every run: no traceback, no fault of our own, and no control character but newline and tab."""
    text = done.stdout + done.stderr
    assert "Traceback" not in text, done
    assert "a fault of its own" not in text, done
    steering = {ch for ch in text if (ord(ch) < 0x20 and ch not in "\n\t") or 0x7F <= ord(ch) < 0xA0}
    assert not steering, f"{steering!r} in {done}"
    return done


def wait_for(what: str, condition: Callable[[], Any], seconds: float = WORTH_WAITING) -> Any:
    """The condition's first true value; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return value


def server(replicas: int = 2, *, before: str = "", **keys: Any) -> Json:
    """A service that answers HTTP on port 8080 with a UUID of each replica's own; `before` runs in its shell first."""
    script = f"{before}\ncat /proc/sys/kernel/random/uuid > /tmp/index.html\nhttpd -f -p 8080 -h /tmp & wait"
    return {**idle(replicas), "command": shell(script), "x-fleet": {"http": {"port": 8080}}, **keys}


def idle(replicas: int = 1, **keys: Any) -> Json:
    """A service that does nothing until SIGTERM."""
    return {"image": TAG, "deploy": {"replicas": replicas}, **keys}


def shell(script: str) -> list[str]:
    """A command that runs a script of busybox's shell and ends at SIGTERM; the file's own ${} is quoted."""
    return ["sh", "-c", f"trap 'exit 0' TERM\n{script}".replace("$", "$$")]


class Project:
    """One fleet in one directory. `client` is a docker-py client, which only looks and, at the end, cleans up."""

    def __init__(self, directory: Path, client: docker.DockerClient) -> None:
        self.name = f"t-{uuid.uuid4().hex[:8]}"
        self.directory, self.temporary = directory / "project", directory / "tmp"
        for path in (self.directory, self.temporary):
            path.mkdir(exist_ok=True)
        self.client = client
        self.held: set[str] = set()
        """Networks that the engine keeps although they are empty."""
        self.running: list[subprocess.Popen[str]] = []
        self.own_label = f"{labels.FLEET}={self.name}"

    # The file

    def write(self, services: Mapping[str, Json], **top: Any) -> None:
        """Write fleet.yaml."""
        self.write_text(yaml.safe_dump({"services": dict(services), **top}, sort_keys=False, default_flow_style=False))

    def write_text(self, text: str) -> None:
        """Write fleet.yaml as text, under this fleet's name."""
        (self.directory / "fleet.yaml").write_text(f"name: {self.name}\n{text}")

    # The command line

    def environment(self, changes: Mapping[str, str] | None = None) -> dict[str, str]:
        """Ours without what would choose a fleet; locks are made beside the project, and thrown away with it."""
        ours = {key: value for key, value in os.environ.items() if not key.startswith(("FLEET_", "COLUMNS"))}
        return {**ours, "FLEET_LOCK_DIR": str(self.temporary), **(changes or {})}

    def popen(self, *args: str, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        """Start fleetctl; whoever calls takes its output, the end of the test takes its life."""
        command = [sys.executable, "-m", "fleetctl", *args]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        defaults = {"cwd": self.directory, "env": self.environment(env), "text": True, **streams}
        process = subprocess.Popen(command, **{**defaults, **options})
        self.running.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], stdin: str | None = None) -> Done:
        """Wait for a process that popen started."""
        began = time.monotonic()
        try:
            stdout, stderr = process.communicate(stdin, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            stdout, stderr = process.communicate()
            raise AssertionError(f"fleetctl hung\n--- stdout\n{stdout}\n--- stderr\n{stderr}") from None
        args = tuple(str(word) for word in list(process.args)[3:])  # type: ignore[arg-type]  # popen gave a list
        done = Done(args, process.returncode, stdout, stderr, time.monotonic() - began)
        return self.forgiven(check_output(done))

    def forgiven(self, done: Done) -> Done:
        """The same, but for a `down` that the engine's own fault made fail: fleetctl has done what can be done and says
        so. Where that is true .ci/run removes the empty network."""
        told = "down" in done.args and done.code == 1 and HELD_FOR_NOBODY in done.stderr
        return replace(done, code=0) if told and self.remove_networks(self.own_label) else done

    def remove_networks(self, mark: str) -> set[str]:
        """Remove the networks with such a label; those that the engine holds for nobody, which are not gone."""
        api = self.client.api
        found = [entry["Id"] for entry in api.networks(filters={"label": mark})]
        held = {network_id for network_id in found if not remove_network(api, network_id)}
        self.held |= held
        return held

    def run(self, *args: str, env: Mapping[str, str] | None = None, stdin: str | None = None) -> Done:
        """Run fleetctl to its end."""
        options = {} if stdin is None else {"stdin": subprocess.PIPE}
        return self.finish(self.popen(*args, env=env, **options), stdin)

    def up(self, *args: str, code: int = 0, env: Mapping[str, str] | None = None) -> Done:
        """`fleetctl up`, which has to end with that code."""
        done = self.run("up", *args, env=env)
        assert done.code == code, done
        return done

    def down(self, *args: str) -> Done:
        """`fleetctl down`, after which nothing of the fleet is left; volumes and images only where args ask for it."""
        veths = self.veths()
        done = self.run("down", *args)
        assert done.code == 0, done
        left = self.left(volumes="-v" in args, images="--rmi" in args)
        assert not left, f"left behind: {left}"
        going = set(veths) - {f"br-{network_id[:12]}" for network_id in self.held}
        wait_for(
            f"the kernel has let go of {going}", lambda: not [v for v in going if Path("/sys/class/net", v).exists()]
        )
        return done

    def assert_converged(self, *args: str) -> None:
        """A plan has nothing to do."""
        done = self.run("plan", "--exit-code", *args)
        assert done.code == 0, done

    # The engine's side

    def containers(self, **filters: str) -> list[Json]:
        """Entries of GET /containers/json of this fleet, by name."""
        chosen = {"label": [self.own_label, *(f"dev.fleetctl.{key}={value}" for key, value in filters.items())]}
        found = self.client.api.containers(all=True, filters=chosen)
        return sorted(found, key=lambda entry: str(entry["Names"]))

    def states(self) -> dict[str, str]:
        """Container name without the fleet's -> state."""
        return {entry["Names"][0].removeprefix(f"/{self.name}-"): entry["State"] for entry in self.containers()}

    def ids(self) -> dict[str, str]:
        """Container name without the fleet's -> id."""
        return {entry["Names"][0].removeprefix(f"/{self.name}-"): entry["Id"] for entry in self.containers()}

    def container(self, short_name: str) -> Any:
        """docker-py's container, by its name without the fleet's."""
        return self.client.containers.get(f"{self.name}-{short_name}")

    def networks(self) -> list[Json]:
        return list(self.client.api.networks(filters={"label": self.own_label}))

    def volumes(self) -> list[Json]:
        return list(self.client.api.volumes(filters={"label": self.own_label})["Volumes"] or [])

    def images(self) -> list[Json]:
        return list(self.client.api.images(all=True, filters={"label": f"{labels.BUILT_FOR}={self.name}"}))

    def veths(self) -> list[str]:
        """The host's ends of the veth pairs that are plugged into this fleet's bridges, and the bridges."""
        bridges = [f"br-{network['Id'][:12]}" for network in self.networks() if network["Driver"] == "bridge"]
        return bridges + [port.name for bridge in bridges for port in Path("/sys/class/net", bridge, "brif").glob("*")]

    def left(self, *, volumes: bool = True, images: bool = True) -> list[str]:
        """What there is of this fleet, by label or by name."""
        found = [f"container {entry['Names'][0]}" for entry in self.containers()]
        found += [f"container {name}" for name in self.named(self.client.api.containers(all=True), "Names")]
        found += [f"network {entry['Name']}" for entry in self.networks() if entry["Id"] not in self.held]
        found += [f"volume {entry['Name']}" for entry in self.volumes()] if volumes else []
        found += [f"image {entry['RepoTags'] or entry['Id']}" for entry in self.images()] if images else []
        return sorted(set(found))

    def named(self, entries: list[Json], key: str) -> list[str]:
        """Names of things of this fleet that are not a stranger's of this test."""
        return [
            entry[key][0]
            for entry in entries
            if entry[key] and entry[key][0].startswith(f"/{self.name}-") and TEST_LABEL not in (entry["Labels"] or {})
        ]

    # Strangers: what a test makes beside the fleet; fleetctl must leave them as they are

    @property
    def stranger_labels(self) -> dict[str, str]:
        return {TEST_LABEL: self.name}

    def stranger(self, name: str, *, start: bool = True, **options: Any) -> Any:
        """A container that is not the fleet's."""
        made = self.client.containers.create(TAG, name=name, labels=self.stranger_labels, **options)
        if start:
            made.start()
        return made

    def remove_everything(self) -> None:
        """Take down what is left, without fleetctl's help."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        api = self.client.api
        marks = [self.own_label, f"{TEST_LABEL}={self.name}", f"{labels.BUILT_FOR}={self.name}"]
        for mark in marks:
            for entry in api.containers(all=True, filters={"label": mark}):
                gone(api.remove_container, entry["Id"], v=True, force=True)
        for mark in marks:
            self.remove_networks(mark)
            for entry in api.volumes(filters={"label": mark})["Volumes"] or []:
                gone(api.remove_volume, entry["Name"])
            # The layers between go with the image that was tagged.
            for entry in api.images(filters={"label": mark}):
                gone(api.remove_image, entry["Id"], force=True)


def gone(remove: Callable[..., Any], name: str, **options: Any) -> None:
    """Remove, and be content where somebody else does."""
    try:
        remove(name, **options)
    except docker.errors.NotFound:
        pass
    except docker.errors.APIError as error:
        if "in progress" not in str(error):
            raise
