"""Which replica an answer of Docker's name server stands for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from fleetctl.inquiry.name_rounds import answer_of, client_of, members_of
from fleetctl.state.distribution import Answer, Member
from fleetctl.state.observed import Endpoint, Replica
from fleetctl.state.probes import Question, Resolution

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
ASKED = Question(1, "web")


def replica(service: str, number: int, **addresses: str) -> Replica:
    """By network its address."""
    ends = {name: Endpoint(name, name, ipv4=address) for name, address in addresses.items()}
    name = f"f-{service}-{number}"
    return Replica(name, name, service, number, "i", "i", "running", "none", "", CREATED, endpoints=ends)


ONE, TWO = replica("web", 1, lan="10.0.0.1", back="10.9.0.1"), replica("web", 2, back="10.9.0.2", lan="10.0.0.2")


def test_a_replica_in_several_networks_is_known_by_the_address_that_was_given() -> None:
    found = [Resolution(ASKED, ("10.0.0.2", "10.0.0.1"))]
    members, names = members_of([ONE, TWO], found)
    assert members == [Member("f-web-1", ("10.0.0.1",)), Member("f-web-2", ("10.0.0.2",))]
    assert names["10.9.0.1"] == names["10.0.0.1"] == "10.0.0.1"
    assert answer_of(found[0], names) == Answer("10.0.0.2")


def test_a_replica_that_was_never_given_is_still_a_member() -> None:
    members, _ = members_of([ONE, TWO], [Resolution(ASKED, ("10.0.0.2",))])
    assert members[0] == Member("f-web-1", ("10.0.0.1",))


def test_a_replica_that_does_not_run_has_no_address_to_be_given() -> None:
    members, _ = members_of([replace(ONE, state="exited", endpoints={})], [])
    assert members == [Member("f-web-1", error="it is exited")]


def test_an_answer_without_an_address_is_a_failure_of_its_kind() -> None:
    assert answer_of(Resolution(ASKED, error="NXDOMAIN"), {}).failure == "NXDOMAIN"
    assert answer_of(Resolution(ASKED), {}).failure == "no address"


def test_the_client_is_of_another_service_where_one_shares_a_network() -> None:
    near, far = replica("db", 1, lan="10.0.0.9"), replica("app", 1, other="10.5.0.1")
    stopped = replace(near, state="exited")
    assert client_of([far, near, ONE, TWO], [ONE, TWO], "web") == near
    assert client_of([far, stopped, ONE, TWO], [ONE, TWO], "web") == ONE
