"""What `curl` says where nobody could be asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetctl.commands.curl import nobody_to_ask
from fleetctl.spec.model import Fleet, HttpSettings, Service

WEB = Service("web", "i", http=HttpSettings(8080))
FLEET = Fleet("f", Path(), (), {"web": WEB, "balancer": Service("balancer", "i"), "db": Service("db", "i")})


@pytest.mark.parametrize("names", [(), ("web",), ("web", "balancer")])
def test_a_service_that_can_be_asked_and_has_no_replica_is_the_cause(names: tuple[str, ...]) -> None:
    """Not that the others, which are there, cannot be asked at all."""
    error = nobody_to_ask(FLEET, {"balancer"} if names != ("web",) else set(), names)
    assert error.message == "fleet f has no replica to ask"
    assert error.hint == "start it with 'fleetctl up'"


def test_where_the_file_asks_for_no_replica_up_alone_starts_none() -> None:
    fleet = replace(FLEET, services={**FLEET.services, "web": replace(WEB, replicas=0)})
    assert "up --scale web=1" in str(nobody_to_ask(fleet, {"balancer"}, ()).hint)


def test_of_services_that_speak_no_http_it_is_told_how_to_say_so() -> None:
    assert nobody_to_ask(FLEET, {"balancer"}, ("balancer",)).message == "fleet.yaml does not say how to ask balancer"
    alone = replace(FLEET, services={"db": FLEET.services["db"]})
    assert nobody_to_ask(alone, {"db"}, ()).message == "fleet.yaml does not say how to ask db"
