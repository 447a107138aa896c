"""The best place that can be had is taken, and each one that cannot is named with the reason."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fleetctl.engine.base import HelperHost
from fleetctl.engine.daemon import serving_process
from fleetctl.errors import ConfigError, EngineUnreachable, FleetError
from fleetctl.state.probes import NOT_ASKED, Probe, Question
from fleetctl.vantage.base import Answer, Request
from fleetctl.vantage.codec import encode
from fleetctl.vantage.engine_only import EngineOnly
from fleetctl.vantage.registry import open_vantage, why_not_here, why_not_privileged

REQUEST = Request(
    (5,), True, (None,), (Question(5, "web"),), (Probe("lo", 5, "127.0.0.1", 80),), (Probe("h", None, "::1", 1),)
)


@dataclass
class Place:
    """All that is asked of an engine about where it is."""

    endpoint: str
    local: bool


@dataclass
class FarEngine(Place):
    """Elsewhere; it refuses a helper container with `error`, or lets one answer that there is nothing."""

    endpoint: str = "tcp://192.0.2.1:2376"
    local: bool = False
    error: FleetError | None = field(default_factory=lambda: FleetError("authorization denied by plugin opa"))

    def ensure_helper(self, image: str, files: Mapping[str, bytes]) -> None:
        if self.error is not None:
            raise self.error

    def run_helper(self, image: str, line: bytes, patience: float) -> bytes:
        return encode(Answer())


@pytest.fixture(autouse=True)
def no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEET_VANTAGE", raising=False)


@pytest.fixture
def engine() -> FarEngine:
    return FarEngine()


def test_where_the_engine_refuses_a_helper_everything_is_unknown_with_every_reason(engine: FarEngine) -> None:
    """One for each place that was tried; the request is answered in full length."""
    assert isinstance(engine, HelperHost)
    vantage = open_vantage(engine)
    assert vantage.name == "helper container"
    answer = vantage.ask(REQUEST)
    assert vantage.name == "the engine only"
    reason = "the engine is on another host, or in a virtual machine; authorization denied by plugin opa"
    assert "; ".join(vantage.reasons) == reason
    assert answer.host.unknown["interfaces"] == answer.namespaces[5].unknown["listeners"] == reason
    assert answer.filters[None].unknown["nft"] == reason
    assert [answer.resolutions[0].error, answer.outcomes[0].error] == [NOT_ASKED, NOT_ASKED]
    assert answer.traced[0].trace.unknown == reason
    assert answer.traced[0].outcome.probe == REQUEST.traced[0]


def test_an_engine_that_is_lost_is_an_error_and_no_reason_to_go_on(engine: FarEngine) -> None:
    """Nothing could be known anywhere, and the user has to hear of it."""
    engine.error = EngineUnreachable("gone")
    with pytest.raises(EngineUnreachable):
        open_vantage(engine).ask(REQUEST)


def test_where_it_is_answered_it_stays(engine: FarEngine) -> None:
    engine.error = None
    vantage = open_vantage(engine)
    assert vantage.ask(Request()) == Answer()
    assert (vantage.name, vantage.reasons) == ("helper container", (why_not_here(engine),))


def test_an_engine_without_helpers_is_all_there_is_to_ask() -> None:
    vantage = open_vantage(Place("tcp://192.0.2.1:2376", local=False))
    assert vantage.name == "the engine only"
    assert vantage.reasons[-1] == "this engine runs no helper container"


def test_a_wish_is_followed_or_refused(engine: FarEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option beats FLEET_VANTAGE; a forced place has no other beneath it."""
    monkeypatch.setenv("FLEET_VANTAGE", "none")
    assert isinstance(open_vantage(engine), EngineOnly)
    with pytest.raises(FleetError, match="authorization denied"):
        open_vantage(engine, wanted="helper").ask(REQUEST)
    with pytest.raises(ConfigError, match="direct cannot be meant: the engine is on another host"):
        open_vantage(engine, wanted="direct")
    with pytest.raises(ConfigError, match="is none of direct, helper, none"):
        open_vantage(engine, wanted="sudo")


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[str]:
    """The address of a socket whose server is in a network namespace of its own."""
    script = (
        "import socket,sys; s=socket.socket(1); s.bind(sys.argv[1]); s.listen(); print(flush=True); sys.stdin.read()"
    )
    command = ["unshare", "--net", sys.executable, "-c", script, str(tmp_path / "s")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"unix://{tmp_path}/s"
        process.terminate()


def test_an_engine_of_another_network_namespace_is_not_here(apart: str) -> None:
    """An engine in a container, say: the host's bridges that we see are not its own."""
    assert why_not_here(Place(apart, local=True)) == "the engine is in another network namespace than this process"


def test_who_serves_a_socket_is_known(tmp_path: Path) -> None:
    """By the kernel, whatever is spoken there."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        address = f"unix://{tmp_path}/s"
        assert serving_process(address) == os.getpid()
        assert why_not_here(Place(address, local=True)) is None
    assert serving_process("tcp://127.0.0.1:1") is None


def test_an_ordinary_user_may_not_look() -> None:
    """The reason names what is missing."""
    script = (
        "from fleetctl.vantage.registry import why_not_privileged as w; import os; os.setresuid(9, 9, 9); print(w())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "CAP_SYS_PTRACE" in done.stdout
    assert why_not_privileged() is None, "the tests run as root"
