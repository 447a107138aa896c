"""The UUID server with more pages: /echo gives a request's body back, /slow does so after two seconds, and /eat takes
memory until the kernel ends the worker."""

from __future__ import annotations

import time
import uuid
from typing import Any

from flask import Response, request
from uuid_server.app import plain_text
from uuid_server.cli import listen
from uuid_server.serve import Server

PORT = 8080
SLOW_SECONDS = 2.0
MEGABYTE = 1 << 20


class LoadedServer(Server):
    def load(self) -> Any:
        app = super().load()

        def echo() -> Response:
            return plain_text(f"My id is {self.instance_id}\n{request.get_data(as_text=True)}")

        def slow() -> Response:
            time.sleep(SLOW_SECONDS)
            return echo()

        def eat() -> Response:
            eaten = []
            while True:
                eaten.append(b"x" * MEGABYTE)  # written to, so that the kernel has to give it

        app.add_url_rule("/echo", view_func=echo, methods=["POST"])
        app.add_url_rule("/slow", view_func=slow, methods=["GET", "POST"])
        app.add_url_rule("/eat", view_func=eat, methods=["POST"])
        return app


if __name__ == "__main__":
    LoadedServer(str(uuid.uuid4()), listen("0.0.0.0", PORT), workers=2, max_requests=0).run()  # noqa: S104
