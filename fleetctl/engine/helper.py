"""Runs a helper container: one that sees the engine's host, takes one line and answers with one, and is gone."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from fleetctl.engine import labels
from fleetctl.engine.archive import archive
from fleetctl.engine.faults import translated
from fleetctl.engine.wire import Frames, Wire
from fleetctl.errors import FleetError

if TYPE_CHECKING:
    from docker import APIClient

CAPABILITIES = ("DAC_READ_SEARCH", "NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE")
"""To see which sockets a process of another user holds; to list links and rules; to enter namespaces; to look at
processes that hold capabilities themselves (capabilities(7))."""
CGROUPS = "/sys/fs/cgroup"
"""The engine gives a container its own cgroup only to see; this shows those of the others, too."""
MEMORY = 256 << 20
PROCESSES = 128
"""Threads included."""
ANSWER_LIMIT = 64 << 20
"""Bytes of an answer; thousands of containers fit."""
COMPLAINT = 4096
"""How much is kept of what a helper says on stderr."""
ABANDONED = 60
"""Seconds after which a helper that was made and never started has nobody who still would."""
OUTDATED = 86_400
"""Seconds after which another version's image goes when a new one is built."""
OFFICIAL = "python:3.13-slim"
OWN_BASE = "fleetctl/base"
PURPOSE = "probe"


def helper_options(image: str, run: str) -> dict[str, Any]:
    """The body of POST /containers/create (Docker Engine API). It removes itself at its end, whoever is left then."""
    return {
        "Image": image,
        "User": "0:0",
        "OpenStdin": True,
        "StdinOnce": True,
        "Labels": {labels.HELPER: PURPOSE, labels.RUN: run},
        "HostConfig": {
            "AutoRemove": True,
            "NetworkMode": "host",
            "PidMode": "host",
            "UsernsMode": "host",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "CapAdd": list(CAPABILITIES),
            "SecurityOpt": ["no-new-privileges=true"],
            "Memory": MEMORY,
            "MemorySwap": MEMORY,
            "PidsLimit": PROCESSES,
            "LogConfig": {"Type": "none"},
            "Mounts": [{"Type": "bind", "Source": CGROUPS, "Target": CGROUPS, "ReadOnly": True}],
        },
    }


def run_helper(client: APIClient, endpoint: str, image: str, run: str, line: bytes, patience: float) -> bytes:
    """Start a helper from the image, hand it the line and return what it answers within `patience` seconds. Nothing
    is left of it. Raises FleetError for a refusal, and when it breaks off or says too much."""
    with translated("make a helper container", endpoint):
        made = client.create_container_from_config(helper_options(image, run))["Id"]
    try:
        with translated("attach to the helper container", endpoint):
            streams = {"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1}
            stream = client.attach_socket(made, params=streams)
        with closing(stream), translated("start the helper container", endpoint):
            wire = Wire(stream, endpoint)
            # The response reads from the socket: it goes first.
            with wire.socket, closing(stream._response):
                client.start(made)
                return converse(wire, line, time.monotonic() + patience)
    finally:
        remove(client, made)


def converse(wire: Wire, line: bytes, deadline: float) -> bytes:
    """Send the line; what comes on stdout until the helper ends. Raises FleetError."""
    frames, answer, complaint = Frames(), bytearray(), b""
    while (received := wire.receive()) != b"":
        for stream, content in frames.take(received or b""):
            if stream == 1:
                answer += content
            else:
                complaint = (complaint + content)[-COMPLAINT:]
        if len(answer) > ANSWER_LIMIT:
            raise FleetError(f"the helper container's answer is longer than {ANSWER_LIMIT >> 20} MiB")
        if received is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise FleetError("the helper container did not answer in time")
            readable, writable, _ = select.select([wire], [wire] if line else [], [], remaining)
            if writable and not readable:
                line = line[wire.send(line) :]
    if not answer.endswith(b"\n"):
        said = complaint.decode(errors="replace").strip().splitlines()
        raise FleetError(f"the helper container ended without an answer: {said[-1] if said else 'it said nothing'}")
    return bytes(answer)


def remove(client: APIClient, container_id: str) -> None:
    """Most often it is gone already, or going: then the engine says 404 or 409. If it cannot be asked any more, the
    container removes itself at its end."""
    from docker.errors import DockerException

    with suppress(DockerException, OSError):
        client.remove_container(container_id, force=True)


def sweep(client: APIClient) -> None:
    """Remove helpers that somebody made and died before starting: only what has run removes itself."""
    label = f"{labels.HELPER}={PURPOSE}"
    for entry in client.containers(all=True, filters={"label": label, "status": "created"}):
        if time.time() - entry["Created"] > ABANDONED:
            remove(client, entry["Id"])


def ensure_image(
    client: APIClient, endpoint: str, image: str, files: Mapping[str, bytes], tell: Callable[[str, str], None]
) -> None:
    """Build the helper's image where the engine has none of that name; `tell` gets one line then. Raises FleetError."""
    from docker.errors import NotFound

    with translated(f"look for image {image}", endpoint):
        sweep(client)
        try:
            client.inspect_image(image)
        except NotFound:
            pass
        else:
            return
    with translated(f"build image {image}", endpoint):
        base = choose_base(client)
        tell(image, f"building the helper container's image {image} from {base}, once for this version of fleetctl")
        build(client, image, base, files)
        remove_outdated(client, image)


def choose_base(client: APIClient) -> str:
    """FLEET_BASE where it is set; else what the engine has of the official image and of those that images/base/build
    makes; else the official one, which the engine then pulls."""
    wanted = os.environ.get("FLEET_BASE")
    if wanted:
        return wanted
    for repository in (OFFICIAL, OWN_BASE):
        for entry in client.images(name=repository):
            for reference in entry.get("RepoTags") or ():
                if not reference.startswith("<none>"):
                    return str(reference)
    return OFFICIAL


def build(client: APIClient, image: str, base: str, files: Mapping[str, bytes]) -> None:
    """With the engine's classic builder, from a context that exists in memory only."""
    last = ""
    for message in client.build(
        fileobj=archive(files),
        custom_context=True,
        tag=image,
        buildargs={"BASE": base},
        network_mode="none",
        labels={labels.HELPER: PURPOSE},
        rm=True,
        forcerm=True,
        decode=True,
        timeout=None,
    ):
        if "error" in message:
            raise FleetError(
                f"could not build image {image} from {base}: {str(message['error']).strip()}{last and f' ({last})'}",
                hint=f"FLEET_BASE=IMAGE names another base: any with Python 3.11 or newer; or load {image} yourself",
            )
        last = str(message.get("stream") or "").strip() or last


def remove_outdated(client: APIClient, image: str) -> None:
    """Images of other versions that are not in use and not of today: a colleague's fleetctl may need its own."""
    from docker.errors import APIError

    for entry in client.images(filters={"label": f"{labels.HELPER}={PURPOSE}"}):
        if image not in (entry.get("RepoTags") or ()) and time.time() - entry["Created"] > OUTDATED:
            with suppress(APIError):
                client.remove_image(entry["Id"])
