"""What gets through to a balancer's configuration, character by character."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest

from fleetctl.errors import ConfigError
from fleetctl.spec.load import load_fleet
from fleetctl.spec.model import Balance

TRIED = [chr(code) for code in range(1, 256)] + ["\u0130", "\u212a", "\u2028", "\uff0e", "\u00ad"]
"""Among them letters that become ASCII in lower case, and signs that look like a blank or a dot."""


def read(directory: Path, **values: str) -> Balance | None:
    """The entry with these values; None where it is refused."""
    said = ", ".join(f"{key}: {json.dumps(value.replace('$', '$$'))}" for key, value in values.items())
    path = directory / "fleet.yaml"
    path.write_text(
        "services:\n  web: {image: x}\n"
        "  lb: {image: y, x-fleet: {balance: {service: web, target_port: 80, " + said + "}}}\n"
    )
    try:
        [balance] = load_fleet([path], {}).services["lb"].balance
    except ConfigError:
        return None
    return balance


def test_a_host_has_letters_digits_hyphens_and_dots_only(tmp_path: Path) -> None:
    passed = {sign for sign in TRIED if read(tmp_path, host=f"a{sign}b")}
    assert passed == {*string.ascii_letters, *string.digits, "-", "."}


def test_a_health_path_has_nothing_that_haproxy_reads_in_its_own_way(tmp_path: Path) -> None:
    """Blanks part words, # begins a comment, quotes, backslashes and dollars mean what they mean to a shell:
    HAProxy's Configuration Manual, section 2.2."""
    passed = {sign for sign in TRIED if read(tmp_path, health_path=f"/a{sign}b")}
    assert passed == {*string.ascii_letters, *string.digits, *"._~!&()*+,;=:@/?%-"}


@pytest.mark.parametrize(
    "host", ["a", "1", "a-b", "127.0.0.1", "xn--exmple-cua.org", "a" * 63, ".".join(["a" * 49] * 5)]
)
def test_names_that_a_host_may_have_are_taken(tmp_path: Path, host: str) -> None:
    balance = read(tmp_path, host=host.upper())
    assert balance
    assert balance.host == host
    assert balance.pool == f"web:8080:{host}"


def test_a_host_is_no_longer_than_a_name_of_the_dns(tmp_path: Path) -> None:
    longest = ".".join([*["a" * 62] * 4, "b"])
    assert len(longest) == 253
    assert read(tmp_path, host=longest)
    assert not read(tmp_path, host=longest + "b")
    assert not read(tmp_path, host="a" * 64)
