"""The kernel of this machine is read as its own files describe it, and a refusal never passes for an answer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from fleetctl.net.links import addresses, interface, list_links, namespace_id
from fleetctl.net.namespaces import read_namespaces
from fleetctl.net.netlink import Netlink
from fleetctl.net.proc import local_ipv4
from fleetctl.net.sockets import NETLINK_SOCK_DIAG, listeners

SYSTEM = Path("/sys/class/net")


def facts_of_files() -> dict[str, tuple[str, ...]]:
    """By name: ifindex, MAC, MTU and state, as sysfs has them (sysfs-class-net in the kernel's ABI documents)."""
    facts = {}
    for path in SYSTEM.iterdir():
        try:
            facts[path.name] = tuple(
                Path(path, name).read_text().strip() for name in ("ifindex", "address", "mtu", "operstate")
            )
        except OSError:  # it went away while it was read
            continue
    return facts


def test_interfaces_are_what_the_kernels_files_say() -> None:
    before = facts_of_files()
    with closing(Netlink()) as netlink:
        cidrs = addresses(netlink)
        listed = [interface(link, cidrs.get(link.ifindex, ())) for link in list_links(netlink, counters=False)]
    links = {link.name: link for link in listed}
    steady = {name: facts for name, facts in facts_of_files().items() if before.get(name) == facts}
    assert "lo" in steady
    for name, facts in steady.items():
        link = links[name]
        assert (str(link.ifindex), link.mac, str(link.mtu), link.state) == facts
    assert "127.0.0.1/8" in links["lo"].addresses


def test_a_listing_without_loopback_is_an_error_and_not_an_empty_namespace() -> None:
    class Refused(Netlink):
        def ask(self, request: bytes) -> list[bytes]:
            return []

    with closing(Refused()) as netlink, pytest.raises(OSError, match="no loopback"):
        list_links(netlink, counters=False)


def test_a_listing_that_changed_while_it_was_written_is_asked_for_again() -> None:
    class Restless(Netlink):
        interruptions = 3

        def ask(self, request: bytes) -> list[bytes]:
            if self.interruptions:
                self.interruptions -= 1
                raise InterruptedError
            return super().ask(request)

    with closing(Restless()) as netlink:
        assert interface(list_links(netlink, counters=False)[0]).name == "lo"
        netlink.interruptions = 1000
        with pytest.raises(OSError, match="came or went"):
            list_links(netlink, counters=False)


def test_a_kernel_that_lists_some_sockets_only_is_asked_for_those_and_one_that_lists_none_is_an_error() -> None:
    class Lacking(Netlink):
        known = 1

        def ask(self, request: bytes) -> list[bytes]:
            if self.known:
                self.known -= 1
                return super().ask(request)
            raise FileNotFoundError

    with socket.create_server(("127.0.0.1", 0)) as server, closing(Lacking(NETLINK_SOCK_DIAG)) as netlink:
        ports = {listener.port for listener in listeners(netlink, {})}
        assert server.getsockname()[1] in ports, "IPv4 over TCP is listed first"
        with pytest.raises(OSError, match="lists no sockets"):
            listeners(netlink, {})


def test_the_number_of_a_namespace_is_none_for_the_own_one_and_an_error_for_nobodys() -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    with closing(Netlink()) as netlink:
        assert namespace_id(netlink, pid=os.getpid()) is None
        with pytest.raises(ProcessLookupError):
            namespace_id(netlink, pid=dead.pid)


def test_a_dead_process_is_a_reason_and_not_an_exception() -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    host, inside = read_namespaces([dead.pid])
    assert host.interfaces
    assert inside[dead.pid].interfaces is None
    assert inside[dead.pid].unknown == dict.fromkeys(("interfaces", "nsid"), f"process {dead.pid} is gone")


def test_anyone_can_read_the_own_addresses_of_a_processs_namespace() -> None:
    assert "127.0.0.1" in local_ipv4(os.getpid())
    assert "127.0.0.0" not in local_ipv4(os.getpid())
    with subprocess.Popen(["true"]) as dead:
        pass
    assert local_ipv4(dead.pid) == frozenset()


def test_pyroute2_is_not_imported_as_a_whole_but_can_be_afterwards() -> None:
    program = (
        "import sys, fleetctl.net.namespaces\n"
        "assert 'asyncio' not in sys.modules and 'pyroute2.ndb' not in sys.modules\n"
        "from pyroute2 import IPRoute\n"
        "with IPRoute() as route: assert route.get_links()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
