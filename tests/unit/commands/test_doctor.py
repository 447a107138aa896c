"""From where doctor says that the wiring can be seen, and of which engine it says so; no real one is asked here."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer

import docker
import pytest

from fleetctl.commands.doctor import access, examine
from fleetctl.commands.options import FleetSource
from fleetctl.engine.docker_host import DockerHost
from fleetctl.engine.endpoint import Endpoint


def engine_at(address: str) -> DockerHost:
    client = docker.APIClient(base_url=address, version="1.41")  # named, and never spoken to
    return DockerHost(client, Endpoint(address, "a test"))


@pytest.fixture(autouse=True)
def no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEET_VANTAGE", raising=False)


@pytest.fixture
def far() -> Iterator[DockerHost]:
    engine = engine_at("tcp://192.0.2.7:2375")
    yield engine
    engine.close()


def test_the_wiring_of_an_engine_elsewhere_is_seen_through_a_helper_container(far: DockerHost) -> None:
    found = access(far)
    assert (found.verdict, found.cure) == ("ok", "")
    assert found.told == "through a helper container (the engine is on another host, or in a virtual machine)"


AS_NOBODY = """
import os, socket, sys
from fleetctl.vantage import helper, local
from tests.unit.commands.test_doctor import access, engine_at
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
engine = engine_at("unix://" + sys.argv[1])
os.setresuid(65534, 65534, 65534)
found = access(engine)
print(found.verdict, found.told, found.cure, sep="|")
"""


def as_nobody(tmp_path: Path) -> str:
    """What is found here by an ordinary user."""
    command = [sys.executable, "-c", AS_NOBODY, str(tmp_path / "s")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_ordinary_user_sees_the_wiring_through_a_helper_container(tmp_path: Path) -> None:
    verdict, told, cure = as_nobody(tmp_path).strip().split("|")
    assert (verdict, cure) == ("ok", "")
    assert told.startswith("through a helper container (")
    assert "CAP_SYS_PTRACE" in told


def test_an_ordinary_user_who_insists_on_looking_alone_is_told_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_VANTAGE", "direct")
    verdict, told, cure = as_nobody(tmp_path).strip().split("|")
    assert verdict == "warning"
    assert "CAP_SYS_PTRACE" in told
    assert cure == "unset FLEET_VANTAGE: a helper container sees all of it"


def test_root_on_the_engines_host_looks_by_itself(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        engine = engine_at(f"unix://{tmp_path}/s")
        found = access(engine)
        engine.close()
    assert found.verdict == "ok", "the tests run as root"
    assert found.told == "from this host: its links and those of every replica can be read"


class Fainting(BaseHTTPRequestHandler):
    """An engine that says which version of its API it speaks, and fails at everything that it is asked in it."""

    def do_GET(self) -> None:
        said, status = (b'{"ApiVersion": "1.41"}', 200) if self.path == "/version" else (b'{"message": "no"}', 500)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def test_nothing_more_is_said_of_an_engine_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fleet.yaml").write_text("name: f\nservices: {web: {image: app}}\n")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
    with UnixStreamServer(str(tmp_path / "s"), Fainting) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            found = list(examine(FleetSource(files=(str(tmp_path / "fleet.yaml"),))))
        finally:
            server.shutdown()
            serving.join()
    verdicts = {one.subject: one.verdict for one in found}
    assert verdicts["engine"] == "error"
    assert verdicts["file"] == "ok"
    assert not {"network view", "image app"} & verdicts.keys()


def test_a_wish_is_told_where_it_decides(far: DockerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_VANTAGE", "none")
    found = access(far)
    assert (found.verdict, found.cure) == ("warning", "unset FLEET_VANTAGE: a helper container sees all of it")
    assert found.told == "the engine only (FLEET_VANTAGE=none asks for nothing more than the engine says)"
    monkeypatch.setenv("FLEET_VANTAGE", "helper")
    assert access(far).told == "through a helper container (FLEET_VANTAGE=helper)"


def test_a_wish_that_cannot_be_meant_is_the_network_views_error(
    far: DockerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_VANTAGE", "direct")
    found = access(far)
    assert (found.subject, found.verdict, found.exit_code) == ("network view", "error", 2)
    assert found.cure == "unset it, or set it to helper"
