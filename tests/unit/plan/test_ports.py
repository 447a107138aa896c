"""Host ports and addresses that go from one service to another."""

from __future__ import annotations

from pathlib import Path

from fleetctl.plan.wishes import Wishes
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import deploy, make_plan, provide_images, read_fleet

ALL = Wishes()


def publishing(**ports: str) -> dict[str, object]:
    return {"services": {name: {"image": "app", "ports": [port]} for name, port in ports.items()}}


def test_services_swap_their_host_ports_in_one_run(tmp_path: Path) -> None:
    """One of them goes first of all: each started beside its predecessor would wait for what the other one holds."""
    converges_at_once(tmp_path, publishing(a="8080:80", b="8081:80"), publishing(a="8081:80", b="8080:80"))


def test_services_swap_their_host_ports_in_one_run_though_one_waits_for_the_other(tmp_path: Path) -> None:
    waiting = {"image": "app", "depends_on": {"api": {"condition": "service_healthy"}}}
    converges_at_once(
        tmp_path,
        {"services": {"web": {**waiting, "ports": ["8080:80"]}, "api": {"image": "app", "ports": ["8081:80"]}}},
        {"services": {"web": {**waiting, "ports": ["8081:80"]}, "api": {"image": "app", "ports": ["8080:80"]}}},
    )


def test_host_ports_go_round_in_a_circle_of_services(tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")
    ports = [f"{8080 + number}:80" for number in range(len(names))]
    before = dict(zip(names, ports, strict=True))
    converges_at_once(
        tmp_path, publishing(**before), publishing(**dict(zip(names, [*ports[1:], ports[0]], strict=True)))
    )


def test_a_service_that_takes_over_another_ones_host_port_waits_for_it(tmp_path: Path) -> None:
    """In whichever order the file has them."""
    for taker, giver in (("a", "b"), ("b", "a")):
        converges_at_once(
            tmp_path,
            publishing(**dict(sorted({giver: "8080:80"}.items()))),
            publishing(**dict(sorted({giver: "8081:80", taker: "8080:80"}.items()))),
        )


def test_services_swap_their_addresses_in_one_run(tmp_path: Path) -> None:
    def fleet(a: str, b: str) -> dict[str, object]:
        lan = {"ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}
        services = {
            name: {"image": "app", "networks": {"lan": {"ipv4_address": address}}}
            for name, address in (("a", a), ("b", b))
        }
        return {"services": services, "networks": {"lan": lan}}

    converges_at_once(tmp_path, fleet("10.9.0.5", "10.9.0.6"), fleet("10.9.0.6", "10.9.0.5"))


def test_a_service_under_a_new_name_takes_over_the_host_port(tmp_path: Path) -> None:
    renamed = Wishes(remove_orphans=True)
    converges_at_once(tmp_path, publishing(web="8080:80"), publishing(site="8080:80"), renamed)


def converges_at_once(tmp_path: Path, before: dict[str, object], now: dict[str, object], wishes: Wishes = ALL) -> None:
    engine, fleet = MemoryEngine(), read_fleet(before, tmp_path)
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    fleet = read_fleet(now, tmp_path)
    assert not deploy(engine, fleet, wishes=wishes).failures
    assert not make_plan(engine, fleet)
