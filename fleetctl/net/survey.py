"""Reads everything there is to know about one network namespace; what cannot be read leaves its reason."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from fleetctl.net.cgroup import Cgroups, pressure
from fleetctl.net.links import addresses, interface, interface_settings, list_links
from fleetctl.net.netlink import Netlink
from fleetctl.net.policy import policy
from fleetctl.net.proc import settings, statistics
from fleetctl.net.processes import Holdings, read_processes
from fleetctl.net.resolv import read_lookup
from fleetctl.net.routes import forwarding, neighbours, routes
from fleetctl.net.sockets import NETLINK_SOCK_DIAG, listeners
from fleetctl.net.traffic import filters

WITHIN = (
    "interfaces",
    "routes",
    "policy",
    "neighbours",
    "forwarding",
    "listeners",
    "filters",
    "settings",
)
"""The fields that are read from within the namespace."""


class Survey:
    """Collects the fields of one Namespace and the reasons for those that are missing."""

    def __init__(self, explain: Callable[[OSError], str]) -> None:
        self.fields: dict[str, Any] = {}
        self.unknown: dict[str, str] = {}
        self.holdings = Holdings()
        self._explain = explain

    def read(self, name: str, work: Callable[[], Any]) -> None:
        """Fill one field, or say why it is unknown."""
        try:
            self.fields[name] = work()
        except OSError as error:
            self.unknown[name] = self._explain(error)

    def from_within(self, netlink: Netlink) -> None:
        """What the kernel tells a thread in the namespace, in which `netlink` was opened, too."""
        of_interfaces: dict[str, str] = {}
        names: dict[int, str] = {}

        def read_interfaces() -> Any:
            links = list_links(netlink, counters=True)
            cidrs = addresses(netlink)
            found = tuple(interface(link, cidrs.get(link.ifindex, ())) for link in links)
            names.update((link.ifindex, link.name) for link in found)
            for link in links:
                of_interfaces.update(interface_settings(link))
            return found

        self.read("interfaces", read_interfaces)
        bridged = any(link.kind == "bridge" for link in self.fields.get("interfaces", ()))
        self.read("routes", lambda: routes(netlink, names))
        self.read("policy", lambda: policy(netlink))
        self.read("neighbours", lambda: neighbours(netlink, names))
        self.read("forwarding", lambda: forwarding(netlink) if bridged else ())
        self.read("filters", lambda: filters(netlink, names))
        self.read("settings", lambda: settings() | of_interfaces)

        def read_listeners() -> Any:
            with closing(Netlink(NETLINK_SOCK_DIAG)) as diagnosis:
                return listeners(diagnosis, names)

        self.read("listeners", read_listeners)

    def from_host(self, process: int) -> None:
        """What /proc tells of the namespace of a thread, whose directory there is open as `process`."""
        self.read("statistics", lambda: statistics(process))

    def from_without(self, process: int, pid: int, cgroups: Cgroups) -> None:
        """What /proc tells of the container of a process, whose /proc/PID is open as `process`."""

        def read_container() -> Any:
            cgroup = cgroups.of(process)
            self.read("pressure", lambda: pressure(cgroup))
            self.holdings = read_processes(pid, cgroups.pids(cgroup) if cgroup.own else (pid,))
            return self.holdings.processes

        self.read("statistics", lambda: statistics(process))
        self.read("processes", read_container)
        if "processes" in self.unknown:
            self.unknown["pressure"] = self.unknown["processes"]
        self.read("resolver", lambda: read_lookup(process).resolver)
