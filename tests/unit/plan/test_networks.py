"""Fixed subnets that move from one network to another."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import FleetError, ResourceExhausted
from fleetctl.plan.steps import Plan
from fleetctl.spec.model import Fleet
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, happen, make_plan, provide_images, read_fleet


def networked(directory: Path, **subnets: str | None) -> Fleet:
    """A fleet with these networks, and a service of the same name in each."""
    services: dict[str, Any] = {key: {"image": "app", "networks": [key]} for key in subnets}
    networks = {key: {"ipam": {"config": [{"subnet": block}]}} if block else {} for key, block in subnets.items()}
    return read_fleet({"services": services, "networks": networks}, directory)


def deployed(fleet: Fleet) -> MemoryEngine:
    engine = MemoryEngine()
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    return engine


def before(plan: Plan, step_id: str) -> set[str]:
    (step,) = (step for step in plan.steps if step.id == step_id)
    return set(step.after)


def test_a_network_is_made_once_all_that_had_its_addresses_are_gone(tmp_path: Path) -> None:
    engine = deployed(networked(tmp_path, a="10.9.0.0/24", b="10.9.1.0/24", c="10.9.2.0/24"))
    plan = make_plan(engine, networked(tmp_path, a="10.9.1.0/24", b="10.9.0.0/24", c="10.9.3.0/24"))
    assert before(plan, "create network f_a") == {"remove network f_a", "remove network f_b"}
    assert before(plan, "create network f_b") == {"remove network f_a", "remove network f_b"}
    assert before(plan, "create network f_c") == {"remove network f_c"}


def test_a_chosen_subnet_waits_for_whoever_had_it_too(tmp_path: Path) -> None:
    engine = deployed(networked(tmp_path, a="172.30.0.0/22", b="10.9.1.0/24"))
    plan = make_plan(engine, networked(tmp_path, a="10.9.2.0/24", b=None))
    (made,) = (str(step) for step in plan.steps if step.id == "create network f_b")
    assert made.endswith("(subnet 172.30.0.0/22)")
    assert before(plan, "create network f_b") == {"remove network f_a", "remove network f_b"}


@pytest.mark.parametrize(("fleet", "owner"), [(None, "not made by fleetctl"), ("g", "fleet g")])
def test_a_subnet_of_a_network_that_is_not_ours_is_refused_beforehand(
    tmp_path: Path, fleet: str | None, owner: str
) -> None:
    engine = deployed(networked(tmp_path, a="10.9.0.0/24"))
    happen(engine, "network theirs 10.8.0.0/16")
    engine.networks["theirs"] = replace(engine.networks["theirs"], fleet=fleet, key=fleet)
    with pytest.raises(ResourceExhausted) as caught:
        make_plan(engine, networked(tmp_path, a="10.8.7.0/24"))
    assert str(caught.value) == f"10.8.7.0/24 of networks.a overlaps 10.8.0.0/16 of network theirs, {owner}"
    assert caught.value.hint == "choose another subnet, or none: fleetctl finds one that is free"


def test_a_network_that_has_no_addresses_for_itself_is_in_nobodys_way(tmp_path: Path) -> None:
    engine = MemoryEngine()
    happen(engine, "network all 0.0.0.0/0")
    fleet = networked(tmp_path, a="10.9.0.0/24", b=None)
    provide_images(engine, fleet)
    made = [str(step) for step in make_plan(engine, fleet).steps if step.id.startswith("create network")]
    assert [step.rpartition("subnet ")[2] for step in made] == ["10.9.0.0/24)", "172.30.0.0/22)"]


def test_a_network_that_exists_with_the_subnet_of_another_one_stays(tmp_path: Path) -> None:
    """Networks of other scopes may overlap; what is there already the engine has made."""
    engine = deployed(networked(tmp_path, a="10.9.0.0/24"))
    happen(engine, "network theirs 10.9.0.0/24")
    assert not make_plan(engine, networked(tmp_path, a="10.9.0.0/24"))


def test_a_route_of_the_host_to_the_same_addresses_is_told(tmp_path: Path) -> None:
    engine = deployed(networked(tmp_path, a="10.9.0.0/24"))
    engine.routes = ("10.9.0.0/24", "10.8.0.0/16", "10.9.1.128/25", "10.7.0.0/16")
    assert list(make_plan(engine, networked(tmp_path, a="10.9.0.0/24")).notices) == []
    plan = make_plan(engine, networked(tmp_path, a="10.9.0.0/23"))
    (told,) = (notice for notice in plan.notices if "route" in notice)
    assert told.startswith("networks.a is to have 10.9.0.0/23, but this host has another route to 10.9.1.128/25: ")


def test_a_network_gets_an_ipv6_subnet_of_its_own_where_the_file_gives_none(tmp_path: Path) -> None:
    """Engines before 27 choose none, and refuse the network when the one before it is gone."""
    service = {"image": "app", "networks": ["a", "b", "c", "d"]}
    networks: dict[str, Any] = {key: {"enable_ipv6": True} for key in "abcd"}
    networks["c"]["ipam"] = {"config": [{"subnet": "10.9.0.0/24"}, {"subnet": "fd00:9::/64"}]}
    networks["d"]["ipam"] = {"config": [{"subnet": "fd00:8::/64"}]}
    fleet = read_fleet({"services": {"web": service}, "networks": networks}, tmp_path)
    engine = deployed(fleet)
    blocks = {one.key: [ip_network(cidr) for cidr, _ in one.subnets] for one in engine.networks.values()}
    assert {key: [block.version for block in found] for key, found in blocks.items()} == {key: [4, 6] for key in "abcd"}
    assert all(block.is_private for found in blocks.values() for block in found)
    assert blocks["a"][1] != blocks["b"][1]
    assert [str(blocks[key][1]) for key in "cd"] == ["fd00:9::/64", "fd00:8::/64"]
    assert not make_plan(engine, fleet)


def named(directory: Path, **names: str) -> Fleet:
    """A fleet with networks of these names in the engine, and a service in each."""
    services: dict[str, Any] = {key: {"image": "app", "networks": [key]} for key in names}
    return read_fleet(
        {"services": services, "networks": {key: {"name": name} for key, name in names.items()}}, directory
    )


def test_a_new_name_that_somebody_else_has_is_refused_beforehand(tmp_path: Path) -> None:
    engine = deployed(named(tmp_path, a="mine"))
    happen(engine, "network theirs")
    with pytest.raises(FleetError, match=r"a network named theirs \(theirs\) exists, not made by fleetctl"):
        make_plan(engine, named(tmp_path, a="theirs"))


def test_two_networks_swap_their_names(tmp_path: Path) -> None:
    engine = deployed(named(tmp_path, a="one", b="two"))
    plan = make_plan(engine, named(tmp_path, a="two", b="one"))
    assert before(plan, "create network two") == before(plan, "create network one")
    assert before(plan, "create network one") == {"remove network one", "remove network two"}


def test_a_changed_network_of_which_there_are_two_is_made_anew_once_both_are_gone(tmp_path: Path) -> None:
    """The engine refuses a second one of the name."""
    engine = deployed(networked(tmp_path, a="10.9.0.0/24"))
    (first,) = engine.networks.values()
    engine.networks["double"] = replace(first, id="double", subnets=(("10.9.7.0/24", None),), created="later")
    plan = make_plan(engine, networked(tmp_path, a="10.9.1.0/24"))
    assert before(plan, "create network f_a") == {"remove network f_a", "remove network f_a #2"}


BRIDGE = "com.docker.network.bridge.name"


def bridged(directory: Path, **bridges: str) -> Fleet:
    """A fleet whose networks have bridges of these names, and a service in each."""
    services: dict[str, Any] = {key: {"image": "app", "networks": [key]} for key in bridges}
    networks = {key: {"driver_opts": {BRIDGE: name}} for key, name in bridges.items()}
    return read_fleet({"services": services, "networks": networks}, directory)


def with_bridges(fleet: Fleet) -> MemoryEngine:
    engine = deployed(fleet)
    for one in engine.networks.values():
        assert one.key is not None
        engine.networks[one.id] = replace(one, options=fleet.networks[one.key].driver_opts)
    return engine


def test_the_bridge_of_a_network_that_is_not_ours_is_refused_beforehand(tmp_path: Path) -> None:
    """Engine 20.10 would take docker0 from its own network, which nobody can use from then on."""
    engine = with_bridges(bridged(tmp_path, a="br-a"))
    happen(engine, "network bridge 172.17.0.0/16")
    engine.networks["bridge"] = replace(engine.networks["bridge"], options={BRIDGE: "docker0"})
    with pytest.raises(ResourceExhausted) as caught:
        make_plan(engine, bridged(tmp_path, a="docker0"))
    assert str(caught.value) == "bridge docker0 of networks.a is that of network bridge, not made by fleetctl"
    assert caught.value.hint == "choose another name, or none: the engine finds one"


def test_two_networks_swap_their_bridges(tmp_path: Path) -> None:
    engine = with_bridges(bridged(tmp_path, a="br-a", b="br-b"))
    plan = make_plan(engine, bridged(tmp_path, a="br-b", b="br-a"))
    assert before(plan, "create network f_a") == {"remove network f_a", "remove network f_b"}
    assert before(plan, "create network f_b") == {"remove network f_a", "remove network f_b"}


def test_a_network_does_not_give_way_while_a_stranger_is_attached(tmp_path: Path) -> None:
    engine = deployed(networked(tmp_path, old="10.9.0.0/24"))
    happen(engine, "copy f-old-1 stranger running")
    stranger = next(one for one in engine.replicas.values() if one.name == "stranger")
    engine.fleets[stranger.id] = ""
    with pytest.raises(FleetError, match=r"has to give way .*, but stranger is attached") as caught:
        make_plan(engine, networked(tmp_path, new="10.9.0.0/24"))
    assert caught.value.hint == "docker network disconnect f_old stranger, then run again"


def test_who_is_to_change_is_said_where_two_networks_need_the_same_addresses(tmp_path: Path) -> None:
    engine = deployed(networked(tmp_path, a=None))
    with pytest.raises(
        FleetError, match=r"172.30.1.0/24 of networks.b overlaps 172.30.0.0/22 of network f_a"
    ) as caught:
        make_plan(engine, networked(tmp_path, a=None, b="172.30.1.0/24"))
    assert caught.value.hint == "choose another subnet, or make both networks anew: fleetctl down, then fleetctl up"
    fresh = MemoryEngine()
    fleet = networked(tmp_path, a=None, b="172.30.1.0/24")
    provide_images(fresh, fleet)
    assert not deploy(fresh, fleet).failures
