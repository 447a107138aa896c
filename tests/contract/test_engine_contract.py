"""One suite over the memory engine and the real one: whoever plans may rely on this."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from fleetctl.engine import labels
from fleetctl.engine.registry import open_engine
from fleetctl.errors import FleetError, SubnetTaken
from fleetctl.plan import actions
from fleetctl.plan.actions import Ref
from fleetctl.spec.digest import volume_digests
from fleetctl.spec.model import Membership, Network, Service, Subnet, Volume
from fleetctl.state.observed import ObservedImage, Replica
from tests.fakes.memory_engine import MemoryEngine
from tests.fakes.tiny_image import tiny_image
from tests.held_networks import remove_network


class Bench:
    """An engine with a fleet of its own, a network and one service of a tiny image."""

    def __init__(self, engine: Any, image: str, free_subnet: Callable[[int], str]) -> None:
        self.engine = engine
        self.fleet = f"t-contract-{secrets.token_hex(3)}"
        self.service = Service(name="web", image=image, networks={"lan": Membership(aliases=("w",))})
        self.free_subnet = free_subnet
        self.subnet = Subnet(free_subnet(28))

    def make_network(self, key: str = "lan", subnet: Subnet | None = None) -> Ref:
        network = Network(key=key, engine_name=f"{self.fleet}_{key}")
        made = self.engine.apply(actions.CreateNetwork(self.fleet, network, (subnet or self.subnet,), {"driver": "d"}))
        return Ref(network.engine_name, id=made)

    def make_replica(self, network: Ref | None, number: int = 1) -> Ref:
        name = f"{self.fleet}-web-{number}"
        made = self.engine.apply(
            actions.CreateReplica(
                fleet=self.fleet,
                service=self.service,
                number=number,
                container_name=name,
                image_id="",
                digests={"image": "abc"},
                network=network,
                membership=self.service.networks["lan"],
            )
        )
        return Ref(name, id=made)

    def only_replica(self) -> Replica:
        (replica,) = self.engine.observe(self.fleet).replicas
        assert isinstance(replica, Replica)
        return replica


@pytest.fixture(params=["memory", "docker"])
def bench(
    request: pytest.FixtureRequest, client: docker.DockerClient, free_subnet: Callable[[int], str]
) -> Iterator[Bench]:
    """Both engines in turn; the real one is left as it was."""
    if request.param == "memory":
        memory = MemoryEngine()
        memory.images["app"] = ObservedImage("app", "id of app")
        yield Bench(memory, "app", free_subnet)
        return
    made = Bench(open_engine(os.environ), tiny_image(client), free_subnet)
    try:
        yield made
    finally:
        mine: dict[str, str | list[str] | bool] = {"label": f"{labels.FLEET}={made.fleet}"}
        for container in client.containers.list(all=True, filters=mine):
            container.remove(force=True, v=True)
        for network in client.networks.list(filters=mine):
            remove_network(client.api, str(network.id))
        for volume in client.volumes.list(filters=mine):
            volume.remove()
        made.engine.close()


def test_a_new_replica_is_observed_as_created_with_what_it_was_made_from(bench: Bench) -> None:
    """Number, service, digests and network come back as they were given."""
    network = bench.make_network()
    ref = bench.make_replica(network)
    replica = bench.only_replica()
    assert (replica.id, replica.name, replica.state) == (ref.id, ref.name, "created")
    assert (replica.service, replica.number, replica.digests) == ("web", 1, {"image": "abc"})
    assert list(replica.endpoints) == [network.name]


def test_starting_and_stopping_show_in_the_state(bench: Bench) -> None:
    """created, running, exited, running again."""
    ref = bench.make_replica(bench.make_network())
    bench.engine.apply(actions.StartReplica(ref))
    assert bench.only_replica().state == "running"
    bench.engine.apply(actions.StopReplica(ref, grace=5))
    assert bench.only_replica().state == "exited"
    bench.engine.apply(actions.RestartReplica(ref, grace=5))
    assert bench.only_replica().state == "running"


def test_a_name_is_given_only_once(bench: Bench) -> None:
    """The second container of a name is refused, the first is untouched."""
    network = bench.make_network()
    ref = bench.make_replica(network)
    with pytest.raises(FleetError):
        bench.make_replica(network)
    assert bench.only_replica().id == ref.id


def test_renaming_keeps_the_id(bench: Bench) -> None:
    """As the last step of a replacement does it."""
    ref = bench.make_replica(bench.make_network())
    bench.engine.apply(actions.RenameReplica(ref, f"{bench.fleet}-web-7"))
    assert (bench.only_replica().id, bench.only_replica().name) == (ref.id, f"{bench.fleet}-web-7")


def test_removing_twice_is_fine(bench: Bench) -> None:
    """What is gone already is not an error."""
    ref = bench.make_replica(bench.make_network())
    bench.engine.apply(actions.RemoveReplica(ref))
    bench.engine.apply(actions.RemoveReplica(ref))
    assert bench.engine.observe(bench.fleet).replicas == ()


def test_acting_on_a_replica_that_is_gone_is_one_of_our_errors(bench: Bench) -> None:
    """Never an exception of the library behind the engine."""
    ref = bench.make_replica(bench.make_network())
    bench.engine.apply(actions.RemoveReplica(ref))
    with pytest.raises(FleetError):
        bench.engine.apply(actions.StartReplica(ref))


def test_a_network_is_observed_with_key_subnet_and_digests(bench: Bench) -> None:
    """And is told apart from the networks of others."""
    ref = bench.make_network()
    (network,) = bench.engine.observe(bench.fleet).own_networks()
    assert (network.id, network.key, network.fleet) == (ref.id, "lan", bench.fleet)
    assert network.subnets[0][0] == bench.subnet.subnet
    assert network.digests == {"driver": "d"}


def test_an_overlapping_subnet_is_refused_as_such(bench: Bench) -> None:
    """So that the controller can look again and choose another."""
    bench.make_network()
    with pytest.raises(SubnetTaken):
        bench.make_network("other")


def test_a_network_in_use_is_not_removed_and_says_by_whom(bench: Bench) -> None:
    """Nothing is torn from under a replica."""
    network = bench.make_network()
    ref = bench.make_replica(network)
    bench.engine.apply(actions.StartReplica(ref))
    with pytest.raises(FleetError, match=ref.name):
        bench.engine.apply(actions.RemoveNetwork(network))


def test_removing_a_network_twice_is_fine(bench: Bench) -> None:
    """What is gone already is not an error."""
    network = bench.make_network()
    bench.engine.apply(actions.RemoveNetwork(network))
    bench.engine.apply(actions.RemoveNetwork(network))


def test_connecting_and_disconnecting_show_in_the_endpoints(bench: Bench) -> None:
    """A second network comes and goes; the first stays."""
    first = bench.make_network()
    second = bench.make_network("other", Subnet(bench.free_subnet(28)))
    ref = bench.make_replica(first)
    bench.engine.apply(actions.ConnectNetwork(ref, second, "web", Membership(aliases=("second",))))
    assert set(bench.only_replica().endpoints) == {first.name, second.name}
    inspected = bench.engine.inspect_replica(bench.only_replica())
    assert {"web", "w"} <= set(inspected.endpoints[first.name].aliases)
    assert {"web", "second"} <= set(inspected.endpoints[second.name].aliases)
    bench.engine.apply(actions.DisconnectNetwork(ref, second))
    assert set(bench.only_replica().endpoints) == {first.name}


def test_a_replica_whose_network_is_gone_does_not_start(bench: Bench) -> None:
    """It remembers the network by id; a new one of the same name does not help."""
    network = bench.make_network()
    ref = bench.make_replica(network)
    bench.engine.apply(actions.StartReplica(ref))
    bench.engine.apply(actions.StopReplica(ref, grace=5))
    bench.engine.apply(actions.RemoveNetwork(network))
    bench.make_network()
    with pytest.raises(FleetError, match="not found"):
        bench.engine.apply(actions.StartReplica(ref))


def test_what_is_attached_to_an_own_network_is_observed(bench: Bench) -> None:
    """Running containers, by id and name."""
    network = bench.make_network()
    ref = bench.make_replica(network)
    bench.engine.apply(actions.StartReplica(ref))
    (observed,) = bench.engine.observe(bench.fleet).own_networks()
    assert dict(observed.attached) == {ref.id: ref.name}


def test_a_volume_is_observed_with_its_owner(bench: Bench) -> None:
    """By name, key and fleet, and what it was made from."""
    volume = Volume(key="data", engine_name=f"{bench.fleet}_data", labels={"for": "db"})
    bench.engine.apply(actions.CreateVolume(bench.fleet, volume))
    found = [one for one in bench.engine.observe(bench.fleet).volumes if one.name == volume.engine_name]
    assert [(one.key, one.fleet) for one in found] == [("data", bench.fleet)]
    assert found[0].digests == volume_digests(volume)
    assert sorted(found[0].digests) == ["driver", "labels.for"]
    bench.engine.apply(actions.RemoveVolume(volume.engine_name))


def test_images_are_observed_by_reference_and_absent_ones_left_out(bench: Bench) -> None:
    """A missing image is no error of looking."""
    seen = bench.engine.observe(bench.fleet, [bench.service.image, "fleetctl-test/none:none"]).images
    assert list(seen) == [bench.service.image]
    assert seen[bench.service.image].id


def test_other_fleets_are_not_observed(bench: Bench) -> None:
    """A fleet sees its own replicas only."""
    bench.make_replica(bench.make_network())
    assert bench.engine.observe(bench.fleet + "x").replicas == ()
