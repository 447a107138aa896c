"""The image's health check: exit 0 when the server beside it answers 200 on /healthz.

A file of its own that imports next to nothing: the engine starts it in every replica, over and over.
"""

import os
import socket
import sys

TIMEOUT_SECONDS = 2.0


def main() -> None:
    """Ask the server once, at the address in the file that UUID_SERVER_ENDPOINT_FILE names."""
    try:
        with open(os.environ["UUID_SERVER_ENDPOINT_FILE"]) as file:  # noqa: PTH123 - importing pathlib takes longer
            ip, port = file.read().split()
        with socket.create_connection((ip, int(port)), TIMEOUT_SECONDS) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            status_line = connection.makefile("rb").readline(256)
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    if status_line.split()[1:2] != [b"200"]:
        sys.exit(f"answered {status_line!r}")


if __name__ == "__main__":
    main()
