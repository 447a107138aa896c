"""Asks an engine's host as the user nobody: a request on stdin, and on stdout the place, its reasons, the answer."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

from fleetctl.engine.registry import open_engine
from fleetctl.vantage.codec import decode_request, encode
from fleetctl.vantage.registry import open_vantage

NOBODY = 65534
IMPORTED_LATER = (
    *("docker.context", "docker.utils", "docker.errors", "msgspec", "encodings.idna"),
    *("fleetctl.engine.helper", "fleetctl.vantage.helper", "fleetctl.vantage.local"),
)


def main() -> None:
    """Read while that is allowed what nobody may not be able to read from here, such as root's interpreter."""
    for module in IMPORTED_LATER:
        import_module(module)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    vantage = open_vantage(open_engine(os.environ))
    answer = vantage.ask(decode_request(sys.stdin.buffer.readline()))
    heading = json.dumps({"name": vantage.name, "reasons": vantage.reasons, "uid": os.geteuid()})
    sys.stdout.buffer.write(heading.encode() + b"\n" + encode(answer))


if __name__ == "__main__":
    main()
