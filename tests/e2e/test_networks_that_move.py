"""Networks are made anew, with what was in them, where the file moves addresses from one to another."""

from __future__ import annotations

from collections.abc import Callable

import docker
import pytest
import yaml

from tests.conftest import MakeProxy
from tests.e2e.balanced import Balanced, lend_balanced
from tests.e2e.project import Json, Project, idle, server, wait_for
from tests.e2e.test_rollout import changed, running_over_time, watched


def fixed(**subnets: str) -> Json:
    return {key: {"ipam": {"config": [{"subnet": subnet}]}} for key, subnet in subnets.items()}


def subnets(fleet: Project) -> dict[str, str]:
    found = {entry["Name"]: entry["IPAM"]["Config"][0]["Subnet"] for entry in fleet.networks()}
    return {name.removeprefix(f"{fleet.name}_"): subnet for name, subnet in found.items()}


def test_a_network_keeps_its_subnet_under_another_key(fleet: Project, free_subnet: Callable[[int], str]) -> None:
    subnet = free_subnet(24)
    fleet.write({"web": server(2, networks=["old"])}, networks=fixed(old=subnet))
    fleet.up()
    fleet.write({"web": server(2, networks=["new"])}, networks=fixed(new=subnet))
    done = fleet.up("--timeout", "1")
    assert "removed before others take over" in done.stderr
    assert subnets(fleet) == {"new": subnet}
    assert fleet.states() == {"web-1": "running", "web-2": "running"}
    fleet.assert_converged()


def test_two_networks_swap_their_subnets(fleet: Project, free_subnet: Callable[[int], str]) -> None:
    services = {"a": idle(2, networks=["a"]), "b": idle(2, networks=["b"])}
    first, second = free_subnet(24), free_subnet(24)
    fleet.write(services, networks=fixed(a=first, b=second))
    fleet.up()
    fleet.write(services, networks=fixed(a=second, b=first))
    fleet.up("--timeout", "1")
    assert subnets(fleet) == {"a": second, "b": first}
    assert set(fleet.states().values()) == {"running"}
    fleet.assert_converged()


def test_a_subnet_of_a_network_that_is_used_is_refused_beforehand(fleet: Project) -> None:
    fleet.write({"a": idle(networks=["a"])}, networks={"a": None})
    fleet.up()
    ids, taken = fleet.ids(), subnets(fleet)["a"]
    services = {"a": idle(networks=["a"]), "b": idle(networks=["b"])}
    fleet.write(services, networks={"a": None, **fixed(b=taken)})
    done = fleet.up(code=5)
    assert f"{taken} of networks.b overlaps {taken} of network {fleet.name}_a, which is used" in done.stderr
    assert fleet.ids() == ids


def test_a_subnet_of_a_network_that_is_not_ours_is_refused_while_all_serve(
    fleet: Project, free_subnet: Callable[[int], str], proxy: MakeProxy
) -> None:
    fleet.write({"a": idle(2, networks=["a"])}, networks={"a": None})
    fleet.up()
    ids, block = fleet.ids(), free_subnet(24)
    pool = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=block)])
    fleet.client.networks.create(f"other-{fleet.name}", labels=fleet.stranger_labels, ipam=pool)
    fleet.write({"a": idle(2, networks=["a"])}, networks=fixed(a=block))
    with proxy() as watched:
        for command in (["plan"], ["up"]):
            done = fleet.run(*command, env=watched.environment)
            assert done.code == 5, done
            assert f"{block} of networks.a overlaps {block} of network other-{fleet.name}, not made by" in done.stderr
    assert watched.writes == []
    assert fleet.ids() == ids
    assert set(fleet.states().values()) == {"running"}


def test_a_network_gets_ipv6_while_the_file_gives_no_subnet(fleet: Project) -> None:
    fleet.write({"a": idle(networks=["a"])}, networks={"a": None})
    fleet.up()
    fleet.write({"a": idle(networks=["a"])}, networks={"a": {"enable_ipv6": True}})
    fleet.up("--timeout", "1")
    (network,) = fleet.networks()
    assert network["EnableIPv6"]
    assert [":" in entry["Subnet"] for entry in network["IPAM"]["Config"]] == [False, True]
    assert fleet.states() == {"a-1": "running"}
    fleet.assert_converged()


def test_services_that_are_updated_at_once_share_the_addresses_to_spare(
    fleet: Project, free_subnet: Callable[[int], str]
) -> None:
    services, networks = {"a": server(2), "b": server(2)}, fixed(default=free_subnet(29))
    fleet.write(services, networks=networks)
    fleet.up()
    fleet.write({name: changed(service) for name, service in services.items()}, networks=networks)
    with watched(fleet) as events:
        fleet.up("--timeout", "1")
    assert max(running_over_time(events, before=4)) <= 5
    fleet.assert_converged()


balanced = pytest.fixture(scope="module", name="balanced")(lend_balanced)


def test_a_balancer_and_those_it_balances_come_back_in_a_changed_network(balanced: Balanced) -> None:
    balanced.settle()
    path = balanced.project.directory / "fleet.yaml"
    path.write_text(path.read_text() + yaml.safe_dump({"networks": {"default": {"internal": True}}}))
    balanced.project.up("--timeout", "1")
    balanced.wait_serving("web-1", "web-2")
    balanced.project.assert_converged()


def test_a_balancer_that_was_killed_is_restarted_with_those_who_run_by_now(balanced: Balanced) -> None:
    balanced.settle()
    balanced.balancer.kill()
    wait_for("it has ended", lambda: balanced.project.states()["balancer-1"] == "exited")
    balanced.write_next(replicas=3)
    balanced.project.up("web")
    done = balanced.project.run("restart", "balancer")
    assert done.code == 0, done
    balanced.wait_serving("web-1", "web-2", "web-3")
    balanced.project.assert_converged()
