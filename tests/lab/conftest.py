"""The laboratory is made once for all tests of a process, and its fleet is asked with fleetctl diagnose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.fleet import Fleet
from tests.lab.laboratory import laboratory


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """A healthy fleet in a laboratory of its own."""
    with laboratory() as lab:
        made = Fleet(lab)
        made.launch()
        with made.outside_server():
            yield made


@pytest.fixture(scope="session")
def proxyless_fleet() -> Iterator[Fleet]:
    """The same under an engine without docker-proxy, which may be restarted."""
    with laboratory("--userland-proxy=false") as lab:
        made = Fleet(lab)
        made.launch()
        yield made
