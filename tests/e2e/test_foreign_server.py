"""A server that is not ours, balanced: Debian's nginx, on a port of its own, told apart by a regular expression."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.unit.spec.compose_peer import check_compose_accepts

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "nginx"
IMAGE = "fleetctl-example/nginx"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its packages, for the base that the other images have, which its .env names.

    They are fetched into the copy, for other tests copy the repository meanwhile, or fetch as well.
    """
    chosen = re.search(r"^FLEET_BASE=(.+)$", (ROOT / ".env").read_text(), re.MULTILINE)
    assert chosen is not None, "'make base' chooses one"
    copy = tmp_path_factory.mktemp("nginx")
    shutil.copytree(EXAMPLE, copy, dirs_exist_ok=True)
    subprocess.run([copy / "fetch-packages", chosen[1]], check=True)
    (copy / ".env").write_text(f"FLEET_BASE={chosen[1]}\n")
    return copy


@pytest.fixture
def hello(fleet: Project, example: Path) -> Project:
    """The example under a name of this test's own."""
    check_compose_accepts(EXAMPLE / "fleet.yaml")
    shutil.copytree(example, fleet.directory, dirs_exist_ok=True)
    text = (EXAMPLE / "fleet.yaml").read_text()
    fleet.write_text(
        re.sub(r"^name: .*\n", "", text, flags=re.MULTILINE).replace(f"{IMAGE}:local", f"{IMAGE}:{fleet.name}")
    )
    return fleet


def test_debians_nginx_runs_confined_and_every_replica_answers_with_its_host_name(hello: Project) -> None:
    hello.up()
    asked = hello.run("curl", "nginx", "--format", "json")
    assert asked.code == 0, asked
    containers = hello.containers(service="nginx")
    assert len(containers) == 3
    told = {reply["identity"] for reply in asked.json()["replies"]}
    assert told == {entry["Id"][:12] for entry in containers}, asked
    verified = hello.run("verify", "nginx")
    assert verified.code == 0, verified
    assert "PASS" in verified.stdout
    for entry in containers:
        facts = hello.client.api.inspect_container(entry["Id"])
        assert facts["HostConfig"]["ReadonlyRootfs"]
        assert facts["HostConfig"]["CapDrop"] == ["ALL"]
        assert facts["Config"]["User"] == "10001:10001"
        assert facts["RestartCount"] == 0
    hello.down("--rmi", "local")


def test_a_replica_that_is_told_to_stop_ends_at_once_and_well(hello: Project) -> None:
    """The image's own stop signal is SIGQUIT, at which nginx ends what it has begun."""
    hello.up("--scale", "nginx=1")
    container = hello.container("nginx-1")
    hello.run("stop", "nginx")
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0
    hello.down("--rmi", "local")
