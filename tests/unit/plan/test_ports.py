"""Host ports and addresses that go from one service to another."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from fleetctl.plan.wishes import Wishes
from tests.fakes.memory_engine import MemoryEngine
from tests.unit.plan.story import carry_out, deploy, make_plan, provide_images, read_fleet, shuffled

ALL, RENAMED = Wishes(), Wishes(remove_orphans=True)
Document = dict[str, Any]


def publishing(**ports: str) -> Document:
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
    def fleet(a: str, b: str) -> Document:
        lan = {"ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}
        services = {
            name: {"image": "app", "networks": {"lan": {"ipv4_address": address}}}
            for name, address in (("a", a), ("b", b))
        }
        return {"services": services, "networks": {"lan": lan}}

    converges_at_once(tmp_path, fleet("10.9.0.5", "10.9.0.6"), fleet("10.9.0.6", "10.9.0.5"))


def test_a_service_under_a_new_name_takes_over_the_host_port(tmp_path: Path) -> None:
    converges_at_once(tmp_path, publishing(web="8080:80"), publishing(site="8080:80"), RENAMED)


def converges_at_once(tmp_path: Path, before: Document, now: Document, wishes: Wishes = ALL) -> MemoryEngine:
    """In whichever order steps run that may run in any. Returns the engine before all that."""
    start = engine_with(tmp_path, before)
    fleet = read_fleet(now, tmp_path)
    provide_images(start, fleet)
    for seed in range(12):
        engine = copy.deepcopy(start)
        assert not carry_out(engine, shuffled(make_plan(engine, fleet, wishes), seed)).failures
        assert not make_plan(engine, fleet, wishes)
    return start


def engine_with(tmp_path: Path, document: Document) -> MemoryEngine:
    engine, fleet = MemoryEngine(), read_fleet(document, tmp_path)
    provide_images(engine, fleet)
    assert not deploy(engine, fleet).failures
    return engine


def running(engine: MemoryEngine) -> dict[str, list[int | None]]:
    """The host ports of what runs, by name."""
    return {
        one.name: [port.host_port for port in one.ports] for one in engine.replicas.values() if one.state == "running"
    }


def notices(tmp_path: Path, before: Document, now: Document, wishes: Wishes = ALL) -> tuple[str, ...]:
    engine = engine_with(tmp_path, before)
    fleet = read_fleet(now, tmp_path)
    provide_images(engine, fleet)
    return make_plan(engine, fleet, wishes).notices


def app(*ports: str, **keys: Any) -> Document:
    return {"image": "app", "ports": list(ports), **keys}


AFTER_API = {"api": {"condition": "service_healthy"}}


def test_where_the_taker_fails_who_gave_way_serves_again(tmp_path: Path) -> None:
    """What was there before is kept: nobody is down because of somebody else's bad release."""
    before = {"services": {"web": app("8080:80", depends_on=AFTER_API), "api": app("8081:80")}}
    now = {"services": {"web": app("8081:80", depends_on=AFTER_API), "api": app("8080:80")}}
    start, fleet = engine_with(tmp_path, before), read_fleet(now, tmp_path)
    assert running(start) == {"f-web-1": [8080], "f-api-1": [8081]}
    for seed in range(12):
        engine = copy.deepcopy(start)
        plan = shuffled(make_plan(engine, fleet), seed)
        failed = {result.step.id for result in carry_out(engine, plan, unready=["f-api-1.next"]).failures}
        assert failed == {"await f-api-1.next"}
        assert running(engine) == {"f-web-1": [8080], "f-api-1": [8081]}


def test_an_orphan_gives_way_only_when_all_that_the_taker_waits_for_is_there(tmp_path: Path) -> None:
    before = {"services": {"api": app(), "web": app("8080:80", depends_on=AFTER_API)}}
    now = {"services": {"api": app(environment={"BAD": "1"}), "site": app("8080:80", depends_on=AFTER_API)}}
    engine, fleet = engine_with(tmp_path, before), read_fleet(now, tmp_path)
    report = deploy(engine, fleet, wishes=RENAMED, unready=["f-api-1.next"])
    assert [result.step.id for result in report.failures] == ["await f-api-1.next"]
    assert running(engine) == {"f-api-1": [], "f-web-1": [8080]}
    report = deploy(engine, fleet, wishes=RENAMED, unready=["f-site-1"])
    assert [result.step.id for result in report.failures] == ["await f-site-1"]
    assert running(engine) == {"f-api-1": [], "f-web-1": [8080]}


def test_a_balancer_of_a_new_name_takes_over_after_those_that_it_balances(tmp_path: Path) -> None:
    def fleet(balancer: str, **environment: str) -> Document:
        return {
            "services": {
                "web": app(environment=environment, deploy={"replicas": 2}, **{"x-fleet": {"http": {"port": 80}}}),
                balancer: app("8080:8080", **{"x-fleet": {"balance": {"service": "web"}}}),
            }
        }

    start = converges_at_once(tmp_path, fleet("lb"), fleet("gate", A="1"), RENAMED)
    plan = make_plan(start, read_fleet(fleet("gate", A="1"), tmp_path), RENAMED)
    (stop,) = (step for step in plan.steps if step.id == "stop f-lb-1")
    assert {"rename f-web-1.next", "rename f-web-2.next"} <= {before.split(" to ")[0] for before in stop.behind}


def test_a_range_with_room_for_both_needs_nobody_to_give_way(tmp_path: Path) -> None:
    before, now = ({"services": {name: app("8080-8089:80", deploy={"replicas": 3})}} for name in ("web", "site"))
    converges_at_once(tmp_path, before, now, RENAMED)
    assert notices(tmp_path, before, now, RENAMED) == ()


def test_who_holds_a_port_and_stays_is_no_reason_to_stop_anybody(tmp_path: Path) -> None:
    """Nothing would be gained: the new one fails, and the old one has to serve meanwhile."""
    before = {"services": {"old": app("8080:80"), "web": app("8081:80")}}
    now = {"services": {"web": app("8080:80")}}
    engine, fleet = engine_with(tmp_path, before), read_fleet(now, tmp_path)
    engine.running.clear()
    plan = make_plan(engine, fleet)
    (create,) = (result.step.id for result in carry_out(engine, plan).failures)
    assert create == "create f-web-1.next"
    assert engine.running == []  # nothing was stopped or started
    assert running(engine) == {"f-old-1": [8080], "f-web-1": [8081]}


def test_a_port_of_somebody_who_leaves_with_a_network_is_waited_for(tmp_path: Path) -> None:
    def fleet(a: str, b: str, **lan: Any) -> Document:
        services = {"a": app(a, networks=["lan"]), "b": app(b, networks=["edge"])}
        return {"services": services, "networks": {"lan": lan, "edge": {}}}

    converges_at_once(tmp_path, fleet("8080:80", "8081:80"), fleet("8082:80", "8080:80", internal=True))


def test_a_port_of_a_replica_too_many_is_waited_for(tmp_path: Path) -> None:
    many = {"services": {"x": app("8080-8081:80", deploy={"replicas": 2})}}
    for taker in ("a", "z"):
        fewer = {"services": dict(sorted({"x": app("8080:80"), taker: app("8081:80")}.items()))}
        converges_at_once(tmp_path, many, fewer)
