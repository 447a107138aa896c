"""Renders HAProxy's configuration from what a balancer is asked for and who is in rotation. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleetctl.spec.balance import CONFIGURATION
from fleetctl.spec.model import Balance
from fleetctl.state.probes import authority_of

DIRECTORY = CONFIGURATION
"""Where the image keeps its configuration: a volume, so that a restarted balancer finds it again."""
FILE_NAME = "haproxy.cfg"
SOCKET = "/tmp/admin.sock"  # noqa: S108  # on the container's own tmpfs, for its own user only
MASTER_SOCKET = "/tmp/master.sock"  # noqa: S108  # likewise; the image names it
SERVER = "check inter 500ms fastinter 100ms downinter 500ms fall 2 rise 1"
"""Out of rotation after two failed checks: with their timeout within 1.9 s. Servers that are added at run time need it
said again (HAProxy Management Guide, "add server")."""
GRACE = 10
"""Seconds that requests may last beyond the longest drain when a balancer takes over new settings."""
CHECK = "X-Fleetctl-Check"
"""The header that tells a health check."""
IDEMPOTENT = "METH_GET || METH_OPTIONS"
"""What may be asked twice (RFC 9110, section 9.2.2); METH_GET is HEAD, too (HAProxy Configuration Manual, 7.4)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A server of a pool: its name, address and port."""

    name: str
    address: str
    port: int

    @property
    def endpoint(self) -> str:
        return authority_of(self.address, self.port)


def settings_digest(balances: Sequence[Balance]) -> str:
    """12 hex digits that change with anything the configuration says, but for the servers."""
    text = "".join((*header(balances, ""), *body(balances, {}), SERVER))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def render(balances: Sequence[Balance], servers: Mapping[str, Sequence[Place]]) -> str:
    """The whole file. `servers` are in rotation from the start, by pool."""
    return "".join((*header(balances, settings_digest(balances)), *body(balances, servers)))


def header(balances: Sequence[Balance], digest: str) -> Iterator[str]:
    longest = max((one.drain_timeout for one in balances), default=0)
    # One thread: with more, each group of threads goes round on its own, and N answers in a row are not N replicas.
    yield f"""\
# Written by fleetctl from fleet.yaml and the replicas that run; a change made here is lost with the next one of theirs.
global
    description fleetctl-{digest}
    nbthread 1
    hard-stop-after {int(longest + GRACE)}s
    stats socket {SOCKET} mode 600 level admin
    stats timeout 1h

defaults
    mode http
    # A connection to a server serves one request: a server that leaves cannot close one under the next request.
    option http-server-close
    http-reuse never
    # New settings close no client's connection but behind an answer.
    option idle-close-on-response
    timeout http-request 10s
    timeout http-keep-alive 5s
    timeout client 60s
    timeout queue 5s
    timeout check 600ms
"""


def body(balances: Sequence[Balance], servers: Mapping[str, Sequence[Place]]) -> Iterator[str]:
    for port in sorted({one.port for one in balances}):
        yield from frontend(port, [one for one in balances if one.port == port])
    for one in balances:
        yield from backend(one, servers.get(one.pool, ()))


def frontend(port: int, balances: Sequence[Balance]) -> Iterator[str]:
    """What listens on a port. Who asks is told by the balancer alone: what a client says of that is deleted.

    Smuggling needs no rule: HAProxy answers 400 to two lengths, and where a length comes with chunks it drops the
    length and closes behind the answer, before any rule could see both (RFC 9112, 6.3; seen with 3.0)."""
    yield f"""
frontend port:{port}
    bind :{port}
    # Its own check: an address that was a server's may become the balancer's, which would then find itself healthy.
    http-request return status 421 if {{ req.hdr({CHECK}) -m found }}
    http-request del-header Forwarded
    http-request del-header X-Real-IP
    http-request del-header X-Forwarded- -m beg
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
"""
    for one in balances:
        if one.host:
            yield f"    use_backend {one.pool} if {{ req.hdr(host),field(1,:) -i {one.host} }}\n"
    yield from (f"    default_backend {one.pool}\n" for one in balances if not one.host)


def connect_timeout(one: Balance) -> str:
    """Before another replica is asked; where that is not allowed, long enough for a first packet that was lost, which
    is sent again after 1 s and after 3 s (RFC 6298)."""
    return "1s" if one.retries else "4s"


def backend(one: Balance, servers: Sequence[Place]) -> Iterator[str]:
    host = one.host or one.service
    yield f"""
backend {one.pool}
    balance {one.algorithm}
    timeout connect {connect_timeout(one)}
    timeout server {round(one.timeout * 1000)}ms
    retries {one.retries}
    option httpchk
    http-check send meth GET uri {one.health_path} ver HTTP/1.1 hdr Host {host} hdr {CHECK} {one.pool}
    http-check expect status 200-399
"""
    if one.retries:
        # What was asked may be asked again only where asking twice does no more than asking once (RFC 9110, 9.2.2).
        yield f"""\
    option redispatch 1
    retry-on conn-failure empty-response junk-response response-timeout 503
    http-request disable-l7-retry unless {IDEMPOTENT}
"""
    yield from server_lines(servers)


def with_servers(text: str, servers: Mapping[str, Sequence[Place]]) -> str:
    """A file that `render` wrote, with these servers in its backends and everything else as it is."""
    lines: list[str] = []
    pool: str | None = None
    for line in [*text.splitlines(keepends=True), "\n"]:
        if line.startswith("    server "):
            continue
        if pool is not None and not line.strip():
            lines += server_lines(servers.get(pool, ()))
            pool = None
        if line.startswith("backend "):
            pool = line.split()[1]
        lines.append(line)
    return "".join(lines[:-1])


def server_lines(servers: Sequence[Place]) -> list[str]:
    return [f"    server {place.name} {place.endpoint} {SERVER}\n" for place in servers]
