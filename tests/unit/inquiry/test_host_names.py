"""A name that no container has is a host's, where this host knows it, or leads nowhere."""

from __future__ import annotations

import socket

import pytest

from fleetctl.inquiry.targets import Meant, find, parse
from fleetctl.inquiry.world import World
from tests.fakes.made_up_scene import healthy, scene

SCENE = scene(healthy())
WEB_1 = SCENE.containers[0]
WORLD = World(None, SCENE.containers, SCENE.networks)


def problem(meant: Meant) -> str:
    """The problem as hop/cause at where."""
    assert meant.problem
    assert meant.problem.evidence
    return f"{meant.problem.hop}/{meant.problem.cause} at {meant.problem.where}"


def by_name(text: str, *, address: str | None = None) -> Meant:
    """What is meant where this host knows a name at that address only."""

    def lookup(name: str) -> str:
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return address

    (meant,) = find(parse(text), WORLD, lookup=lookup)
    return meant


@pytest.mark.parametrize("text", ["shop.invalid:80", "http://shop.invalid/", "https://shop.invalid/a", "shop.invalid"])
def test_a_host_that_nobody_knows_is_an_unknown_name_and_no_missing_container(text: str) -> None:
    meant = by_name(text)
    assert problem(meant) == "name/unknown-name at shop.invalid"
    assert meant.problem
    assert "Name or service not known" in meant.problem.evidence[0].fact


@pytest.mark.parametrize("text", ["wbe-1", "wbe-1:8080", "http://wbe-1:8080/"])
def test_a_name_without_a_domain_that_nobody_knows_is_a_containers_that_is_not_there(text: str) -> None:
    assert problem(by_name(text)) == "container/no-such-container at wbe-1"


def test_a_name_alone_is_not_looked_up() -> None:
    assert problem(by_name("elsewhere", address="192.0.2.9")) == "container/no-such-container at elsewhere"


def test_a_host_that_is_known_is_asked_at_its_address_and_by_its_name() -> None:
    meant = by_name("http://shop.example/", address="192.0.2.9")
    assert (meant.problem, meant.container, meant.address, meant.port) == (None, None, "192.0.2.9", 80)
    assert meant.host == "shop.example"


def test_a_name_of_this_host_leads_to_the_container_that_publishes_the_port() -> None:
    meant = by_name("here:18080", address="127.0.1.1")
    assert (meant.container, meant.port, meant.host) == (WEB_1, 8080, "here:18080")


def test_what_can_be_no_name_is_an_unknown_one() -> None:
    (meant,) = find(parse(f"{'a' * 64}.invalid:80"), WORLD)
    assert problem(meant) == f"name/unknown-name at {'a' * 64}.invalid"
