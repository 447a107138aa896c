"""Sends one probe over TCP from a network namespace and says how far it got."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

import h11

from fleetctl.check.http import BODY_LIMIT, Exchange, converse, remaining, request
from fleetctl.state.probes import Outcome, Probe, Stage, authority_of

OpenSocket = Callable[[int], socket.socket]
"""Makes a TCP socket of an address family in the namespace that the probe starts from; it belongs there for good,
whatever thread uses it later (network_namespaces(7))."""


def ask(probe: Probe, open_socket: OpenSocket) -> Outcome:
    """Connect and, with a path, GET it. A body longer than 64 KiB counts as complete: that much came through. The
    address is an IP address, never a name. Never raises: what goes wrong is the outcome's `error`."""
    started = time.monotonic()
    deadline = started + probe.timeout
    answer = Exchange()
    stage: Stage = "open"
    source = error = None
    try:
        family = socket.AF_INET6 if ip_address(probe.address).version == 6 else socket.AF_INET
        authority = probe.host or authority_of(probe.address, probe.port)
        asked = None if probe.path is None else request(authority, probe.path)
        with open_socket(family) as connection:
            stage = "connect"
            connection.settimeout(remaining(deadline))
            connection.connect((probe.address, probe.port))
            source = str(connection.getsockname()[0])
            stage = "request"
            if probe.tls:
                connection.settimeout(remaining(deadline))
                connection.sendall(client_hello())
                answer.sent = True
                answer.first = connection.recv(64)
                answer.received = len(answer.first)
            elif asked is not None:
                converse(connection, asked, deadline, answer, BODY_LIMIT)
            stage = "done"
    except h11.RemoteProtocolError:
        error = "closed" if answer.ended else "protocol"
    except OSError as problem:
        error = "closed" if answer.ended else error_name(problem)
    except (ValueError, OverflowError, h11.LocalProtocolError):
        error = "EINVAL"  # no address, no port, or nothing that a request may contain
    if stage == "request" and answer.sent:
        stage = "answer" if answer.status is None else "body"
    return Outcome(
        probe=probe,
        stage=stage,
        error=error,
        status=answer.status,
        received=answer.received,
        milliseconds=(time.monotonic() - started) * 1000,
        first=answer.first,
        location=answer.headers.get("location"),
        source=source,
        server=answer.headers.get("server"),
    )


def client_hello() -> bytes:
    """The first message of a TLS handshake (RFC 8446, 4.1.2)."""
    written = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), written).do_handshake()
    return written.read()


def error_name(problem: OSError) -> str:
    """An errno's name; "timeout" for our own deadline, which has none."""
    if problem.errno is None:
        return "timeout" if isinstance(problem, TimeoutError) else type(problem).__name__
    return errno.errorcode.get(problem.errno, str(problem.errno))
