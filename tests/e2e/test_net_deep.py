"""What is read deeply of real containers and of the host is what the host's own tools say (needs root)."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from fleetctl.net.cgroup import Cgroups, pressure
from fleetctl.net.namespaces import inside, read_namespaces
from fleetctl.state.network import Interface, Route
from tests.e2e.deep_scene import Deep, deep, run, tool
from tests.e2e.open_files import open_files
from tests.e2e.scene import staged

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into other namespaces")


@pytest.fixture(scope="module")
def scene(client: docker.DockerClient) -> Iterator[Deep]:
    yield from staged(Deep, client)


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
    (seen,) = (each for each in host.listeners or () if each.inode == inode)  # others may have its port elsewhere
    assert (seen.address, seen.port, seen.backlog, seen.queued) == ("127.0.0.1", port, 7, 0)
    assert {process.pid for process in seen.processes} == {os.getpid(), child.pid}
    assert {process.file_limit for process in seen.processes} == {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}


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


def test_reading_deeply_leaves_no_file_open(scene: Deep) -> None:
    pids = [scene.pid(container) for container in scene.containers]
    before = open_files()
    for _ in range(3):
        read_namespaces(pids, deep=True)
    assert open_files() <= before
