"""The tree shows the way and every trouble at every width, is short for many, and lets nothing hostile through."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from fleetctl.state.network import Attachment, Interface, Listener, Process, Resolver, Topology
from fleetctl.state.observed import Published
from fleetctl.view.changes import changes
from fleetctl.view.namespace import host_view, inside_view
from fleetctl.view.tree import MANY, topology_tree
from tests.fakes.made_up_wiring import attachment, namespace, stopped, topology

STEERING = "\x1b]0;owned\x07\u202e\x9b31m[red]"


def shown(view: RenderableType, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def with_attachments(*attachments: Attachment) -> Topology:
    whole = topology(1)
    return replace(whole, networks=(replace(whole.networks[0], attachments=attachments),))


@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("replicas", [3, 60])
def test_no_line_is_longer_than_the_terminal_or_ends_in_blanks(width: int, replicas: int) -> None:
    lines = shown(topology_tree(topology(replicas)), width).splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [80, 160])
def test_the_way_from_the_bridge_to_the_socket_is_shown(width: int) -> None:
    text = shown(topology_tree(topology(3)), width)
    for fact in (
        *("shop_lan", "172.30.0.0/22, gateway 172.30.0.1", "bridge br-aaa (5000) up", "172.30.0.1/22", "MTU 1500"),
        *("forwarding veth0000001 (3) ⇄ eth0 (2)", "172.30.0.3/22", "MAC 02:42:ac:1e:00:01", "HTTP 200 in 2.5 ms"),
        *("tcp 0.0.0.0:8080 all interfaces", "gunicorn (2 processes)", "127.0.0.1:18001 → 8080/tcp"),
        *("NAT rule, docker-proxy 701", "default via 172.30.0.1 dev eth0", "127.0.0.11 (Docker's)", "shop-web-1  web"),
        *("172.30.0.1 is 02:42:00:00:00:01 (reachable)", "in 12 packets 1.1 kB, out 3 packets 210 B"),
    ):
        assert fact in text


def test_at_80_columns_a_replica_takes_few_lines_and_sixty_take_three_each() -> None:
    few = shown(topology_tree(topology(3, trouble=False)), 80).splitlines()
    many = shown(topology_tree(topology(60, trouble=False)), 80).splitlines()
    assert len(few) <= 5 + 3 * 9
    assert len(many) <= 8 + 60 * 3


def test_dockers_own_dns_is_no_socket_of_the_replica() -> None:
    assert "41234" not in shown(topology_tree(topology(1)))


def test_reach_and_waiting_connections_are_spelled_out() -> None:
    sockets = (
        Listener("tcp", "127.0.0.1", 1, processes=(Process(1, "a"),)),
        Listener("tcp", "172.30.0.3", 2, queued=2, backlog=5),
        Listener("tcp", "::", 3, v6_only=True),
        Listener("udp", "0.0.0.0", 4),
    )
    one = replace(attachment(1), namespace=replace(namespace(1), listeners=sockets))
    text = shown(topology_tree(with_attachments(one)))
    assert "tcp 127.0.0.1:1 loopback only  a\n" in text
    assert "tcp 172.30.0.3:2 one address  2 of 5 wait to be accepted\n" in text
    assert "tcp [::]:3 all interfaces (IPv6 only)\n" in text
    assert "udp 0.0.0.0:4 all interfaces\n" in text


def test_a_running_replica_without_a_socket_is_told() -> None:
    silent = replace(attachment(1), namespace=replace(namespace(1), listeners=()))
    assert "nothing listens" in shown(topology_tree(with_attachments(silent)))


def test_unequal_mtus_losses_and_missing_rules_are_remarked() -> None:
    bare = replace(attachment(8).published[0], rule=None, proxy=None)
    unread = replace(bare, port=Published(9, host_port=9), unknown={"rule": "run as root", "proxy": "run as root"})
    one = replace(topology(7).networks[0].attachments[6], published=(bare, unread))
    text = shown(topology_tree(with_attachments(one)))
    assert "! shop-web-7: the MTU differs on its way: eth0 1500, veth0000007 576, br-aaa 1500" in text
    assert "! shop-web-7: eth0 has lost packets: in 3 dropped" in text
    assert "no NAT rule, no docker-proxy" in text
    assert "NAT rule unknown, docker-proxy unknown" in text
    assert "! shop-web-7: NAT rules and docker-proxy unknown: run as root" in text


def test_what_most_replicas_share_is_told_once_and_what_differs_where_it_is() -> None:
    other = replace(attachment(3), namespace=replace(namespace(3), resolver=Resolver(("192.0.2.53",), ndots=5)))
    text = shown(topology_tree(with_attachments(attachment(1), attachment(2), other)))
    assert text.count("127.0.0.11 (Docker's)") == 1
    assert text.count("192.0.2.53, ndots 5") == 1


def test_more_than_a_screenful_says_how_to_see_one_replica_whole() -> None:
    hint = "short form"
    assert hint not in shown(topology_tree(topology(MANY)))
    text = shown(topology_tree(topology(MANY + 1)))
    assert hint in text
    assert "shop-web-11  exited" in text


def test_a_replica_in_two_networks_tells_its_sockets_once() -> None:
    lan = topology(1).networks[0]
    text = shown(topology_tree(Topology("shop", (lan, replace(lan, name="shop_back")))))
    assert text.count("tcp 0.0.0.0:8080") == 1
    assert text.count("⇄") == 2


def test_what_is_unknown_has_its_reason() -> None:
    reasons = dict.fromkeys(("interface", "veth", "port"), "run as root")
    inside = replace(namespace(1), listeners=None, unknown={"listeners": "run as root"})
    one = replace(attachment(1), interface=None, veth=None, port_state=None, unknown=reasons, namespace=inside)
    text = shown(topology_tree(with_attachments(one)))
    assert "172.30.0.3/22" in text
    assert "! shop-web-1: wiring and listeners unknown (address and MAC are the engine's): run as root" in text
    assert "nothing listens" not in text


def test_changes_are_marked_where_they_happened_and_elsewhere_nothing_is() -> None:
    before, after = topology(3), with_attachments(stopped(1), attachment(2), attachment(3))
    marks = changes(before, after)
    assert marks.keys() == {"shop-web-1"}
    assert "state: running → exited" in marks["shop-web-1"]
    text = shown(topology_tree(after, marks))
    assert text.count("changed: state: running → exited") == 1


def test_counters_and_times_are_no_change() -> None:
    one = attachment(1)
    assert one.interface
    assert one.interface.counters
    assert one.reply
    later = replace(
        one,
        interface=replace(one.interface, counters=replace(one.interface.counters, rx_packets=99)),
        reply=replace(one.reply, reply=replace(one.reply.reply, milliseconds=9.0)),
    )
    assert changes(with_attachments(one), with_attachments(later)) == {}


def test_what_comes_and_goes_is_a_change() -> None:
    one, two = with_attachments(attachment(1)), with_attachments(attachment(1), attachment(2))
    assert "state is new: running" in changes(one, two)["shop-web-2"]
    assert "state is gone: running" in changes(two, one)["shop-web-2"]


def test_the_host_shows_what_concerns_the_networks_and_no_more() -> None:
    text = shown(host_view(topology(2)))
    for fact in ("ens3 (2) up", "192.0.2.10/24", "br-aaa (5000) up", "veth0000002", "port of br-aaa, forwarding"):
        assert fact in text
    assert "docker0" not in text
    assert "default via 192.0.2.1 dev ens3" in text
    assert "ipv4.ip_forward = 1  forwards packets between interfaces" in text
    assert "-s 172.30.0.0/22 ! -o br-aaa -j MASQUERADE  7 packets" in text


def test_the_inside_shows_all_of_a_namespace() -> None:
    text = shown(inside_view("shop-web-1", namespace(1)))
    for fact in ("lo (1)", "127.0.0.1/8", "eth0 (2) up", "default via 172.30.0.1", "tcp 0.0.0.0:8080", "reachable"):
        assert fact in text
    assert "9: from 10.0.0.0/8 lookup 7" in text
    assert "lookup local" not in text


@pytest.mark.parametrize("width", [80, 160])
def test_nothing_hostile_reaches_the_terminal(width: int) -> None:
    bad = STEERING
    one = attachment(1)
    evil = replace(
        one,
        replica=bad,
        state=bad,
        interface=Interface(bad, 1, bad, 1, bad, ("172.30.0.3/22",)),
        resolved=(bad,),
        unknown={"port": bad, "interface": bad},
        namespace=replace(
            namespace(1),
            listeners=(Listener("tcp", "0.0.0.0", 1, processes=(Process(1, bad),)),),
            resolver=Resolver((bad,), (bad,)),
            unknown={"routes": bad},
        ),
        published=(replace(one.published[0], unknown={"rule": bad, "proxy": bad}, rule=None, proxy=None),),
    )
    whole = with_attachments(evil)
    lan = replace(whole.networks[0], name=bad, id=bad, driver=bad, bridge=None, unknown={"bridge": bad, "nat": bad})
    topologies = Topology(bad, (*whole.networks, lan), (evil,), host=evil.namespace)
    assert evil.namespace
    marks = {bad: [bad]}
    for view in (topology_tree(topologies, marks), host_view(topologies), inside_view(bad, evil.namespace)):
        text = shown(view, width)
        assert {"\x1b", "\x07", "\u202e", "\x9b"}.isdisjoint(text)
        assert "[red]" in text
