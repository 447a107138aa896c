"""How a rotation is shown: a line for each server, what its clients saw, and what foreign text may do (nothing)."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fleetctl.plan.actions import Ref
from fleetctl.plan.rotation import Pool
from fleetctl.spec.model import Balance, Service
from fleetctl.state.observed import Replica, ReplicaState
from fleetctl.state.rotation import Admission, Rotation, Server, Traffic
from fleetctl.view.rotation import rotations_document, show_rotations, standing, state_text, title

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def replica(service: str, number: int, state: ReplicaState = "running") -> Replica:
    name = f"{service}-{number}"
    return Replica(name.ljust(64, "0"), f"f-{name}", service, number, "i", "i", state, "none", "Up", CREATED)


def server(number: int, admission: Admission = "ready", *, healthy: bool = True, check: str = "L7OK") -> Server:
    name = f"web-{number}.{replica('web', number).id[:12]}"
    return Server(name, f"10.9.0.{number}", 8080, admission, healthy, check, number, Traffic(10 * number, 1, 2))


FRONT = replica("front", 1)
WEB = (replica("web", 1), replica("web", 2, "exited"))
BALANCE = Balance("web", 80, 8080)
SERVICE = Service("front", "i", balance=(BALANCE,))
ROTATION = Rotation(
    FRONT.id,
    servers={BALANCE.pool: (server(1), server(2, healthy=False, check="L4CON"), server(3, "drain"))},
    traffic=Traffic(61, 4, 6),
)


def shown(capsys: pytest.CaptureFixture[str], rotation: Rotation, service: Service = SERVICE) -> list[str]:
    show_rotations([(FRONT, service, rotation)], [FRONT, *WEB])
    return capsys.readouterr().out.splitlines()


def test_every_server_has_a_line_with_its_container_and_the_last_is_what_clients_saw(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One whose container is gone has no other name than the balancer's."""
    assert [re.sub(" {2,}", "  ", line) for line in shown(capsys, ROTATION)] == [
        "f-front-1 balances web:80 (roundrobin)",
        "REPLICA  ADDRESS  STATE  SESSIONS  REQUESTS  FAILED  RETRIED",
        "f-web-1  10.9.0.1:8080  ready, up (L7OK)  1  10  1  2",
        "f-web-2 (exited)  10.9.0.2:8080  ready, down (L4CON: no connection)  2  20  1  2",
        "web-3.web-30000000 (no container)  10.9.0.3:8080  draining, up (L7OK)  3  30  1  2",
        "all  as clients saw it  6  61  4  6",
    ]


def test_several_pools_have_a_column_and_one_without_servers_is_in_the_title(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A pool that fleet.yaml does not have any more is shown without its algorithm."""
    head, columns, first, *_ = shown(capsys, replace(ROTATION, servers={**ROTATION.servers, "api:81": ()}))
    assert head == "f-front-1 balances web:80 (roundrobin), api:81"
    assert columns.split()[:2] == ["POOL", "REPLICA"]
    assert first.split()[:2] == ["web:80", "f-web-1"]


def test_a_title_names_a_few_pools_and_counts_the_rest() -> None:
    many = replace(ROTATION, servers={f"s{number}:80": () for number in range(9)})
    assert title(FRONT, SERVICE, many) == "f-front-1 balances s0:80, s1:80, s2:80, s3:80, s4:80, s5:80 and 3 more"


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (server(1, check="INI"), "ready, up (INI: not checked yet)"),
        (server(1, healthy=False, check=""), "ready, down (not checked)"),
        (server(1, healthy=False, check="L7STS"), "ready, down (L7STS: refused by its status)"),
        (server(1, "drain", check="L4TOUT"), "draining, up (L4TOUT: no connection in time)"),
        (server(1, "maint", healthy=False), "maintenance"),
        (server(1, check="NEW"), "ready, up (NEW)"),
    ],
)
def test_a_state_says_whether_it_is_in_and_up_and_what_its_check_means(one: Server, text: str) -> None:
    assert state_text(one) == text


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ((server(1),), "ready"),
        ((server(1, healthy=False),), "down"),
        ((server(1, "drain", healthy=False),), "draining"),
        ((server(1, "maint"),), "maintenance"),
        ((server(2),), "out"),
        ((), "out"),
    ],
)
def test_a_replica_that_runs_stands_with_its_balancer_as_that_says(servers: tuple[Server, ...], expected: str) -> None:
    good = Pool(Ref("f-front-2"), "web:8080", 8080, 30.0, (server(1),))
    assert standing((Pool(Ref("f-front-1"), "web:8080", 8080, 30.0, servers),), WEB[0]) == expected
    assert standing((good, Pool(Ref("f-front-1"), "web:8080", 8080, 30.0, servers)), WEB[0]) == expected


def test_a_replica_without_a_balancer_that_says_so_stands_nowhere() -> None:
    """Nor does one that is stopped and out."""
    assert standing(None, WEB[0]) is None
    assert standing((), WEB[0]) is None
    assert standing((Pool(Ref("f-front-1"), "web:8080", 8080, 30.0),), WEB[1]) is None


def test_the_document_has_every_server_under_its_pool() -> None:
    document = rotations_document("f", [(FRONT, SERVICE, ROTATION)], [FRONT, *WEB])
    (balancer,) = document["balancers"]
    assert (balancer["balancer"], balancer["requests"], balancer["failed"]) == ("f-front-1", 61, 4)
    (pool,) = balancer["pools"]
    assert (pool["pool"], pool["service"], pool["algorithm"]) == ("web:80", "web", "roundrobin")
    assert [one["replica"] for one in pool["servers"]] == ["f-web-1", "f-web-2", None]
    assert pool["servers"][1] == {
        "server": "web-2.web-20000000",
        "replica": "f-web-2",
        "address": "10.9.0.2",
        "port": 8080,
        "admission": "ready",
        "healthy": False,
        "check": "L4CON",
        "sessions": 2,
        "requests": 20,
        "failed": 1,
        "retried": 2,
    }
    json.dumps(document)


def test_nothing_that_a_balancer_says_reaches_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever has taken over a balancer's container may say anything (reliability case 41)."""
    hostile = replace(server(3), name="a\x1b[31m.b\x9b", check="\x1b]0;owned\x07", address="\u202e1")
    text = "\n".join(shown(capsys, Rotation(FRONT.id, servers={"p\x1b[2J": (hostile,), "q": ()})))
    assert r"\x1b[31m" in text
    assert r"p\x1b[2J" in text
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(text)
