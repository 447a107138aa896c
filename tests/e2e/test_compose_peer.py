"""fleet.yaml stays a Compose file: the peer itself accepts what the repository holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.harness.peer import Compose, find_compose
from bench.harness.process import FailedError

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "fleet.yaml", *sorted((ROOT / "docs" / "examples").rglob("*.yaml"))]


@pytest.fixture(scope="module")
def compose() -> Compose:
    found = find_compose(fetch=False)
    if found is None:
        pytest.skip("docker compose is not at hand; bench/compose-peer fetches it")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_docker_compose_accepts_every_file_of_ours(compose: Compose, file: Path) -> None:
    """`docker compose config -q` finds nothing wrong, so a user can leave as easily as come."""
    assert compose.run(file, "config", "-q").output == ""


def test_docker_compose_refuses_what_is_no_compose_file(compose: Compose, tmp_path: Path) -> None:
    """So its silence about the others says something."""
    file = tmp_path / "fleet.yaml"
    file.write_text("services: {web: {image: app, replicas: 3}}\n")
    with pytest.raises(FailedError, match="replicas"):
        compose.run(file, "config", "-q")
