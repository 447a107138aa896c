"""The helper container's image and the helper itself cannot always be had: what is done then, and what is told."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import docker
import docker.errors
import pytest

from fleetctl.engine import labels
from fleetctl.engine.docker_host import DockerHost
from fleetctl.engine.helper import ensure_image
from fleetctl.engine.registry import open_engine
from fleetctl.errors import FleetError
from fleetctl.vantage.base import Request
from fleetctl.vantage.codec import decode_answer, encode
from fleetctl.vantage.helper import Helper
from fleetctl.vantage.image import context_files, reference_of
from fleetctl.vantage.registry import open_vantage
from tests.conftest import MakeProxy
from tests.e2e.helper_containers import helpers_of, own_run
from tests.e2e.test_remote_engine import engine_at
from tests.fakes.faultproxy import Answer as Refusal

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into another user's namespaces")


@pytest.fixture
def engine() -> Iterator[DockerHost]:
    yield from own_run()


def test_one_that_is_about_to_start_is_not_swept_away(client: docker.DockerClient, engine: DockerHost) -> None:
    """Another fleetctl may be just between making and starting it."""
    image = reference_of(context_files())
    Helper(engine).ask(Request())
    run = uuid.uuid4().hex[:8]
    made = client.containers.create(image, labels={labels.HELPER: "probe", labels.RUN: run})
    try:
        ensure_image(client.api, engine.endpoint, image, {}, print)
        assert [entry["Id"] for entry in helpers_of(client, run)] == [made.id]
    finally:
        made.remove()


def test_the_image_is_built_once_and_says_so(client: docker.DockerClient, engine: DockerHost) -> None:
    """Without a network, with one line; it is nobody's fleet's."""
    files = {**context_files(), "fleetctl/state/note.py": f"# {uuid.uuid4()}".encode()}
    image = reference_of(files)
    told: list[str] = []
    try:
        for _ in range(2):
            ensure_image(client.api, engine.endpoint, image, files, lambda reference, line: told.append(line))
        assert [line.partition(" from ")[0] for line in told] == [f"building the helper container's image {image}"]
        marks = client.images.get(image).labels
        assert marks[labels.HELPER] == "probe"
        assert labels.FLEET not in marks
        answer = decode_answer(engine.run_helper(image, encode(Request()), 60))
        assert answer.host.interfaces
    finally:
        client.images.remove(image, force=True)


def test_a_base_that_cannot_be_had_is_named(client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the engine says of it, and how to name another; the next place is taken."""
    monkeypatch.setenv("FLEET_BASE", "localhost:1/nowhere:none")
    monkeypatch.setattr("fleetctl.vantage.helper.reference_of", lambda files: f"fleetctl/probe:{uuid.uuid4().hex[:12]}")
    with engine_at("127.0.0.1") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        monkeypatch.setenv("NO_PROXY", "*")
        engine = open_engine(os.environ)
        with pytest.raises(FleetError, match=r"from localhost:1/nowhere:none: .*refused") as caught:
            open_vantage(engine, wanted="helper").ask(Request())
        assert "FLEET_BASE=IMAGE" in str(caught.value.hint)
        vantage = open_vantage(engine)
        assert vantage.ask(Request(pids=(1,))).namespaces[1].unknown["interfaces"] == "; ".join(vantage.reasons)
        engine.close()
    assert vantage.name == "the engine only"
    assert "localhost:1/nowhere:none" in vantage.reasons[-1]


def test_where_the_engine_refuses_the_helper_its_words_are_the_reason(
    proxy: MakeProxy, monkeypatch: pytest.MonkeyPatch, engine: DockerHost
) -> None:
    """A policy may forbid the host's namespaces; the request is answered all the same."""
    refusal = Refusal(403, b'{"message": "authorization denied by plugin opa: host namespaces"}')
    Helper(engine).ask(Request())  # the image is there
    with proxy(lambda request: refusal if request.path == "/containers/create" else None) as before:
        monkeypatch.setenv("DOCKER_HOST", before.address)
        with engine_at("127.0.0.1") as address:
            monkeypatch.setenv("DOCKER_HOST", address)
            monkeypatch.setenv("NO_PROXY", "*")
            far = open_engine(os.environ)
            vantage = open_vantage(far)
            answer = vantage.ask(Request(pids=(1,)))
            far.close()
    assert vantage.name == "the engine only"
    assert "authorization denied by plugin opa" in answer.namespaces[1].unknown["interfaces"]
