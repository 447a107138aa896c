"""Removes a network, also one on which the engine still counts endpoints of containers that are gone."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from docker.errors import APIError, NotFound

from fleetctl.engine.faults import explanation
from fleetctl.errors import FleetError

if TYPE_CHECKING:
    from fleetctl.engine.docker_actions import Hands

RELEASED_WITHIN = 3.0
"""Seconds to wait for the engine to let go of an endpoint whose container is gone."""


def remove_network_by_id(host: Hands, network_id: str, network_name: str) -> None:
    """An endpoint whose container is gone is released by force, and waited for a moment: the engine lets it go soon
    after. Raises FleetError where a container is attached, or where that does not help."""
    deadline = time.monotonic() + RELEASED_WITHIN
    released = False
    while True:
        try:
            host.client.remove_network(network_id)
        except NotFound:
            return
        except APIError as error:
            if "active endpoints" not in explanation(error):
                raise
            attached = attached_containers(host, network_id)
            held = sorted(name for name, exists in attached if exists)
            stale = sorted(name for name, exists in attached if not exists)
            if stale and not released:
                release(host, network_id, stale)
                released = True
                continue
            if held or time.monotonic() > deadline:
                raise busy_network(network_name, held, stale) from error
            time.sleep(0.1)
        else:
            return


def attached_containers(host: Hands, network_id: str) -> list[tuple[str, bool]]:
    """Name, and whether there is such a container, of each endpoint that the engine lists. The key is a container's id,
    or "ep-" and the endpoint's own (moby, buildNetworkResource); another container may have the name by now."""
    entry = host.client.inspect_network(network_id)
    found = [(key, str(item.get("Name"))) for key, item in (entry.get("Containers") or {}).items()]
    return [(name, container_exists(host, key) or container_exists(host, name)) for key, name in found]


def container_exists(host: Hands, identity: str) -> bool:
    try:
        host.client.inspect_container(identity)
    except NotFound:
        return False
    return True


def release(host: Hands, network_id: str, names: list[str]) -> None:
    """Take endpoints without a container off a network; whether that helped is seen when it is removed."""
    for name in names:
        with suppress(APIError):
            host.client.disconnect_container_from_network(name, network_id, force=True)


def busy_network(network_name: str, held: list[str], stale: list[str]) -> FleetError:
    """Names what keeps a network from being removed: containers, and endpoints without one."""
    if held or stale:
        command = f"disconnect {network_name} {held[0]}" if held else f"disconnect -f {network_name} {stale[0]}"
        return FleetError(
            f"could not remove network {network_name}: still attached: {', '.join([*held, *stale])}",
            hint=f"docker network {command}, then run again",
        )
    return FleetError(
        f"could not remove network {network_name}: the engine counts an endpoint on it that does not exist",
        hint="the network is empty and does no harm; this fault of old engines is mended by restarting the engine, "
        "which stops containers without live-restore; then run again",
    )
