"""Faults that the authors of the diagnosis did not choose: containers that are not where, who or as many as they should
be."""

from __future__ import annotations

from collections.abc import Iterator

from tests.lab.fault import fault
from tests.lab.faults_blind_wiring import mac
from tests.lab.fleet import ASKER, CLIENT, LAN, PORT, SUBJECT_PORT, WEB, Fleet
from tests.lab.questions import FROM_ASKER, FROM_CLIENT, LOCALLY, THE_SUBJECT, TO_SUBJECT


@fault("b74", "Another container took the server's name as its alias", FROM_CLIENT, "name/dead-alias", reachable=None)
def name_taken(fleet: Fleet) -> Iterator[None]:
    with fleet.container("impostor", "--network", LAN, "--network-alias", WEB):
        yield


@fault("b75", "all_proxy in the client", FROM_ASKER, "client/proxy-variables", reachable=None,
       healthy=TO_SUBJECT)  # fmt: skip
def all_proxy(fleet: Fleet) -> Iterator[None]:
    with fleet.container(ASKER, "--network", LAN, "--env", "ALL_PROXY=socks5h://192.0.2.9:1080"):
        yield


@fault("b84", "Docker's own network knows no names", FROM_ASKER, "name", healthy=THE_SUBJECT)
def no_names(fleet: Fleet) -> Iterator[None]:
    with fleet.container(ASKER, "--network", "bridge"), fleet.subject(network="bridge"):
        yield


@fault(
    "b85",
    "The client uses the host's network, where names are not known",
    FROM_ASKER,
    "name|client",
    healthy=THE_SUBJECT,
)
def client_in_the_hosts_network(fleet: Fleet) -> Iterator[None]:
    with fleet.container(ASKER, "--network", "host"):
        yield


@fault("b86", "The client has no network", FROM_ASKER, "client|address|route", tolerates=("name/unknown-name",),
       healthy=THE_SUBJECT)  # fmt: skip
def client_without_network(fleet: Fleet) -> Iterator[None]:
    with fleet.container(ASKER, "--network", "none"):
        yield


@fault("b87", "Published, but it uses the host's network, which publishes nothing", LOCALLY, "publish|address",
       healthy=THE_SUBJECT)  # fmt: skip
def published_in_the_hosts_network(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--publish", f"{SUBJECT_PORT}:{PORT}", network="host"):
        yield


@fault("b89", "Another container sends with the server's MAC", FROM_CLIENT, "link|neighbour|address", reachable=None)
def same_mac(fleet: Fleet) -> Iterator[None]:
    shout = ("import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); "
             "s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1); print('ready', flush=True)\n"
             "while True: s.sendto(b'x', ('255.255.255.255', 9)); time.sleep(0.0005)")  # fmt: skip
    with fleet.container("twin", "--network", LAN):
        fleet.lab.inside("twin", "ip", "link", "set", "eth0", "address", mac(fleet.into(WEB)))
        where = f"/proc/{fleet.lab.pid('twin')}/ns/net"
        with fleet.lab.running(where, "python3", "-c", shout, ready="ready"):
            yield


@fault("b93", "Another container took the service's name", f"--from {CLIENT} --to web:{PORT}", "name", reachable=None)
def service_name_taken(fleet: Fleet) -> Iterator[None]:
    with fleet.container("impostor", "--network", LAN, "--network-alias", "web"):
        yield


@fault("b94", "A replica of the service was removed", "web", "container", reachable=None)
def replica_removed(fleet: Fleet) -> Iterator[None]:
    fleet.lab.docker("rm", "--force", "lab-web-3")
    try:
        yield
    finally:
        assert fleet.lab.fleetctl("up", "-d").returncode == 0
