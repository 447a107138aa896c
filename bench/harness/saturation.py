"""How much can be had: a few clients, each of which asks again as soon as it has its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench.harness.exchange import BrokenError, Connection, connect

CLIENTS = 16


def requests_per_second(targets: Sequence[tuple[str, int]], seconds: float, *, keep: bool = True) -> float:
    """Answers to GET / with status 200 a second, on connections that are kept or new for each; the clients are spread
    over the targets. Raises BrokenError when one breaks, since the figure would mean nothing."""
    return asyncio.run(saturate(targets, seconds, keep))


async def saturate(targets: Sequence[tuple[str, int]], seconds: float, keep: bool) -> float:
    until = time.monotonic() + seconds
    clients = [ask_on(*targets[number % len(targets)], keep, until) for number in range(CLIENTS)]
    began = time.monotonic()
    counts = await asyncio.gather(*clients)
    return sum(counts) / (time.monotonic() - began)


async def ask_on(host: str, port: int, keep: bool, until: float) -> int:
    connection: Connection | None = None
    count = 0
    while time.monotonic() < until:
        if connection is None or not connection.reusable:
            if connection is not None:
                connection.close()
            connection = await connect(host, port)
        answer = await connection.exchange("GET", "/", f"{host}:{port}", b"", keep=keep)
        if answer.status != 200:
            raise BrokenError(f"status {answer.status}")
        count += 1
    if connection is not None:
        connection.close()
    return count
