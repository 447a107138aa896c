"""What is wrong with an answer over HTTP, or with its absence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from shlex import quote
from urllib.parse import urlsplit

from fleetctl.diagnosis import shell
from fleetctl.diagnosis.scene import INFORMATIVE, Evidence, Finding, Scene, Target, Way, finding
from fleetctl.state.observed import Inspection, Replica
from fleetctl.state.probes import Outcome

SLOW = 2000.0
"""Milliseconds beyond which an answer counts as late."""
TLS_RECORD = (0x15, 0x16)
"""First byte of a TLS record: alert or handshake (RFC 8446, 5.1)."""
TLS_HANDSHAKE = b"\x16"
MISDIRECTED, TOO_EARLY_TO_SAY = 421, 503


def is_good(outcome: Outcome, *, strict: bool) -> bool:
    """Whether the answer is one: complete, no error of the server's and no redirect to its own host. `strict` when the
    path is known to be right, so that 4xx is an error too."""
    if not outcome.answered:
        return False
    if outcome.probe.tls:
        return outcome.first[:1] == TLS_HANDSHAKE
    if outcome.status is None:
        return True
    return outcome.status < (400 if strict else 500) and outcome.status != MISDIRECTED and not to_localhost(outcome)


def flows(outcome: Outcome) -> bool:
    """An answer that began well and had not ended when time was up: a stream of events has no end."""
    began = outcome.status is not None and outcome.status < 400
    return began and outcome.stage == "body" and outcome.error == "timeout"


def told(outcome: Outcome) -> str:
    """An outcome in a few words."""
    if outcome.probe.tls and outcome.answered:
        greeted = outcome.first[:1] == TLS_HANDSHAKE
        return f"{'greets by TLS' if greeted else 'does not greet by TLS'} in {outcome.milliseconds:.0f} ms"
    if outcome.answered:
        what = f"HTTP {outcome.status}" if outcome.status is not None else "connected"
        return f"{what} in {outcome.milliseconds:.0f} ms"
    if outcome.error == "timeout":
        where = {"connect": "no connection", "answer": "connected, but no answer", "body": "the answer broke off"}
        return f"{where.get(outcome.stage, outcome.stage)} within {outcome.probe.timeout:g} s"
    words = {
        "ECONNREFUSED": "connection refused",
        "EHOSTUNREACH": "no route to host",
        "ENETUNREACH": "network is unreachable",
        "ECONNRESET": "connection reset",
        "EACCES": "not permitted",
        "EPERM": "not permitted",
        "EADDRNOTAVAIL": "no local address or port is free",
        "closed": "connection closed without an answer" if not outcome.received else "the answer broke off",
        "protocol": "what answers does not speak HTTP",
    }
    return words.get(outcome.error or "", outcome.error or f"ended at {outcome.stage}")


def examine(way: Way, target: Target, container: Replica, scene: Scene) -> Iterator[Finding]:
    """For a way that got through to the server: what its answer says."""
    outcome = way.last
    if outcome is None or not outcome.connected:
        return
    name = container.name
    seen = seen_by(way, outcome)
    if outcome.probe.tls:
        if outcome.received:
            began = Evidence(f"the first bytes are {outcome.first[:32]!r}")
            cure = "ask it by http, or let the server speak TLS at this port"
            yield finding("plain-on-tls-port", name, seen, began, cure=cure)
    elif speaks_tls(way):
        byte = Evidence(
            "it speaks TLS: it answers a TLS greeting in kind",
            f"openssl s_client -connect {quote(outcome.probe.address)}:{outcome.probe.port}",
        )
        yield finding(
            "tls-on-plain-port",
            name,
            seen,
            byte,
            cure="ask it by https, or let the server speak plain HTTP at this port",
        )
    elif outcome.status is not None and outcome.answered:
        yield from status(way, outcome, target, name, seen)
    elif outcome.error in ("timeout", "closed") and outcome.received:
        came = f"{outcome.received} bytes came in {outcome.milliseconds / 1000:.1f} s"
        broken = "and then the connection ended" if outcome.error == "closed" else "and the answer is not complete"
        cure = "the network is in order: see what holds the server up, or ends it, amid its answer"
        part = Evidence(f"{came}, {broken}")
        yield finding("incomplete-answer", name, seen, part, cure=cure, commands=(shell.logs(name),))
    elif outcome.error == "timeout" and outcome.stage == "answer":
        yield finding(
            "no-answer",
            name,
            seen,
            *taken(container, way, scene),
            cure="the server took the request and does not answer: see its log, its workers and what they wait for",
            commands=(shell.top(name), shell.logs(name)),
        )
    elif outcome.error == "protocol":
        start = outcome.first[:32]
        yield finding(
            "not-http",
            name,
            seen,
            Evidence(f"the first bytes are {start!r}"),
            cure="another protocol is spoken at this port: name the port that speaks HTTP",
        )


def seen_by(way: Way, outcome: Outcome) -> Evidence:
    """The outcome, and the command that asks for the same."""
    address = f"[{outcome.probe.address}]" if ":" in outcome.probe.address else outcome.probe.address
    url = f"http://{address}:{outcome.probe.port}{outcome.probe.path or '/'}"
    named = f" -H {quote(f'Host: {way.outcome.probe.host}')}" if way.outcome and way.outcome.probe.host else ""
    return Evidence(f"from {way.source}: {told(outcome)}", f"curl -sv -m 5 {quote(url)}{named}")


def refused(ways: Iterable[Way], path: str | None, where: str) -> Iterator[Finding]:
    """That the path of a URL is refused, by ways that are in order: a warning, for just this is the server's answer to
    what was asked. Shown is a way from outside, as the URL goes where it leads to a published port."""
    outside = (way for way in ways if way.vantage not in INFORMATIVE)
    for way in sorted(outside, key=lambda way: way.vantage != "published"):
        outcome = way.last
        if path is not None and outcome is not None and outcome.answered and 400 <= (outcome.status or 0) < 500:
            cure = f"the network and the server are in order, path {outcome.probe.path} is refused: check the URL"
            yield finding("client-error", where, seen_by(way, outcome), cure=cure).as_warning()
            return


def taken(container: Replica, way: Way, scene: Scene) -> tuple[Evidence, ...]:
    """That the server took the connection, where its queue could be read and is empty."""
    queues = [one.queued for one in scene.inside(container).listeners or () if one.port == way.port]
    return (Evidence("its listening queue is empty: it took the connection"),) if queues and not any(queues) else ()


def status(way: Way, outcome: Outcome, target: Target, name: str, seen: Evidence) -> Iterator[Finding]:
    code = outcome.status or 0
    logs = (shell.logs(name),)
    if to_localhost(outcome):
        where = Evidence(f"it redirects to {outcome.location}", seen.command)
        yield finding(
            "redirect-to-localhost",
            name,
            seen,
            where,
            cure="set the server's public URL: for a client localhost is the client itself",
        )
    elif way.outcome is not None and host_matters(way):
        host = next(one.probe.host for one in way.other_hosts if one.answered and (one.status or 500) < 400)
        other = Evidence(f"with 'Host: {host}' it answers", f"{seen.command} -H {quote(f'Host: {host}')}")
        yield finding(
            "host-refused",
            name,
            seen,
            other,
            cure="allow the host name that clients use (such as ALLOWED_HOSTS or server_name)",
        )
    elif code == MISDIRECTED:
        yield finding(
            "host-refused", name, seen, cure="it refuses the Host header: allow the host name that clients use"
        )
    elif code == TOO_EARLY_TO_SAY:
        yield finding(
            "draining",
            name,
            seen,
            cure="it takes no requests for now: wait until it does, or ask another replica",
            commands=logs,
        )
    elif code >= 500:
        yield finding("server-error", name, seen, cure="the network is in order: see the server's log", commands=logs)
    elif code >= 400 and target.http is not None:
        yield finding(
            "client-error",
            name,
            seen,
            cure=f"the network is in order, path {outcome.probe.path} is refused: mend it, or set {target.path_key}",
        )
    elif outcome.milliseconds >= SLOW:
        yield finding(
            "slow",
            name,
            seen,
            cure="the network is in order: raise the client's time-out, or mend the latency",
            commands=(shell.top(name), *logs),
        )


def host_matters(way: Way) -> bool:
    """Whether another Host header is answered with success where the first was refused."""
    refused = way.last is not None and 400 <= (way.last.status or 0) < 500
    return refused and any(one.answered and (one.status or 500) < 400 for one in way.other_hosts)


def speaks_tls(way: Way) -> bool:
    """Whether the server answered a TLS greeting with a TLS record, or a plain request with an alert."""
    firsts = [one.first[:1] for one in (way.greeting, way.last) if one is not None]
    return any(first and first[0] in TLS_RECORD for first in firsts)


def to_localhost(outcome: Outcome) -> bool:
    """Whether a redirect leads to the loopback name or address, which for another host is that host itself."""
    if outcome.status is None or not 300 <= outcome.status < 400 or not outcome.location:
        return False
    try:
        host = urlsplit(outcome.location).hostname
    except ValueError:
        return False
    asked = ip_address(outcome.probe.address)
    if host is None or asked.is_loopback:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def health(container: Replica, scene: Scene, *, answers: bool) -> Iterator[Finding]:
    """What the container's own health check says, beside what the probes say."""
    if container.health != "unhealthy" or container.state != "running":
        return
    facts = container.inspection or Inspection()
    show = f"docker inspect -f '{{{{json .State.Health}}}}' {quote(container.name)}"
    printed = facts.health_output.strip().splitlines()
    seen = Evidence(f"its health check fails{f': {printed[-1]}' if printed else ''}", show)
    if answers:
        good = Evidence("it answers over HTTP all the same")
        one = finding(
            "health-check-wrong", container.name, seen, good, cure="mend the check (healthcheck.test), not the network"
        )
        yield one.as_warning()
    else:
        yield finding("unhealthy", container.name, seen, cure="see what its health check says", commands=(show,))
