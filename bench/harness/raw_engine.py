"""The least that `up` and `down` can cost: the same calls straight to the Docker Engine API, eight at a time.

A program of its own, of the standard library only: `raw_engine.py up FILE` makes the network and the containers whose
bodies the file holds and returns when every one has answered HTTP; `raw_engine.py down FLEET` removes them.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

AT_ONCE = 8
PAUSE = 0.05
"""Seconds between two rounds of asking those that have not answered yet."""
SOCKET = "/var/run/docker.sock"


class EngineConnection(http.client.HTTPConnection):
    """One connection for one call."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)


def call(method: str, path: str, body: object = None) -> Any:
    """The decoded answer. Raises RuntimeError for an error status."""
    connection = EngineConnection("docker", timeout=120)
    try:
        payload = None if body is None else json.dumps(body)
        connection.request(method, f"/v1.41{path}", payload, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {content.decode(errors='replace')}")
        return json.loads(content) if content else None
    finally:
        connection.close()


def up(wanted: Any) -> None:
    """Create and start every container, and ask each until it answers."""
    network_id = call("POST", "/networks/create", wanted["network"])["Id"]

    def launch(entry: Any) -> str:
        body = json.loads(json.dumps(entry["body"]).replace(wanted["network_id"], network_id))
        made = call("POST", f"/containers/create?name={entry['name']}", body)["Id"]
        call("POST", f"/containers/{made}/start")
        networks = call("GET", f"/containers/{made}/json")["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])

    with ThreadPoolExecutor(AT_ONCE) as pool, ThreadPoolExecutor(1) as asker:
        started = [pool.submit(launch, entry) for entry in wanted["containers"]]

        def ask_all() -> None:
            waiting = list(started)
            while waiting:
                waiting = [
                    future
                    for future in waiting
                    if not future.done() or not answers(future.result(), wanted["port"], wanted["path"])
                ]
                time.sleep(PAUSE)

        asker.submit(ask_all).result()


def answers(address: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def down(label: str) -> None:
    """Stop without grace and remove every container with the label, then its network: what the others do, too."""
    chosen = quote(json.dumps({"label": [label]}))

    def remove(entry: Any) -> None:
        call("POST", f"/containers/{entry['Id']}/stop?t=0")
        call("DELETE", f"/containers/{entry['Id']}?force=1&v=1")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(remove, call("GET", f"/containers/json?all=1&filters={chosen}")))
    for entry in call("GET", f"/networks?filters={chosen}"):
        try:
            call("DELETE", f"/networks/{entry['Id']}")
        except RuntimeError as error:
            # Engine 20.10 now and then counts an endpoint that is gone and then keeps its network.
            print(error, file=sys.stderr)


if __name__ == "__main__":
    job, argument = sys.argv[1:]
    if job == "up":
        up(json.loads(Path(argument).read_text()))
    else:
        down(argument)
