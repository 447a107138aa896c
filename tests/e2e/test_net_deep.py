"""What is read deeply of real containers and of a private namespace is what the host's own tools say (needs root)."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import docker
import pytest
from docker.errors import APIError
from docker.models.containers import Container

from fleetctl.net.cgroup import Cgroups, pressure
from fleetctl.net.namespaces import inside, read_namespaces
from fleetctl.state.network import Interface, Namespace, PolicyRule, Route
from tests.e2e.project import wait_for
from tests.e2e.test_net import Scene

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into other namespaces")

SERVERS = (
    "httpd -p 8080 -h /www; httpd -p 127.0.0.1:8081 -h /www; httpd -p $(hostname -i):8082 -h /www;"
    " nc -l -p 9000 & trap 'exit 0' TERM; sleep 2147483647 & wait"
)
LISTENING = {("tcp", 8080), ("tcp", 8081), ("tcp", 8082), ("tcp", 9000)}


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def tool(pid: int | None, *command: str) -> Any:
    """What a tool of the host says in JSON, in the namespace of a process; without empty entries."""
    enter = () if pid is None else ("nsenter", "--net", "--target", str(pid))
    return [entry for entry in json.loads(run(*enter, *command) or "[]") if entry]


class Deep(Scene):
    """Three containers on one network: two that serve, one that is limited and paused."""

    def build(self) -> None:
        self.lan = self.network("lan")
        self.web, self.peer = self.serve("web"), self.serve("peer")
        self.limited = self.serve("limited", nano_cpus=10_000_000)
        wait_for("the kernel freezes what it holds back most of the time", self.freeze)
        # Each has met the other, so both know the other's MAC and the bridge knows theirs.
        inside(self.pid(self.web), lambda: socket.create_connection((self.address(self.peer), 8080), 5).close())

    def freeze(self) -> bool:
        """runc gives up after some tries when a throttled process does not get to where it can be frozen."""
        try:
            self.limited.pause()
        except APIError:
            return False
        return True

    def serve(self, name: str, **limits: Any) -> Container:
        made = self.client.containers.create(
            self.image,
            ["sh", "-c", SERVERS],
            name=f"{self.name}-{name}",
            network=self.lan.id,
            labels=self.labels,
            ulimits=[docker.types.Ulimit(name="nofile", soft=321, hard=400)],
            **limits,
        )
        self.containers.append(made)
        made.start()
        made.reload()
        deadline = monotonic() + 30
        while monotonic() < deadline:
            if {(each.protocol, each.port) for each in deep(self.pid(made)).listeners or ()} == LISTENING:
                return made
        raise AssertionError(made.logs())

    @staticmethod
    def pid(container: Container) -> int:
        return int(container.attrs["State"]["Pid"])

    def address(self, container: Container) -> str:
        return str(container.attrs["NetworkSettings"]["Networks"][self.lan.name]["IPAddress"])


def deep(pid: int) -> Namespace:
    return read_namespaces([pid], deep=True)[1][pid]


@pytest.fixture(scope="module")
def scene() -> Iterator[Deep]:
    client = docker.from_env()
    built = Deep(client)
    try:
        built.build()
        yield built
    finally:
        built.remove()
        client.close()


@pytest.fixture
def private() -> Iterator[tuple[str, int]]:
    """A network namespace of our own with lo up: its name for ip-netns(8), and the pid of a process in it."""
    name = f"deep-{uuid.uuid4().hex[:8]}"
    run("ip", "netns", "add", name)
    try:
        command = ["nsenter", f"--net=/run/netns/{name}", "sleep", "infinity"]
        with subprocess.Popen(command) as resident:
            try:
                while run("ip", "netns", "pids", name).split() != [str(resident.pid)]:
                    assert resident.poll() is None
                ip(name, "link set lo up")
                yield name, resident.pid
            finally:
                resident.kill()
    finally:
        run("ip", "netns", "delete", name)


def ip(namespace: str, arguments: str) -> None:
    run("ip", "-n", namespace, *arguments.split())


def link_facts(link: Interface) -> dict[str, Any]:
    return {
        "ifname": link.name,
        "ifindex": link.ifindex,
        "address": link.mac,
        "mtu": link.mtu,
        "operstate": link.state.upper(),
        "qdisc": link.qdisc,
        "up": link.up,
        "arp": link.arp,
        "addresses": link.addresses,
    }


def tool_facts(link: Mapping[str, Any]) -> dict[str, Any]:
    same = {key: link[key] for key in ("ifname", "ifindex", "address", "mtu", "operstate", "qdisc")}
    cidrs = tuple(f"{address['local']}/{address['prefixlen']}" for address in link["addr_info"])
    return same | {"up": "UP" in link["flags"], "arp": "NOARP" not in link["flags"], "addresses": cidrs}


def route_facts(route: Route) -> tuple[Any, ...]:
    return (route.destination, route.kind, route.gateway, route.interface, route.source, route.scope, route.table)


def routes_by_ip(pid: int) -> set[tuple[Any, ...]]:
    """As `ip` says; it leaves out what is usual."""
    tables = {"local": 255, "main": 254, "default": 253}
    found = set()
    for family, everything, bits in (("-4", "0.0.0.0/0", 32), ("-6", "::/0", 128)):
        for route in tool(pid, "ip", family, "-j", "-d", "route", "show", "table", "all"):
            destination = everything if route["dst"] == "default" else route["dst"]
            table = route.get("table", "main")
            found.add(
                (
                    destination if "/" in destination else f"{destination}/{bits}",
                    route["type"],
                    route.get("gateway"),
                    route.get("dev"),
                    route.get("prefsrc"),
                    route["scope"],
                    tables.get(table) or int(table),
                )
            )
    return found


def test_interfaces_and_routes_of_a_container_are_what_ip_says(scene: Deep) -> None:
    pid = scene.pid(scene.web)
    seen = deep(pid)
    assert seen.unknown == {}
    assert [link_facts(link) for link in seen.interfaces or ()] == [
        tool_facts(link) for link in tool(pid, "ip", "-j", "addr")
    ]
    assert {route_facts(route) for route in seen.routes or ()} == routes_by_ip(pid)
    assert seen.inode == os.stat(f"/proc/{pid}/ns/net").st_ino  # noqa: PTH116 - of a link of the kernel's


def test_counters_lie_between_what_ip_says_before_and_after(scene: Deep) -> None:
    def by_ip() -> dict[str, Any]:
        (link,) = tool(scene.pid(scene.web), "ip", "-j", "-s", "link", "show", "eth0")
        sides: dict[str, dict[str, int]] = link["stats64"]
        return {f"{side}_{name}": count for side, counts in sides.items() for name, count in counts.items()}

    before = by_ip()
    eth0 = next(link for link in deep(scene.pid(scene.web)).interfaces or () if link.name == "eth0")
    after = by_ip()
    assert eth0.counters
    assert eth0.counters.rx_packets > 0
    for name in ("packets", "bytes", "errors", "dropped"):
        for side in ("rx", "tx"):
            key = f"{side}_{name}"
            assert before[key] <= getattr(eth0.counters, key) <= after[key]


def test_each_listener_of_a_container_is_shown_with_its_reach_and_its_process(scene: Deep) -> None:
    pid = scene.pid(scene.web)
    seen = deep(pid)
    assert seen.listeners
    assert {(each.protocol, each.port): each.reach for each in seen.listeners} == {
        ("tcp", 8080): "all interfaces",
        ("tcp", 8081): "loopback only",
        ("tcp", 8082): "one address",
        ("tcp", 9000): "all interfaces",
    }
    inside_container = {process.pid for process in seen.processes or ()}
    for listener in seen.listeners:
        (holder,) = listener.processes
        assert holder.name == ("nc" if listener.port == 9000 else "httpd")
        assert holder.pid in inside_container
        assert f"socket:[{listener.inode}]" in {
            str(path.readlink()) for path in Path(f"/proc/{holder.pid}/fd").iterdir()
        }
    by_ss = run("nsenter", "--net", "--target", str(pid), "ss", "-Hltn").splitlines()
    columns = [line.split() for line in by_ss if "127.0.0.11:" not in line]
    assert sorted(
        (int(local.rpartition(":")[2]), int(queued), int(backlog)) for _, queued, backlog, local, _ in columns
    ) == [(each.port, each.queued, each.backlog) for each in seen.listeners if each.protocol == "tcp"]


def test_the_processes_of_a_container_are_those_that_the_engine_lists(scene: Deep) -> None:
    seen = deep(scene.pid(scene.web)).processes
    listed: Any = scene.web.top()
    titles, rows = listed["Titles"], listed["Processes"]
    assert seen
    assert {(process.pid, process.parent) for process in seen} == {
        (int(row[titles.index("PID")]), int(row[titles.index("PPID")])) for row in rows
    }
    for process in seen:
        assert process.file_limit == 321
        assert process.files == len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        assert process.name == Path(f"/proc/{process.pid}/comm").read_text().strip()


def test_a_container_that_is_held_back_and_paused_is_known_by_its_cgroup(scene: Deep) -> None:
    limited, free = (deep(scene.pid(container)).pressure for container in (scene.limited, scene.web))
    assert limited
    assert free
    assert (limited["frozen"], free["frozen"]) == (1, 0)
    assert limited["periods"] > 0
    assert limited["throttled"] > 0
    assert free["throttled"] == free["oom_kills"] == 0


def test_processes_are_found_where_their_cgroup_is_out_of_sight(scene: Deep) -> None:
    """As inside a helper container, which sees the paths but not the directories of others."""
    cgroups = Cgroups()
    process = os.open(f"/proc/{scene.pid(scene.web)}", os.O_PATH)
    try:
        seen = cgroups.of(process)
    finally:
        os.close(process)
    hidden = replace(seen, directories={})
    assert cgroups.pids(hidden) == cgroups.pids(seen) != ()
    with pytest.raises(OSError, match="cannot be seen"):
        pressure(hidden)


def test_neighbours_and_the_bridges_database_are_what_ip_and_bridge_say(scene: Deep) -> None:
    pid = scene.pid(scene.web)
    host, inner = read_namespaces([pid], deep=True)
    seen = {(each.address, each.mac) for each in inner[pid].neighbours or ()}
    assert (
        scene.address(scene.peer),
        scene.peer.attrs["NetworkSettings"]["Networks"][scene.lan.name]["MacAddress"],
    ) in seen
    assert seen == {(each["dst"], each.get("lladdr")) for each in tool(pid, "ip", "-j", "neigh")}

    bridge_name = f"br-{(scene.lan.id or '')[:12]}"
    names = {link.ifindex: link.name for link in host.interfaces or ()}
    entries = {
        (each.mac, names[each.port_ifindex], each.own)
        for each in host.forwarding or ()
        if names.get(each.bridge_ifindex or 0) == bridge_name
    }
    assert entries == {
        (each["mac"], each["ifname"], each["state"] == "permanent")
        for each in tool(None, "bridge", "-j", "fdb", "show", "br", bridge_name)
        if "self" not in each["flags"]
    }
    web_mac = scene.web.attrs["NetworkSettings"]["Networks"][scene.lan.name]["MacAddress"]
    assert any(mac == web_mac and not own for mac, _, own in entries)


def test_settings_and_statistics_are_those_of_the_containers_own_files(scene: Deep) -> None:
    pid = scene.pid(scene.web)
    seen = deep(pid)
    assert seen.settings
    assert seen.statistics
    for name in ("ipv4.ip_forward", "ipv4.conf.all.rp_filter", "ipv4.conf.eth0.arp_ignore", "ipv4.conf.lo.forwarding"):
        path = f"/proc/sys/net/{name.replace('.', '/')}"
        assert seen.settings[name] == inside(pid, Path(path).read_text).strip()
    assert seen.settings["ipv4.ip_local_port_range"].split()[0].isdecimal()
    assert {"TcpExt.ListenOverflows", "TcpExt.IPReversePathFilter", "Ip.OutNoRoutes", "IpExt.InNoRoutes"} <= set(
        seen.statistics
    )
    assert seen.statistics["Tcp.ActiveOpens"] >= 1, "it has asked its peer"


def test_the_resolver_of_a_container_is_docker_s_own(scene: Deep) -> None:
    resolver = deep(scene.pid(scene.web)).resolver
    assert resolver
    assert resolver.nameservers == ("127.0.0.11",)
    assert scene.web.short_id[:12] in resolver.hosts
    assert resolver.hosts["localhost"] == "127.0.0.1"


def test_the_hosts_own_namespace_is_read_as_deeply(scene: Deep) -> None:
    host, _ = read_namespaces([], deep=True)
    assert host.unknown == {}
    by_ip = {link["ifname"] for link in tool(None, "ip", "-j", "link")}
    assert f"br-{(scene.lan.id or '')[:12]}" in {link.name for link in host.interfaces or ()} & by_ip
    assert (host.settings or {})["ipv4.ip_forward"] == Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()
    assert (host.resolver, host.processes, host.pressure) == (None, None, None)


def test_a_listener_of_the_host_is_shown_with_every_process_that_holds_it() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=7) as server:
        port, inode = server.getsockname()[1], os.fstat(server.fileno()).st_ino
        command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
        with subprocess.Popen(
            command, pass_fds=[server.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            assert child.stdout
            child.stdout.readline()
            host, _ = read_namespaces([], deep=True)
            child.communicate()
    seen = next(each for each in host.listeners or () if each.port == port)
    assert (seen.address, seen.inode, seen.backlog, seen.queued) == ("127.0.0.1", inode, 7, 0)
    assert {process.pid for process in seen.processes} == {os.getpid(), child.pid}
    assert {process.file_limit for process in seen.processes} == {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}


def test_blackholes_and_rules_and_permanent_neighbours_are_seen(private: tuple[str, int]) -> None:
    name, pid = private
    ip(name, "link add va type veth peer name vb")
    ip(name, "address add 10.1.0.1/24 dev va")
    ip(name, "link set va up")
    ip(name, "link set vb up arp off")
    ip(name, "route add blackhole 10.9.0.0/16")
    ip(name, "route add unreachable 10.8.0.0/16 metric 5 table 100")
    ip(name, "route add 10.7.0.0/16 nexthop via 10.1.0.7 weight 1 nexthop via 10.1.0.8 weight 2")
    ip(name, "-6 route add prohibit fd99::/64")
    ip(name, "rule add not from 10.1.0.0/24 to 10.2.0.0/16 fwmark 0x5/0xff iif va priority 77 lookup 100")
    ip(name, "rule add ipproto tcp dport 80-90 priority 78 prohibit")
    ip(name, "-6 rule add from fd98::/64 priority 79 table main suppress_prefixlength 0")
    ip(name, "neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev va nud permanent")
    seen = deep(pid)

    routes = {route.destination: route for route in seen.routes or ()}
    assert routes["10.9.0.0/16"].kind == "blackhole"
    assert routes["10.8.0.0/16"] == Route("10.8.0.0/16", "unreachable", metric=5, table=100)
    assert (routes["10.7.0.0/16"].gateway, routes["10.7.0.0/16"].interface) == ("10.1.0.7", "va")
    assert routes["fd99::/64"].kind == "prohibit"
    by_ip = {
        PolicyRule(int(priority), text.strip(), ipv6=family == "-6")
        for family in ("-4", "-6")
        for line in run("ip", "-n", name, family, "rule").splitlines()
        for priority, _, text in (line.partition(":"),)
    }
    assert set(seen.policy or ()) == by_ip
    assert {77, 78, 79} <= {rule.priority for rule in seen.policy or ()}
    (permanent,) = (each for each in seen.neighbours or () if each.address == "10.1.0.9")
    assert (permanent.mac, permanent.interface, permanent.state) == ("02:00:00:00:00:09", "va", "permanent")
    links = {link.name: link for link in seen.interfaces or ()}
    assert (links["va"].arp, links["vb"].arp, links["va"].carrier, links["va"].xdp) == (True, False, True, False)


def test_what_a_bridge_does_with_its_ports_is_seen(private: tuple[str, int]) -> None:
    name, pid = private
    ip(name, "link add br0 type bridge stp_state 1")
    for port in ("p", "q"):
        ip(name, f"link add {port} type veth peer name {port}x")
        ip(name, f"link set {port} master br0 up")
        ip(name, f"link set {port}x up")
    run("bridge", "-n", name, "link", "set", "dev", "p", "isolated", "on", "learning", "off", "flood", "off")
    run("bridge", "-n", name, "link", "set", "dev", "q", "hairpin", "on")
    seen = deep(pid)

    links = {link.name: link for link in seen.interfaces or ()}
    bridge, p, q = links["br0"], links["p"].port, links["q"].port
    assert (bridge.kind, bridge.stp, bridge.vlan_filtering, bridge.up) == ("bridge", True, False, False)
    assert p
    assert q
    assert (p.isolated, p.learning, p.flood, p.hairpin) == (True, False, False, False)
    assert (q.isolated, q.learning, q.flood, q.hairpin) == (False, True, True, True)
    assert any(entry.own and entry.bridge_ifindex == bridge.ifindex for entry in seen.forwarding or ())


def test_sockets_on_loopback_one_address_every_address_and_udp_are_seen(private: tuple[str, int]) -> None:
    name, pid = private
    ip(name, "address add 10.5.0.1/32 dev lo")

    def listen(opened: ExitStack) -> None:
        for family, kind, address in (
            (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
            (socket.AF_INET, socket.SOCK_STREAM, "10.5.0.1"),
            (socket.AF_INET6, socket.SOCK_STREAM, "::"),
            (socket.AF_INET6, socket.SOCK_STREAM, "::ffff:127.0.0.2"),
            (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1"),
        ):
            made = opened.enter_context(socket.socket(family, kind))
            if address == "::":
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((address, 4000))
            if kind == socket.SOCK_STREAM:
                made.listen(3)
        # Connected to somebody: it waits for nobody else.
        opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).connect(("127.0.0.1", 4000))
        client = opened.enter_context(socket.socket())
        client.connect(("127.0.0.1", 4000))

    with ExitStack() as opened:
        inside(pid, lambda: listen(opened))
        seen = deep(pid).listeners or ()
    assert [(each.protocol, each.address, each.reach, each.queued, each.backlog, each.v6_only) for each in seen] == [
        ("tcp", "10.5.0.1", "one address", 0, 3, False),
        ("tcp", "127.0.0.1", "loopback only", 1, 3, False),
        ("tcp", "127.0.0.2", "loopback only", 0, 3, False),
        ("tcp", "::", "all interfaces", 0, 3, True),
        ("udp", "127.0.0.1", "loopback only", 0, 0, False),
    ]
    assert {holder.pid for each in seen for holder in each.processes} == {os.getpid()}, "found although it is elsewhere"


def test_what_tc_drops_or_delays_is_seen_and_its_defaults_are_not(private: tuple[str, int]) -> None:
    name, pid = private
    assert deep(pid).filters == ()
    for command in (
        "qdisc add dev lo clsact",
        "qdisc replace dev lo root handle 1: tbf rate 1mbit burst 32kbit latency 400ms",
        "filter add dev lo ingress protocol ip pref 7 u32 match ip dst 10.9.9.9/32 flowid 1:1",
    ):
        run("tc", "-n", name, *command.split())
    assert set(deep(pid).filters or ()) == {
        "qdisc tbf 1: dev lo root",
        "qdisc clsact ffff: dev lo ingress",
        "filter dev lo ingress protocol 0x0800 pref 7 u32",
    }


def test_work_runs_inside_and_leaves_the_caller_outside(private: tuple[str, int]) -> None:
    _, pid = private
    here = os.readlink("/proc/thread-self/ns/net")  # noqa: PTH115
    listed = inside(pid, lambda: run("ip", "-o", "link"))
    assert [line.split(": ")[1] for line in listed.splitlines()] == ["lo"]
    assert inside(None, lambda: os.readlink("/proc/thread-self/ns/net")) == here  # noqa: PTH115
    assert os.readlink("/proc/thread-self/ns/net") == here  # noqa: PTH115
    with pytest.raises(ZeroDivisionError):
        inside(pid, lambda: 1 // 0)
    with subprocess.Popen(["true"]) as dead:
        pass
    with pytest.raises(ProcessLookupError):
        inside(dead.pid, lambda: None)


AS_NOBODY = """
import json, os, sys
from fleetctl.net.cgroup import Cgroups, pressure
from fleetctl.net.namespaces import inside, read_namespaces
read_namespaces([os.getpid()], deep=True)
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
pid, gone = map(int, sys.argv[1:])
host, inner = read_namespaces([pid, gone], deep=True)
try:
    inside(pid, lambda: None)
    entered = "yes"
