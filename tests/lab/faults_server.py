"""Faults of the server in the container: its sockets, its process, its answers."""

from __future__ import annotations

from collections.abc import Iterator

from tests.e2e.project import wait_for
from tests.lab.fault import fault
from tests.lab.fleet import PORT, SUBJECT, Fleet, make_certificate
from tests.lab.questions import THE_SUBJECT


@fault("14", "Bound to 127.0.0.1", THE_SUBJECT, "socket/bound-to-loopback")
def bound_to_loopback(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(ADDRESS="127.0.0.1"):
        yield


@fault("15", "Wrong port", THE_SUBJECT, "socket/wrong-port")
def wrong_port(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(listens=8000, PORT="8000"):
        yield


@fault("16", "UDP, not TCP", THE_SUBJECT, "socket/udp-not-tcp")
def udp_not_tcp(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(MODE="udp"):
        yield


@fault("17", "Accept queue full", THE_SUBJECT, "accept-queue/accept-queue-full")
def accept_queue_full(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(MODE="never-accept"):
        # With a backlog of 1 two connections wait; a third one's handshake is never finished.
        clients = (f"import signal, socket; waiting = [socket.create_connection(('{fleet.address(SUBJECT)}', {PORT}))"
                   " for _ in range(2)]; print('ready', flush=True); signal.pause()")  # fmt: skip
        with fleet.lab.running(f"/run/netns/{fleet.lab.host_namespace}", "python3", "-c", clients, ready="ready"):
            yield


@fault("18", "Out of file descriptors", THE_SUBJECT, "accept-queue/out-of-file-descriptors")
def out_of_file_descriptors(fleet: Fleet) -> Iterator[None]:
    with fleet.subject("--ulimit", "nofile=20", MODE="leak-files"):  # fewer, and runc itself cannot start it
        wait_for("every descriptor is in use", lambda: open_files(fleet) == 20)
        yield


def open_files(fleet: Fleet) -> int:
    return len(fleet.lab.host("ls", f"/proc/{fleet.lab.pid(SUBJECT)}/fd").split())


@fault("19", "Hang", THE_SUBJECT, "http/no-answer")
def hang(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(MODE="hang"):
        yield


@fault("20", "Slow", THE_SUBJECT, "http/slow", reachable=None)
def slow(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(MODE="slow", SECONDS="5"):
        yield


@fault("21", "Server error", THE_SUBJECT, "http/server-error", reachable=None)
def server_error(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(STATUS="500 Internal Server Error"):
        yield


@fault("22", "Draining", THE_SUBJECT, "http/draining", reachable=None)
def draining(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(STATUS="503 Service Unavailable"):
        yield


@fault("23", "TLS on a plain port", THE_SUBJECT, "http/tls-on-plain-port")
def tls(fleet: Fleet) -> Iterator[None]:
    certificate = fleet.lab.folder / "tls.pem"
    make_certificate(certificate)
    with fleet.subject("--volume", f"{certificate}:/tls.pem:ro", MODE="tls"):
        yield


@fault("24", "Host header refused", THE_SUBJECT, "http/host-refused", reachable=None)
def host_refused(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(HOST="shop.example"):
        yield


@fault("25", "Redirect to localhost", THE_SUBJECT, "http/redirect-to-localhost", reachable=None)
def redirect_to_localhost(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(MODE="redirect"):
        yield


@fault("26", "Second bind", THE_SUBJECT, "socket/address-in-use", tolerates=("container/crashed",))
def second_bind(fleet: Fleet) -> Iterator[None]:
    with fleet.subject(listens=None, MODE="twice"):
        fleet.lab.docker("wait", SUBJECT)
        yield
