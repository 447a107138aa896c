"""A digest changes exactly when what a container or network is made from changes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fleetctl.spec.digest import network_digests, replica_digests, volume_digests
from fleetctl.spec.load import load_fleet

BASE = """
services:
  web:
    image: x
    command: [a]
    environment: {GREETING: hi}
    networks: {lan: {aliases: [b, a]}}
    configs: [site]
    volumes: ["data:/data"]
    deploy: {replicas: 2}
networks: {lan: {driver_opts: {o: 1}}}
volumes: {data: {}}
configs: {site: {file: site.conf}}
"""


def digests(directory: Path, text: str, image_id: str = "sha256:1", network_id: str = "n1") -> dict[str, str]:
    site = directory / "site.conf"
    if not site.exists():
        site.write_text("one")
    path = directory / "fleet.yaml"
    path.write_text(text)
    fleet = load_fleet([path], {})
    names = {key: volume.engine_name for key, volume in fleet.volumes.items()}
    return replica_digests(fleet.services["web"], image_id=image_id, networks={"lan": network_id}, volumes=names)


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ("GREETING: hi", "GREETING: ho", {"environment.GREETING"}),
        ("GREETING: hi", "GREETING: hi, B: c", {"environment.B"}),
        ("command: [a]", "command: [b]", {"command"}),
        ("    command: [a]\n", "", {"command"}),
        ("command: [a]", "command: []", {"command"}),
        ("aliases: [b, a]", "aliases: [b]", {"networks.lan"}),
        ("image: x", "image: x\n    x-fleet: {baseline: compatible}",
         {"read_only", "user", "cap_drop", "tmpfs./tmp", "ulimits.nofile", "ulimits.core", "restart",
          "deploy.resources.limits.pids"}),
        ("image: x", "image: x\n    ports: [\"8081-8082:80\"]", {"ports"}),
        ("data: {}", "data: {name: other}", {"volumes./data"}),
        ("image: x", "image: x\n    stop_grace_period: 1s", {"stop_grace_period"}),
        # What a container is not made from:
        ("replicas: 2", "replicas: 5, update_config: {parallelism: 3, order: stop-first}, labels: [a=b]", set()),
        ("replicas: 2", "replicas: 2, rollback_config: {parallelism: 3, order: stop-first}", set()),
        ("image: x", "image: y", set()),
        ("image: x", "image: x\n    pull_policy: always\n    x-fleet: {http: 80}", set()),
        ("services:", "services:\n  other: {image: z, depends_on: [web]}", set()),
        ("aliases: [b, a]", "aliases: [a, b]", set()),
    ],
)  # fmt: skip
def test_a_change_shows_at_its_key(tmp_path: Path, old: str, new: str, paths: set[str]) -> None:
    assert old in BASE
    assert changed(digests(tmp_path, BASE), digests(tmp_path, BASE.replace(old, new))) == paths


BALANCER = """
services:
  other: {image: z, x-fleet: {http: 80}}
  more: {image: z, x-fleet: {http: 80}}
  web: {image: x, x-fleet: {balance: {service: other}}}
"""


def test_a_balancer_is_made_anew_when_it_becomes_one_but_not_for_what_it_balances(tmp_path: Path) -> None:
    """Its settings reach it while it runs."""
    before = digests(tmp_path, BALANCER)
    plain = digests(tmp_path, BALANCER.replace(", x-fleet: {balance: {service: other}}", ""))
    assert changed(before, plain) == {"x-fleet.balance", "ulimits.nofile"}
    for other in ("{service: more}", "[{service: other}, {service: more, port: 81}]", "{service: other, retries: 0}"):
        assert digests(tmp_path, BALANCER.replace("{service: other}", other)) == before


def test_image_network_and_the_content_of_files_are_covered(tmp_path: Path) -> None:
    before = digests(tmp_path, BASE)
    assert changed(before, digests(tmp_path, BASE, image_id="sha256:2")) == {"image"}
    assert changed(before, digests(tmp_path, BASE, network_id="n2")) == {"networks.lan"}
    (tmp_path / "site.conf").write_text("two")
    assert changed(before, digests(tmp_path, BASE)) == {"configs.site"}


def test_a_digest_is_the_beginning_of_a_known_hash(tmp_path: Path) -> None:
    """Digests are written on containers, so their form must not change between releases."""
    expected = hashlib.sha256(json.dumps("hi").encode()).hexdigest()[:8]
    assert digests(tmp_path, BASE)["environment.GREETING"] == expected


def test_digests_of_a_network_name_what_changed(tmp_path: Path) -> None:
    def of(text: str) -> dict[str, str]:
        path = tmp_path / "fleet.yaml"
        path.write_text("services: {web: {image: x}}\nnetworks: {lan: " + text + "}\n")
        return network_digests(load_fleet([path], {}).networks["lan"])

    before = of("{driver_opts: {o: 1}}")
    assert changed(before, of("{driver_opts: {o: 2}}")) == {"driver_opts.o"}
    assert changed(before, of("{driver_opts: {o: 1}, internal: true}")) == {"internal"}
    assert changed(before, of("{driver_opts: {o: 1}, ipam: {config: [{subnet: 10.0.0.0/24}]}}")) == {"ipam.config"}
    assert of("{external: true}") == {}


def test_what_a_volume_is_made_from_is_its_driver_options_and_labels(tmp_path: Path) -> None:
    """Not its name: one of another name is another volume."""

    def of_volume(says: str) -> dict[str, str]:
        path = tmp_path / "fleet.yaml"
        path.write_text(f"services: {{web: {{image: x, volumes: ['data:/d']}}}}\nvolumes: {{data: {says}}}\n")
        return volume_digests(load_fleet([path], {}).volumes["data"])

    usual = of_volume("{}")
    assert usual == of_volume("{driver: local, name: other}")
    assert changed(usual, of_volume("{driver_opts: {size: 1g}}")) == {"driver_opts.size"}
    assert changed(usual, of_volume("{labels: {a: b}}")) == {"labels.a"}
    assert changed(usual, of_volume("{driver: other}")) == {"driver"}
    assert of_volume("{external: true}") == {}
