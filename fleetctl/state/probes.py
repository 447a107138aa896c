"""What replicas answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer over HTTP, or why there is none. `body` is what came within the limits, raw; `milliseconds` runs from
    before connecting to the end of the answer."""

    url: str
    status: int | None = None
    milliseconds: float | None = None
    body: bytes = b""
    error: str | None = None
    refused: bool = False
    """Whether nothing listens at all: what a server that is still starting looks like."""

    @property
    def answered(self) -> bool:
        """A complete answer that says success or a redirect, which is never followed."""
        return self.error is None and self.status is not None and 200 <= self.status < 400

    @property
    def first_line(self) -> str:
        """The body's first non-empty line, raw."""
        return next((line for line in self.body.decode(errors="replace").splitlines() if line.strip()), "")


@dataclass(frozen=True, slots=True)
class ReplicaReply:
    """A replica's answer with the identity read from it; `error` says what is wrong with it, None when nothing is."""

    replica: str
    service: str
    reply: Reply
    identity: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """One question over TCP from a network namespace: that of the process `pid`, the host's when it is None. With a
    `path` it is an HTTP GET, without one only a connection. `host` goes into the Host header (default: address:port).
    `timeout` in seconds bounds the whole of it."""

    vantage: str
    pid: int | None
    address: str
    port: int
    path: str | None = "/"
    host: str | None = None
    timeout: float = 1.0
    tls: bool = False
    """Send the beginning of a TLS handshake instead, and take the first bytes that come back."""


NOT_ASKED = "not asked"
"""The error of what could not be tried from where fleetctl runs."""

Stage = Literal["open", "connect", "request", "answer", "body", "done"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a probe ended. `stage` is the one it did not get beyond, or done; `error` an errno's name such as
    ECONNREFUSED, or "timeout", "closed" (the other side ended the connection early) or "protocol" (no HTTP). `received`
    counts bytes, `first` are the first of them, raw; `location` and `server` are headers, raw."""

    probe: Probe
    stage: Stage
    error: str | None = None
    status: int | None = None
    received: int = 0
    milliseconds: float = 0.0
    first: bytes = b""
    location: str | None = None
    source: str | None = None
    """The own address that the connection had."""
    server: str | None = None

    @property
    def connected(self) -> bool:
        return self.stage not in ("open", "connect")

    @property
    def answered(self) -> bool:
        """A complete answer, whatever its status; for a mere connection, that it came about."""
        return self.stage == "done" and self.error is None


@dataclass(frozen=True, slots=True)
class Question:
    """A name that is to be resolved as a process in the namespace of `pid` would: by its hosts file, search list and
    name servers."""

    pid: int
    name: str
    timeout: float = 2.0


@dataclass(frozen=True, slots=True)
class Resolution:
    """What came of a Question: IPv4 and IPv6 addresses in the order given, or why there are none. `server` answered;
    `asked` are the names that were tried in turn."""

    question: Question
    addresses: tuple[str, ...] = ()
    server: str | None = None
    asked: tuple[str, ...] = ()
    error: str | None = None
    """timeout, NXDOMAIN, SERVFAIL …, or an errno's name."""
    milliseconds: float = 0.0


def authority_of(host: str, port: int) -> str:
    """Host and port as a URL and the Host header have them (RFC 3986, section 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
