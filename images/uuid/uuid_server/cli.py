"""The command line: options, the listening socket, and words for what can go wrong with either."""

import errno
import gc
import os
import socket
import uuid
from pathlib import Path

import click

from uuid_server import __version__

HELP = """Answer HTTP requests with the UUID of this instance.

In a container bind 0.0.0.0, not 127.0.0.1: there 127.0.0.1 is the container's own loopback interface,
which nothing outside the container can reach, neither the bridge nor a published port.

Ctrl-C or SIGTERM ends the server after the requests in flight; a second Ctrl-C ends it at once.
"""
EPILOG = "An option on the command line wins over the environment variable of the same name."

BACKLOG = 2048  # gunicorn's own default; the kernel lowers it to net.core.somaxconn


@click.command(help=HELP, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option(
    "-a",
    "--address",
    default="127.0.0.1",
    envvar="UUID_SERVER_ADDRESS",
    show_envvar=True,
    help="Address to listen on: 0.0.0.0 is every IPv4 address of this machine or container.",
)
@click.option(
    "-p",
    "--port",
    default=8080,
    type=click.IntRange(0, 65535),
    envvar="UUID_SERVER_PORT",
    show_envvar=True,
    help="TCP port to listen on; 0 takes a free one, which the log names.",
)
@click.option(
    "-w",
    "--workers",
    default=2,
    type=click.IntRange(1, 64),
    envvar="UUID_SERVER_WORKERS",
    show_envvar=True,
    help="Worker processes. They share one UUID.",
)
@click.option(
    "--max-requests",
    default=0,
    type=click.IntRange(0),
    envvar="UUID_SERVER_MAX_REQUESTS",
    show_envvar=True,
    help="Replace a worker after this many requests; 0 never does.",
)
@click.version_option(__version__, prog_name="uuid_server")
def main(address: str, port: int, workers: int, max_requests: int) -> None:
    """Listen, then serve until a signal says stop."""
    listener = listen(address, port)
    # What the imports make is no garbage. Looking for some takes a twelfth of the start; and looking later, in the
    # workers, would write to every object and so copy the memory that they share with the master.
    gc.disable()
    from uuid_server.serve import Server

    gc.freeze()
    gc.enable()
    if file_name := os.environ.get("UUID_SERVER_ENDPOINT_FILE"):
        publish_endpoint(listener, Path(file_name))
    Server(str(uuid.uuid4()), listener, workers=workers, max_requests=max_requests).run()


def listen(address: str, port: int) -> socket.socket:
    """A socket that listens on `address` (an IPv4 or IPv6 address, or a name of one) and `port`.

    It listens before the heavy imports: a busy port is told at once, and early clients wait in the
    backlog for the first worker where they would be refused. Ends the program with exit code 2 for an
    address that is none, 1 for one that cannot be had.
    """
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise click.BadParameter(f"{address!r} is no address.", param_hint="'-a' / '--address'") from None
    family, _, _, _, socket_address = found[0]
    try:
        return socket.create_server(socket_address, family=family, backlog=BACKLOG)
    except OSError as error:
        raise click.ClickException(why_not_bound(error, address, port)) from None


def why_not_bound(error: OSError, address: str, port: int) -> str:
    """One sentence for a bind(2) or listen(2) that failed, with the way out where there is one."""
    match error.errno:
        case errno.EADDRINUSE:
            return f"Port {port} on {address} is in use. Choose another with -p, or stop what listens there."
        case errno.EADDRNOTAVAIL:
            return f"{address} is no address of this machine. 0.0.0.0 listens on every address it has."
        case errno.EACCES:
            return f"Port {port} needs privileges that this user lacks. Choose one above 1023 with -p."
        case _:
            return f"Cannot listen on {address} port {port}: {os.strerror(error.errno or 0)}."


def publish_endpoint(listener: socket.socket, path: Path) -> None:
    """Write `ADDRESS PORT` of `listener` to `path`, for the image's health check.

    The check runs beside the server and cannot know the options that this one was started with.
    """
    ip, port, *_ = listener.getsockname()
    try:
        path.write_text(f"{ip} {port}\n")
    except OSError as error:
        raise click.ClickException(f"Cannot write {path}: {error.strerror}.") from None
