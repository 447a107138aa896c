"""The configuration that HAProxy gets."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fleetctl.balancer.config import Place, render, settings_digest
from fleetctl.spec.model import Balance

WEB = Balance("web", 8080, 9000, health_path="/healthz", drain_timeout=5.0)
API = Balance("api", 8080, 8000, host="api.example.test")
PLACES = {"web:8080": [Place("web-1.3fa9c2d1e0b1", "172.30.8.3", 9000), Place("web-2.7680916f0514", "fd00::4", 9000)]}


def section(text: str, title: str) -> list[str]:
    """The lines of one section of the file."""
    found = re.search(rf"^{title}\n((?: .*\n)*)", text, re.MULTILINE)
    assert found is not None, text
    return [line.strip() for line in found[1].splitlines()]


def test_servers_are_in_the_pool_of_their_service_and_checked() -> None:
    servers = [line for line in section(render([WEB, API], PLACES), "backend web:8080") if line.startswith("server ")]
    assert [line.split(" check ")[0] for line in servers] == [
        "server web-1.3fa9c2d1e0b1 172.30.8.3:9000",
        "server web-2.7680916f0514 [fd00::4]:9000",
    ]
    assert all(line.endswith("fall 2 rise 1") for line in servers)


def test_services_on_one_port_are_told_apart_by_host_and_the_rest_goes_to_the_one_without() -> None:
    text = render([API, WEB], {})
    assert text.count("\nfrontend ") == 1
    clients = section(text, "frontend port:8080")
    assert "use_backend api:8080:api.example.test if { req.hdr(host),field(1,:) -i api.example.test }" in clients
    assert clients[-1] == "default_backend web:8080"


def test_each_port_is_listened_on_once() -> None:
    text = render([WEB, replace(API, host=None, port=8081), API], {})
    assert re.findall(r"bind (\S+)", text) == [":8080", ":8081"]


def test_without_retries_nothing_is_asked_twice() -> None:
    pool = section(render([replace(WEB, retries=0)], {}), "backend web:8080")
    assert "retries 0" in pool
    assert "timeout connect 4s" in pool
    assert not [line for line in pool if "redispatch" in line or "retry-on" in line]


def test_only_what_may_be_repeated_is_repeated_elsewhere() -> None:
    """Whatever fails before it is sent may be sent elsewhere, a POST, too; after that only idempotent methods."""
    pool = section(render([WEB], {}), "backend web:8080")
    assert "option redispatch 1" in pool
    assert "http-request disable-l7-retry unless METH_GET || METH_OPTIONS" in pool


def test_what_a_client_says_of_itself_is_deleted_before_the_balancer_says_it() -> None:
    lines = section(render([WEB], {}), "frontend port:8080")
    deleted = [number for number, line in enumerate(lines) if "del-header" in line]
    told = [number for number, line in enumerate(lines) if "set-header" in line]
    assert max(deleted) < min(told)
    assert "http-request set-header X-Forwarded-For %[src]" in lines


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "leastconn"},
        {"retries": 1},
        {"health_path": "/"},
        {"timeout": 2.0},
        {"host": "example.test"},
        {"port": 8081},
        {"drain_timeout": 60.0},
    ],
    ids=str,
)
def test_the_digest_changes_with_each_setting(change: dict[str, object]) -> None:
    assert settings_digest([WEB]) != settings_digest([replace(WEB, **change)])  # type: ignore[arg-type]


def test_the_digest_tells_settings_and_not_servers_and_is_in_the_file() -> None:
    digest = settings_digest([WEB, API])
    assert f"description fleetctl-{digest}" in render([WEB, API], {})
    assert f"description fleetctl-{digest}" in render([WEB, API], PLACES)


def test_old_connections_outlive_a_reload_by_no_more_than_the_longest_drain_and_a_grace() -> None:
    assert "hard-stop-after 40s" in section(render([WEB, API], {}), "global")