except PermissionError:
    entered = "no"
fields = lambda seen: [name for name in seen.__slots__ if getattr(seen, name) is not None]
json.dump([[fields(seen), dict(seen.unknown)] for seen in (host, inner[pid], inner[gone])] + [entered], sys.stdout)
"""


def test_an_ordinary_user_gets_what_anyone_may_know_and_the_reason_for_the_rest(scene: Deep) -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    command = [sys.executable, "-c", AS_NOBODY, str(scene.pid(scene.web)), str(dead.pid)]
    host, web, gone, entered = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert host[1] == {}
    assert {"interfaces", "routes", "neighbours", "listeners", "settings"} <= set(host[0])
    within = {"interfaces", "routes", "policy", "neighbours", "forwarding", "listeners", "filters", "settings"}
    assert set(web[1]) == within | {"inode", "resolver"}
    assert all("run as root" in reason for reason in web[1].values())
    assert {"nsid", "local_ipv4", "statistics", "processes", "pressure"} <= set(web[0])
    assert set(gone[1].values()) == {f"process {dead.pid} is gone"}
    assert within | {"nsid", "inode", "resolver", "processes", "pressure", "statistics"} == set(gone[1])
    assert entered == "no"


def test_a_dead_process_leaves_a_reason_for_every_field() -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    seen = deep(dead.pid)
    assert set(seen.unknown.values()) == {f"process {dead.pid} is gone"}
    assert seen == Namespace(unknown=seen.unknown)


def test_reading_deeply_leaves_no_file_open(scene: Deep) -> None:
    pids = [scene.pid(container) for container in scene.containers]
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        read_namespaces(pids, deep=True)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
