"""How soon a replica of the UUID server answers and what memory it takes, with 1 to 3 workers, beside plain gunicorn.

One container at a time, under the restricted baseline without a limit on processor time; the variants take turns.
"""

from __future__ import annotations

import argparse
import http.client
import os
import secrets
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from bench.harness.fleet import IMAGE, PORT, build_image
from bench.harness.report import print_machine, print_samples
from fleetctl.engine.endpoint import find_endpoint

LABEL = "dev.fleetctl.bench"
PATIENCE = 60
"""Seconds within which a replica has to be ready."""
REQUESTS = 200
"""Answered before memory is read, so that every worker has written to what it shares at first."""
MEGABYTE = 1_000_000
RESTRICTED: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=16m"},  # noqa: S108 - a mount in the container
    "pids_limit": 64,
    "mem_limit": "128m",
    "healthcheck": {"test": ["NONE"]},
}


@dataclass(slots=True)
class Variant:
    """One way to serve the same application, and what was measured of it: seconds and bytes."""

    workers: int
    options: dict[str, Any]
    until_answer: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    proportional: list[float] = field(default_factory=list)


def variants() -> dict[str, Variant]:
    """Ours; ours where Python finds no bytecode; and gunicorn as most people start it, one UUID per instance or not."""
    found = {f"ours, {count} worker(s)": Variant(count, {"command": ["-w", str(count)]}) for count in (1, 2, 3)}
    plain = "python3 -m gunicorn --no-control-socket --worker-tmp-dir /dev/shm uuid_server.app:create_app('bench')"
    for count in (1, 2, 3):
        command = [*plain.split(), "-b", f"0.0.0.0:{PORT}", "-w", str(count)]
        found[f"plain gunicorn, {count} worker(s)"] = Variant(count, {"entrypoint": command})
    found["ours, 2 worker(s), no bytecode"] = Variant(
        2, {"command": ["-w", "2"], "environment": {"PYTHONPYCACHEPREFIX": "/nowhere"}}
    )
    found["ours, 2 worker(s), half a processor"] = Variant(2, {"command": ["-w", "2"], "nano_cpus": 500_000_000})
    return found


def measure_once(client: docker.DockerClient, variant: Variant, label: str) -> None:
    """Start a container, ask it until it answers, let it work, look, and remove it."""
    container: Any = client.containers.create(IMAGE, labels={LABEL: label}, **RESTRICTED, **variant.options)
    try:
        began = time.perf_counter()
        client.api.start(container.id)
        container.reload()
        address = container.attrs["NetworkSettings"]["IPAddress"]
        await_answer(address)
        variant.until_answer.append(time.perf_counter() - began)
        pids = await_processes(container, 1 + variant.workers)
        variant.processor.append(usage(client, container)["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9)
        for _ in range(REQUESTS):
            ask(address)
        variant.memory.append(memory_in_use(usage(client, container)["memory_stats"]) / MEGABYTE)
        if (shared_out := proportional_set(pids)) is not None:
            variant.proportional.append(shared_out / MEGABYTE)
    finally:
        container.remove(force=True, v=True)


def await_answer(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ask(address):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no answer within {PATIENCE} s")
        time.sleep(0.002)


def ask(address: str) -> bool:
    """Whether GET / is answered 200, on a connection of its own."""
    with closing(http.client.HTTPConnection(address, PORT, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            response.read()
        except OSError:
            return False
        return response.status == http.client.OK


def await_processes(container: Any, count: int) -> list[int]:
    """The pids of the container once it has so many processes, as the engine's host numbers them."""
    deadline = time.monotonic() + PATIENCE
    while len(rows := container.top(ps_args="-o pid")["Processes"]) != count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(rows)} processes where {count} are expected")
    return [int(row[0]) for row in rows]


def usage(client: docker.DockerClient, container: Any) -> Any:
    """GET /containers/ID/stats, one reading."""
    return client.api.stats(container.id, stream=False, one_shot=True)


def memory_in_use(stats: Any) -> int:
    """Bytes as `docker stats` counts them: without the page cache that can go; version 1 and 2 name it differently."""
    detail = stats["stats"]
    return int(stats["usage"] - detail.get("total_inactive_file", detail.get("inactive_file", 0)))


def proportional_set(pids: list[int]) -> int | None:
    """Bytes of the processes' memory, each page shared out among its users (proc(5), Pss); None where not readable."""
    try:
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    except OSError:  # another machine's engine, or not root
        return None
    fields = (line.split() for rollup in rollups for line in rollup.splitlines())
    return sum(int(words[1]) * 1024 for words in fields if words[0] == "Pss:")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7, help="how often each variant runs")
    wanted = options.parse_args()
    print_machine()
    build_image()
    client = docker.DockerClient(base_url=find_endpoint(os.environ).address, version="auto", timeout=60)
    found, label = variants(), secrets.token_hex(4)
    with closing(client):
        for variant in found.values():
            measure_once(client, Variant(variant.workers, variant.options), label)  # from the disk: not counted
        for _ in range(wanted.rounds):
            for variant in found.values():
                measure_once(client, variant, label)
    base = "ours, 2 worker(s)"
    for title, name in (
        ("from the engine's start call to the first 200 (s)", "until_answer"),
        ("processor time until every worker runs (s)", "processor"),
        (f"memory of the replica after {REQUESTS} requests (MB)", "memory"),
        ("the same, each page shared out among all its users on this machine (Pss, MB)", "proportional"),
    ):
        samples = {key: getattr(variant, name) for key, variant in found.items() if getattr(variant, name)}
        if samples:
            print_samples(title, samples, base)


if __name__ == "__main__":
    main()
