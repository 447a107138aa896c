"""Images that a fleet built belong to it; what others make from them does not."""

from __future__ import annotations

import docker

from tests.e2e.project import Project
from tests.fakes.tiny_image import TAG


def test_a_container_run_by_hand_from_a_fleets_image_is_a_stranger(fleet: Project, client: docker.DockerClient) -> None:
    """Labels of an image pass on to every container made from it, so no image may carry the fleet's own mark."""
    (fleet.directory / "Dockerfile").write_text(f"FROM {TAG}\n")
    fleet.write({"job": {"build": ".", "image": f"fleetctl-test/{fleet.name}:local"}})
    fleet.up()
    by_hand = client.containers.run(f"fleetctl-test/{fleet.name}:local", detach=True)
    try:
        assert fleet.run("ps", "-a", "-q").stdout.split() == [fleet.container("job-1").id[:12]]
        fleet.down()
        by_hand.reload()
        assert by_hand.status == "running"
    finally:
        by_hand.remove(force=True)


def test_down_with_rmi_removes_the_image_that_was_built(fleet: Project) -> None:
    """And leaves nothing of the fleet."""
    (fleet.directory / "Dockerfile").write_text(f"FROM {TAG}\n")
    fleet.write({"job": {"build": ".", "image": f"fleetctl-test/{fleet.name}:local"}})
    fleet.up()
    assert f"fleetctl-test/{fleet.name}:local" in [tag for image in fleet.images() for tag in image["RepoTags"] or []]
    done = fleet.run("down", "--rmi", "local")
    assert done.code == 0, done
    assert fleet.left() == []


def test_down_with_rmi_local_keeps_an_image_that_somebody_else_made(
    fleet: Project, client: docker.DockerClient
) -> None:
    """Under the name of one of ours: only `all` takes it."""
    (fleet.directory / "Dockerfile").write_text(f"FROM {TAG}\n")
    reference = f"fleetctl-test/{fleet.name}:theirs"
    fleet.write({"job": {"build": ".", "image": reference}})
    assert client.api.tag(TAG, reference.removesuffix(":theirs"), "theirs")
    try:
        kept = fleet.run("down", "--rmi", "local")
        assert kept.code == 0, kept
        assert "nothing to do" in kept.stderr
        assert client.images.list(name=reference)
        removed = fleet.run("down", "--rmi", "all")
        assert removed.code == 0, removed
        assert not client.images.list(name=reference)
    finally:
        if client.images.list(name=reference):
            client.images.remove(reference)
