"""Faults of what Docker was told: networks, names, published ports, a client's settings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.fault import fault
from tests.lab.fleet import ASKER, CLIENT, LAN, OTHER, PORT, SUBJECT, SUBJECT_PORT, Fleet, setting
from tests.lab.laboratory import HOST_ADDRESS
from tests.lab.questions import FROM_ASKER, LOCALLY, TO_SUBJECT

FROM_OUTSIDE = "http://{uplink}:" + f"{SUBJECT_PORT}/"


@fault("27", "Different network", f"--from {OTHER} --to lab-web-1:{PORT}", "route/different-network")
def different_network(fleet: Fleet) -> Iterator[None]:
    fleet.lab.docker("network", "disconnect", LAN, OTHER)
    yield
    fleet.lab.docker("network", "connect", LAN, OTHER)


@fault("28", "Disconnected live", TO_SUBJECT, "address/disconnected", tolerates=("name/unknown-name",))
def disconnected(fleet: Fleet) -> Iterator[None]:
    fleet.lab.docker("network", "disconnect", LAN, SUBJECT)
    yield
    fleet.lab.docker("network", "connect", LAN, SUBJECT)


@fault("29", "--network none", f"{SUBJECT}:{PORT}", "address/no-network")
def no_network(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(network="none"):
        yield


@fault("30", "--network host", TO_SUBJECT, "address/host-network", tolerates=("name/unknown-name",))
def host_network(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(network="host"):
        yield


@fault("31", "Internal network and a published port", LOCALLY, "publish/internal-network", healthy=TO_SUBJECT)
def internal_network(fleet: Fleet) -> Iterator[None]:
    with fleet.network("inner", "--internal"), fleet.subject(*publish(), network="inner"):
        yield


@fault("32", "ICC off", FROM_ASKER, "filter/icc-disabled", healthy=TO_SUBJECT)
def icc_off(fleet: Fleet) -> Iterator[None]:
    with (
        fleet.network("apart", "--opt", "com.docker.network.bridge.enable_icc=false"),
        fleet.container(ASKER, "--network", "apart"),
        fleet.subject(network="apart"),
    ):
        yield


@fault("33a", "Stale address, another container's now", FROM_ASKER, "name/stale-address", healthy=TO_SUBJECT)
def stale_address_of_another(fleet: Fleet) -> Iterator[None]:
    old = fleet.address(SUBJECT)
    with fleet.container(ASKER, "--network", LAN, "--add-host", f"{SUBJECT}:{old}"):
        fleet.lab.docker("rm", "--force", SUBJECT)
        with fleet.container("heir", "--network", LAN, "--ip", old):
            fleet.run_subject()
            yield


@fault("33b", "Stale address, nobody's now", f"--from {CLIENT} --to " + "{subnet_last}" + f":{PORT}",
       "name/stale-address", healthy=TO_SUBJECT)  # fmt: skip
def stale_address_of_nobody(fleet: Fleet) -> Iterator[None]:
    assert fleet.names["subnet_last"] not in fleet.lab.docker("network", "inspect", LAN)
    yield


@fault("34", "Dead replica behind an alias", f"--from {CLIENT} --to shop:{PORT}", "name/dead-alias", healthy=TO_SUBJECT)
def dead_alias(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--network-alias", "shop"), fleet.container("dead", "--network", LAN, "--network-alias", "shop"):
        yield


@fault("35", "resolv.conf replaced", TO_SUBJECT, "name/resolver-replaced")
def resolver_replaced(fleet: Fleet) -> Iterator[None]:
    path = Path(str(fleet.lab.inspect(CLIENT)["ResolvConfPath"]))  # mounted into the container: written, not replaced
    before = path.read_text()
    path.write_text("nameserver 198.18.0.2\noptions timeout:1 attempts:1\n")
    try:
        yield
    finally:
        path.write_text(before)


@fault("36", "Search domain and ndots:5", FROM_ASKER, "name/search-domain", healthy=TO_SUBJECT)
def search_domain(fleet: Fleet) -> Iterator[None]:
    # The name server that is asked for names of the search list never answers: nothing comes back from that network.
    silent = ("ip", "-n", fleet.lab.outside_namespace, "route")
    fleet.lab.host(*silent, "add", "blackhole", "192.0.2.0/24")
    options = ("--dns", "192.0.2.53", "--dns-search", "corp.example", "--dns-search", "example", "--dns-opt", "ndots:5")
    with contextlib.ExitStack() as healing:
        healing.callback(fleet.lab.host, *silent, "del", "blackhole", "192.0.2.0/24")
        healing.enter_context(fleet.container(ASKER, "--network", LAN, *options))
        yield


@fault("37", "DNS redirect flushed", TO_SUBJECT, "name/dns-redirect-missing")
def dns_redirect_flushed(fleet: Fleet) -> Iterator[None]:
    inside = fleet.into(CLIENT)
    saved = inside("iptables-save", "-t", "nat")
    inside("iptables", "-t", "nat", "-F")
    yield
    inside("iptables-restore", stdin=saved)


@fault("38", "http_proxy", FROM_ASKER, "client/proxy-variables", healthy=TO_SUBJECT, reachable=None)
def proxy_variables(fleet: Fleet) -> Iterator[None]:
    with fleet.container(ASKER, "--network", LAN, "--env", "http_proxy=http://192.0.2.9:3128"):
        yield


@fault("39", "Ephemeral ports used up", TO_SUBJECT, "client/ephemeral-ports-exhausted")
def ephemeral_ports_gone(fleet: Fleet) -> Iterator[None]:
    users = (f"import signal, socket; held = [socket.create_connection(('{fleet.address(SUBJECT)}', {PORT}))"
             " for _ in range(2)]; print('ready', flush=True); signal.pause()")  # fmt: skip
    with (
        setting(fleet.into(CLIENT), "ipv4/ip_local_port_range", "40000 40001"),
        fleet.lab.running(f"/proc/{fleet.lab.pid(CLIENT)}/ns/net", "python3", "-c", users, ready="ready"),
    ):
        yield


@fault("72", "Published on 127.0.0.1", FROM_OUTSIDE, "publish/published-on-loopback", healthy=TO_SUBJECT)
def published_on_loopback(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--publish", f"127.0.0.1:{SUBJECT_PORT}:{PORT}"):
        yield


@fault("73", "Published to the wrong port", LOCALLY, "publish/published-to-wrong-port", healthy=TO_SUBJECT)
def published_to_wrong_port(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--publish", f"{SUBJECT_PORT}:80"):
        yield


@fault("74", "Not published", LOCALLY, "publish/not-published", healthy=TO_SUBJECT)
def not_published(fleet: Fleet) -> Iterator[None]:
    with fleet.subject():
        yield


@fault("75", "localhost is ::1", f"http://[::1]:{SUBJECT_PORT}/", "client/localhost-is-ipv6", healthy=TO_SUBJECT)
def localhost_is_ipv6(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--publish", f"0.0.0.0:{SUBJECT_PORT}:{PORT}"):
        yield


@fault("76a", "docker-proxy off, asked over ::1", f"http://[::1]:{SUBJECT_PORT}/", "client/no-userland-proxy",
       healthy=f"{SUBJECT}:{PORT}", place="engine")  # fmt: skip
def no_proxy_over_ipv6(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(*publish()):
        yield


@fault("76b", "docker-proxy off, asked from another bridge", f"--from {ASKER} --to " + "{uplink}" + f":{SUBJECT_PORT}",
       "client/no-userland-proxy", healthy=f"{SUBJECT}:{PORT}", place="engine")  # fmt: skip
def no_proxy_across_bridges(fleet: Fleet) -> Iterator[None]:
    with fleet.network("elsewhere"), fleet.container(ASKER, "--network", "elsewhere"), fleet.subject(*publish()):
        yield


@fault("78", "The engine is on another machine", "http://127.0.0.1:{published}/", "publish/foreign-engine",
       healthy="lab-web-1", from_outside=True)  # fmt: skip
def foreign_engine(fleet: Fleet) -> Iterator[None]:
    assert fleet.lab.outside("ip", "route", "get", HOST_ADDRESS), "the engine cannot be reached from outside"
    yield


def publish() -> tuple[str, str]:
    return "--publish", f"{SUBJECT_PORT}:{PORT}"
