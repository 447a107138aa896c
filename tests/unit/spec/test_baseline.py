"""Who opted out of the baseline, and who runs without limits, can be told in sentences with their places."""

from __future__ import annotations

from pathlib import Path

from fleetctl.spec.baseline import missing_limits, opt_outs
from fleetctl.spec.load import load_fleet
from fleetctl.spec.model import Fleet


def load(directory: Path, text: str) -> Fleet:
    path = directory / "fleet.yaml"
    path.write_text(text)
    return load_fleet([path], {})


def test_a_restricted_service_has_not_opted_out(tmp_path: Path) -> None:
    fleet = load(tmp_path, 'services: {a: {image: x, ports: ["80"], security_opt: [apparmor=mine]}}')
    assert opt_outs(fleet.services["a"]) == ()


def test_each_opt_out_is_a_sentence_with_its_place(tmp_path: Path) -> None:
    text = """services:
  a:
    image: x
    read_only: false
    cap_drop: []
    cap_add: [NET_ADMIN]
    user: root
    security_opt: ["no-new-privileges:false"]
    ports: ["0.0.0.0:80:80", "[::1]:81:81", "[::]:82:82"]
    deploy: {resources: {limits: {pids: 65}}}
  b: {image: x, x-fleet: {baseline: compatible}}
"""
    services = load(tmp_path, text).services
    place = tmp_path / "fleet.yaml"
    assert opt_outs(services["a"]) == (
        f"a can write to its root file system (read_only, {place}:4:5)",
        f"a keeps the engine's usual capabilities (cap_drop, {place}:5:5)",
        f"a may run 65 processes (deploy.resources.limits.pids, {place}:10:35)",
        f"a is published on 0.0.0.0 (ports, {place}:9:5)",
        f"a is published on :: (ports, {place}:9:5)",
        f"a has the capabilities NET_ADMIN (cap_add, {place}:6:5)",
        f"a can gain privileges by set-user-ID programs (security_opt, {place}:8:5)",
        f"a runs as root (user, {place}:7:5)",
    )
    assert opt_outs(services["b"]) == (f"b runs under the compatible baseline (x-fleet.baseline, {place}:11:27)",)


def test_missing_limits_are_named(tmp_path: Path) -> None:
    fleet = load(tmp_path, "services: {a: {image: x, deploy: {resources: {limits: {memory: 64m}}}}}")
    assert missing_limits(fleet) == ("a has no limit of processors (deploy.resources.limits.cpus)",)
