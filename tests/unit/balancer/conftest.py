"""For every test of a balancer."""

from __future__ import annotations

import pytest

from fleetctl.balancer import driver, live


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other without a pause."""
    monkeypatch.setattr(driver, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(live, "LOOK_EVERY", 0.0)
