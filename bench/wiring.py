"""How long it takes to read the wiring of many containers, by each way of access, beside `docker exec`.

Every way takes its turn in each round on the same fleet of small HTTP servers. `docker exec` is what people do by hand:
`ip addr`, `ip route` and `netstat -ltn` in every container, one after the other, and eight at a time.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import docker
import yaml

from bench.harness.fleet import FLEETCTL, BenchFleet
from bench.harness.process import FailedError, measure
from bench.harness.report import print_machine, print_samples, print_targets
from fleetctl.engine.registry import open_engine
from fleetctl.vantage.base import Request
from fleetctl.vantage.helper import Helper
from fleetctl.vantage.local import Local
from tests.fakes.tiny_image import tiny_image

FEW = 50
"""Containers up to which docker exec is measured: beyond, it only takes longer."""
BY_HAND = "ip addr; ip route; netstat -ltn"
PROMISED = {"direct, everything": 0.06, "helper container, everything": 0.6, "fleetctl inspect-network": 0.6}
"""Seconds for 50 containers."""


@contextmanager
def small_fleet(replicas: int) -> Iterator[BenchFleet]:
    """Containers of two megabytes that answer HTTP, and their end."""
    name = f"bench-{secrets.token_hex(3)}"
    web = {
        "image": tiny_image(docker.from_env()),
        "command": ["sh", "-c", "trap 'exit 0' TERM; echo hello > /tmp/index.html; httpd -f -p 8080 -h /tmp & wait"],
        "deploy": {"replicas": replicas},
        "x-fleet": {"http": {"port": 8080}},
    }
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as directory:
        file = Path(directory, "fleet.yaml")
        file.write_text(yaml.safe_dump({"name": name, "services": {"web": web}}))
        fleet = BenchFleet(name, file)
        try:
            fleet.fleetctl("up")
            yield fleet
        finally:
            try:
                fleet.fleetctl("down", "-t", "0")
            except FailedError as error:
                print(f"left behind: {str(error)[-300:]}", file=sys.stderr)


def exec_in(container_id: str) -> None:
    subprocess.run(["docker", "exec", container_id, "sh", "-c", BY_HAND], check=True, capture_output=True)


def ways(fleet: BenchFleet, size: int) -> dict[str, Callable[[], object]]:
    """What is measured, by name; ours first."""
    engine = open_engine(os.environ)
    replicas = engine.inspect(engine.observe_replicas(fleet.name))
    pids = tuple(replica.pid for replica in replicas if replica.pid)
    ids = [replica.id for replica in replicas]
    direct, helper = Local(), Helper(engine)
    found: dict[str, Callable[[], object]] = {
        "direct, everything": lambda: direct.ask(Request(pids=pids, deep=True)),
        "direct, interfaces and addresses": lambda: direct.ask(Request(pids=pids)),
        "helper container, everything": lambda: helper.ask(Request(pids=pids, deep=True)),
        "fleetctl inspect-network": lambda: measure([FLEETCTL, "inspect-network", "-f", str(fleet.file)]),
    }
    if size <= FEW:

        def side_by_side() -> None:
            with ThreadPoolExecutor(max_workers=8) as pool:
                list(pool.map(exec_in, ids))

        def one_by_one() -> None:
            for one in ids:
                exec_in(one)

        found["docker exec, one by one"] = one_by_one
        found["docker exec, 8 at a time"] = side_by_side
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7, help="how often each way is taken")
    options.add_argument("--sizes", type=int, nargs="+", default=[10, 50, 200], help="containers of the fleets")
    wanted = options.parse_args()
    print_machine()
    seen: dict[int, dict[str, list[float]]] = {}
    for size in wanted.sizes:
        with small_fleet(size) as fleet:
            jobs = ways(fleet, size)
            for job in jobs.values():
                job()  # what is read for the first time comes from the disk: not counted
            samples: dict[str, list[float]] = {name: [] for name in jobs}
            seen[size] = samples
            for number in range(wanted.rounds):
                for name, job in jobs.items():
                    if "one by one" in name and number >= 2:
                        continue  # two runs tell enough of what takes so long
                    began = time.perf_counter()
                    job()
                    samples[name].append(time.perf_counter() - began)
        print_samples(f"reading the wiring of {size} containers (s)", samples, "direct, everything")
        if size == FEW:
            print_targets(
                "beside what was promised (s)", [(name, samples[name], most) for name, most in PROMISED.items()]
            )
    if len(seen) > 1:
        least, most = min(seen), max(seen)
        for name in PROMISED:
            growth = median(seen[most][name]) / median(seen[least][name])
            print(f"{name}: {growth:.1f} times as long for {most / least:.0f} times as many containers")


if __name__ == "__main__":
    main()
