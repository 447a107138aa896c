"""The wiring as a table has every fact at every width and nothing hostile."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from fleetctl.state.network import Attachment, BridgePort, Interface, Topology, WiredNetwork
from fleetctl.view.wiring import topology_view

BRIDGE = Interface("br-aaa", 5, "02:42:00:00:00:01", 1500, "up", kind="bridge")
ETH0 = Interface("eth0", 12, "02:42:ac:1e:00:02", 1400, "lowerlayerdown", ("172.30.0.2/22", "fd00::2/64"), kind="veth")
VETH = Interface("veth3f2a", 13, "b2:01:02:03:04:05", 1500, "down", kind="veth", port=BridgePort("blocking"))
WIRED = Attachment(
    replica="shop-web-1",
    service="web",
    container_id="0123456789abcdef",
    state="running",
    pid=4242,
    interface=ETH0,
    veth=VETH,
    port_state="blocking",
    aliases=("web", "0123456789ab"),
    gateway="172.30.0.1",
    engine_ipv4="172.30.0.2/22",
    engine_mac=ETH0.mac,
)
STOPPED = Attachment(
    "shop-web-2",
    "web",
    "fedcba98",
    "exited",
    unknown=dict.fromkeys(("pid", "interface", "veth", "port"), "it is exited"),
)
LAN = WiredNetwork("shop_lan", "aaa0123456789", "bridge", (("172.30.0.0/22", "172.30.0.1"),), BRIDGE, (WIRED, STOPPED))
SHOP = Topology("shop", (LAN,))


def shown(topology: Topology, width: int) -> str:
    """The view as a terminal of that width prints it, without colour."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as capture:
        console.print(topology_view(topology, width=width))
    return capture.get()


@pytest.mark.parametrize("width", [40, 80, 120, 160, 200])
def test_every_fact_is_shown_at_every_width_and_no_line_is_longer(width: int) -> None:
    text = shown(SHOP, width)
    words = text.replace("(", " ").replace(")", " ").replace(",", " ").split()
    network = ["shop_lan", "aaa012345678", "bridge", "172.30.0.0/22", "172.30.0.1", "br-aaa", "5", "02:42:00:00:00:01"]
    inside = ["eth0", "12", "lowerlayerdown", "02:42:ac:1e:00:02", "1400", "172.30.0.2/22", "fd00::2/64", "web"]
    outside = ["veth3f2a", "13", "down", "b2:01:02:03:04:05", "blocking", "shop-web-2", "exited"]
    assert [fact for fact in (*network, *inside, *outside) if fact not in words] == []
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_wide_terminal_has_one_row_a_replica_and_a_narrow_one_three_short_lines() -> None:
    topology = Topology("shop", (replace(LAN, attachments=(WIRED,)),))
    assert [line for line in shown(topology, 200).splitlines() if "eth0" in line and "veth3f2a" in line]
    assert [line.split()[:2] for line in shown(topology, 80).splitlines()[4:7]] == [
        ["shop-web-1", "running"],
        ["├", "eth0"],
        ["└", "veth3f2a"],
    ]


def test_no_line_ends_in_blanks() -> None:
    topology = Topology("shop", (replace(LAN, attachments=(WIRED,)),))
    assert [line for width in (80, 200) for line in shown(topology, width).splitlines() if line != line.rstrip()] == []


def test_a_reason_that_holds_for_many_replicas_is_given_once() -> None:
    reasons = {"interface": "run as root"}
    many = [replace(WIRED, replica=f"shop-web-{n}", interface=None, unknown=reasons) for n in range(1, 61)]
    everybody = Topology("shop", (replace(LAN, attachments=tuple(many)),))
    nearly = Topology("shop", (replace(LAN, attachments=(*many, replace(WIRED, replica="shop-db-1"))),))
    told = "interface unknown (address and MAC are the engine's): run as root"
    assert shown(everybody, 200).count(told) == shown(nearly, 200).count(told) == 1
    assert f"every replica: {told}" in shown(everybody, 200)
    assert f"shop-web-1, shop-web-2, shop-web-3, shop-web-4 and 56 more: {told}" in shown(nearly, 200)


def test_where_kernel_and_engine_differ_the_kernels_facts_are_shown_and_the_engines_told() -> None:
    moved = replace(WIRED, engine_ipv4="172.30.0.9/22", engine_mac="02:42:ac:1e:00:09", gateway="172.30.0.254")
    text = shown(Topology("shop", (replace(LAN, attachments=(moved,)),)), 200)
    assert "172.30.0.2/22" in text
    assert "shop-web-1: eth0 does not have the engine's address 172.30.0.9/22" in text
    assert "shop-web-1: eth0 does not have the engine's MAC 02:42:ac:1e:00:09" in text
    assert "shop-web-1: its gateway is 172.30.0.254" in text


def test_replicas_in_no_network_and_an_empty_fleet_are_told() -> None:
    alone = replace(STOPPED, unknown={"interface": "it is in no network"})
    text = shown(Topology("shop", (replace(LAN, attachments=()),), (alone,)), 80)
    assert "nothing is plugged in" in text
    assert "shop-web-2  exited  it is in no network" in text
    assert shown(Topology("shop"), 80) == "fleet shop has no network and no replica\n"


@pytest.mark.parametrize("width", [80, 200])
def test_no_name_reaches_the_terminal_with_its_escapes_or_markup(width: int) -> None:
    bad = "\x1b[31m\u202e[red]"
    reasons = {"port": bad}
    attachment = replace(
        WIRED,
        replica=bad,
        state=bad,
        aliases=(bad,),
        interface=replace(ETH0, name=bad),
        engine_mac=bad,
        unknown=reasons,
    )
    network = replace(
        LAN,
        name=bad,
        id=bad,
        driver=bad,
        subnets=((bad, bad),),
        bridge=replace(BRIDGE, name=bad),
        attachments=(attachment,),
    )
    stray = replace(STOPPED, replica=bad, unknown={"interface": bad})
    text = shown(Topology(bad, (network, replace(network, bridge=None, unknown={"bridge": bad})), (stray,)), width)
    assert {"\x1b", "\u202e"}.isdisjoint(text)
    assert "[red]" in text
