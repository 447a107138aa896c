"""How many requests a rollout costs: steady load through three rollouts, a scale up and a scale down, beside compose.

The balancer's retries are off. The load does not wait for answers: it sends each request when it is due, GET and POST,
on kept and on new connections, one in fifty to a page that takes two seconds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

from bench.harness.balanced import BALANCER_PORT, Balanced, balanced, build_images
from bench.harness.load import load
from bench.harness.outcomes import Outcomes
from bench.harness.peer import Compose, find_compose
from bench.harness.report import print_machine
from bench.harness.rotation import RotationWatch, watched_rotation

REPLICAS, MORE = 4, 6
ROLLOUTS = 3
SETTLING = 3.0
"""Seconds of load after a change has been carried out that still count as its: what it broke may show only then."""
LONGEST = 600.0


@dataclass(frozen=True, slots=True)
class Phase:
    """What happened while one change was carried out. `replaced` tells whether the instances that answered at its end
    are as many as asked for, and in a rollout all new."""

    name: str
    seconds: float
    outcomes: Outcomes
    fewest: int
    promised: int
    replaced: bool


@dataclass(frozen=True, slots=True)
class Contest:
    """All phases of one contender."""

    name: str
    phases: tuple[Phase, ...]
    outcomes: Outcomes
    first_failures: tuple[str, ...]


def contest(name: str, compose: Compose | None, rate: float, requests: int) -> Contest:
    """The whole load against one contender, changes all along its way."""
    with balanced(compose, REPLICAS) as fleet:
        balancer_id, address = fleet.balancer
        with watched_rotation(balancer_id) as watch:
            if watch.wait(REPLICAS, 30) is None:
                raise SystemExit(f"{name}: {watch.ready} of {REPLICAS} replicas are in rotation")
            with load(address, BALANCER_PORT, rate=rate) as running:
                running.wait(int(rate))
                changes = [(f"rollout {n}", n, REPLICAS) for n in range(1, ROLLOUTS + 1)]
                changes += [(f"{REPLICAS} to {MORE}", ROLLOUTS, MORE), (f"{MORE} to {REPLICAS}", ROLLOUTS, REPLICAS)]
                spans = [(change, *carry_out(fleet, *change[1:])) for change in changes]
                running.wait(max(0, requests - len(running.result.all)), seconds=LONGEST)
            result = running.result
    phases = tuple(phase(result, watch, change, began, ended) for change, began, ended in spans)
    told = tuple(f"{one.method} {one.path} {one.failure}" for one in result.failed[:3])
    return Contest(name, phases, result, told)


def carry_out(fleet: Balanced, release: int, replicas: int) -> tuple[float, float]:
    """Make the change; from when to when, settling included."""
    began = time.monotonic()
    if len(fleet.containers("web")) == replicas:
        fleet.up(release, replicas)
    else:
        fleet.scale(replicas)
    time.sleep(SETTLING)
    return began, time.monotonic()


def phase(result: Outcomes, watch: RotationWatch, change: tuple[str, int, int], began: float, ended: float) -> Phase:
    name, _, replicas = change
    within = result.between(began, ended)
    before = set(result.between(began - 2 * SETTLING, began).identities)
    after = set(result.between(ended - SETTLING / 2, ended).identities)
    replaced = len(after) == replicas and (name[0].isdigit() or not before & after)
    fewest = watch.fewest(began, ended)
    return Phase(name, ended - began - SETTLING, within, fewest, REPLICAS, replaced)


def print_contest(one: Contest) -> None:
    print(one.name)
    print(f"  {'':12} {'seconds':>8} {'requests':>9} {'failed':>7} {'sent again':>11} {'fewest in rotation':>19}")
    for each in one.phases:
        note = "" if each.replaced else "  NOT carried out"
        print(
            f"  {each.name:12} {each.seconds:8.1f} {len(each.outcomes.all):9} {len(each.outcomes.failed):7} "
            f"{each.outcomes.resent:11} {each.fewest:14} of {each.promised}{note}"
        )
    print(f"  in all: {one.outcomes}; 99 % of those to / within {one.outcomes.percentile(0.99, '/') * 1000:.0f} ms")
    print(f"  the generator held no request back longer than {one.outcomes.lag * 1000:.0f} ms")
    for told in one.first_failures:
        print(f"  failed, for example: {told}")
    print(flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rate", type=float, default=100.0, help="requests a second")
    options.add_argument("--requests", type=int, default=10_000, help="at least so many for each contender")
    options.add_argument("--alone", action="store_true", help="leave the peer out")
    wanted = options.parse_args()
    print_machine()
    build_images()
    contests = [contest("fleetctl", None, wanted.rate, wanted.requests)]
    print_contest(contests[0])
    compose = None if wanted.alone else find_compose()
    if compose is not None:
        name = f"docker compose {compose.version}, the same HAProxy before it"
        contests.append(contest(name, compose, wanted.rate, wanted.requests))
        print_contest(contests[1])
    print("requests that failed")
    for one in contests:
        fewest = min(each.fewest for each in one.phases)
        print(f"  {len(one.outcomes.failed):6} of {len(one.outcomes.all)}, at fewest {fewest} in rotation: {one.name}")


if __name__ == "__main__":
    main()
