"""The healthy fleet of the laboratory, and what a fault needs to break and to mend it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from ipaddress import ip_network
from pathlib import Path

import docker

from fleetctl.engine.endpoint import find_endpoint
from tests.e2e.project import wait_for
from tests.fakes.tiny_image import tiny_image
from tests.lab.laboratory import HOST_ADDRESS, OUTSIDE_ADDRESS, ROOT, Laboratory

HERE = Path(__file__).resolve().parent
PORT = 8080
WEB, CLIENT, OTHER = "lab-web-1", "lab-client-1", "lab-other-1"
SUBJECT, ASKER = "subject", "asker"
LAN, SIDE = "lab_lan", "lab_side"
OUTSIDE_PORT = 8000
SUBJECT_PORT = 18090
"""Host port where a fault publishes the subject."""
WRONG_MAC = "02:00:00:00:be:ef"
"""Nobody's."""
DESCRIPTION = """
name: lab
services:
  web:
    image: {base}
    command: [python3, /app.py]
    volumes: ["./app.py:/app.py:ro"]
    networks: [lan]
    ports: ["0.0.0.0:18081-18083:8080"]
    deploy: {{replicas: 3}}
    x-fleet: {{http: 8080}}
  client: {{image: {tiny}, networks: [lan]}}
  other: {{image: {tiny}, networks: [lan, side]}}
networks: {{lan: {{}}, side: {{}}}}
"""
Run = Callable[..., str]


class Fleet:
    """Three replicas of a server, a client on their network, one more on another network too, and a plain container
    `subject` with the same server,
    which most faults replace. Where a method makes a change, the end of its block heals."""

    def __init__(self, lab: Laboratory) -> None:
        self.lab = lab
        self.base, self.tiny = base_image(), machine_tiny_image()

    def launch(self) -> None:
        self.lab.load(self.base)
        self.lab.load(self.tiny)
        shutil.copy(HERE / "app.py", self.lab.folder / "app.py")
        (self.lab.folder / "fleet.yaml").write_text(DESCRIPTION.format(base=self.base, tiny=self.tiny))
        done = self.lab.fleetctl("up", "-d")
        assert done.returncode == 0, done.stderr
        self.run_subject()

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What a question to diagnose may contain in braces."""
        return {
            "web": self.address(WEB), "client": self.address(CLIENT), "subject": self.address(SUBJECT),
            "published": self.published(WEB), "uplink": HOST_ADDRESS,
            "outside": f"{OUTSIDE_ADDRESS}:{OUTSIDE_PORT}", "subnet_last": str(ip_network(self.subnet)[-2]),
        }  # fmt: skip

    @cached_property
    def bridge(self) -> str:
        """The name of the bridge that is the fleet's network."""
        network = json.loads(self.lab.docker("network", "inspect", LAN))[0]
        return str(network["Options"].get("com.docker.network.bridge.name") or f"br-{network['Id'][:12]}")

    @cached_property
    def subnet(self) -> str:
        return str(json.loads(self.lab.docker("network", "inspect", LAN))[0]["IPAM"]["Config"][0]["Subnet"])

    @cached_property
    def gateway(self) -> str:
        return str(self.lab.inspect(CLIENT)["NetworkSettings"]["Networks"][LAN]["Gateway"])

    def address(self, container: str, network: str = LAN) -> str:
        return str(self.lab.inspect(container)["NetworkSettings"]["Networks"][network]["IPAddress"])

    def published(self, container: str) -> str:
        """The host port that leads to the container's server."""
        return str(self.lab.inspect(container)["NetworkSettings"]["Ports"][f"{PORT}/tcp"][0]["HostPort"])

    def veth(self, container: str, interface: str | None = None) -> str:
        """The host's end of the container's veth pair: of the interface of that name, else of the one in the LAN."""
        links = json.loads(self.lab.inside(container, "ip", "-json", "address"))
        own = self.address(container) if interface is None else None
        inner = next(
            link
            for link in links
            if link["ifname"] == interface or any(one.get("local") == own for one in link["addr_info"] if own)
        )
        links = json.loads(self.lab.host("ip", "-json", "link"))
        return next(str(link["ifname"]) for link in links if link["ifindex"] == inner["link_index"])

    def into(self, container: str) -> Run:
        """Runs programs of this machine in the container's network namespace."""
        return partial(self.lab.inside, container)

    def run(
        self, name: str, *options: str, image: str | None = None, command: tuple[str, ...] = (), check: bool = True
    ) -> None:
        """Start a plain container; `check` is off where the start itself is to fail."""
        self.lab.docker("run", "--detach", "--name", name, *options, image or self.tiny, *command, check=check)

    def run_subject(self, *options: str, network: str = LAN, listens: int | None = PORT, **environment: str) -> None:
        """Start the subject in place of the one there is, and wait until it listens on that port; None where it is not
        to be waited for and need not even start."""
        self.lab.docker("rm", "--force", "--volumes", SUBJECT, check=False)
        mount = f"{self.lab.folder}/app.py:/app.py:ro"
        settings = (part for key, value in environment.items() for part in ("--env", f"{key}={value}"))
        self.run(
            SUBJECT, "--network", network, "--volume", mount, *settings, *options,
            image=self.base, command=("python3", "/app.py"), check=listens is not None,
        )  # fmt: skip
        if listens is not None:
            wait_for(f"the subject listens on {listens}", partial(self.subject_listens, listens))

    def subject_listens(self, port: int) -> bool:
        """Whether the subject waits for connections on that port, TCP or UDP, at any address (proc_pid_net(5))."""
        pid = self.lab.pid(SUBJECT)
        tables = (Path(f"/proc/{pid}/net/{protocol}") for protocol in ("tcp", "tcp6", "udp"))
        return pid != 0 and any(f":{port:04X} " in table.read_text() for table in tables)

    @contextlib.contextmanager
    def subject(
        self, *options: str, network: str = LAN, listens: int | None = PORT, **environment: str
    ) -> Iterator[None]:
        """Another subject than the healthy one, for as long as the block lasts."""
        try:
            self.run_subject(*options, network=network, listens=listens, **environment)
            yield
        finally:
            self.run_subject()

    @contextlib.contextmanager
    def container(
        self, name: str, *options: str, image: str | None = None, command: tuple[str, ...] = ()
    ) -> Iterator[None]:
        """One more plain container, for as long as the block lasts."""
        try:
            self.run(name, *options, image=image, command=command)
            yield
        finally:
            self.lab.docker("rm", "--force", "--volumes", name, check=False)

    @contextlib.contextmanager
    def network(self, name: str, *options: str) -> Iterator[None]:
        self.lab.docker("network", "create", *options, name)
        try:
            yield
        finally:
            self.lab.docker("network", "rm", name)

    @contextlib.contextmanager
    def outside_server(self) -> Iterator[None]:
        """A server that answers HTTP beyond the host's uplink."""
        program = (f"import os; os.environ.update(ADDRESS={OUTSIDE_ADDRESS!r}, PORT='{OUTSIDE_PORT}');"
                   f"print('ready', flush=True); exec(open({str(HERE / 'app.py')!r}).read())")  # fmt: skip
        with self.lab.running(f"/run/netns/{self.lab.outside_namespace}", "python3", "-c", program, ready="ready"):
            yield


