"""Resolves a name as the C library in a container would, over sockets of the container's network namespace.

glibc's order (resolv.conf(5), resolver(3)): hosts file, then the name as it is when it has at least `ndots` dots,
then with each domain of the search list, then as it is if that was not tried. Every server in turn for each name.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from time import monotonic

from fleetctl.net.dns import AAAA, A, Answer, NotDns, read_answer, write_question
from fleetctl.net.namespaces import inside
from fleetctl.net.resolv import Lookup, read_lookup
from fleetctl.state.network import Resolver
from fleetctl.state.probes import Question, Resolution

_PORT = 53
_PATIENCE = 5.0  # seconds for one server, RES_TIMEOUT of resolv.h
_LONGEST = 65535


def resolve(question: Question) -> Resolution:
    """The addresses that a process in that namespace would get for the name, or why it would get none.

    Never raises: what went wrong is in `error`.
    """
    began = monotonic()
    try:
        process = os.open(f"/proc/{question.pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            lookup = read_lookup(process)
        finally:
            os.close(process)
        resolution = _from_files(question, lookup) or inside(
            question.pid, lambda: _ask_servers(question, lookup.resolver, deadline=began + question.timeout)
        )
    except FileNotFoundError:
        resolution = Resolution(question, error="ESRCH")
    except OSError as error:
        resolution = Resolution(question, error=errno.errorcode.get(error.errno or 0, "EIO"))
    return replace(resolution, milliseconds=(monotonic() - began) * 1000)


def _from_files(question: Question, lookup: Lookup) -> Resolution | None:
    try:
        return Resolution(question, (str(ip_address(question.name)),))
    except ValueError:
        found = lookup.hosts.get(question.name.rstrip(".").lower())
        return Resolution(question, found) if found else None


def names_to_ask(name: str, resolver: Resolver) -> tuple[str, ...]:
    """The full names that are tried in turn; one that ends with a dot is full already."""
    if name.endswith("."):
        return (name.rstrip("."),)
    searched = [f"{name}.{domain.strip('.')}".rstrip(".") for domain in resolver.search]
    ordered = [name, *searched] if name.count(".") >= resolver.ndots else [*searched, name]
    return tuple(dict.fromkeys(ordered))


def _ask_servers(question: Question, resolver: Resolver, *, deadline: float) -> Resolution:
    asked: list[str] = []
    error = "NXDOMAIN"
    for name in names_to_ask(question.name, resolver):
        asked.append(name)
        error = "timeout"
        servers = resolver.nameservers or ("127.0.0.1",)
        for left, server in zip(range(len(servers), 0, -1), servers, strict=True):
            # One that is silent may not use up the time of those after it.
            patience = min((deadline - monotonic()) / left, _PATIENCE)
            try:
                code, addresses = _ask_one(server, name, monotonic() + patience)
            except TimeoutError:
                continue
            except NotDns:
                error = "FORMERR"
                continue
            except OSError as failure:
                error = errno.errorcode.get(failure.errno or 0, "EIO")
                continue
            if addresses:
                return Resolution(question, addresses, server, tuple(asked))
            error = code
            if code in ("NXDOMAIN", "NODATA"):
                break
        if error not in ("NXDOMAIN", "NODATA", "SERVFAIL"):
            break  # glibc gives up when nobody answers, instead of trying the next domain
    return Resolution(question, asked=tuple(asked), error=error)


def _ask_one(server: str, name: str, until: float) -> tuple[str, tuple[str, ...]]:
    """A and AAAA records of one name from one server, asked for at once. Raises TimeoutError, OSError, NotDns."""
    first = secrets.randbelow(0xFFFF)
    questions = {kind: write_question(first + number, name, kind) for number, kind in enumerate((A, AAAA))}
    answers: dict[int, Answer] = {}
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as udp:
        _limit(udp, until)
        udp.connect((server, _PORT))  # connected: answers of others do not arrive, a refusal does
        for question in questions.values():
            udp.send(question)
        while len(answers) < len(questions):
            _limit(udp, until)
            message = udp.recv(_LONGEST)
            for kind, question in questions.items():
                answer = read_answer(message, question)
                if answer:
                    answers[kind] = answer
    for kind, question in questions.items():
        if answers[kind].truncated:
            answers[kind] = _ask_over_tcp(family, server, question, until)
    return _judge([answers[kind] for kind in questions])


def _judge(answers: list[Answer]) -> tuple[str, tuple[str, ...]]:
    addresses = tuple(address for answer in answers for address in answer.addresses)
    codes = [answer.code for answer in answers]
    failed = next((code for code in codes if code not in ("NOERROR", "NXDOMAIN")), None)
    return failed or ("NXDOMAIN" if "NXDOMAIN" in codes else "NODATA"), addresses


def _ask_over_tcp(family: int, server: str, question: bytes, until: float) -> Answer:
    """What does not fit a datagram comes by TCP, with its length before it (RFC 1035 4.2.2)."""
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as tcp:
        _limit(tcp, until)
        tcp.connect((server, _PORT))
        tcp.sendall(len(question).to_bytes(2, "big") + question)
        length = int.from_bytes(b"".join(_receive(tcp, 2, until)), "big")
        answer = read_answer(b"".join(_receive(tcp, length, until)), question)
    if answer is None or answer.truncated:
        raise NotDns("the answer over TCP answers something else")
    return answer


def _receive(tcp: socket.socket, wanted: int, until: float) -> Iterator[bytes]:
    while wanted:
        _limit(tcp, until)
        piece = tcp.recv(wanted)
        if not piece:
            raise NotDns("the connection ended within the answer")
        wanted -= len(piece)
        yield piece


def _limit(connection: socket.socket, until: float) -> None:
    """Bounds the next operation by what is left of the time."""
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
