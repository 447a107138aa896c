"""How long the everyday commands take on a running fleet, beside the peer's where it has them, and what they use.

Both fleets stand side by side, without health checks, and the commands take turns.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.harness.answers import await_answers
from bench.harness.fleet import FLEETCTL, BenchFleet, bench_fleet, build_image
from bench.harness.peer import Compose, find_compose
from bench.harness.process import Run, measure
from bench.harness.report import print_machine, print_samples, print_targets
from fleetctl.engine.endpoint import find_endpoint
from tests.fakes.faultproxy import FaultProxy

FEW = 3
"""Replicas of the small fleet whose engine calls are compared with those of the large one."""
MEGABYTE = 1_000_000
MOST_MEGABYTES = 80.0


@dataclass(slots=True)
class Job:
    """One command: how it is run, what was promised for it in seconds, and the runs so far."""

    run: Callable[[], Run]
    promised: float | None = None
    runs: list[Run] = field(default_factory=list)

    @property
    def seconds(self) -> list[float]:
        return [run.seconds for run in self.runs]


def our_jobs(fleet: BenchFleet) -> dict[str, Job]:
    return {
        "fleetctl up, nothing to do": Job(lambda: fleet.fleetctl("up"), 0.5),
        "fleetctl ps": Job(lambda: fleet.fleetctl("ps"), 0.35),
        "fleetctl inspect-network": Job(lambda: fleet.fleetctl("inspect-network"), 0.6),
        "fleetctl plan": Job(lambda: fleet.fleetctl("plan")),
        "fleetctl --help": Job(lambda: measure([FLEETCTL, "--help"]), 0.15),
    }


def peer_jobs(compose: Compose, fleet: BenchFleet) -> dict[str, Job]:
    return {
        "docker compose up -d, nothing to do": Job(lambda: compose.run(fleet.file, "up", "-d")),
        "docker compose ps": Job(lambda: compose.run(fleet.file, "ps")),
    }


def count_calls(fleet: BenchFleet, command: str, count: int) -> int:
    """How many calls of the engine the command makes for so many replicas."""
    with FaultProxy(find_endpoint(os.environ).address) as proxy:
        environment = {**os.environ, **proxy.environment}
        measure([FLEETCTL, command, "-f", str(fleet.file), *(scaled(count) if command == "up" else [])], environment)
        return len(proxy.requests)


def scaled(count: int) -> list[str]:
    return ["--scale", f"web={count}"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=9, help="how often each command runs")
    options.add_argument("--replicas", type=int, default=60, help="how large each fleet is")
    wanted = options.parse_args()
    print_machine()
    build_image()
    compose = find_compose()
    with ExitStack() as stack:
        fleet = stack.enter_context(bench_fleet(wanted.replicas, quiet=True))
        fleet.fleetctl("up", *scaled(FEW))
        few = {command: count_calls(fleet, command, FEW) for command in ("ps", "up", "inspect-network")}
        fleet.fleetctl("up")
        many = {command: count_calls(fleet, command, wanted.replicas) for command in few}
        jobs = our_jobs(fleet)
        if compose is not None:
            other = stack.enter_context(bench_fleet(wanted.replicas, quiet=True))
            stack.callback(compose.run, other.file, "down", "-t", "0")
            compose.run(other.file, "up", "-d")
            await_answers(other.name, wanted.replicas)
            jobs |= peer_jobs(compose, other)
        for job in jobs.values():
            job.run()  # what is read for the first time comes from the disk: not counted
        for _ in range(wanted.rounds):
            for job in jobs.values():
                job.runs.append(job.run())
    print_results(jobs, wanted.replicas)
    for command, calls in few.items():
        print(f"engine calls of {command}: {calls} for {FEW} replicas, {many[command]} for {wanted.replicas}")
    print()


def print_results(jobs: dict[str, Job], count: int) -> None:
    promised = [(name, job.seconds, job.promised) for name, job in jobs.items() if job.promised is not None]
    print_targets(f"commands on {count} running replicas (s)", promised)
    peers = [name for name in jobs if name.startswith("docker")]
    for ours, peer in zip(("fleetctl up, nothing to do", "fleetctl ps"), peers, strict=False):
        print_samples(f"{ours}, beside the peer (s)", {name: jobs[name].seconds for name in (ours, peer)}, ours)
    rest = {name: job.seconds for name, job in jobs.items() if job.promised is None and name not in peers}
    for name, seconds in rest.items():
        print_samples(name, {name: seconds}, name)
    memory = [
        (name, [run.peak_bytes / MEGABYTE for run in job.runs], MOST_MEGABYTES)
        for name, job in jobs.items()
        if name not in peers
    ]
    print_targets(f"peak memory of the controller with {count} replicas (MB)", memory, unit="MB")


if __name__ == "__main__":
    main()
