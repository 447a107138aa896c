"""The program in the helper container: `python -m fleetctl.vantage.agent` reads one request, a line of JSON, from
stdin and writes its answer, a line of JSON, to stdout."""

from __future__ import annotations

import signal
import sys
from math import ceil

from fleetctl.vantage.codec import decode_request, encode
from fleetctl.vantage.local import Local

LINE_LIMIT = 16 << 20
"""Bytes of a request."""
SPARE = 20
"""Seconds for everything that has no timeout of its own."""


def main() -> None:
    """SIGALRM ends it when it takes far longer than it may: whoever started it may be gone."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SPARE)
    request = decode_request(sys.stdin.buffer.readline(LINE_LIMIT))
    signal.alarm(ceil(request.longest) + SPARE)
    sys.stdout.buffer.write(encode(Local().ask(request)))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
