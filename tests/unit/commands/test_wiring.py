"""A name means the networks and containers that a user would mean by it, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleetctl.commands.wiring import Chosen, named
from fleetctl.errors import ConfigError
from fleetctl.state.observed import Endpoint, ObservedNetwork, Replica

LAN = ObservedNetwork("aaa" * 21, "shop_lan", "bridge", fleet="shop", key="lan")
BACK = ObservedNetwork("bbb" * 21, "shop_back", "bridge", fleet="shop", key="back")
OTHER = ObservedNetwork("ccc" * 21, "lan-of-others", "bridge", fleet="other", key="back")


def replica(name: str, service: str, number: int, *networks: ObservedNetwork) -> Replica:
    return Replica(
        id=f"{name}-id".ljust(64, "0"),
        name=name,
        service=service,
        number=number,
        image="",
        image_id="",
        state="running",
        health="none",
        status="",
        created=datetime(2030, 1, 1, tzinfo=UTC),
        endpoints={network.name: Endpoint(network.id, network.name) for network in networks},
    )


WEB_1, WEB_2 = replica("shop-web-1", "web", 1, LAN), replica("shop-web-2", "web", 2, LAN, BACK)
STRANGER = replica("web", "web", 7, OTHER)
EVERYTHING = Chosen((WEB_1, WEB_2, STRANGER), (BACK, OTHER, LAN), {replica.id for replica in (WEB_1, WEB_2)})


@pytest.mark.parametrize(
    ("name", "containers", "networks"),
    [
        ("shop-web-1", [WEB_1], [LAN]),
        ("web-2", [WEB_2], [BACK, LAN]),
        (WEB_2.id[:12], [WEB_2], [BACK, LAN]),
        ("web", [WEB_1, WEB_2, STRANGER], [BACK, OTHER, LAN]),
        ("lan", [WEB_1, WEB_2], [LAN]),
        ("back", [WEB_2], [BACK]),
        (LAN.id[:12], [WEB_1, WEB_2], [LAN]),
        ("lan-of-others", [STRANGER], [OTHER]),
    ],
)
def test_a_name_brings_what_it_means(name: str, containers: list[Replica], networks: list[ObservedNetwork]) -> None:
    found = named([name], EVERYTHING, "shop")
    assert (list(found.replicas), list(found.networks)) == (containers, networks)


@pytest.mark.parametrize("name", ["web-7", "shop", "lan", "aaa", ""])
def test_without_a_fleet_only_whole_names_and_ids_count(name: str) -> None:
    with pytest.raises(ConfigError, match="no network and no container named"):
        named([name], Chosen(EVERYTHING.replicas, EVERYTHING.networks), None)


def test_a_mistyped_name_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError) as refused:
        named(["shop-wbe-1"], EVERYTHING, "shop")
    assert "shop-web-1" in str(refused.value.hint)


def test_several_names_bring_each_thing_once() -> None:
    found = named(["web-1", "lan", "shop-web-1"], EVERYTHING, "shop")
    assert (list(found.replicas), list(found.networks)) == ([WEB_1, WEB_2], [LAN])
