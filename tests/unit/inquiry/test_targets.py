"""What somebody writes after diagnose leads to the containers and ports that are meant, or to an error with a hint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetctl.diagnosis.scene import Finding
from fleetctl.errors import ConfigError
from fleetctl.inquiry.targets import Meant, Wanted, chosen_client, every_service, find, merged, parse
from fleetctl.inquiry.world import World
from fleetctl.spec.model import Fleet, HttpSettings, Service
from fleetctl.state.observed import Published, Replica
from tests.fakes.made_up_scene import healthy, replica, scene

SCENE = scene(healthy())
WEB_1, WEB_2 = SCENE.containers
STRANGER = replica(
    {
        "name": "Stranger",
        "ports": [{"container_port": 5432}, {"container_port": 53, "protocol": "udp", "host_port": 53}],
        "endpoints": {"lan": {"network_id": "lan0123456789ab", "ipv4": "10.9.0.9", "aliases": ["db", "shared"]}},
    }
)
STOPPED = replica(
    {
        "name": "stopped",
        "state": "exited",
        "inspection": {"requested": [{"container_port": 80, "host_port": 18099}]},
    }
)
NOBODY = Fleet("shop", Path(), ("fleet.yaml",), {})
FLEET = replace(
    NOBODY,
    services={
        "web": Service("web", "uuid", http=HttpSettings(9000)),
        "job": Service("job", "uuid"),
    },
)
WORLD = World(
    FLEET,
    (WEB_1, WEB_2, STRANGER, STOPPED),
    SCENE.networks,
    frozenset({WEB_1.id, WEB_2.id}),
    frozenset({"192.168.7.10"}),
)


def found(text: str, *, world: World = WORLD, client: Replica | None = None) -> tuple[Meant, ...]:
    return find(parse(text), world, client=client)


def only(text: str, *, world: World = WORLD, client: Replica | None = None) -> Meant:
    (meant,) = found(text, world=world, client=client)
    return meant


def problem(meant: Meant) -> str:
    """The problem as hop/cause at where."""
    assert isinstance(meant.problem, Finding)
    assert meant.problem.evidence
    assert meant.problem.cure
    return f"{meant.problem.hop}/{meant.problem.cause} at {meant.problem.where}"


def names(meant: tuple[Meant, ...]) -> list[tuple[str, int | None]]:
    return [(one.container.name if one.container else "", one.port) for one in meant]


# What is written


@pytest.mark.parametrize(
    ("text", "host", "port", "path", "tls"),
    [
        ("web-1", "web-1", None, None, False),
        ("Web_1.x", "Web_1.x", None, None, False),
        ("web:8080", "web", 8080, None, False),
        ("web:", "web", None, None, False),
        ("localhost:80", "localhost", 80, None, False),
        ("10.9.0.2", "10.9.0.2", None, None, False),
        ("10.9.0.2:65535", "10.9.0.2", 65535, None, False),
        ("::1", "::1", None, None, False),
        ("[::1]", "::1", None, None, False),
        ("[::1]:80", "::1", 80, None, False),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80, None, False),
        ("http://web", "web", 80, "/", False),
        ("HTTP://Web-1:8080", "Web-1", 8080, "/", False),
        ("https://web/", "web", 443, "/", True),
        ("http://[::1]:18080/a/b?c=d&e#f", "::1", 18080, "/a/b?c=d&e", False),
        ("http://web/a b/ä%20?q=ü", "web", 80, "/a%20b/%C3%A4%20?q=%C3%BC", False),
        ("http://web:/x", "web", 80, "/x", False),
    ],
)
def test_every_form_of_a_target_is_read(text: str, host: str, port: int | None, path: str | None, tls: bool) -> None:
    assert parse(text) == Wanted(text, host, port, path, tls)


NONSENSE = (
    *(
        "",
        " ",
        "   ",
        "a b",
        " web",
        "web ",
        "web\n",
        "web\t",
        "x\x00",
        "web\x1b[31m",
        "a\u202eb",
        "a\u00a0b",
        "\ud800",
    ),
    *(
        ":",
        ":80",
        "x:0",
        "x:99999",
        "x:-1",
        "x:+80",
        "x: 80",
        "x:80 ",
        "x:http",
        "x:8080:9",
        "x:\uff18\uff10",
        "x:\u0663",
    ),
    *(f"x:{'9' * 5000}", "x" * 10_000, "http://" + "x" * 10_000, "1:2:3", ":::", "::g", "::1]:80", "[::1", "[::1]x"),
    *("[]", "[]:80", "[web]:80", "[1.2.3.4]:80", "@", "a@b", "a:b@c", "a/b", "a?b", "a#b", "//x", "/", "?", "#"),
    *("ftp://x", "://", "http://", "http://:80", "http:///x", "http://a b/", "http://x:99999/", "http://x:0/"),
    *("http://x:abc/", "http://[::1", "http://[::g]/", "http://[1.2.3.4]/", "http://u:p@web/", "http://h/\x00"),
    *("http://h/\r\nHost: x", "http://h/\udc80", "file:///etc/passwd", "javascript://x", "http://\u2100.example/"),
)


@pytest.mark.parametrize("text", NONSENSE, ids=lambda text: ascii(text[:20]))
def test_nonsense_is_an_error_with_a_hint_and_does_not_fill_the_screen(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert error.value.hint
    assert "names no target" in error.value.message
    assert len(error.value.message) < 120


READABLE = (
    *("web-1", "nobody", "nobody:80", "db", "job", "http://localhost/"),
    *("10.9.0.2", "0.0.0.0", "255.255.255.255:80", "224.0.0.1", "::1", "[::ffff:10.9.0.2]:80", "fe80::1%eth0"),
)
WORLDS = {"fleet": WORLD, "no fleet": replace(WORLD, fleet=None, own=frozenset()), "nothing": World(None, (), ())}


@pytest.mark.parametrize("text", READABLE)
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_whatever_can_be_read_is_found_or_has_a_problem_or_an_address_to_ask(text: str, world: World) -> None:
    for client in (None, WEB_2):
        for one in found(text, world=world, client=client):
            assert one.container or one.problem or one.address or one.resolve


# What it leads to


def test_a_service_leads_to_all_of_its_replicas_at_its_http_port() -> None:
    assert names(found("web")) == [("web-1", 9000), ("web-2", 9000)]
    assert names(found("web:81")) == [("web-1", 81), ("web-2", 81)]


def test_a_replica_is_found_by_name_and_by_service_and_number() -> None:
    fleets = replace(WORLD, containers=(replace(WEB_1, name="shop-web-1"), STRANGER))
    assert names(found("web-1", world=fleets)) == names(found("shop-web-1", world=fleets)) == [("shop-web-1", 9000)]


def test_a_strangers_container_is_found_by_name_alias_or_the_beginning_of_its_id_without_a_fleet() -> None:
    nobodys = replace(WORLD, fleet=None, own=frozenset())
    for text in ("Stranger", "id-of-Str", "db"):
        assert names(found(text, world=nobodys)) == [("Stranger", 5432)]
    assert names(found("http://Stranger/", world=nobodys)) == [("Stranger", 80)]


def test_without_a_port_anywhere_the_listening_sockets_have_to_tell() -> None:
    assert only("stopped").port is None


def test_a_containers_address_leads_to_it() -> None:
    meant = only("10.9.0.3:8080")
    assert (meant.container, meant.port, meant.address, meant.problem) == (WEB_2, 8080, "10.9.0.3", None)


@pytest.mark.parametrize("text", ["127.0.0.1:18080", "192.168.7.10:18080", "0.0.0.0:18080", "http://127.0.0.1:18080/"])
def test_a_published_port_of_the_host_leads_to_its_container(text: str) -> None:
    meant = only(text)
    assert (meant.container, meant.port, meant.published) == (WEB_1, 8080, WEB_1.ports[0])


def test_localhost_means_both_of_its_addresses() -> None:
    assert [one.address for one in found("localhost:18080")] == ["::1", "127.0.0.1"]


def test_a_port_that_was_to_be_published_leads_to_the_container_that_wanted_it() -> None:
    meant = only("127.0.0.1:18099")
    assert meant.container == STOPPED
    assert meant.published == Published(80, host_port=18099)


def test_a_port_of_udp_is_no_answer_to_a_question_over_tcp() -> None:
    nothing_else = replace(WORLD, containers=(WEB_1,))
    assert only("127.0.0.1:53", world=nothing_else).container is None


def test_an_address_of_a_network_that_no_container_has_is_stale() -> None:
    assert problem(only("10.9.0.77:80")) == "name/stale-address at lan"


def test_an_address_elsewhere_is_asked_and_has_no_problem_yet() -> None:
    meant = only("192.0.2.1:81")
    assert (meant.container, meant.port, meant.address, meant.problem) == (None, 81, "192.0.2.1", None)


def test_a_service_without_containers_is_told_with_how_to_bring_it_up() -> None:
    assert problem(only("job")) == "container/no-such-container at job"


def test_a_name_that_nobody_has_is_told_with_the_names_that_there_are() -> None:
    meant = only("nobody")
    assert problem(meant) == "container/no-such-container at nobody"
    assert meant.problem is not None
    assert "web-1, web-2, Stranger, stopped" in meant.problem.evidence[0].fact
    guessed = only("stoped").problem
    assert guessed is not None
    assert guessed.cure.startswith('did you mean "stopped"?')


def test_a_name_that_nobody_has_is_left_to_the_resolver_of_a_client_that_was_named() -> None:
    assert only("example.org:443", client=WEB_2) == Meant(parse("example.org:443"), port=443, resolve="example.org")


def test_a_client_resolves_the_name_by_which_its_peers_know_the_target() -> None:
    assert {one.resolve for one in found("web", client=WEB_2)} == {"web"}
    assert only("web-1").resolve is None


# Clients and whole fleets


def test_a_client_is_the_running_one_of_that_name() -> None:
    half = replace(WORLD, containers=(replace(WEB_1, state="exited"), WEB_2))
    assert chosen_client("web", half) == WEB_2
    assert chosen_client("Stranger", WORLD) == STRANGER


@pytest.mark.parametrize("name", ["nobody", "stopped", "", "a b", "\x1b[31m", "x" * 10_000])
def test_a_client_that_is_none_or_does_not_run_is_an_error_with_a_hint(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        chosen_client(name, WORLD)
    assert error.value.hint


def test_a_fleet_is_asked_service_by_service_in_the_order_of_the_file() -> None:
    assert [one.host for one in every_service(WORLD)] == ["web", "job"]
    assert every_service(replace(WORLD, fleet=None)) == ()
    assert [one.host for one in every_service(replace(WORLD, fleet=NOBODY))] == ["web"]


def test_the_same_container_and_port_asked_twice_is_asked_once() -> None:
    twice = (*found("web-1:8080"), *found("web:8080"), *found("nobody"), *found("nobody"))
    assert names(merged(twice)) == [("web-1", 8080), ("web-2", 8080), ("", None)]
