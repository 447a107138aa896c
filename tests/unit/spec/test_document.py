"""The effective configuration says everything, reads back to the same fleet, and knows where each value comes from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fleetctl.spec.baseline import baseline_notes
from fleetctl.spec.compose_service import ServiceShape
from fleetctl.spec.document import document_origins, to_document
from fleetctl.spec.load import load_fleet
from fleetctl.spec.model import Fleet
from fleetctl.spec.yaml_text import render_yaml
from tests.unit.spec.compose_peer import check_compose_accepts

FULL = Path(__file__).with_name("full.yaml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "site.conf").write_text("x")
    (tmp_path / "app.env").write_text("FROM_FILE='a $ b'\n")
    shutil.copy(FULL, tmp_path / "fleet.yaml")
    return tmp_path


def bare(fleet: Fleet) -> Fleet:
    """Without what the text of the file alone decides."""
    services = {name: replace(service, origins={}) for name, service in fleet.services.items()}
    return replace(fleet, files=(), warnings=(), services=services)


def load_full(project: Path) -> Fleet:
    return load_fleet([project / "fleet.yaml"], {"PASSED": "passed"}, profiles=["*"])


def test_the_document_reads_back_to_the_same_fleet(project: Path) -> None:
    """to_document is a right inverse of load_fleet, for a file with every key, in another environment."""
    fleet = load_full(project)
    (project / "again.yaml").write_text(render_yaml(to_document(fleet)))
    again = load_fleet([project / "again.yaml"], {}, profiles=["*"])
    check_compose_accepts(project / "fleet.yaml", {"PASSED": "passed"})
    check_compose_accepts(project / "again.yaml")
    assert bare(again) == bare(fleet)
    assert to_document(again) == to_document(fleet)


def test_the_full_file_has_every_key_of_a_service() -> None:
    """Else the round trip would prove less than it says."""
    text = FULL.read_text()
    assert [key for key in ServiceShape.__struct_encode_fields__ if f"{key}:" not in text] == []


def test_every_value_has_an_origin(project: Path) -> None:
    fleet = load_full(project)
    origins = document_origins(fleet)

    def place(text: str) -> str:
        """Where the full file says this, which it says once."""
        lines = FULL.read_text().splitlines()
        [(line, content)] = [(number, line) for number, line in enumerate(lines, 1) if text in line]
        return f"{project / 'fleet.yaml'}:{line}:{content.index(text) + 1}"

    assert origins["services.web.environment.GREETING"] == place("GREETING:")
    assert origins["services.web.environment.FROM_FILE"] == "app.env:1:1"
    assert origins["services.web.deploy.resources.limits.pids"] == place("pids: 100")
    assert origins["services.web.restart"] == place("condition: on-failure")
    assert origins["services.web.tmpfs[0]"] == "baseline restricted"
    assert origins["services.web.ulimits.core.hard"] == "baseline restricted"
    assert origins["services.db.logging.options.max-size"] == "baseline compatible"
    assert origins["services.db.deploy.mode"] == "default"
    assert origins["services.tool.read_only"] == "baseline restricted"
    assert origins["services.web.deploy.update_config.max_failure_ratio"] == place("max_failure_ratio: 0.25")
    assert origins["services.web.deploy.rollback_config.order"] == place("order: stop-first, monitor: 1s")
    assert origins["services.db.deploy.rollback_config.order"] == "default"


def test_each_value_of_a_balancer_has_its_own_origin(project: Path) -> None:
    """Also in a list; and what the balanced service lends comes from where that says it."""
    origins = document_origins(load_full(project))
    lines = FULL.read_text().splitlines()

    def place(text: str) -> str:
        [(line, content)] = [(number, line) for number, line in enumerate(lines, 1) if text in line]
        return f"{project / 'fleet.yaml'}:{line}:{content.index(text) + 1}"

    assert origins["services.lb.x-fleet.balance[0].timeout"] == place("timeout: 1.5s")
    assert origins["services.lb.x-fleet.balance[0].host"] == place("host: WWW")
    assert origins["services.lb.x-fleet.balance[1].service"] == place("service: web}")
    assert origins["services.lb.x-fleet.balance[1].timeout"] == "default"
    assert origins["services.lb.x-fleet.balance[1].target_port"] == place('port: 8080, path: "/who')
    assert origins["services.lb.x-fleet.balance[1].health_path"] == place("health_path: /healthz")
    assert origins["services.inner.x-fleet.balance.target_port"] == place("target_port: 5432")
    assert origins["services.inner.x-fleet.balance.health_path"] == "default"
    assert origins["services.lb.ulimits.nofile.soft"] == "baseline restricted"


def test_the_user_that_the_baseline_gives_to_an_image_without_one_is_told(tmp_path: Path) -> None:
    """Which image has one only the engine knows, so it is no value; a user of the file, or of no baseline, says all."""
    (tmp_path / "fleet.yaml").write_text(
        "services:\n"
        "  bare: {image: x}\n"
        "  said: {image: x, user: '0'}\n"
        "  open: {image: x, x-fleet: {baseline: compatible}}\n"
    )
    assert baseline_notes(load_fleet([tmp_path / "fleet.yaml"], {})) == {
        "services.bare.image": "user: 10001:10001 where the image names none (baseline restricted)"
    }


def test_labels_of_a_swarm_service_are_warned_of(project: Path) -> None:
    fleet = load_full(project)
    assert len(fleet.warnings) == 1
    assert "deploy.labels" in fleet.warnings[0]
