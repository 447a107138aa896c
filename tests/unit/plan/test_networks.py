"""Fixed subnets that move from one network to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import FleetError
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


def test_a_network_that_is_not_ours_never_gives_way(tmp_path: Path) -> None:
    engine = deployed(networked(tmp_path, a=None))
    happen(engine, "network theirs 10.9.0.0/24")
    engine.networks["other"] = replace(engine.networks["theirs"], id="other", fleet="g", key="b")
    plan = make_plan(engine, networked(tmp_path, a=None, b="10.9.0.0/24"))
    assert [step.id for step in plan.steps if "network" in step.id] == ["create network f_b"]


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
