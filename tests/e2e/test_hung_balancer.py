"""A balancer that ends again and again while those behind it change."""

from __future__ import annotations

import pytest

from tests.e2e.balanced import Balanced, lend_balanced
from tests.e2e.project import wait_for

balanced = pytest.fixture(scope="module", name="balanced")(lend_balanced)


def write_next(balanced: Balanced) -> None:
    """Another release of web, behind a balancer that the engine starts again however often it ends."""
    balanced.write_next()
    path = balanced.project.directory / "fleet.yaml"
    path.write_text(path.read_text().replace("  balancer:\n", "  balancer:\n    restart: always\n"))


def limit(balanced: Balanced, memory: str) -> None:
    balanced.balancer.update(mem_limit=memory, memswap_limit=memory)


def test_it_comes_back_with_those_who_were_replaced_meanwhile(balanced: Balanced) -> None:
    """Where it is not asked for, nobody behind it is replaced: it could not be told."""
    write_next(balanced)
    balanced.project.up()
    balanced.wait_serving("web-1", "web-2")
    balanced.balancer.stop(timeout=1)
    limit(balanced, "6m")
    balanced.balancer.start()
    wait_for("it is in its loop", lambda: balanced.project.states()["balancer-1"] == "restarting")
    before = balanced.project.ids()
    write_next(balanced)
    done = balanced.project.up("web", "--wait-timeout", "3", code=1)
    assert f"error: {balanced.project.name}-balancer-1 " in done.stderr
    assert balanced.project.ids() == before
    balanced.project.up("--wait-timeout", "3", code=1)
    now = balanced.project.ids()
    assert now["balancer-1"] == before["balancer-1"]
    assert not {now["web-1"], now["web-2"]} & {before["web-1"], before["web-2"]}
    limit(balanced, "256m")
    balanced.wait_serving("web-1", "web-2")
    balanced.project.assert_converged()
