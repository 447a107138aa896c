"""How long diagnose takes for what answers and for what does not, and whether it ever raises a false alarm.

Healthy fleets of several sizes are diagnosed again and again, idle and under load. Every verdict that names a cause
is a false alarm, and is printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

from bench.harness.answers import addresses
from bench.harness.fleet import FLEETCTL, PORT, BenchFleet, bench_fleet, build_image
from bench.harness.report import print_machine, print_targets

ASKERS = 4
"""Threads that ask one request after the other while a fleet is under load."""
REACHABLE, BROKEN = 1.5, 4.0
"""Seconds that were promised for a service of ten."""


def diagnosed(fleet: BenchFleet, *arguments: str) -> tuple[float, dict[str, object]]:
    """Seconds and the document of one run, whatever it says."""
    began = time.monotonic()
    command = [FLEETCTL, "diagnose", "-f", str(fleet.file), "--format", "json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    seconds = time.monotonic() - began
    if done.returncode not in (0, 4):
        raise SystemExit(f"fleetctl diagnose exits {done.returncode}: {done.stderr}")
    return seconds, json.loads(done.stdout)


@contextmanager
def under_load(fleet: BenchFleet) -> Iterator[None]:
    """Requests without pause from a few threads, to the replicas in turn, until the block ends."""
    ended, targets = threading.Event(), sorted(addresses(fleet.name))

    def ask(number: int) -> None:
        while not ended.is_set():
            address = targets[number % len(targets)]
            number += ASKERS
            try:
                with urlopen(f"http://{address}:{PORT}/", timeout=10) as reply:
                    reply.read()
            except OSError:
                ended.wait(0.05)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(ASKERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def alarms(fleet: BenchFleet, runs: int) -> tuple[list[float], list[str]]:
    """Seconds of each run, and what was wrongly said to be broken."""
    seconds, wrong = [], []
    for _ in range(runs):
        took, document = diagnosed(fleet)
        seconds.append(took)
        verdicts = document["verdicts"]
        assert isinstance(verdicts, list)
        wrong += [f"{one['target']}: {one['hop']} {one['cause']} {one['evidence']}" for one in verdicts if one["cause"]]
    return seconds, wrong


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=200, help="runs over healthy fleets in all")
    options.add_argument("--sizes", type=int, nargs="+", default=[3, 10, 30, 60], help="replicas of the healthy fleets")
    wanted = options.parse_args()
    print_machine()
    build_image()
    share = max(1, wanted.runs // (2 * len(wanted.sizes)))
    rows: list[tuple[str, list[float], float | None]] = []
    count, wrong = 0, []
    for size in wanted.sizes:
        with bench_fleet(size, quiet=True) as fleet:
            fleet.fleetctl("up")
            diagnosed(fleet)  # what is read for the first time comes from the disk: not counted
            idle, false_idle = alarms(fleet, share)
            with under_load(fleet):
                busy, false_busy = alarms(fleet, share)
            rows.append((f"{size} replicas, idle", idle, REACHABLE if size == 10 else None))
            rows.append((f"{size} replicas, under load", busy, None))
            count += len(idle) + len(busy)
            wrong += false_idle + false_busy
            if size == 10:
                rows.append(("10 replicas, one of them paused", broken(fleet), BROKEN))
    print_targets("fleetctl diagnose (s)", rows)
    print(f"false alarms: {len(wrong)} in {count} runs over healthy fleets")
    for one in wrong:
        print(f"  {one}")


def broken(fleet: BenchFleet) -> list[float]:
    """Seconds of a few runs while one replica is paused; raises when that is not what they say."""
    name = f"{fleet.name}-web-1"
    subprocess.run(["docker", "pause", name], check=True, capture_output=True)
    try:
        runs = [diagnosed(fleet, "web") for _ in range(5)]
    finally:
        subprocess.run(["docker", "unpause", name], check=True, capture_output=True)
    for _, document in runs:
        assert document["cause"] == "paused", document
    return [seconds for seconds, _ in runs]


if __name__ == "__main__":
    main()
