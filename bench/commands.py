"""How long the everyday commands take on a running fleet, what they use, and how they compare with the peer's.

First our commands take turns on our fleet alone; then the peer's fleet stands beside it and both take turns.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
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


Jobs = dict[str, Job]


def our_jobs(fleet: BenchFleet) -> Jobs:
    return {
        "up, nothing to do": Job(lambda: fleet.fleetctl("up"), 0.5),
        "ps": Job(lambda: fleet.fleetctl("ps"), 0.35),
        "inspect-network": Job(lambda: fleet.fleetctl("inspect-network"), 0.6),
        "--help": Job(lambda: measure([FLEETCTL, "--help"]), 0.15),
        "plan": Job(lambda: fleet.fleetctl("plan")),
    }


def yardstick() -> Jobs:
    """What any program that uses docker-py pays before its first word: tells how fast the machine is just now."""
    return {"(python importing docker-py)": Job(lambda: measure([sys.executable, "-c", "import docker"]))}


def paired_jobs(fleet: BenchFleet, compose: Compose, other: BenchFleet) -> list[Jobs]:
    """What both can do, ours first."""
    return [
        {
            "fleetctl up, nothing to do": Job(lambda: fleet.fleetctl("up")),
            "docker compose up -d": Job(lambda: compose.run(other.file, "up", "-d")),
        },
        {
            "fleetctl ps": Job(lambda: fleet.fleetctl("ps")),
            "docker compose ps": Job(lambda: compose.run(other.file, "ps")),
        },
    ]


def take_turns(jobs: Jobs, rounds: int) -> None:
    for job in jobs.values():
        job.run()  # what is read for the first time comes from the disk: not counted
    for _ in range(rounds):
        for job in jobs.values():
            job.runs.append(job.run())


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
    with bench_fleet(wanted.replicas, quiet=True) as fleet:
        measure_alone(fleet, wanted.replicas, wanted.rounds)
        compose = find_compose()
        if compose is not None:
            measure_beside(fleet, compose, wanted.replicas, wanted.rounds)


def measure_alone(fleet: BenchFleet, count: int, rounds: int) -> None:
    fleet.fleetctl("up", *scaled(FEW))
    few = {command: count_calls(fleet, command, FEW) for command in ("ps", "up", "inspect-network")}
    fleet.fleetctl("up")
    many = {command: count_calls(fleet, command, count) for command in few}
    ours = our_jobs(fleet)
    jobs = ours | yardstick()
    take_turns(jobs, rounds)
    print_targets(
        f"fleetctl with {count} running replicas (s)", [(name, job.seconds, job.promised) for name, job in jobs.items()]
    )
    memory = [(name, [run.peak_bytes / MEGABYTE for run in job.runs], MOST_MEGABYTES) for name, job in ours.items()]
    print_targets(f"its peak memory with {count} replicas (MB)", memory)
    for command, calls in few.items():
        print(f"engine calls of {command}: {calls} for {FEW} replicas, {many[command]} for {count}")
    print()


def measure_beside(fleet: BenchFleet, compose: Compose, count: int, rounds: int) -> None:
    with bench_fleet(count, quiet=True) as other:
        try:
            compose.run(other.file, "up", "-d")
            await_answers(other.name, count)
            pairs = paired_jobs(fleet, compose, other)
            take_turns(pairs[0] | pairs[1], rounds)
        finally:
            compose.run(other.file, "down", "-t", "0")
    for pair in pairs:
        ours = next(iter(pair))
        samples = {name: job.seconds for name, job in pair.items()}
        print_samples(f"{ours}, beside the peer, {count} replicas each (s)", samples, ours)


if __name__ == "__main__":
    main()
