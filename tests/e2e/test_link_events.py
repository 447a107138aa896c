"""A change of links, addresses or routes is heard, here and in a namespace that a veth leads to."""

from __future__ import annotations

import os
import select
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from fleetctl.net.events import LinkEvents
from tests.e2e.open_files import open_files

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may make interfaces")
PATIENCE = 10.0


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    """A network namespace, and the veth on this side that leads there; inside it is called eth0."""
    name = f"t{uuid.uuid4().hex[:8]}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        yield name, name
    finally:
        subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)
        run("ip", "netns", "del", name)


def heard(events: LinkEvents) -> bool:
    readable, _, _ = select.select([events], [], [], PATIENCE)
    return bool(readable) and events.drain() > 0


def quiet(events: LinkEvents) -> None:
    """Take what came before."""
    while select.select([events], [], [], 0)[0]:
        events.drain()


def test_links_addresses_and_routes_are_heard_here_and_inside(pair: tuple[str, str]) -> None:
    namespace, veth = pair
    with closing(LinkEvents()) as events:
        assert events.everywhere
        inside = ("ip", "-n", namespace)
        for command in (
            ("ip", "link", "set", veth, "up"),
            (*inside, "link", "set", "eth0", "up"),
            (*inside, "addr", "add", "192.0.2.77/32", "dev", "eth0"),
            (*inside, "route", "add", "198.51.100.0/24", "dev", "eth0"),
            (*inside, "link", "set", "eth0", "mtu", "1400"),
        ):
            quiet(events)
            run(*command)
            assert heard(events), command


def test_closing_leaves_no_file_open(pair: tuple[str, str]) -> None:
    before = open_files()
    with closing(LinkEvents()) as events:
        run("ip", "link", "set", pair[1], "up")
        assert heard(events)
    assert open_files() <= before
