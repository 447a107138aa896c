"""The web application: what an instance answers."""

import os
import socket
from typing import Any

from flask import Flask, Response, request

HEALTH_PATH = "/healthz"
MAX_BODY_BYTES = 64 * 1024


def create_app(instance_id: str) -> Flask:
    """The WSGI application of the instance `instance_id`.

    The id is handed in, never made here: with one process per worker, each would make its own.
    """
    app = Flask("uuid_server", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.before_request
    def refuse_large_body() -> None:
        # No page reads a body, and Flask holds a request to its limit only when the body is asked for.
        _ = request.stream

    @app.get("/")
    def identity() -> Response:
        return plain_text(f"My id is {instance_id}")

    @app.get("/users")
    def users() -> Response:
        return plain_text("You're my first user")

    @app.get(HEALTH_PATH)
    def health() -> Response:
        return plain_text("ok")

    @app.get("/whoami")
    def whoami() -> dict[str, Any]:
        # SERVER_NAME holds the address that was bound (0.0.0.0), the connection the one that was reached.
        connection: socket.socket = request.environ["gunicorn.socket"]
        return {
            "uuid": instance_id,
            "hostname": socket.gethostname(),
            "pid": os.getpid(),
            "local": endpoint(connection.getsockname()),
            "peer": endpoint(connection.getpeername()),
        }

    return app


def plain_text(text: str) -> Response:
    """`text` as an answer of type text/plain."""
    return Response(text, mimetype="text/plain")


def endpoint(address: tuple[Any, ...]) -> dict[str, Any]:
    """The ip and port of a socket address, `(ip, port)` or for IPv6 `(ip, port, flow, scope)`."""
    return {"ip": address[0], "port": address[1]}
