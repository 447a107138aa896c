"""What a balancer costs and what it hides: replicas killed, frozen and out of memory under load, with retries on;
through-put and latency beside the replicas themselves; its memory; and 60 replicas that become 4 and 60 again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench.harness.balanced import BALANCER_PORT, Balanced, balanced, build_images, run
from bench.harness.fleet import PORT
from bench.harness.load import Mix, load
from bench.harness.outcomes import Outcomes
from bench.harness.report import print_machine
from bench.harness.rotation import RotationWatch, watched_rotation
from bench.harness.saturation import CLIENTS, requests_per_second

REPLICAS = 4
BALANCER = "through the balancer"
FROZEN = 5.0
"""Seconds that a replica stays paused."""
PATIENCE = 60.0
MANY_RATE = 25.0
"""Requests a second while many replicas start: two processors have no more to spare meanwhile."""


@dataclass(frozen=True, slots=True)
class Injury:
    """What a fault under load came to: seconds until the replica was out of rotation, and from the end of the fault
    until all were back; None where the rotation never showed it."""

    name: str
    outcomes: Outcomes
    until_out: float | None
    until_back: float | None

    def failed(self, method: str) -> int:
        return sum(one.method == method for one in self.outcomes.failed)


def kill(replica_id: str, _: str) -> None:
    """As a crash would: the engine starts it again, which it does not after `docker kill`."""
    os.kill(int(run("docker", "inspect", "--format", "{{.State.Pid}}", replica_id)), signal.SIGKILL)


def pause(replica_id: str, _: str) -> None:
    run("docker", "pause", replica_id)


def exhaust(_: str, address: str) -> None:
    """A request that makes a worker take more memory than the replica may have."""
    subprocess.run(["curl", "-s", "-X", "POST", f"http://{address}:{PORT}/eat"], capture_output=True, check=False)


def thaw(replica_id: str) -> None:
    run("docker", "unpause", replica_id)


FAULTS: dict[str, tuple[Callable[[str, str], None], Callable[[str], None] | None, float]] = {
    "killed": (kill, None, 0.0),
    "paused": (pause, thaw, FROZEN),
    "a worker out of memory": (exhaust, None, 0.0),
}
"""How a replica is hurt, how it is mended, and the seconds between."""


def injure(name: str, fleet: Balanced, watch: RotationWatch, rate: float) -> Injury:
    hurt, mend, lasting = FAULTS[name]
    if watch.wait(REPLICAS, PATIENCE) is None:
        raise SystemExit(f"{name}: {watch.ready} of {REPLICAS} replicas are in rotation before")
    replica_id, address = next(iter(fleet.containers("web").items()))
    with load(fleet.balancer[1], BALANCER_PORT, rate=rate) as running:
        running.wait(int(2 * rate))
        began = time.monotonic()
        hurt(replica_id, address)
        out = watch.wait(REPLICAS - 1, max(lasting, 3.0), fewer=True)
        if mend is not None:
            time.sleep(max(0.0, began + lasting - time.monotonic()))
            mend(replica_id)
        mended = time.monotonic()
        back = watch.wait(REPLICAS, PATIENCE)
        running.wait(int(2 * rate))
    return Injury(
        name,
        running.result,
        None if out is None else out - began,
        None if back is None or out is None else max(0.0, back - mended),
    )


def print_injuries(injuries: list[Injury]) -> None:
    print("one of 4 replicas hurt under load, retries on")
    print(
        f"  {'':24} {'requests':>8} {'GETs failed':>12} {'POSTs failed':>13} {'s until out':>12} {'s until back':>13}"
    )
    for one in injuries:
        out, back = ("never" if s is None else f"{s:.1f}" for s in (one.until_out, one.until_back))
        gets, posts = one.failed("GET"), one.failed("POST")
        print(f"  {one.name:24} {len(one.outcomes.all):8} {gets:12} {posts:13} {out:>12} {back:>13}")
        if kinds := ", ".join(f"{count} of {kind}" for kind, count in one.outcomes.failures.most_common()):
            print(f"    {kinds}")
    print(flush=True)


def print_speed(fleet: Balanced, rounds: int, rate: float) -> None:
    """The ways in turns; requests go to the same replicas, by the balancer or straight. The balancer opens a connection
    to a replica for every request, so straight it is done with and without."""
    direct = [(address, PORT) for address in fleet.containers("web").values()]
    through = [(fleet.balancer[1], BALANCER_PORT)]
    ways = {BALANCER: (through, True), "direct, new connections": (direct, False), "direct, kept": (direct, True)}
    most: dict[str, list[float]] = {name: [] for name in ways}
    slowest: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (targets, keep) in ways.items():
            most[name].append(requests_per_second(targets, 3.0, keep=keep))
            mix = Mix(fresh=0.0 if keep else 1.0, posts=0.0, slow=0.0)
            with load(*targets[0], rate=rate, count=int(5 * rate), mix=mix) as running:
                slowest[name].append(running.wait().percentile(0.99) * 1000)
    print_ratios(f"requests/s, {CLIENTS} clients, {REPLICAS} replicas, {rounds} rounds in turns", most)
    print_ratios(f"99 % within, at {rate:g} requests/s (ms)", slowest)
    print(f"memory of the balancer: {memory(fleet)}\n", flush=True)


def print_ratios(title: str, samples: dict[str, list[float]]) -> None:
    print(f"{title}: medians, and the balancer's divided by each")
    figures = {name: median(values) for name, values in samples.items()}
    for name, figure in figures.items():
        print(f"  {name:24} {figure:8.1f} {figures[BALANCER] / figure:6.2f}")


def memory(fleet: Balanced) -> str:
    used = run("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", fleet.balancer[0])
    return used.split("/")[0].strip()


def print_many(many: int, rate: float = MANY_RATE) -> None:
    """From many replicas to few and back, under load."""
    with balanced(None, many) as fleet:
        balancer_id, address = fleet.balancer
        with watched_rotation(balancer_id) as watch:
            if watch.wait(many, PATIENCE) is None:
                raise SystemExit(f"{watch.ready} of {many} replicas are in rotation")
            print(f"{many} replicas behind one balancer, whose memory is {memory(fleet)}")
            with load(address, BALANCER_PORT, rate=rate) as running:
                running.wait(int(2 * rate))
                for wanted in (REPLICAS, many):
                    before = time.monotonic()
                    seconds = fleet.scale(wanted)
                    reached = watch.wait(wanted, PATIENCE) is not None
                    part = running.result.between(before, time.monotonic())
                    fewest = watch.fewest(before, time.monotonic())
                    state = "" if reached else f"  NOT reached: {watch.ready}"
                    print(f"  to {wanted:3}: {seconds:6.1f} s, at fewest {fewest} in rotation; {part}{state}")
            print(f"  in all: {running.result}\n", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rate", type=float, default=100.0, help="requests a second, but for --many")
    options.add_argument("--rounds", type=int, default=5, help="how often through-put is measured each way")
    options.add_argument(
        "--many", type=int, default=60, help="replicas that become 4 and so many again; 0 leaves it out"
    )
    wanted = options.parse_args()
    print_machine()
    build_images()
    with balanced(None, REPLICAS, retries=3) as fleet, watched_rotation(fleet.balancer[0]) as watch:
        print_injuries([injure(name, fleet, watch, wanted.rate) for name in FAULTS])
        print_speed(fleet, wanted.rounds, wanted.rate)
    if wanted.many:
        print_many(wanted.many)


if __name__ == "__main__":
    main()
