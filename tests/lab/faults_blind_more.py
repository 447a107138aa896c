"""More faults that the authors of the diagnosis did not choose: those that are met where several things meet."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from tests.lab.fault import fault
from tests.lab.faults_blind_servers import odd, proxies
from tests.lab.faults_blind_wiring import mac
from tests.lab.fleet import ASKER, CLIENT, LAN, PORT, SUBJECT, SUBJECT_PORT, WEB, Fleet, changed, rule
from tests.lab.laboratory import OUTSIDE_ADDRESS

ASKS = f"{SUBJECT}:{PORT}"
FROM_CLIENT = f"--from {CLIENT} --to {WEB}:{PORT}"
FROM_ASKER = f"--from {ASKER} --to {SUBJECT}:{PORT}"
EGRESS = f"--from {CLIENT} --to " + "{outside}"
LOCALLY = f"http://127.0.0.1:{SUBJECT_PORT}/"
WRONG_MAC = "02:00:00:00:be:ef"


@fault("b70", "The host's OUTPUT drops what it sends to the container", WEB, "filter/filter-rule")
def output_of_the_host(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I OUTPUT -d {fleet.names['web']} -p tcp --dport {PORT} -j DROP"):
        yield


@fault("b71", "The client's INPUT drops the answers", FROM_CLIENT, "client/filter-in-client")
def answers_dropped_in_client(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(CLIENT), f"-I INPUT -p tcp --sport {PORT} -j DROP"):
        yield


@fault("b72", "The bridge's NAT gives frames for the server another MAC", WEB, "filter|link")
def bridge_nat(fleet: Fleet) -> Iterator[None]:
    turn = f"-d {mac(fleet.into(WEB))} -j dnat --to-destination {WRONG_MAC}"
    with (
        rule(fleet.lab.host, f"-t nat -I PREROUTING {turn}", tool="ebtables"),
        rule(fleet.lab.host, f"-t nat -I OUTPUT {turn}", tool="ebtables"),
    ):
        yield


@fault("b73", "A filter inside drops what goes over loopback", WEB, "filter-inside", reachable=None)
def loopback_dropped(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.into(WEB), "-I INPUT -i lo -p tcp -j DROP"):
        yield


@fault("b74", "Another container took the server's name as its alias", FROM_CLIENT, "name/dead-alias", reachable=None)
def name_taken(fleet: Fleet) -> Iterator[None]:
    with fleet.container("impostor", "--network", LAN, "--network-alias", WEB):
        yield


@fault("b75", "all_proxy in the client", FROM_ASKER, "client/proxy-variables", reachable=None,
       healthy=f"--from {CLIENT} --to {SUBJECT}:{PORT}")  # fmt: skip
def all_proxy(fleet: Fleet) -> Iterator[None]:
    with fleet.container(ASKER, "--network", LAN, "--env", "ALL_PROXY=socks5h://192.0.2.9:1080"):
        yield


@fault("b76", "A debugger holds the server's process", ASKS, "accept-queue/process-stopped")
def held_by_a_debugger(fleet: Fleet) -> Iterator[None]:
    # PTRACE_SEIZE and PTRACE_INTERRUPT (ptrace(2)); the tracer's end lets it run on.
    hold = ("import ctypes, signal, sys; c = ctypes.CDLL(None, use_errno=True); pid = int(sys.argv[1]);"
            "assert c.ptrace(0x4206, pid, 0, 0) == 0 and c.ptrace(0x4207, pid, 0, 0) == 0;"
            "print('ready', flush=True); signal.pause()")  # fmt: skip
    command = (sys.executable, "-c", hold, str(fleet.lab.pid(SUBJECT)))
    with fleet.lab.running(f"/run/netns/{fleet.lab.host_namespace}", *command, ready="ready"):
        yield


@fault("b77", "A server of one thread waits for a client that says nothing", ASKS, "accept-queue|http")
def held_by_a_client(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "single"):
        client = (f"import signal, socket; held = socket.create_connection(('{fleet.address(SUBJECT)}', {PORT}));"
                  "print('ready', flush=True); signal.pause()")  # fmt: skip
        with fleet.lab.running(f"/run/netns/{fleet.lab.host_namespace}", "python3", "-c", client, ready="ready"):
            yield


@fault("b78", "Every other answer is an error", ASKS, "http", reachable=None)
def every_other(fleet: Fleet) -> Iterator[None]:
    with odd(fleet, "every-other"):
        yield


@fault("b79", "The host has a route to the client over another interface", EGRESS, "route")
def host_route_elsewhere(fleet: Fleet) -> Iterator[None]:
    route = f"{fleet.names['client']}/32 dev docker0"
    with changed(fleet.lab.host, f"ip route add {route}", f"ip route del {route}"):
        yield


@fault("b80", "The host has a wrong MAC for its gateway", EGRESS, "neighbour")
def wrong_neighbour_of_the_host(fleet: Fleet) -> Iterator[None]:
    change = f"ip neigh replace {OUTSIDE_ADDRESS} lladdr {WRONG_MAC} dev uplink nud permanent"
    with changed(fleet.lab.host, change, f"ip neigh del {OUTSIDE_ADDRESS} dev uplink"):
        yield


@fault("b81", "The network is hidden behind an address that the host has not", EGRESS, "route|filter|publish")
def hidden_behind_nobody(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-t nat -I POSTROUTING -s {fleet.subnet} -o uplink -j SNAT --to-source 198.18.0.200"):
        yield


@fault("b82", "The client believes the gateway at another's MAC", EGRESS, "neighbour")
def wrong_gateway_in_client(fleet: Fleet) -> Iterator[None]:
    change = f"ip neigh replace {fleet.gateway} lladdr {mac(fleet.into(WEB))} dev eth0 nud permanent"
    with changed(fleet.into(CLIENT), change, f"ip neigh del {fleet.gateway} dev eth0"):
        yield


@fault("b83", "A queue to a program that is gone", FROM_CLIENT, "filter/filter-rule",
       tolerates=("filter/bridge-netfilter",))  # fmt: skip
def queue_to_nobody(fleet: Fleet) -> Iterator[None]:
    with rule(fleet.lab.host, f"-I DOCKER-USER -d {fleet.names['web']} -p tcp -j NFQUEUE --queue-num 77"):
        yield


@fault("b84", "Docker's own network knows no names", FROM_ASKER, "name", healthy=ASKS)
def no_names(fleet: Fleet) -> Iterator[None]:
    with fleet.container(ASKER, "--network", "bridge"), fleet.subject(network="bridge"):
        yield


@fault("b85", "The client uses the host's network, where names are not known", FROM_ASKER, "name|client", healthy=ASKS)
def client_in_the_hosts_network(fleet: Fleet) -> Iterator[None]:
    with fleet.container(ASKER, "--network", "host"):
        yield


@fault("b86", "The client has no network", FROM_ASKER, "client|address|route", tolerates=("name/unknown-name",),
       healthy=ASKS)  # fmt: skip
def client_without_network(fleet: Fleet) -> Iterator[None]:
    with fleet.container(ASKER, "--network", "none"):
        yield


@fault("b87", "Published, but it uses the host's network, which publishes nothing", LOCALLY, "publish|address",
       healthy=ASKS)  # fmt: skip
def published_in_the_hosts_network(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--publish", f"{SUBJECT_PORT}:{PORT}", network="host"):
        yield


@fault("b88", "docker-proxy is stopped", LOCALLY, "publish", healthy=ASKS)
def proxy_stopped(fleet: Fleet) -> Iterator[None]:
    with contextlib.ExitStack() as healing, fleet.subject("--publish", f"{SUBJECT_PORT}:{PORT}"):
        pids = proxies(fleet)
        fleet.lab.host("kill", "-STOP", *pids)
        healing.callback(fleet.lab.host, "kill", "-CONT", *pids, check=False)
        yield
        fleet.lab.host("kill", "-CONT", *pids)


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


@fault("b90", "The bridge has the server's address, too", WEB, "address|route")
def address_on_the_bridge(fleet: Fleet) -> Iterator[None]:
    address = f"{fleet.names['web']}/32 dev {fleet.bridge}"
    with changed(fleet.lab.host, f"ip addr add {address}", f"ip addr del {address}"):
        yield


@fault("b91", "The client has the server's address itself", FROM_CLIENT, "client|address|route")
def address_in_the_client(fleet: Fleet) -> Iterator[None]:
    address = f"{fleet.names['web']}/32 dev lo"
    with changed(fleet.into(CLIENT), f"ip addr add {address}", f"ip addr del {address}"):
        yield


@fault("b92", "The server has the client's address itself", FROM_CLIENT, "address")
def clients_address_in_the_server(fleet: Fleet) -> Iterator[None]:
    address = f"{fleet.names['client']}/32 dev lo"
    with changed(fleet.into(WEB), f"ip addr add {address}", f"ip addr del {address}"):
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


@fault("b95", "The client's loopback has a wrong MAC for everything", FROM_CLIENT, "name/unknown",
       tolerates=("client/unknown", "neighbour/unknown"))  # fmt: skip
def loopback_neighbour(fleet: Fleet) -> Iterator[None]:
    # One entry stands for every address on lo (arp_constructor in the kernel); it is given back as it was.
    entry = "ip neigh replace 192.0.2.5 dev lo nud"
    inside = fleet.into(CLIENT)
    with changed(inside, f"{entry} permanent lladdr {WRONG_MAC}", f"{entry} noarp lladdr 00:00:00:00:00:00"):
        yield
