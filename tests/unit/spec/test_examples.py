"""Every fleet.yaml that we publish is read, Compose reads it too, and the support matrix has every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleetctl.spec import compose, compose_deploy, compose_parts, compose_service
from fleetctl.spec.compose_values import Shape
from fleetctl.spec.document import to_document
from fleetctl.spec.load import load_fleet
from fleetctl.spec.refused import REFUSED
from fleetctl.spec.yaml_text import render_yaml
from tests.unit.spec.compose_peer import check_compose_accepts

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "docs" / "examples").rglob("*.yaml"))
MATRIX = (ROOT / "docs" / "fleet-yaml.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", MATRIX, re.MULTILINE | re.DOTALL)
SHAPES = {
    shape
    for module in (compose, compose_service, compose_parts, compose_deploy)
    for shape in vars(module).values()
    if isinstance(shape, type) and issubclass(shape, Shape) and shape is not Shape
}


@pytest.mark.parametrize("path", [ROOT / "fleet.yaml", *EXAMPLES], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_file_is_read_and_so_is_what_config_prints_of_it(path: Path, tmp_path: Path) -> None:
    fleet = load_fleet([path], {}, profiles=["*"])
    assert fleet.warnings == ()
    printed = tmp_path / "printed.yaml"
    printed.write_text(render_yaml(to_document(fleet)))
    check_compose_accepts(path)
    check_compose_accepts(printed)


@pytest.mark.parametrize("text", BLOCKS, ids=range(len(BLOCKS)))
def test_every_file_shown_in_the_document_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(text)
    load_fleet([path], {})
    check_compose_accepts(path)


def test_the_matrix_has_every_key() -> None:
    """Honoured keys and refused ones are listed, and nothing is both."""
    honoured, refused = MATRIX.split("## What is refused")
    for shape in SHAPES:
        for key in shape.__struct_encode_fields__:
            assert re.search(rf"\b{re.escape(key)}\b", honoured), f"{shape.__name__}.{key}"
            assert key not in REFUSED.get(shape.__name__, {})
    for name, reasons in REFUSED.items():
        for key in reasons:
            assert f"`{key.replace('=', ': ')}`" in refused, f"{name}.{key}"


def test_the_repository_runs_three_replicas_within_limits() -> None:
    """What the README promises of the first `make up`."""
    fleet = load_fleet([ROOT / "fleet.yaml"], {})
    web = fleet.services["web"]
    assert (fleet.name, list(fleet.services), list(fleet.networks)) == ("fleet", ["balancer", "web"], ["lan"])
    assert (web.replicas, web.limits.memory, web.limits.cpus, web.baseline) == (3, 128 << 20, 0.5, "restricted")
    assert web.http is not None
    assert (web.http.port, web.http.health_path) == (8080, "/healthz")
    (balance,) = fleet.services["balancer"].balance
    assert (balance.service, balance.target_port, balance.health_path) == ("web", 8080, "/healthz")
    (port,) = fleet.services["balancer"].ports
    assert (port.host_ip, port.published) == ("127.0.0.1", (8080, 8080))
