"""What /proc tells of the host's routes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleetctl.net.proc import read_small, routed_blocks

TABLE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
tun0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0
br-1\t00001EAC\t00000000\t0001\t0\t0\t0\t00FCFFFF\t0\t0\t0
tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
"""


def test_blocks_come_as_cidr_without_the_default_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VPN's two halves of everything count as a default route, too (table as a little-endian host writes it)."""
    monkeypatch.setattr(Path, "read_text", lambda self: TABLE)
    assert routed_blocks() == ("172.30.0.0/22", "10.0.0.0/8")


def test_a_long_file_of_the_kernels_is_read_whole() -> None:
    text = read_small("/proc/self/smaps")
    assert len(text) > 3 * 4096
    assert text.count("VmFlags:") == text.count("KernelPageSize:") == len(re.findall("^Size:", text, re.MULTILINE))
    assert text.endswith("\n")
    assert "[stack]" in text


def test_a_host_without_the_table_has_no_known_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every system has /proc/net/route."""

    def missing(self: Path) -> str:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", missing)
    assert routed_blocks() == ()
