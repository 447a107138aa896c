"""What the benches print: facts about the machine, and medians with their spread and ratio."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

Samples = Mapping[str, Sequence[float]]
"""Seconds by what was measured."""


def print_machine() -> None:
    """Date, processors, kernel, Python, engine, and the load before the first run: what the figures depend on."""
    engine = ["docker", "version", "--format", "{{.Server.Version}}"]
    version = subprocess.run(engine, capture_output=True, text=True, check=False).stdout.strip() or "of unknown version"
    load = os.getloadavg()[0]
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} processors, Linux {platform.release()}, "
        f"Python {platform.python_version()}, Docker Engine {version}, load {load:.1f}\n"
    )


def print_samples(title: str, samples: Samples, base: str) -> None:
    """A table of medians in seconds; `base` is the one that the others are divided into: ours, so that 1.10 beside a
    peer says that we take 1.10 times as long as it does. The fastest runs are compared, too: they are those that
    other work on the machine disturbed least."""
    print(f"{title}")
    width = max(len(name) for name in samples)
    print(f"  {'':{width}}  runs   median      min to max  ours / this: median, fastest")
    for name, seconds in samples.items():
        ours = samples[base]
        ratio = "" if name == base else f"{median(ours) / median(seconds):19.2f} {min(ours) / min(seconds):8.2f}"
        spread = f"{min(seconds):.3f} to {max(seconds):.3f}"
        print(f"  {name:{width}}  {len(seconds):4}  {median(seconds):7.3f}  {spread:>16}  {ratio}".rstrip())
    print(flush=True)


def print_targets(title: str, rows: Sequence[tuple[str, Sequence[float], float | None]]) -> None:
    """A table of medians beside what was promised for each, where something was."""
    print(f"{title}")
    width = max(len(name) for name, _, _ in rows)
    print(f"  {'':{width}}  runs   median     min to max    promised")
    for name, values, most in rows:
        spread = f"{min(values):.3f} to {max(values):.3f}"
        promised = "" if most is None else f"at most {most:g}"
        print(f"  {name:{width}}  {len(values):4}  {median(values):7.3f}  {spread:>16}  {promised}".rstrip())
    print(flush=True)
