"""A fleet's wiring made up for views: any number of replicas, one of each kind of trouble among many."""

from __future__ import annotations

from dataclasses import replace

from fleetctl.state.filters import FilterRule
from fleetctl.state.network import (
    Attachment,
    BridgePort,
    Counters,
    ForwardingEntry,
    Interface,
    Listener,
    Namespace,
    Neighbour,
    PolicyRule,
    Process,
    Publication,
    Resolver,
    Route,
    Topology,
    WiredNetwork,
)
from fleetctl.state.observed import Published
from fleetctl.state.probes import ReplicaReply, Reply

BRIDGE = Interface("br-aaa", 5000, "02:42:00:00:00:01", 1500, "up", ("172.30.0.1/22", "fe80::1/64"), kind="bridge")
GATEWAY = Neighbour("172.30.0.1", "02:42:00:00:00:01", "eth0", "reachable")
DNAT = "-A DOCKER ! -i br-aaa -p tcp -m tcp --dport {} -j DNAT --to-destination {}:8080"
MASQUERADE = "-A POSTROUTING -s 172.30.0.0/22 ! -o br-aaa -j MASQUERADE"
HTTP_OK, HTTP_REFUSED = Reply("http://x:8080/", 200, 2.5), Reply("http://x:8080/", error="connection refused")


def namespace(number: int, address: str = "0.0.0.0") -> Namespace:
    """Of a replica whose server listens on `address`:8080."""
    loopback = Interface("lo", 1, "00:00:00:00:00:00", 65536, "unknown", ("127.0.0.1/8",))
    return Namespace(
        interfaces=(loopback, interface(number)),
        nsid=number,
        routes=(
            Route("172.30.0.0/22", interface="eth0", scope="link"),
            Route("0.0.0.0/0", gateway="172.30.0.1", interface="eth0"),
            Route("172.30.0.2/32", kind="local", interface="eth0", table=255),
        ),
        neighbours=(GATEWAY,),
        listeners=(
            Listener("tcp", address, 8080, processes=(Process(900, "gunicorn"), Process(901, "gunicorn"))),
            Listener("udp", "127.0.0.11", 41234),
        ),
        policy=(PolicyRule(0, "from all lookup local"), PolicyRule(9, "from 10.0.0.0/8 lookup 7")),
        forwarding=(ForwardingEntry("02:42:00:00:00:01", 3, 5000),),
        filters=("tbf rate 1Mbit on eth0",),
        resolver=Resolver(("127.0.0.11",), ("example.org",), hosts={"shop": "10.0.0.9"}),
        settings={"ipv4.ip_forward": "0"},
        statistics={"TcpExt.ListenDrops": 0},
        processes=(Process(900, "gunicorn"),),
        pressure={"frozen": 0},
    )


def interface(number: int) -> Interface:
    counters = Counters(rx_packets=12, rx_bytes=1100, tx_packets=3, tx_bytes=210)
    address = f"172.30.{number // 250}.{number % 250 + 2}/22"
    mac = f"02:42:ac:1e:00:{number % 256:02x}"
    return Interface("eth0", 2 * number, mac, 1500, "up", (address,), kind="veth", counters=counters)


def attachment(number: int) -> Attachment:
    """A replica with which all is well."""
    inner = interface(number)
    ip = inner.addresses[0].partition("/")[0]
    veth = Interface(
        f"veth{number:07x}", 2 * number + 1, "b2:01:02:03:04:05", 1500, "up", kind="veth", port=BridgePort("forwarding")
    )
    port = Published(8080, host_ip="127.0.0.1", host_port=18000 + number)
    return Attachment(
        replica=f"shop-web-{number}",
        service="web",
        container_id=f"{number:064x}",
        state="running",
        pid=4000 + number,
        interface=inner,
        veth=veth,
        port_state="forwarding",
        aliases=("web",),
        gateway="172.30.0.1",
        engine_ipv4=inner.addresses[0],
        engine_mac=inner.mac,
        namespace=namespace(number),
        published=(Publication(port, DNAT.format(18000 + number, ip), Process(700 + number, "docker-proxy")),),
        resolved=(f"shop-web-{number}", "web", f"{number:064x}"[:12]),
        reply=ReplicaReply(f"shop-web-{number}", "web", HTTP_OK),
    )


def stopped(number: int) -> Attachment:
    reason = "it is exited, so it has no network namespace"
    unknown = dict.fromkeys(("pid", "interface", "veth", "port", "gateway"), reason)
    name = f"shop-web-{number}"
    return Attachment(name, "web", f"{number:064x}", "exited", unknown=unknown)


def troubled(whole: Attachment, number: int) -> Attachment:
    """The same with a trouble of its own, by number; most have none."""
    inner, veth = interface(number), whole.veth
    assert veth
    if number == 4:
        return replace(whole, namespace=namespace(number, "127.0.0.1"), reply=silent(number))
    if number == 7:
        return replace(whole, veth=replace(veth, mtu=576), interface=replace(inner, counters=Counters(rx_dropped=3)))
    if number == 9:
        return replace(whole, veth=replace(veth, state="down"), port_state="disabled", reply=silent(number))
    return stopped(number) if number == 11 else whole


def silent(number: int) -> ReplicaReply:
    return ReplicaReply(f"shop-web-{number}", "web", HTTP_REFUSED, error=HTTP_REFUSED.error)


def topology(replicas: int, *, trouble: bool = True) -> Topology:
    """One network with so many replicas."""
    numbers = range(1, replicas + 1)
    found = tuple(troubled(attachment(number), number) if trouble else attachment(number) for number in numbers)
    rule = FilterRule("iptables", "nat", "POSTROUTING", 1, MASQUERADE, "MASQUERADE", 7)
    subnets = (("172.30.0.0/22", "172.30.0.1"),)
    lan = WiredNetwork("shop_lan", "aaa0123456789", "bridge", subnets, BRIDGE, found, (rule,))
    return Topology("shop", (lan,), host=host(found))


def host(found: tuple[Attachment, ...]) -> Namespace:
    veths = tuple(replace(one.veth, bridge_ifindex=BRIDGE.ifindex) for one in found if one.veth)
    uplink = Interface("ens3", 2, "52:54:00:00:00:01", 1500, "up", ("192.0.2.10/24",))
    stranger = Interface("docker0", 3, "02:42:00:00:00:99", 1500, "down", ("172.17.0.1/16",), kind="bridge")
    return Namespace(
        interfaces=(uplink, stranger, BRIDGE, *veths),
        routes=(
            Route("0.0.0.0/0", gateway="192.0.2.1", interface="ens3"),
            Route("172.30.0.0/22", interface="br-aaa"),
            Route("172.17.0.0/16", interface="docker0"),
        ),
        settings={"ipv4.ip_forward": "1"},
    )
