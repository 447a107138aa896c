"""Images of the repository, built as users build them and run by hand under the restricted baseline."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker

from tests.fakes.tiny_image import TEST_LABEL

ROOT = Path(__file__).parents[2]
RESTRICTED: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=16m"},
    "pids_limit": 64,
}


def base_of(variable: str, official: str) -> str:
    """What an image is to be based on: the environment's word, else .env's, else the registry's image."""
    if named := os.environ.get(variable):
        return named
    file = ROOT / ".env"
    found = re.search(rf"^{variable}=(.+)$", file.read_text() if file.exists() else "", flags=re.MULTILINE)
    return found[1].strip() if found else official


@contextmanager
def built(client: docker.DockerClient, name: str, base: str) -> Iterator[Any]:
    """The image of images/NAME under a tag of its own. The first stage stays where it was there before: it is a build
    cache."""
    tag = f"fleetctl-test/{name}:{uuid.uuid4().hex[:8]}"
    before = untagged(client)
    image, log = client.images.build(
        path=str(ROOT / "images" / name), tag=tag, buildargs={"BASE": base}, labels={TEST_LABEL: tag}, forcerm=True
    )
    yield image
    client.images.remove(tag)
    named = str(list(log))
    for image_id in untagged(client) - before:
        if image_id.removeprefix("sha256:")[:12] in named:
            client.images.remove(image_id)


def untagged(client: docker.DockerClient) -> set[str]:
    """Ids of the images that have neither a name nor a child."""
    return {str(image.id) for image in client.images.list(filters={"dangling": True})}
