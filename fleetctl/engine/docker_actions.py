"""Each action as one call of docker-py's low-level client."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from fleetctl.engine import labels, options, translate
from fleetctl.engine.build_context import build_image
from fleetctl.engine.faults import explanation
from fleetctl.engine.network_removal import remove_network_by_id
from fleetctl.engine.starting import start_container
from fleetctl.errors import FleetError
from fleetctl.plan import actions
from fleetctl.plan.actions import Action, Ref
from fleetctl.state.observed import KILLED

if TYPE_CHECKING:
    from docker import APIClient

GONE_WITHIN = 30.0
"""Seconds to wait for a removal that somebody else has begun."""
DEFAULT_GRACE = 10
"""The engine's own stop timeout in seconds, for a container that sets none (Docker Engine API, ContainerStop)."""


class Hands(Protocol):
    """What an action needs of the host it is done to."""

    client: APIClient
    local: bool
    run: str
    progress: Callable[[str, str], None]


SIGKILL = "9"
"""How the engine's events write it, whatever the engine's own host is."""


def perform(host: Hands, action: Action) -> str:
    """Do one thing; returns the id of what was made, or what is worth telling of it, else ''. Removing, stopping or
    disconnecting what is gone already is fine. Raises FleetError or what docker-py raises."""
    return HANDLERS[type(action)](host, action) or ""


def create_network(host: Hands, action: actions.CreateNetwork) -> str:
    return str(host.client.create_network(**options.network_options(action, host.run))["Id"])


def remove_network(host: Hands, action: actions.RemoveNetwork) -> None:
    remove_network_by_id(host, identify(action.network), action.network.name)


def create_volume(host: Hands, action: actions.CreateVolume) -> str:
    return str(host.client.create_volume(**options.volume_options(action, host.run))["Name"])


def remove_volume(host: Hands, action: actions.RemoveVolume) -> None:
    from docker.errors import NotFound

    with suppress(NotFound):
        host.client.remove_volume(action.volume_name)


def build(host: Hands, action: actions.BuildImage) -> str:
    return build_image(host.client, action, host.progress)


def pull(host: Hands, action: actions.PullImage) -> str:
    repository, tag = split_reference(action.reference)
    for message in host.client.pull(repository, tag=tag, stream=True, decode=True):
        if "error" in message:
            raise FleetError(
                f"could not pull image {action.reference}: {message['error']}",
                hint="load it with 'docker load', give the service a 'build', or check the reference",
            )
        host.progress(action.reference, str(message.get("status", "")))
    return str(host.client.inspect_image(action.reference)["Id"])


def remove_image(host: Hands, action: actions.RemoveImage) -> None:
    from docker.errors import NotFound

    with suppress(NotFound):
        host.client.remove_image(action.reference)


def create_replica(host: Hands, action: actions.CreateReplica) -> str:
    from docker.errors import APIError

    network_id = identify(action.network) if action.network is not None else None
    body = options.container_body(action, network_id, host.run)
    try:
        made = host.client.create_container_from_config(body, action.container_name)
    except APIError as error:
        if error.status_code == 409 and "is already in use" in explanation(error):
            raise taken_name(host, action.container_name) from error
        raise
    return str(made["Id"])


def taken_name(host: Hands, container_name: str) -> FleetError:
    """Names the stranger that has a name we need."""
    entry = host.client.inspect_container(container_name)
    marks = entry["Config"].get("Labels") or {}
    owner = marks.get(labels.FLEET)
    whose = f"belongs to fleet {owner}" if owner else "was not made by fleetctl"
    return FleetError(
        f"a container named {container_name} ({entry['Id'][:12]}) exists already and {whose}; it is left untouched",
        hint=f"rename or remove it (docker rename {container_name} NEW), or give the fleet another name with -p",
    )


def connect_network(host: Hands, action: actions.ConnectNetwork) -> None:
    host.client.connect_container_to_network(
        identify(action.replica),
        identify(action.network),
        aliases=options.endpoint_config(action.service_name, action.membership)["Aliases"],
        ipv4_address=action.membership.ipv4_address,
    )


def disconnect_network(host: Hands, action: actions.DisconnectNetwork) -> None:
    from docker.errors import NotFound

    with suppress(NotFound):
        host.client.disconnect_container_from_network(identify(action.replica), identify(action.network))


def start(host: Hands, action: actions.StartReplica) -> None:
    start_container(host, identify(action.replica), action.replica.name)


