"""Names are resolved as in the container itself: against Docker's DNS server, and against hostile ones (needs root)."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import docker
import pytest
from docker.models.containers import Container

from fleetctl.net.names import resolve
from fleetctl.net.namespaces import inside
from fleetctl.state.probes import Question
from tests.e2e.scene import Scene, staged

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into other namespaces")

NOERROR, SERVFAIL, NXDOMAIN, CUT = 0x8180, 0x8182, 0x8183, 0x8380


class Peers(Scene):
    """Two containers on one network."""

    def build(self) -> None:
        lan = self.network("lan")
        self.web, self.peer = self.start("web", lan), self.start("peer", lan)
        for container in self.containers:
            container.reload()

    def address(self, container: Container) -> str:
        (network,) = container.attrs["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])


@pytest.fixture(scope="module")
def peers(client: docker.DockerClient) -> Iterator[Peers]:
    yield from staged(Peers, client)


def test_docker_s_dns_server_is_asked_inside_for_a_peer(peers: Peers) -> None:
    pid = int(peers.web.attrs["State"]["Pid"])
    found = resolve(Question(pid, str(peers.peer.name)))
    assert (found.addresses, found.server, found.error) == ((peers.address(peers.peer),), "127.0.0.11", None)
    assert found.asked == (peers.peer.name,)
    assert 0 < found.milliseconds < 2000


def test_the_containers_own_name_and_localhost_come_from_its_hosts_file(peers: Peers) -> None:
    pid = int(peers.web.attrs["State"]["Pid"])
    own = resolve(Question(pid, str(peers.web.id)[:12]))
    assert (own.addresses, own.server, own.asked) == ((peers.address(peers.web),), None, ())
    assert resolve(Question(pid, "localhost")).addresses[0] == "127.0.0.1"
    assert resolve(Question(pid, "10.1.2.3")).addresses == ("10.1.2.3",)


Reply = Callable[[bytes], bytes | None]
"""What a server says to a question; None: nothing."""


class Place:
    """A network namespace with a process whose root is a directory of ours, and name servers that say what we want."""

    def __init__(self, root: Path, made: ExitStack) -> None:
        self.root, self._made = root, made
        (root / "etc").mkdir(parents=True)
        name = f"names-{uuid.uuid4().hex[:8]}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        made.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        program = "import os, sys; os.chroot(sys.argv[1]); print(flush=True); sys.stdin.read()"
        command = ["nsenter", f"--net=/run/netns/{name}", sys.executable, "-c", program, str(root)]
        resident = made.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        made.callback(resident.kill)
        assert resident.stdout
        assert resident.stdout.readline()
        self.pid = resident.pid

    def write(self, resolv_conf: str, hosts: str = "") -> None:
        (self.root / "etc/resolv.conf").write_text(resolv_conf)
        (self.root / "etc/hosts").write_text(hosts)

    def serve(self, address: str, reply: Reply, over_tcp: Reply | None = None) -> None:
        """A name server on port 53 of that address; over TCP it says something else or is not there."""
        udp = inside(self.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind((address, 53))
        self._run(udp, lambda: self._answer(udp, reply))
        if over_tcp:
            tcp = inside(self.pid, socket.socket)
            tcp.bind((address, 53))
            tcp.listen()
            self._run(tcp, lambda: self._answer_over_tcp(tcp, over_tcp))

    def _run(self, opened: socket.socket, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._made.callback(opened.close)  # once nobody uses it any more: what is called back last is called first
        self._made.callback(thread.join)
        self._made.callback(self._wake, opened)
        thread.start()

    @staticmethod
    def _wake(opened: socket.socket) -> None:
        """Ends the reading of it, now and later; an answer that is under way can still be sent."""
        try:
            opened.shutdown(socket.SHUT_RD)
        except OSError:  # of a socket that is connected to nobody: it wakes the reader all the same
            return

    @staticmethod
    def _answer(udp: socket.socket, reply: Reply) -> None:
        while True:
            question, asker = udp.recvfrom(4096)
            if not question:
                return
            answer = reply(question)
            if answer is not None:
                udp.sendto(answer, asker)

    @staticmethod
    def _answer_over_tcp(tcp: socket.socket, reply: Reply) -> None:
        while True:
            try:
                connection, _ = tcp.accept()
            except OSError:
                return
            with connection:
                answer = reply(connection.recv(4096)[2:]) or b""
                connection.sendall(struct.pack("!H", len(answer)) + answer)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as made:
        yield Place(tmp_path / "root", made)


def asked_name(question: bytes) -> str:
    labels, offset = [], 12
    while length := question[offset]:
        labels.append(question[offset + 1 : offset + 1 + length].decode())
        offset += 1 + length
    return ".".join(labels)


def answer(question: bytes, *addresses: str, flags: int = NOERROR) -> bytes:
    """Of the addresses those of the kind that was asked for."""
    kind = int.from_bytes(question[-4:-2], "big")
    family = {1: socket.AF_INET, 28: socket.AF_INET6}[kind]
    records = b""
    count = 0
    for address in addresses:
        if (":" in address) == (kind == 28):
            data = socket.inet_pton(family, address)
            records += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
            count += 1
    return question[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question[12:] + records


def test_the_search_list_is_tried_in_turn_and_both_families_are_asked(place: Place) -> None:
    place.write("search a.example b.example\nnameserver 127.0.0.1\noptions ndots:2\n")

    def reply(question: bytes) -> bytes:
        if asked_name(question) == "web.b.example":
            return answer(question, "fd00::1", "10.0.0.1")
        return answer(question, flags=NXDOMAIN)

    place.serve("127.0.0.1", reply)
    found = resolve(Question(place.pid, "web"))
    assert (found.addresses, found.server) == (("10.0.0.1", "fd00::1"), "127.0.0.1")
    assert found.asked == ("web.a.example", "web.b.example")
    unknown = resolve(Question(place.pid, "db.x.y"))
    assert (unknown.error, unknown.addresses) == ("NXDOMAIN", ())
    assert unknown.asked == ("db.x.y", "db.x.y.a.example", "db.x.y.b.example")


def test_what_does_not_fit_a_datagram_is_asked_for_over_tcp(place: Place) -> None:
    place.write("nameserver 127.0.0.1\n")
    many = tuple(f"10.0.{number // 250}.{number % 250}" for number in range(300))
    place.serve("127.0.0.1", lambda question: answer(question, flags=CUT), lambda question: answer(question, *many))
    assert resolve(Question(place.pid, "web")).addresses == many


def test_the_next_server_is_asked_when_one_fails_or_is_silent(place: Place) -> None:
    place.write("nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 127.0.0.3\n")
    place.serve("127.0.0.1", lambda question: answer(question, flags=SERVFAIL))
    place.serve("127.0.0.2", lambda _: None)
    place.serve("127.0.0.3", lambda question: answer(question, "10.0.0.3"))
    found = resolve(Question(place.pid, "web", timeout=3.0))
    assert (found.addresses, found.server) == (("10.0.0.3",), "127.0.0.3")


def test_silent_servers_take_the_whole_time_and_no_more(place: Place) -> None:
    place.write("search a b c\nnameserver 127.0.0.1\nnameserver 127.0.0.2\n")
    place.serve("127.0.0.1", lambda _: None)
    place.serve("127.0.0.2", lambda _: None)
    began = monotonic()
    found = resolve(Question(place.pid, "web", timeout=0.5))
    assert 0.4 < monotonic() - began < 5, "one silent server alone may take 5 s"
    assert (found.error, found.asked) == ("timeout", ("web.a",))


def test_where_no_server_runs_the_kernels_word_is_the_reason(place: Place) -> None:
    place.write("nameserver 127.0.0.1\n")
    assert resolve(Question(place.pid, "web")).error == "ECONNREFUSED"
    place.write("nameserver 192.0.2.53\n")
    assert resolve(Question(place.pid, "web")).error == "ENETUNREACH"


@pytest.mark.parametrize("garbage", [b"", b"\0", b"\xc0" * 600, bytes(12)])
def test_garbage_is_no_answer(place: Place, garbage: bytes) -> None:
    place.write("nameserver 127.0.0.1\n")
    place.serve("127.0.0.1", lambda question: question[:2] + garbage)
    found = resolve(Question(place.pid, "web", timeout=0.3))
    assert found.error in {"FORMERR", "timeout"}
    assert found.addresses == ()


def test_answers_to_other_questions_are_waited_through(place: Place) -> None:
    place.write("nameserver 127.0.0.1\n")
    replies = iter([b"other", b"other"])

    def reply(question: bytes) -> bytes:
        if next(replies, None):
            return b"\xff\xff" + answer(question, "6.6.6.6")[2:]
        return answer(question, "10.0.0.1")

    place.serve("127.0.0.1", reply)
    assert resolve(Question(place.pid, "web", timeout=0.3)).error == "timeout"
    assert resolve(Question(place.pid, "web", timeout=10.0)).addresses == ("10.0.0.1",)


def test_files_that_lead_out_of_the_container_are_not_read(place: Place) -> None:
    (place.root / "etc/hosts").symlink_to("/etc/hosts")
    (place.root / "etc/resolv.conf").write_text("")
    assert resolve(Question(place.pid, "localhost")).error == "ELOOP"


def test_a_container_without_these_files_asks_its_own_loopback(place: Place) -> None:
    place.serve("127.0.0.1", lambda question: answer(question, "10.0.0.9"))
    assert resolve(Question(place.pid, "web")).addresses == ("10.0.0.9",)


def test_a_dead_process_and_an_impossible_name_are_errors_and_no_exceptions(place: Place) -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    assert resolve(Question(dead.pid, "web")).error == "ESRCH"
    place.write("nameserver 127.0.0.1\n")
    assert resolve(Question(place.pid, "a..b")).error == "FORMERR"
