"""Published and exposed ports, short and long form."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal, cast

from fleetctl.spec.compose_parts import PortShape
from fleetctl.spec.model import PortMapping
from fleetctl.spec.units import UnitError

Protocol = Literal["tcp", "udp", "sctp"]

MAX_PORT = 65535
MAX_RANGE = 1000
"""As many replicas as one bridge carries."""

_SHORT = re.compile(
    r"(?:(?:(?P<ip>\[[^\]]*\]|[^:\[\]]*):)?(?P<host>[0-9-]*):)?(?P<target>[0-9-]+)(?:/(?P<protocol>[a-zA-Z]+))?",
    re.ASCII,
)
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)
_FORM = 'the form is [IP:][HOST:]CONTAINER[/PROTOCOL], such as "8081-8090:8080"'


def parse_short_port(value: str | int, default_ip: str) -> list[PortMapping]:
    """The mappings of a short form: ranges of equal length give one each, a host range to one port gives one.

    `default_ip` is the host address where the text names none. Raises UnitError.
    """
    text = str(value)
    match = _SHORT.fullmatch(text) if len(text) <= 120 else None
    if match is None:
        raise UnitError(f"not a port: {text[:120]!r}", _FORM)
    protocol = parse_protocol(match["protocol"])
    host_ip = parse_host_ip(match["ip"]) if match["ip"] else default_ip
    first, last = parse_range(match["target"])
    if not match["host"]:
        return [PortMapping(target, protocol, None, host_ip) for target in range(first, last + 1)]
    published = parse_range(match["host"])
    if first == last:
        return [PortMapping(first, protocol, published, host_ip)]
    if published[1] - published[0] != last - first:
        raise UnitError(
            f"the ranges {match['host']} and {match['target']} differ in length",
            "make them equal, or map a range to one container port",
        )
    return [
        PortMapping(first + step, protocol, (published[0] + step, published[0] + step), host_ip)
        for step in range(last - first + 1)
    ]


def parse_long_port(shape: PortShape, default_ip: str) -> PortMapping:
    """The mapping of a long form; raises UnitError."""
    published = shape.published
    return PortMapping(
        target=shape.target,
        protocol=shape.protocol or "tcp",
        published=parse_range(str(published)) if published not in (None, "", 0, "0") else None,
        host_ip=parse_host_ip(shape.host_ip) if shape.host_ip else default_ip,
        name=shape.name,
        app_protocol=shape.app_protocol,
        mode=shape.mode or "ingress",
    )


def parse_exposed(value: str | int) -> list[str]:
    """The single ports of an `expose` entry as PORT/PROTOCOL; raises UnitError."""
    ports, _, protocol = str(value)[:120].partition("/")
    first, last = parse_range(ports)
    return [f"{port}/{parse_protocol(protocol)}" for port in range(first, last + 1)]


def parse_range(text: str) -> tuple[int, int]:
    """The ends of "8080" or "8080-8090", both included; raises UnitError."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise UnitError(f"not a port or range of ports: {text[:60]!r}", _FORM)
    first = int(match[1])
    last = int(match[2] or first)
    if not (1 <= first <= MAX_PORT and 1 <= last <= MAX_PORT):
        raise UnitError(f"{text} is no {'range of ports' if match[2] else 'port'}: they go from 1 to {MAX_PORT}")
    if first > last:
        raise UnitError(f"{text} is no range of ports: the lower one comes first")
    if last - first >= MAX_RANGE:
        raise UnitError(f"{text} has more than {MAX_RANGE} ports")
    return first, last


def parse_protocol(text: str | None) -> Protocol:
    """tcp (the default), udp or sctp; raises UnitError."""
    protocol = (text or "tcp").lower()
    if protocol not in ("tcp", "udp", "sctp"):
        raise UnitError(f"not a protocol: {protocol[:20]!r}", "write tcp, udp or sctp")
    return cast("Protocol", protocol)


def parse_host_ip(text: str) -> str:
    """An address of the host in its usual spelling, without brackets; raises UnitError."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(IPv6Address(bare) if ":" in bare else IPv4Address(bare))
    except AddressValueError:
        hint = "write an address such as 127.0.0.1 or [::1], not a name"
        raise UnitError(f"not an address of the host: {text[:60]!r}", hint) from None


def format_port(port: PortMapping) -> str:
    """How the short form writes it, for messages: 127.0.0.1:8081-8090:8080/tcp."""
    ip = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    first, last = port.published or (0, 0)
    host = "" if port.published is None else f"{first}" if first == last else f"{first}-{last}"
    return f"{ip}:{host}:{port.target}/{port.protocol}"