def stop(host: Hands, action: actions.StopReplica) -> str:
    """Tells of a container that had to be killed."""
    from docker.errors import NotFound

    container_id = identify(action.replica)
    with suppress(NotFound):
        grace = grace_of(host, container_id, action.grace)
        host.client.stop(container_id, timeout=grace)
        if host.client.inspect_container(container_id)["State"].get("ExitCode") == KILLED:
            return told_of_kill(grace)
    return ""


def told_of_kill(grace: int) -> str:
    return f"killed, as it did not end within {grace} s of its stop signal"


def restart(host: Hands, action: actions.RestartReplica) -> str:
    """Tells of a container that had to be killed; its state is that of its new life, but the engine's events know."""
    container_id = identify(action.replica)
    grace = grace_of(host, container_id, action.grace)
    before = host.client.inspect_container(container_id)["State"]
    host.client.restart(container_id, timeout=grace)
    after = host.client.inspect_container(container_id)["State"]
    if before.get("Running") and was_killed(host, container_id, before, after):
        return told_of_kill(grace)
    return ""


def was_killed(host: Hands, container_id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether SIGKILL was sent to a container between two starts, by State.StartedAt of its inspections."""
    since, until = (translate.parse_time(state.get("StartedAt")) for state in (before, after))
    if since is None or until is None:
        return False
    client = host.client
    # Not docker-py's `events`, which would wait without end for an engine that hangs.
    answer = client.get(
        f"{client.base_url}/v{client.api_version}/events",
        params={
            "since": f"{since.timestamp():.6f}",
            "until": f"{until.timestamp():.6f}",
            "filters": json.dumps({"container": [container_id], "event": ["kill"]}),
        },
        timeout=client.timeout,
    )
    events = (json.loads(line) for line in answer.text.splitlines()) if answer.ok else ()
    return any(event["Actor"]["Attributes"].get("signal") == SIGKILL for event in events)


def grace_of(host: Hands, container_id: str, grace: float | None) -> int:
    """Whole seconds; the container's own where none is asked for, which docker-py has to know so that it does not
    stop waiting before the engine does."""
    if grace is not None:
        return math.ceil(grace)
    own = host.client.inspect_container(container_id)["Config"].get("StopTimeout")
    return DEFAULT_GRACE if own is None else int(own)


def unpause(host: Hands, action: actions.UnpauseReplica) -> None:
    host.client.unpause(identify(action.replica))


def rename(host: Hands, action: actions.RenameReplica) -> None:
    host.client.rename(identify(action.replica), action.container_name)


def remove_replica(host: Hands, action: actions.RemoveReplica) -> None:
    """A removal that is already in progress is waited for."""
    from docker.errors import APIError, NotFound

    container_id = identify(action.replica)
    try:
        host.client.remove_container(container_id, v=True, force=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409 or "in progress" not in explanation(error):
            raise
        wait_until_gone(host, container_id, action.replica.name)


def wait_until_gone(host: Hands, container_id: str, name: str) -> None:
    from docker.errors import NotFound

    deadline = time.monotonic() + GONE_WITHIN
    while time.monotonic() < deadline:
        try:
            host.client.inspect_container(container_id)
        except NotFound:
            return
        time.sleep(0.05)
    raise FleetError(
        f"could not remove {name}: a removal began elsewhere and has not ended in {GONE_WITHIN:g} s",
        hint="run the command again; if it stays, see the engine's log",
    )


HANDLERS: Mapping[type, Callable[[Hands, Any], str | None]] = {
    actions.CreateNetwork: create_network,
    actions.RemoveNetwork: remove_network,
    actions.CreateVolume: create_volume,
    actions.RemoveVolume: remove_volume,
    actions.BuildImage: build,
    actions.PullImage: pull,
    actions.RemoveImage: remove_image,
    actions.CreateReplica: create_replica,
    actions.ConnectNetwork: connect_network,
    actions.DisconnectNetwork: disconnect_network,
    actions.StartReplica: start,
    actions.StopReplica: stop,
    actions.RestartReplica: restart,
    actions.UnpauseReplica: unpause,
    actions.RenameReplica: rename,
    actions.RemoveReplica: remove_replica,
}


def identify(ref: Ref) -> str:
    """The id; whoever executes a plan has put it in."""
    if ref.id is None:
        raise ValueError(f"{ref.name} has no id yet")
    return ref.id


def split_reference(reference: str) -> tuple[str, str | None]:
    """Repository and tag; a digest stays with the repository, and no tag means latest."""
    if "@" in reference:
        return reference, None
    head, slash, tail = reference.rpartition("/")
    name, colon, tag = tail.partition(":")
    return f"{head}{slash}{name}", tag if colon else "latest"