@contextlib.contextmanager
def rule(where: Run, specification: str, tool: str = "iptables") -> Iterator[None]:
    """A rule of a packet filter ("-t raw -I PREROUTING …") that is deleted again."""
    where(tool, *specification.split())
    try:
        yield
    finally:
        where(tool, *specification.replace("-I ", "-D ", 1).split())


@contextlib.contextmanager
def kept_rules(where: Run) -> Iterator[None]:
    """Whatever the block does to the rules of iptables, they are restored."""
    saved = where("iptables-save")
    try:
        yield
    finally:
        where("iptables-restore", stdin=saved)


@contextlib.contextmanager
def changed(where: Run, change: str, back: str) -> Iterator[None]:
    """A command, and the one that undoes it."""
    where(*change.split())
    try:
        yield
    finally:
        where(*back.split())


def added(where: Run, kind: str, item: str) -> contextlib.AbstractContextManager[None]:
    """A route, rule or addr of ip(8) that was not there before."""
    return changed(where, f"ip {kind} add {item}", f"ip {kind} del {item}")


@contextlib.contextmanager
def setting(where: Run, name: str, value: str) -> Iterator[None]:
    """A kernel setting of a namespace, by its path under /proc/sys/net, that gets its value back."""
    path = f"/proc/sys/net/{name}"
    before = where("cat", path).strip()
    where("sh", "-c", f"echo {value} > {path}")
    try:
        yield
    finally:
        where("sh", "-c", f"echo {before} > {path}")


def base_image() -> str:
    """The image with Python that make's setup built, named in .env."""
    lines = (ROOT / ".env").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("FLEET_BASE="))


def machine_tiny_image() -> str:
    client = docker.DockerClient(base_url=find_endpoint({}).address, version="auto")
    with contextlib.closing(client):
        return tiny_image(client)


def make_certificate(path: Path) -> None:
    """A key and a certificate that nobody signed, in one file."""
    run = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
           "-subj", "/CN=subject", "-keyout", str(path), "-out", f"{path}.crt"]  # fmt: skip
    subprocess.run(run, check=True, capture_output=True)
    with path.open("a") as both:
        both.write(Path(f"{path}.crt").read_text())
    path.chmod(0o644)
