"""Asks the replicas of a fleet over HTTP, whoever started them."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from contextlib import closing

from bench.harness.fleet import PORT

PATIENCE = 120
"""Seconds within which every replica has to answer."""


def await_answers(name: str, count: int) -> None:
    """Return when so many replicas with distinct answers have answered. Raises RuntimeError when they do not."""
    waiting = addresses(name)
    if len(waiting) != count:
        raise RuntimeError(f"{len(waiting)} of {count} replicas of {name} run")
    seen: set[bytes] = set()
    deadline = time.monotonic() + PATIENCE
    while waiting:
        for address in tuple(waiting):
            body = ask(address)
            if body is not None:
                seen.add(body)
                waiting.remove(address)
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(waiting)} replicas of {name} do not answer: {', '.join(sorted(waiting))}")
    if len(seen) != count:
        raise RuntimeError(f"{count} replicas of {name} gave {len(seen)} distinct answers")


def addresses(name: str) -> set[str]:
    """The addresses of the running containers whose name begins with the fleet's."""
    listed = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"name=^/{name}-"], capture_output=True, text=True, check=True
    )
    shown = subprocess.run(["docker", "inspect", *listed.stdout.split()], capture_output=True, text=True, check=True)
    return {
        network["IPAddress"]
        for entry in json.loads(shown.stdout)
        for network in entry["NetworkSettings"]["Networks"].values()
    }


def ask(address: str) -> bytes | None:
    with closing(http.client.HTTPConnection(address, PORT, timeout=5)) as connection:
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            return response.read() if response.status == http.client.OK else None
        except OSError:
            return None
