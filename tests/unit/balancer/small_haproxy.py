"""A small HAProxy: the commands of its admin socket that fleetctl uses, as HAProxy 3.0 was seen to answer them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fleetctl.balancer.admin import Pipe
from fleetctl.balancer.live import CONNECT_MASTER
from fleetctl.errors import FleetError
from fleetctl.state.observed import Endpoint, Replica

READY, MAINT, DRAIN = 0, 1, 8
STATES = {"ready": READY, "maint": MAINT, "drain": DRAIN}
COLUMNS = "# pxname,svname,type,scur,check_status,req_tot,hrsp_5xx,"
NAMES = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port"


@dataclass
class Member:
    """A server. It is checked once it is `watched`, and only a look later that shows; `well` tells whether it answers
    then."""

    endpoint: str
    admin: int = MAINT
    watched: bool = False
    check: str = ""
    sessions: int = 0
    well: bool = True


@dataclass
class SmallHAProxy:
    """`well` tells whether servers answer its checks; a look at the servers is a moment in which checks come and
    `ending` of the requests under way end. It has answered `requests`, `failed` of them badly. Who drives it is killed
    before its command number `mortal`; who speaks with it finds out that it is `gone`."""

    pools: dict[str, dict[str, Member]] = field(default_factory=lambda: {"web:8080": {}})
    digest: str = ""
    well: bool = True
    ending: int = 1
    requests: int = 7
    failed: int = 0
    mortal: int | None = None
    gone: bool = False
    cut: int = 0
    heard: list[str] = field(default_factory=list)

    @property
    def members(self) -> dict[str, Member]:
        return self.pools["web:8080"]

    def say(self, command: str) -> str:
        """The answer, each line of it ended; '' to what needs none."""
        if self.mortal is not None and len(self.heard) >= self.mortal:
            raise KilledError
        self.heard.append(command)
        match command.split():
            case ["show", "info"]:
                return f"Name: HAProxy\ndescription: fleetctl-{self.digest}\n"
            case ["show", "stat"]:
                return "# pxname,svname,type,scur,check_status,req_tot,hrsp_5xx,\n" + "".join(
                    f"{row},\n" for row in self.rows()
                )
            case ["show", "servers", "state"]:
                return f"1\n{NAMES}\n" + "".join(f"{row}\n" for row in self.places())
            case ["add", "server", path, endpoint, *_]:
                pool, name = path.split("/")
                if name in self.pools[pool]:
                    return "Already exists a server with the same name in backend.\n"
                self.pools[pool][name] = Member(endpoint)
                return "New server registered.\n"
            case [*verb, path] if "/" in path:
                return self.change(verb, path)
            case ["set", "server", path, "state", state]:
                return self.change(["set", state], path)
        return "Unknown command\n"

    def change(self, verb: list[str], path: str) -> str:
        pool, name = path.split("/")
        member = self.pools[pool].get(name)
        if member is None:
            return "No such server.\n"
        match verb:
            case ["set", state]:
                member.admin = STATES[state]
            case ["enable", "health"]:
                member.watched = True
            case ["shutdown", "sessions", "server"]:
                self.cut += member.sessions
                member.sessions = 0
            case ["del", "server"]:
                if member.admin != MAINT:
                    return "Only servers in maintenance mode can be deleted.\n"
                if member.sessions:
                    return "Server still has connections attached to it, cannot remove it.\n"
                del self.pools[pool][name]
                return "Server deleted.\n"
        return ""

    def rows(self) -> Iterator[str]:
        yield f"port:8080,FRONTEND,0,0,,{self.requests},{self.failed}"
        for pool, members in self.pools.items():
            for name, member in members.items():
                yield f"{pool},{name},2,{member.sessions},{member.check},0,0"
                member.sessions = max(0, member.sessions - self.ending)
                if member.watched:
                    member.check = "L7OK" if self.well and member.well else "L7STS"
            yield f"{pool},BACKEND,1,0,,{self.requests},{self.failed}"

    def places(self) -> Iterator[str]:
        for pool, members in self.pools.items():
            for name, member in members.items():
                address, port = member.endpoint.rsplit(":", 1)
                yield f"3 {pool} 2 {name} {address} {2 if self.well and member.well else 0} {member.admin} {port}"


class KilledError(BaseException):
    """Whoever drives the balancer is gone."""


@dataclass
class SmallPipe:
    """A session with it; what it says comes a few bytes at a time."""

    balancer: SmallHAProxy
    said: bytes = b""
    closed: bool = False

    def send(self, data: bytes) -> None:
        command = data.decode().removesuffix("\n")
        answer = "" if command == "prompt" else self.balancer.say(command)
        self.said += f"{answer}\n> ".encode()

    def receive(self, seconds: float) -> bytes:
        if self.balancer.gone:
            return b""
        if not self.said:
            raise TimeoutError
        part, self.said = self.said[:50], self.said[50:]
        return part

    def close(self) -> None:
        self.closed = True


@dataclass
class SmallMaster:
    """The master's socket. After "reload" the file is read anew, and servers of the file are in at once. One that
    hangs says nothing, however long somebody waits."""

    host: SmallHost
    said: bytes = b""

    def send(self, data: bytes) -> None:
        if data == b"show version; quit\n":
            self.said = b"3.0.11\n" if self.host.master_is_up else b""
            return
        assert data == b"reload\n"
        self.host.reloads += 1
        self.said = b"Success=0\n--\n[ALERT] (8) : it does not like that\n"
        if self.host.accepts:
            self.said = b"Success=1\n--\n[NOTICE] Loading success.\n"
            self.host.take_over()

    def receive(self, seconds: float) -> bytes:
        if self.host.master_hangs:
            self.host.waited.append(seconds)
            raise TimeoutError
        part, self.said = self.said, b""
        return part

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class SmallHost:
    """An engine with one balancer. `file` is what it comes back with after a restart; a reload takes it over, where it
    `accepts` it. It is away for the next `absent` sessions, and there is no room for the next `full` files. `waited`
    tells for how many seconds each time somebody would wait for a master that hangs."""

    balancer: SmallHAProxy
    replicas: tuple[Replica, ...]
    file: str = ""
    reloads: int = 0
    accepts: bool = True
    master_is_up: bool = True
    master_hangs: bool = False
    waited: list[float] = field(default_factory=list)
    absent: int = 0
    full: int = 0

    def observe_replicas(self, fleet_name: str, container_id: str | None = None) -> tuple[Replica, ...]:
        return tuple(one for one in self.replicas if container_id in (None, one.id))

    def open_pipe(self, container_id: str, command: tuple[str, ...]) -> Pipe:
        if self.absent:
            self.absent -= 1
            raise FleetError("the container is restarting")
        if not self.observe_replicas("fleet", container_id):
            raise FleetError("no such container")
        return SmallMaster(self) if command == CONNECT_MASTER else SmallPipe(self.balancer)

    def get_file(self, container_id: str, path: str) -> bytes:
        return self.file.encode()

    def put_files(self, container_id: str, directory: str, files: Mapping[str, bytes]) -> None:
        if self.full:
            self.full -= 1
            raise FleetError("no space left on device")
        (self.file,) = (content.decode() for content in files.values())

    def restart(self) -> None:
        """All sessions end, and another process begins with the file."""
        self.balancer.gone = True
        self.balancer = SmallHAProxy(well=self.balancer.well)
        self.take_over()

    def take_over(self) -> None:
        pool = ""
        self.balancer.pools.clear()
        self.balancer.requests = self.balancer.failed = 0
        for words in map(str.split, self.file.splitlines()):
            match words:
                case ["description", text]:
                    self.balancer.digest = text.removeprefix("fleetctl-")
                case ["backend", name]:
                    pool = name
                    self.balancer.pools[pool] = {}
                case ["server", name, endpoint, *_]:
                    self.balancer.pools[pool][name] = Member(endpoint, READY, watched=True)


def replica(service: str, number: int, container_id: str, address: str) -> Replica:
    """A container that runs in the network `lan`."""
    endpoint = Endpoint("n" * 64, "lan", ipv4=address, prefix=24)
    name = f"fleet-{service}-{number}"
    now = datetime.now(UTC)
    return Replica(
        container_id,
        name,
        service,
        number,
        "image",
        "sha256:1",
        "running",
        "none",
        "Up",
        now,
        endpoints={"lan": endpoint},
    )
