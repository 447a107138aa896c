"""The ways to a target are told apart by where they begin, and by the address asked where it has several."""

from __future__ import annotations

from dataclasses import replace

from fleetctl.diagnosis.scene import Way
from fleetctl.inquiry.targets import Meant, Wanted
from fleetctl.inquiry.ways import ways_to
from fleetctl.state.observed import Endpoint
from tests.fakes.made_up_scene import healthy, scene

SEEN = scene(healthy())
WEB_1, WEB_2 = SEEN.containers
NETWORKS = {one.id: one for one in SEEN.topology.networks}
BACK = Endpoint("back0123456789a", "back", ipv4="10.8.0.2")
IN_BOTH = replace(WEB_1, endpoints={**WEB_1.endpoints, "back": BACK})


def ways(meant: Meant) -> tuple[Way, ...]:
    """Those of a target on port 8080, from web-2 and from everywhere else."""
    return tuple(ways_to(meant, [WEB_2], NETWORKS, from_named=False, host=None, ports=WEB_1.ports))


def test_a_target_of_one_address_needs_no_word_about_it() -> None:
    found = [one.source for one in ways(Meant(Wanted("web-1", "web-1"), WEB_1, 8080))]
    assert found == ["inside (127.0.0.1)", "inside (own address)", "the host", "web-2", "the host (port 18080)"]


def test_of_several_addresses_each_way_names_the_one_that_it_asks() -> None:
    found = [one.source for one in ways(Meant(Wanted("web-1", "web-1"), IN_BOTH, 8080))]
    assert found == [
        "inside (127.0.0.1)",
        "inside (own address 10.9.0.2)",
        "the host (to 10.9.0.2)",
        "inside (own address 10.8.0.2)",
        "web-2 (to 10.9.0.2)",
        "the host (port 18080)",
    ]


def test_where_one_of_several_addresses_was_asked_for_there_is_none_to_tell_it_from() -> None:
    found = [one.source for one in ways(Meant(Wanted("10.9.0.2", "10.9.0.2"), IN_BOTH, 8080, address="10.9.0.2"))]
    assert found == ["inside (127.0.0.1)", "inside (own address)", "the host", "web-2", "the host (port 18080)"]
