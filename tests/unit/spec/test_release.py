"""A release comes back from its text as it was, and nothing else does."""

from __future__ import annotations

import base64
import json
import shutil
import tracemalloc
import zlib
from dataclasses import fields, replace
from pathlib import Path

import pytest

from fleetctl.errors import FleetError
from fleetctl.spec.digest import replica_digests
from fleetctl.spec.load import load_fleet
from fleetctl.spec.model import Fleet, Service
from fleetctl.spec.release import LEFT_OUT, MAX_BYTES, pack, unpack

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = [ROOT / "fleet.yaml", *sorted((ROOT / "docs" / "examples").rglob("*.yaml"))]
BLANK = Service(name="", image="")


def digests(service: Service) -> dict[str, str]:
    return replica_digests(service, image_id="sha256:1", networks=dict.fromkeys(service.networks, "n"), volumes={})


def check_round_trip(fleet: Fleet) -> None:
    for service in fleet.services.values():
        again = unpack(pack(service))
        assert digests(again) == digests(service)
        assert again == replace(service, **{name: getattr(BLANK, name) for name in LEFT_OUT})
        # The first network is the one that a container is created on.
        assert list(again.networks) == list(service.networks)
        assert pack(again) == pack(service)


def full_fleet(directory: Path, **environment: str) -> Fleet:
    (directory / "app").mkdir()
    (directory / "conf").mkdir()
    (directory / "conf" / "site.conf").write_text("x")
    (directory / "app.env").write_text("FROM_FILE=here\n")
    shutil.copy(Path(__file__).with_name("full.yaml"), directory / "fleet.yaml")
    return load_fleet([directory / "fleet.yaml"], {"PASSED": "passed", **environment}, profiles=["*"])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_example_comes_back_with_its_digests(path: Path) -> None:
    check_round_trip(load_fleet([path], {}, profiles=["*"]))


def test_a_fleet_with_every_key_comes_back_with_its_digests(tmp_path: Path) -> None:
    fleet = full_fleet(tmp_path)
    check_round_trip(fleet)
    for field in fields(Service):
        values = [getattr(service, field.name) for service in fleet.services.values()]
        assert any(value != getattr(BLANK, field.name) for value in values), "else this would prove less than it says"


def test_bytes_of_the_environment_that_are_no_text_come_back(tmp_path: Path) -> None:
    """os.environ has them as lone surrogates."""
    fleet = full_fleet(tmp_path, PASSED="\udcff\x1b é")
    assert fleet.services["web"].environment["PASSED"] == "\udcff\x1b é"
    check_round_trip(fleet)


def test_the_text_fits_a_label_and_says_nothing_of_what_no_container_is_made_from(tmp_path: Path) -> None:
    web = load_fleet([ROOT / "fleet.yaml"], {}).services["web"]
    text = pack(web)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 1000
    rich = full_fleet(tmp_path).services["web"]
    assert pack(replace(web, **{name: getattr(rich, name) for name in LEFT_OUT})) == text
    assert pack(replace(web, user="1:1")) != text


def rubbish(value: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()


PACKED = pack(Service(name="web", image="x"))


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "?", "é", "AAAA", "\x1b[31m", PACKED[:-4], PACKED + "AAAA", PACKED[:8] + "\n" + PACKED[8:],
        base64.b64encode(zlib.compress(b"{")).decode(),
        base64.b64encode(zlib.compress(b"\xff\xfe")).decode(),
        base64.b64encode(zlib.compress(b"[" * 100_000)).decode(),
        base64.b64encode(zlib.compress(b"9" * 10_000)).decode(),
        base64.b64encode(zlib.compress(b"{}") + b"more").decode(),
        rubbish(None), rubbish([]), rubbish({}), rubbish({"name": "web"}),
        rubbish({"name": "web", "image": 1}),
        rubbish({"name": "web", "image": "x", "cap_add": "ALL"}),
        rubbish({"name": "web", "image": "x", "read_only": "no"}),
        rubbish({"name": "web", "image": "x", "baseline": "\x1b[31mnone"}),
        rubbish({"name": "web", "image": "x", "files": [{"source": 1}]}),
    ],
    ids=range(23),
)  # fmt: skip
def test_what_was_not_packed_is_refused_in_one_printable_line(text: str) -> None:
    with pytest.raises(FleetError, match="cannot be read") as caught:
        unpack(text)
    assert caught.value.message.isprintable()
    assert caught.value.hint


def test_a_text_that_would_fill_the_memory_is_refused_before_it_does() -> None:
    bomb = zlib.compressobj(9)
    data = b"".join([*(bomb.compress(b" " * (1 << 20)) for _ in range(256)), bomb.flush()])
    text = base64.b64encode(data).decode()
    tracemalloc.start()
    try:
        with pytest.raises(FleetError, match="too large"):
            unpack(text)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_BYTES
    finally:
        tracemalloc.stop()
