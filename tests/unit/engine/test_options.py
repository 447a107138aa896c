"""Bodies of the Docker Engine API, field by field."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fleetctl.engine import labels
from fleetctl.engine.options import container_body, network_options, volume_options
from fleetctl.plan.actions import CreateNetwork, CreateReplica, CreateVolume
from fleetctl.spec.model import (
    FileMount,
    Healthcheck,
    Membership,
    Mount,
    Network,
    PortMapping,
    Resources,
    Service,
    Subnet,
    Volume,
)
from fleetctl.spec.release import pack
from fleetctl.state.observed import Release

SERVICE = Service(name="web", image="app:1")


def body(service: Service, **options: object) -> dict[str, object]:
    action = CreateReplica("f", service, 2, "f-web-2", "sha256:1", {"image": "x"}, **options)  # type: ignore[arg-type]
    return container_body(action, "net1", "run1")


def marks_of(service: Service, **options: object) -> dict[str, str]:
    marks = body(service, **options)["Labels"]
    assert isinstance(marks, dict)
    return marks


def host(service: Service, **options: object) -> dict[str, object]:
    config = body(service, **options)["HostConfig"]
    assert isinstance(config, dict)
    return config


def test_a_container_carries_our_labels_and_no_compose_label() -> None:
    """A Compose label would make `docker compose down` delete it."""
    assert marks_of(replace(SERVICE, labels={"mine": "1"})) == {
        "mine": "1",
        labels.FLEET: "f",
        labels.SERVICE: "web",
        labels.REPLICA: "2",
        labels.DIGESTS: '{"image":"x"}',
        labels.RELEASE: pack(replace(SERVICE, labels={"mine": "1"})),
        labels.PREVIOUS: "",
        labels.RESTORED: "",
        labels.RUN: "run1",
    }


def test_the_release_before_goes_with_a_container_and_an_images_word_for_it_never() -> None:
    """An empty label hides what an image might say, which would be believed."""
    assert marks_of(SERVICE)[labels.PREVIOUS] == ""
    assert marks_of(SERVICE, previous=Release("sha256:1", "packed"))[labels.PREVIOUS] == "sha256:1 packed"


def test_a_users_label_cannot_pass_for_ours() -> None:
    """Whatever the file says, the fleet's labels are the fleet's."""
    assert marks_of(replace(SERVICE, labels={labels.FLEET: "other"}))[labels.FLEET] == "f"


def test_what_the_file_does_not_say_is_left_to_image_and_engine() -> None:
    """No empty command, user or health check overrides the image's."""
    made = body(SERVICE)
    assert not {"Cmd", "Entrypoint", "User", "Healthcheck", "StopSignal", "WorkingDir", "Hostname"} & made.keys()
    assert not {"Init", "LogConfig", "NanoCpus", "Memory", "PidsLimit"} & host(SERVICE).keys()


def test_an_empty_command_is_not_the_same_as_none() -> None:
    """`command: []` empties the image's."""
    assert body(replace(SERVICE, command=()))["Cmd"] == []


def test_network_and_endpoint_have_the_same_key() -> None:
    """The engine ignores the endpoint's settings otherwise."""
    made = body(SERVICE, membership=Membership(aliases=("w", "web"), ipv4_address="10.0.0.9"))
    assert made["HostConfig"]["NetworkMode"] == "net1"  # type: ignore[index]
    assert made["NetworkingConfig"] == {
        "EndpointsConfig": {"net1": {"Aliases": ["web", "w"], "IPAMConfig": {"IPv4Address": "10.0.0.9"}}}
    }


def test_limits_are_in_the_engines_units() -> None:
    """Nanoseconds of processor per second, bytes, processes."""
    made = host(replace(SERVICE, limits=Resources(cpus=0.5, memory=128 << 20, pids=64)))
    assert (made["NanoCpus"], made["Memory"], made["PidsLimit"]) == (500_000_000, 134_217_728, 64)


def test_ports_ephemeral_fixed_and_from_a_range() -> None:
    """A range is left to the engine, which takes a free port of it."""
    ports = (
        PortMapping(80),
        PortMapping(81, published=(8081, 8081)),
        PortMapping(82, published=(9000, 9009), host_ip="0.0.0.0", protocol="udp"),
    )
    assert host(replace(SERVICE, ports=ports))["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}],
        "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8081"}],
        "82/udp": [{"HostIp": "0.0.0.0", "HostPort": "9000-9009"}],
    }


def test_health_times_are_nanoseconds_and_disabling_is_explicit() -> None:
    """What is left out is inherited from the image."""
    check = Healthcheck(test=("CMD", "true"), interval=1.5, retries=2)
    assert body(replace(SERVICE, healthcheck=check))["Healthcheck"] == {
        "Test": ["CMD", "true"],
        "Interval": 1_500_000_000,
        "Retries": 2,
    }
    assert body(replace(SERVICE, healthcheck=Healthcheck(disable=True)))["Healthcheck"] == {"Test": ["NONE"]}


def test_mounts_of_every_kind() -> None:
    """Volumes by their name in the engine; binds that may be made go through Binds; files are read-only."""
    mounts = (
        Mount("volume", "/data", "data"),
        Mount("bind", "/src", "/here", read_only=True),
        Mount("bind", "/made", "/there", create_host_path=True),
        Mount("tmpfs", "/scratch", tmpfs_size=1024),
    )
    files = (FileMount("c", "config", Path("/p/c.conf"), "/etc/c.conf", "00"),)
    made = host(replace(SERVICE, mounts=mounts, files=files), volumes={"data": "f_data"})
    assert made["Binds"] == ["/there:/made"]
    assert made["Mounts"] == [
        {"Type": "volume", "Target": "/data", "ReadOnly": False, "Source": "f_data"},
        {"Type": "bind", "Target": "/src", "ReadOnly": True, "Source": "/here"},
        {"Type": "tmpfs", "Target": "/scratch", "ReadOnly": False, "TmpfsOptions": {"SizeBytes": 1024}},
        {"Type": "bind", "Source": "/p/c.conf", "Target": "/etc/c.conf", "ReadOnly": True},
    ]


def test_networks_and_volumes_carry_our_labels() -> None:
    """So that they are found by label and never touched without."""
    network = Network("lan", "f_lan", internal=True)
    made = network_options(CreateNetwork("f", network, (Subnet("10.0.0.0/24", gateway="10.0.0.1"),), {}), "r")
    assert made["ipam"]["Config"] == [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}]
    assert (made["internal"], made["labels"][labels.FLEET], made["labels"][labels.NETWORK]) == (True, "f", "lan")
    volume = volume_options(CreateVolume("f", Volume("data", "f_data")), "r")
    assert (volume["labels"][labels.FLEET], volume["labels"][labels.VOLUME]) == ("f", "data")
