"""The conversation with the admin socket, whatever comes out of the pipe; and what its tables say."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from fleetctl.balancer import admin as conversation
from fleetctl.balancer.admin import Admin, Standing, read_rotation, rows_of, states_of
from fleetctl.errors import EngineUnreachable, FleetError
from fleetctl.state.rotation import Server, Traffic

# Of HAProxy 3.0.11, without the columns that nobody reads.
INFORMATION = "Name: HAProxy\nVersion: 3.0.11-1+deb13u5\nPid: 8\nStopping: 0\ndescription: fleetctl-0123456789ab\n"
TITLES = "# pxname,svname,scur,stot,econ,eresp,wretr,wredis,status,type,check_status,hrsp_5xx,req_tot,srv_abrt,-,\n"
STATISTICS = (
    TITLES
    + "port:8080,FRONTEND,3,90,,,,,OPEN,0,,2,100,,-,\n"
    + "web:8080,web-1.3fa9c2d1e0b1,2,60,1,4,1,2,UP,2,L7OK,1,50,3,-,\n"
    + "web:8080,web-2.7680916f0514,0,40,0,0,0,0,DRAIN,2,* L4CON,0,40,0,-,\n"
    + "web:8080,web-3.8bbd001c30c4,0,0,0,0,0,0,no check,2,,0,0,0,-,\n"
    + "web:8080,BACKEND,2,100,1,4,5,6,UP,1,,2,100,3,-,\n"
    + "other:8081,BACKEND,0,0,0,0,0,0,DOWN,1,,0,0,0,-,\n"
)
NAMES = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_check_status srv_port\n"
STATES = (
    "1\n"
    + NAMES
    + "3 web:8080 2 web-1.3fa9c2d1e0b1 172.30.8.3 2 0 1 15 8080\n"
    + "3 web:8080 3 web-2.7680916f0514 172.30.8.5 0 8 1 7 8080\n"
    + "3 web:8080 4 web-3.8bbd001c30c4 fd00::4 2 9 1 1 8080\n"
    + "\n"
)


@dataclass
class Script:
    """A pipe from which these pieces come one after the other; an exception is raised, and after the last nothing
    comes."""

    pieces: list[bytes | Exception]
    sent: bytes = b""
    closed: int = 0
    waited: list[float] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        self.sent += data

    def receive(self, seconds: float) -> bytes:
        self.waited.append(seconds)
        piece = self.pieces.pop(0) if self.pieces else TimeoutError()
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.closed += 1


def test_answers_end_where_the_prompt_comes_in_however_many_pieces() -> None:
    pipe = Script([b"\n> ", b"3.0", b".11\n\n", b">", b" ", b"\n> "])
    admin = Admin(pipe, "fleet-balancer-1")
    assert admin.ask("show version") == "3.0.11\n"
    admin.order("enable health web:8080/web-1.3fa9c2d1e0b1")
    assert pipe.sent == b"prompt\nshow version\nenable health web:8080/web-1.3fa9c2d1e0b1\n"


def test_an_order_that_is_answered_with_words_has_failed() -> None:
    admin = Admin(Script([b"\n> ", b"No such server.\n\n> "]), "fleet-balancer-1")
    with pytest.raises(FleetError) as raised:
        admin.order("set server web:8080/gone state ready")
    message = "balancer fleet-balancer-1 refused 'set server web:8080/gone state ready': No such server."
    assert raised.value.message == message


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([], "did not answer 'show info' within 5 s"),
        ([b"half of it"], "did not answer 'show info' within 5 s"),
        ([b""], "ended the conversation"),
        ([b"Permission denied\n", b""], "ended the conversation: Permission denied"),
        ([b"much" * 100], "says too much"),
        (
            [FleetError('2026/11/22 03:46:36 socat[506] E connect(, AF=1 "/tmp/admin.sock", 17): No such file')],
            'cannot be reached: connect(, AF=1 "/tmp/admin.sock", 17): No such file',
        ),
    ],
)
def test_a_conversation_that_breaks_off_is_told_ended_and_never_gone_on_with(
    pieces: list[bytes | Exception], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that came later would be taken for that to another command."""
    monkeypatch.setattr(conversation, "ANSWER_LIMIT", 300)
    pipe = Script([b"\n> ", *pieces])
    admin = Admin(pipe, "fleet-balancer-1")
    with pytest.raises(FleetError) as raised:
        admin.ask("show info")
    assert raised.value.message == f"the admin socket of balancer fleet-balancer-1 {told}"
    assert raised.value.exit_code == 1
    assert raised.value.hint is not None
    assert admin.ended
    pipe.pieces = [b"late\n\n> "]
    with pytest.raises(FleetError):
        admin.ask("show stat")
    admin.close()
    assert pipe.closed == 1
    assert pipe.pieces


def test_an_engine_that_is_away_keeps_its_own_exit_code() -> None:
    pipe = Script([EngineUnreachable("the engine does not answer")])
    with pytest.raises(EngineUnreachable):
        Admin(pipe, "fleet-balancer-1")
    assert pipe.closed == 1


def test_all_pieces_of_an_answer_together_have_five_seconds() -> None:
    pipe = Script([b"\n> ", b"a", b"b", b"\n> "])
    Admin(pipe, "fleet-balancer-1").ask("show info")
    assert pipe.waited[1:] == sorted(pipe.waited[1:], reverse=True)
    assert max(pipe.waited) <= conversation.PATIENCE


def test_statistics_and_states_become_a_rotation() -> None:
    def answer(text: str) -> bytes:
        return f"{text}\n> ".encode()

    admin = Admin(Script([b"\n> ", answer(INFORMATION), answer(STATISTICS), answer(STATES)]), "fleet-balancer-1")
    rotation = read_rotation(admin, "b" * 64)
    assert rotation.digest == "0123456789ab"
    assert rotation.traffic == Traffic(requests=100, failed=2 + 3, retried=11)
    one, two, three = rotation.servers["web:8080"]
    assert one == Server(
        "web-1.3fa9c2d1e0b1",
        "172.30.8.3",
        8080,
        "ready",
        healthy=True,
        check="L7OK",
        sessions=2,
        traffic=Traffic(requests=50, failed=6, retried=3),
    )
    assert one.container_id == "3fa9c2d1e0b1"
    assert (two.admission, two.healthy, two.check) == ("drain", False, "L4CON")
    assert (three.admission, three.address, three.check) == ("maint", "fd00::4", "")
    assert rotation.servers["other:8081"] == ()


def test_a_server_that_one_table_does_not_have_yet_is_left_out() -> None:
    """Somebody added it between two questions."""
    assert dict(states_of("1\n" + NAMES + "\n")) == {}
    assert list(rows_of(TITLES)) == []


def test_maintenance_counts_before_drain() -> None:
    assert dict(states_of(STATES)) == {
        ("web:8080", "web-1.3fa9c2d1e0b1"): Standing("172.30.8.3", 8080, "ready", healthy=True),
        ("web:8080", "web-2.7680916f0514"): Standing("172.30.8.5", 8080, "drain", healthy=False),
        ("web:8080", "web-3.8bbd001c30c4"): Standing("fd00::4", 8080, "maint", healthy=True),
    }
