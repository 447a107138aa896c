"""How long `fleetctl up` takes until every replica answers, and `down`, beside the raw Engine API and docker compose.

The contenders take turns on the same file and image, each alone on the engine, in an order that moves on every round.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """One up and down by each contender, in seconds, of a fleet made for it alone."""

    def __init__(self, compose: Compose | None, up_count: int, down_count: int) -> None:
        self.compose = compose
        self.up_count = up_count
        self.down_count = down_count

    def ours(self) -> tuple[float, float]:
        with bench_fleet(self.up_count) as fleet:
            up = fleet.fleetctl("up").seconds
            await_answers(fleet.name, self.up_count)
            fleet.fleetctl("up", *self.more())
            return up, fleet.fleetctl("down", "-t", "0").seconds

    def raw(self) -> tuple[float, float]:
        with bench_fleet(self.up_count) as fleet:
            bodies = fleet.file.with_name("bodies.json")
            write_bodies(fleet, bodies)
            up = measure([sys.executable, RAW, "up", str(bodies)]).seconds
            await_answers(fleet.name, self.up_count)
            # What the script starts carries our labels, so that fleetctl adds the rest to it.
            fleet.fleetctl("up", *self.more())
            return up, measure([sys.executable, RAW, "down", f"{labels.FLEET}={fleet.name}"]).seconds

    def peer(self) -> tuple[float, float]:
        """`up -d` returns once the containers are started, so they are asked until all have answered."""
        with bench_fleet(self.up_count) as fleet, self.composed(fleet) as compose:
            began = time.perf_counter()
            compose("up", "-d")
            await_answers(fleet.name, self.up_count)
            up = time.perf_counter() - began
            compose("up", "-d", *self.more())
            await_answers(fleet.name, self.down_count)
            return up, compose("down", "-t", "0")

    def peer_wait(self) -> float:
        """`up -d --wait` waits for the image's health check, whose first probe comes after its interval."""
        with bench_fleet(self.up_count) as fleet, self.composed(fleet) as compose:
            return compose("up", "-d", "--wait")

    def more(self) -> list[str]:
        return ["--scale", f"web={self.down_count}"]

    @contextmanager
    def composed(self, fleet: BenchFleet) -> Iterator[Callable[..., float]]:
        """Runs docker compose on the fleet and gives the seconds it took; takes down what it made."""
        assert self.compose is not None
        compose = self.compose

        def run(*arguments: str) -> float:
            return compose.run(fleet.file, *arguments).seconds

        try:
            yield run
        finally:
            run("down", "-t", "0")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3, help="how often each contender runs")
    options.add_argument("--replicas", type=int, default=40, help="how many up starts")
    options.add_argument("--down", type=int, default=60, help="how many down removes")
    wanted = options.parse_args()
    print_machine()
    build_image()
    compose = find_compose()
    contest = Contest(compose, wanted.replicas, wanted.down)
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
