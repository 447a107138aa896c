"""`fleetctl up` converges from whatever befell a fleet, says why, and touches no replica that is well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.conftest import Bystanders, lend
from tests.e2e.project import Json, Project, idle, server, wait_for

HEALTH: Json = {"test": ["CMD", "test", "!", "-e", "/tmp/sick"], "interval": "0.2s", "retries": 1}
SERVICES: dict[str, Json] = {"web": server(2, healthcheck=HEALTH), "quiet": idle()}


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, client: docker.DockerClient, bystanders: Bystanders
) -> Iterator[Project]:
    """One fleet that every test here harms and mends again."""
    for project in lend(tmp_path_factory.mktemp("standing"), client, bystanders):
        project.write(SERVICES)
        yield project
        project.down("--timeout", "1")


def remove(fleet: Project) -> None:
    fleet.container("web-1").remove(force=True)


def remove_all_and_the_network(fleet: Project) -> None:
    for entry in fleet.containers():
        fleet.client.api.remove_container(entry["Id"], force=True)
    fleet.remove_networks(fleet.own_label)


def stop(fleet: Project) -> None:
    fleet.container("web-1").stop()


def pause(fleet: Project) -> None:
    fleet.container("web-1").pause()


def kill(fleet: Project) -> None:
    fleet.container("web-1").kill()
    fleet.container("web-1").wait()


def half_create(fleet: Project) -> None:
    """As a run leaves it that ends between create and start."""
    container = fleet.container("web-1")
    container.remove(force=True)
    body = {
        **container.attrs["Config"],
        "Hostname": None,
        "HostConfig": container.attrs["HostConfig"],
        "NetworkingConfig": {"EndpointsConfig": {f"{fleet.name}_default": {}}},
    }
    fleet.client.api.create_container_from_config(body, f"{fleet.name}-web-1")


def sicken(fleet: Project) -> None:
    container = fleet.container("web-1")
    container.exec_run(["touch", "/tmp/sick"])
    wait_for("web-1 is unhealthy", lambda: "unhealthy" in fleet.containers(service="web", replica="1")[0]["Status"])


def disconnect(fleet: Project) -> None:
    fleet.client.api.disconnect_container_from_network(fleet.ids()["web-1"], fleet.networks()[0]["Id"])


def rename(fleet: Project) -> None:
    """As an update leaves it that ends before its last step."""
    fleet.container("web-1").rename(f"{fleet.name}-web-1.next")


def scale_up(fleet: Project) -> None:
    """One more than the file asks for."""
    fleet.write({**SERVICES, "web": server(3, healthcheck=HEALTH)})
    fleet.up()
    fleet.write(SERVICES)


DAMAGES: list[tuple[Callable[[Project], None], str, set[str]]] = [
    # what is done, what the plan says of it, the replicas that may be new ones afterwards
    (remove, "replica 1 of 2 is missing", {"web-1"}),
    (remove_all_and_the_network, "it does not exist", {"web-1", "web-2", "quiet-1"}),
    (stop, "it has exited with code 0", set()),
    (kill, "it has exited with code 137", set()),
    (pause, "it is paused", set()),
    (half_create, "it was created and never started", {"web-1"}),
    (sicken, "it is unhealthy", {"web-1"}),
    (disconnect, "it is not connected to", set()),
    (rename, "an earlier update left it under another name", set()),
    (scale_up, "2 replicas are wanted", set()),
]


@pytest.mark.parametrize(("damage", "because", "replaced"), DAMAGES, ids=[damage.__name__ for damage, _, _ in DAMAGES])
def test_up_mends_what_was_damaged_and_leaves_the_rest_alone(
    standing: Project, damage: Callable[[Project], None], because: str, replaced: set[str]
) -> None:
    fleet = standing
    fleet.up()
    before = fleet.ids()
    damage(fleet)

    planned = fleet.run("plan", "--exit-code")
    assert planned.code == 1, planned
    assert because in planned.stdout, planned
    fleet.up("--timeout", "1")

    assert fleet.states() == {"quiet-1": "running", "web-1": "running", "web-2": "running"}
    assert {name for name, was in before.items() if fleet.ids()[name] != was} <= replaced
    assert len(fleet.networks()) == 1
    fleet.assert_converged()
    answers = fleet.run("curl", "--format", "json")
    assert answers.code == 0, answers
    assert len({reply["identity"] for reply in answers.json()["replies"]}) == 2


def test_up_unplugs_a_replica_from_a_network_the_file_does_not_name(fleet: Project) -> None:
    fleet.write({"web": server(1)})
    fleet.up()
    foreign = fleet.client.networks.create(f"{fleet.name}-foreign", labels=fleet.stranger_labels)
    foreign.connect(fleet.ids()["web-1"])
    fleet.up()
    assert fleet.containers()[0]["NetworkSettings"]["Networks"].keys() == {f"{fleet.name}_default"}
    foreign.reload()
    assert foreign.containers == []


def test_up_moves_replicas_when_the_file_names_another_network(fleet: Project) -> None:
    networks: Json = {"lan": None, "wan": None}
    fleet.write({"web": server(2, networks=["lan"])}, networks=networks)
    fleet.up()
    fleet.write({"web": server(2, networks=["lan", "wan"])}, networks=networks)
    fleet.up("--timeout", "1")
    for entry in fleet.containers():
        assert entry["NetworkSettings"]["Networks"].keys() == {f"{fleet.name}_lan", f"{fleet.name}_wan"}
    fleet.assert_converged()
    fleet.down("--timeout", "1")


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"environment": {"GREETING": "hello"}}, "services.web.environment.GREETING changed"),
        ({"labels": {"tier": "front"}}, "services.web.labels.tier changed"),
        ({"stop_grace_period": "3s"}, "services.web.stop_grace_period changed"),
    ],
    ids=["environment", "labels", "stop_grace_period"],
)
def test_a_changed_key_replaces_the_service_and_is_named_as_the_reason(
    fleet: Project, change: dict[str, Any], because: str
) -> None:
    fleet.write({"web": idle(1), "other": idle(1)})
    fleet.up()
    before = fleet.ids()
    fleet.write({"web": idle(1, **change), "other": idle(1)})
    planned = fleet.run("plan", "--format", "json")
    steps = planned.json()["steps"]
    assert {(step["action"], step["because"]) for step in steps} >= {("create", because)}, planned
    fleet.up()
    after = fleet.ids()
    assert after["web-1"] != before["web-1"]
    assert after["other-1"] == before["other-1"]
    fleet.assert_converged()


def test_a_changed_config_file_replaces_what_mounts_it(fleet: Project) -> None:
    (fleet.directory / "page").write_text("one")
    fleet.write({"web": idle(1, configs=["page"])}, configs={"page": {"file": "./page"}})
    fleet.up()
    before = fleet.ids()
    fleet.assert_converged()
    (fleet.directory / "page").write_text("two")
    fleet.up()
    assert fleet.ids()["web-1"] != before["web-1"]
    assert fleet.run("exec", "-T", "web", "cat", "/page").stdout == "two"


def test_a_changed_network_is_made_anew_with_its_replicas(fleet: Project, free_subnet: Callable[[int], str]) -> None:
    first, second = free_subnet(24), free_subnet(24)
    network = {"ipam": {"config": [{"subnet": first}]}}
    fleet.write({"web": server(2)}, networks={"default": network})
    fleet.up()
    fleet.write({"web": server(2)}, networks={"default": {"ipam": {"config": [{"subnet": second}]}}})
    assert "networks.default" in fleet.run("plan").stdout
    fleet.up("--timeout", "1")
    assert [entry["IPAM"]["Config"][0]["Subnet"] for entry in fleet.networks()] == [second]
    assert fleet.states() == {"web-1": "running", "web-2": "running"}
    fleet.assert_converged()


def test_data_in_a_volume_outlives_replicas_and_down_but_not_down_with_v(fleet: Project, tmp_path: Path) -> None:
    fleet.write({"db": idle(1, volumes=["data:/data"], user="0:0")}, volumes={"data": None})
    fleet.up()
    assert fleet.run("exec", "-T", "db", "sh", "-c", "echo kept > /data/file").code == 0
    fleet.down()
    fleet.up("--force-recreate")
    assert fleet.run("exec", "-T", "db", "cat", "/data/file").stdout == "kept\n"
    fleet.down("-v")
