"""Three network namespaces of a test's own: a client and a server on a bridge, with nothing of the host's."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from fleetctl.net.namespaces import inside
from tests.e2e.project import wait_for

T = TypeVar("T")

CLIENT, SERVER, PORT = "10.9.0.2", "10.9.0.3", 8080
_ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Bridged:
    """`host` has the bridge br0 with the ports vc and vs; each pair's other end is eth0 in `client` and `server`."""

    def __init__(self) -> None:
        self.unique = f"t-{uuid.uuid4().hex[:8]}"
        self._inhabitants: dict[str, subprocess.Popen[bytes]] = {}
        self._listener: socket.socket | None = None

    def build(self) -> None:
        for place in ("host", "client", "server"):
            _ip("netns", "add", self.name(place))
            self.run(place, "ip link set lo up")
            self._inhabit(place)
        self.run("host", "ip link add br0 type bridge", "ip address add 10.9.0.1/24 dev br0", "ip link set br0 up")
        for place, port, address in (("client", "vc", CLIENT), ("server", "vs", SERVER)):
            self.run("host", f"ip link add {port} type veth peer name eth0 netns {self.name(place)}")
            self.run("host", f"ip link set {port} master br0 up")
            self.run(place, f"ip address add {address}/24 dev eth0", "ip link set eth0 up")
        self._listener = self.within("server", lambda: socket.create_server(("0.0.0.0", PORT)))
        threading.Thread(target=_serve, args=(self._listener,), daemon=True).start()
        # Which also teaches everybody the neighbours' addresses.
        wait_for("an answer over the bridge", lambda: self.ask() is None)

    def name(self, place: str) -> str:
        return f"{self.unique}-{place}"

    def _inhabit(self, place: str) -> None:
        """A process that lives in the namespace, as the one of a container does."""
        command = ["ip", "netns", "exec", self.name(place), "sh", "-c", "echo there; exec sleep infinity"]
        self._inhabitants[place] = subprocess.Popen(command, stdout=subprocess.PIPE)
        output = self._inhabitants[place].stdout
        assert output is not None
        assert output.readline() == b"there\n"

    def run(self, place: str, *commands: str) -> str:
        """What the commands say, run in a namespace."""
        said = ""
        for command in commands:
            words = ["ip", "netns", "exec", self.name(place), *command.split()]
            said += subprocess.run(words, check=True, capture_output=True, text=True).stdout
        return said

    def within(self, place: str, work: Callable[[], T]) -> T:
        return inside(self._inhabitants[place].pid, work)

    def ask(self, address: str = SERVER, port: int = PORT) -> str | None:
        """One request from the client: None when it was answered, else what went wrong."""
        return self.within("client", lambda: question(address, port))

    def remove(self) -> None:
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for process in self._inhabitants.values():
            process.kill()
            process.communicate()
        for place in ("host", "client", "server"):
            if Path(f"/run/netns/{self.name(place)}").exists():
                _ip("netns", "delete", self.name(place))


def question(address: str, port: int) -> str | None:
    try:
        with socket.create_connection((address, port), timeout=0.3) as connection:
            # The kernel has taken it, and that at once; the thread that answers may have to wait for a processor.
            connection.settimeout(10)
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while connection.recv(1000):
                pass
    except OSError as error:
        return str(error)
    return None


def _serve(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed: the test is over
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(1000)
                connection.sendall(_ANSWER)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def bridged() -> Iterator[Bridged]:
    """To be made a fixture of."""
    made = Bridged()
    try:
        made.build()
        yield made
    finally:
        made.remove()
