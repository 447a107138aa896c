"""What a container's resolv.conf(5) and hosts(5) say."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from fleetctl.net.confined import read_confined
from fleetctl.state.network import Resolver

_MOST_SERVERS = 3  # MAXNS of resolv.h
_MOST_DOTS = 15  # RES_MAXNDOTS


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a process finds addresses: its resolver, and every address that its hosts file has for a name."""

    resolver: Resolver
    hosts: Mapping[str, tuple[str, ...]]


def read_lookup(process: int) -> Lookup:
    """Of the process whose /proc/PID is open as `process`; a file that is missing says nothing. Raises OSError."""
    resolver = parse_resolv_conf(_read(process, "etc/resolv.conf"))
    hosts = parse_hosts(_read(process, "etc/hosts"))
    first = {name: addresses[0] for name, addresses in hosts.items()}
    return Lookup(Resolver(resolver.nameservers, resolver.search, resolver.ndots, first), hosts)


def _read(process: int, path: str) -> str:
    try:
        return read_confined(process, path)
    except FileNotFoundError:
        os.stat("root", dir_fd=process)  # the process is gone, too: that is another matter
        return ""


def parse_resolv_conf(text: str) -> Resolver:
    """The last of several `domain` and `search` lines counts, and of several name servers the first three."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for line in text.splitlines():
        keyword, *values = line.split() or [""]
        if keyword == "nameserver" and values and _is_address(values[0]):
            nameservers.append(values[0])
        elif keyword in ("search", "domain"):
            search = tuple(values if keyword == "search" else values[:1])
        elif keyword == "options":
            for option in values:
                name, _, number = option.partition(":")
                if name == "ndots" and number.isdecimal():
                    ndots = min(int(number[:4]), _MOST_DOTS)
    return Resolver(tuple(nameservers[:_MOST_SERVERS]), search, ndots)


def parse_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """Addresses by name in lower case, in the file's order."""
    hosts: dict[str, dict[str, None]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if _is_address(address):
            for name in names:
                hosts.setdefault(name.lower(), {})[address] = None
    return {name: tuple(found) for name, found in hosts.items()}


def _is_address(text: str) -> bool:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        socket.inet_pton(family, text.partition("%")[0])  # fe80::1%eth0 names an interface, too
    except (OSError, ValueError):
        return False
    return True
