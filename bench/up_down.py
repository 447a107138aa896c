"""How long `fleetctl up` takes until every replica answers, and `down`, beside the raw Engine API and docker compose.

The contenders take turns on the same file and image, each alone on the engine, in an order that moves on every round.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.harness.answers import await_answers
from bench.harness.bodies import write_bodies
from bench.harness.fleet import BenchFleet, bench_fleet, build_image
from bench.harness.peer import Compose, find_compose
from bench.harness.process import measure
from bench.harness.report import print_machine, print_samples
from fleetctl.engine import labels

RAW = str(Path(__file__).parent / "harness" / "raw_engine.py")
OURS, THE_RAW, PEER, PEER_WAIT = "fleetctl", "raw Engine API", "docker compose", "docker compose --wait"


class Contest:
    """Up and down by each contender, in seconds; all of them work on one fleet, one after the other."""

    def __init__(self, fleet: BenchFleet, compose: Compose | None, up_count: int, down_count: int) -> None:
        self.fleet = fleet
        self.compose = compose
        self.up_count = up_count
        self.down_count = down_count
        self.bodies = fleet.file.with_name("bodies.json")

    def ours(self) -> tuple[float, float]:
        up = self.fleet.fleetctl("up").seconds
        await_answers(self.fleet.name, self.up_count)
        self.fleet.fleetctl("up", "--scale", f"web={self.down_count}")
        return up, self.fleet.fleetctl("down", "-t", "0").seconds

    def raw(self) -> tuple[float, float]:
        write_bodies(self.fleet, self.bodies)  # now, because its subnet may have been taken since the last round
        up = measure([sys.executable, RAW, "up", str(self.bodies)]).seconds
        await_answers(self.fleet.name, self.up_count)
        # What the script starts carries our labels, so that fleetctl adds the rest to it.
        self.fleet.fleetctl("up", "--scale", f"web={self.down_count}")
        return up, measure([sys.executable, RAW, "down", f"{labels.FLEET}={self.fleet.name}"]).seconds

    def peer(self) -> tuple[float, float]:
        """`up -d` returns once the containers are started, so they are asked until all have answered."""
        began = time.perf_counter()
        self.composed("up", "-d")
        await_answers(self.fleet.name, self.up_count)
        up = time.perf_counter() - began
        self.composed("up", "-d", "--scale", f"web={self.down_count}")
        await_answers(self.fleet.name, self.down_count)
        return up, self.composed("down", "-t", "0")

    def peer_wait(self) -> float:
        """`up -d --wait` waits for the image's health check, whose first probe comes after its interval."""
        try:
            return self.composed("up", "-d", "--wait")
        finally:
            self.composed("down", "-t", "0")

    def composed(self, *arguments: str) -> float:
        assert self.compose is not None
        return self.compose.run(self.fleet.file, *arguments).seconds


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3, help="how often each contender runs")
    options.add_argument("--replicas", type=int, default=40, help="how many up starts")
    options.add_argument("--down", type=int, default=60, help="how many down removes")
    wanted = options.parse_args()
    print_machine()
    build_image()
    compose = find_compose()
    with bench_fleet(wanted.replicas) as fleet:
        contest = Contest(fleet, compose, wanted.replicas, wanted.down)
        contenders: dict[str, Callable[[], tuple[float, float]]] = {OURS: contest.ours, THE_RAW: contest.raw}
        if compose is not None:
            contenders[f"{PEER} {compose.version}"] = contest.peer
        ups: dict[str, list[float]] = {name: [] for name in contenders}
        downs: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(wanted.rounds):
            first = number % len(contenders)
            for name in [*contenders][first:] + [*contenders][:first]:
                up, down = contenders[name]()
                ups[name].append(up)
                downs[name].append(down)
        if compose is not None:
            ups[PEER_WAIT] = [contest.peer_wait()]
    print_samples(f"up of {wanted.replicas} replicas, until every one answers HTTP (s)", ups, OURS)
    print_samples(f"down -t 0 of {wanted.down} replicas (s)", downs, OURS)


if __name__ == "__main__":
    main()
