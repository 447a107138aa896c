"""Lists the nftables of a network namespace over nfnetlink, without the nft program."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fleetctl.net.expressions import attributes, name, number, read_rule
from fleetctl.state.filters import FilterRule

_PROTOCOL = 12  # NETLINK_NETFILTER
_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
_GET_CHAINS, _GET_RULES = 4, 7  # NFT_MSG_GETCHAIN, NFT_MSG_GETRULE
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port (netlink(7))
_FAMILY = struct.Struct("!BBH")  # nfgenmsg: family, version, resource
_RECEIVE = 1 << 16  # the kernel writes a dump in pieces of at most 32 KiB
_ATTEMPTS = 10

_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}  # NFPROTO_*
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting", "ingress")  # NF_INET_*, NF_BR_*
_NETDEV_HOOKS = ("ingress", "egress")  # NF_NETDEV_*
_POLICIES = ("DROP", "ACCEPT")


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain of a table. `hook` is None for one that only jumps lead to; `packets` counted by its policy, None
    where it does not count."""

    family: str
    table: str
    chain_name: str
    hook: str | None = None
    policy: str | None = None
    packets: int | None = None


def list_chains() -> tuple[Chain, ...]:
    """The chains of the calling thread's namespace. Raises OSError when the kernel refuses.

    Where the kernel's module is not loaded there are none, and asking would load it: it is not asked.
    """
    return tuple(_chain(family, body) for family, body in _dump(_GET_CHAINS)) if _loaded() else ()


def list_rules(chains: Sequence[Chain]) -> Iterator[FilterRule]:
    """The rules and policies of these chains, each chain's in the kernel's order. Raises OSError as list_chains."""
    bodies: dict[tuple[str, str, str], list[bytes]] = {}
    for family, body in _dump(_GET_RULES) if chains else ():
        parts = dict(attributes(body))
        bodies.setdefault((family, name(parts.get(1)), name(parts.get(2))), []).append(body)
    for chain in chains:
        yield _policy(chain)
        for position, body in enumerate(bodies.get((chain.family, chain.table, chain.chain_name), ()), 1):
            yield _rule(chain, position, body)


def _loaded() -> bool:
    """Whether nf_tables is in the kernel, as a module or built in; when in doubt, yes."""
    try:
        modules = Path("/proc/modules").read_text()
        built_in = Path(f"/lib/modules/{os.uname().release}/modules.builtin").read_text()
    except OSError:
        return True  # a kernel without modules, or one whose list is not here
    return "\nnf_tables " in f"\n{modules}" or "/nf_tables.ko" in built_in


def _dump(kind: int) -> tuple[tuple[str, bytes], ...]:
    """Family and body of each message of a listing; asked for again when rules changed while it was written."""
    ask = _HEADER.pack(_HEADER.size + _FAMILY.size, _SUBSYSTEM | kind, _DUMP, 0, 0) + _FAMILY.pack(0, 0, 0)
    with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _PROTOCOL)) as nfnetlink:
        for _ in range(_ATTEMPTS):
            nfnetlink.send(ask)
            try:
                return tuple(_bodies(nfnetlink))
            except InterruptedError:
                continue
    raise OSError(errno.EAGAIN, f"rules came or went during each of {_ATTEMPTS} readings")


def _bodies(nfnetlink: socket.socket) -> Iterator[tuple[str, bytes]]:
    interrupted = False
    while True:
        data = nfnetlink.recv(_RECEIVE)
        offset = 0
        while offset < len(data):
            length, kind, flags, _, _ = _HEADER.unpack_from(data, offset)
            body = data[offset + _HEADER.size : offset + length]
            interrupted |= bool(flags & _INTERRUPTED)
            if kind in (_ERROR, _DONE):
                code = -int(struct.unpack_from("=i", body)[0])
                if code:
                    raise OSError(code, os.strerror(code))
                if interrupted:
                    raise InterruptedError
                return
            yield _FAMILIES.get(body[0], str(body[0])), body[_FAMILY.size :]
            offset += (length + 3) & ~3


def _chain(family: str, body: bytes) -> Chain:
    parts = dict(attributes(body))
    table, chain_name = name(parts.get(1)), name(parts.get(3))
    if 4 not in parts:
        return Chain(family, table, chain_name)
    hook = dict(attributes(parts[4]))
    counters = dict(attributes(parts[8])) if 8 in parts else None
    return Chain(
        family,
        table,
        chain_name,
        hook=_hook(family, name(parts.get(7)), hook),
        policy=_POLICIES[number(parts[5]) & 1] if 5 in parts else "ACCEPT",
        packets=number(counters.get(2)) if counters is not None else None,
    )


def _hook(family: str, kind: str, parts: dict[int, bytes]) -> str:
    """As nft(8) writes it: type filter hook forward priority 0."""
    hooks = _NETDEV_HOOKS if family == "netdev" else _HOOKS
    place = number(parts.get(1))
    hook = hooks[place] if place < len(hooks) else str(place)
    (priority,) = struct.unpack("!i", parts.get(2, b"\0\0\0\0"))
    device = f" device {name(parts[3])}" if 3 in parts else ""
    return f"type {kind} hook {hook}{device} priority {priority}"


def _policy(chain: Chain) -> FilterRule:
    verdict = chain.policy or "RETURN"  # the end of a chain that a jump leads to
    return FilterRule(
        tool="nft",
        table=f"{chain.family} {chain.table}",
        chain=chain.chain_name,
        position=0,
        text=f"policy {verdict.lower()}" + (f"; {chain.hook}" if chain.hook else ""),
        verdict=verdict,
        packets=chain.packets,
    )


def _rule(chain: Chain, position: int, body: bytes) -> FilterRule:
    parts = dict(attributes(body))
    said = read_rule(parts.get(4, b""))
    return FilterRule(
        tool="nft",
        table=f"{chain.family} {chain.table}",
        chain=chain.chain_name,
        position=position,
        text=" ".join((*said.words, "# handle", str(number(parts.get(3))))),
        verdict=said.verdict,
        packets=said.packets,
    )
