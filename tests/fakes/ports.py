"""Ports that nobody listens on."""

from __future__ import annotations

import random
import socket

LOWEST, BEYOND = 20_000, 32_000
"""Below those from which the kernel and the engine take one for whoever does not mind which (32768 up, ip(7)): nobody
comes by one of these by chance between its choice and its use."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that can be bound, and a few above it that most likely can, too."""
    for port in random.sample(range(LOWEST, BEYOND), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port from {LOWEST} to {BEYOND}")
