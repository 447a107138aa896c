"""Turns every exception of docker-py and its transport into one of ours, in one place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import requests.exceptions
import urllib3.exceptions

from fleetctl.errors import EngineUnreachable, FleetError, ResourceExhausted, SubnetTaken

UNREACHABLE = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    urllib3.exceptions.ProxySchemeUnsupported,
    docker.errors.StreamParseError,
    OSError,
)

PORT_TAKEN = r"port is already allocated|address already in use"
"""What the engine says where a host port has an owner."""
ENGINE_SAYS: tuple[tuple[str, type[FleetError], str], ...] = (
    # The engine's texts, moby 20.10 to 28: (pattern, kind, hint).
    (
        r"pool overlaps with other one on this address space",
        SubnetTaken,
        "another network has an overlapping subnet: docker network ls; or set x-fleet.addresses.block",
    ),
    (
        r"non-overlapping IPv4 address pool|all predefined address pools have been fully subnetted",
        ResourceExhausted,
        "remove networks you no longer need (docker network prune shows them), or give the network a subnet",
    ),
    (
        r"no available (IPv4 )?addresses|no available IPs",
        ResourceExhausted,
        "give the network a larger subnet (ipam.config.subnet), or ask for fewer replicas",
    ),
    (
        r"exchange full|no buffer space available",
        ResourceExhausted,
        "a bridge holds at most 1,023 ports; spread the services over several networks",
    ),
    (
        r"error setting rlimit",
        FleetError,
        "the engine itself may not open that many files: write a smaller number in ulimits.nofile of the service",
    ),
    (r"no space left on device", ResourceExhausted, "free disk space on the engine's host: docker system df"),
    (
        r"no such (container|network)",
        FleetError,
        "it vanished meanwhile: run the command again",
    ),
    (
        r"is ambiguous \(\d+ matches found on name\)",
        FleetError,
        "somebody made another network of that name: docker network ls shows both; rename or remove theirs",
    ),
    (
        r"has active endpoints",
        FleetError,
        "disconnect or remove what is still attached, then run the command again",
    ),
    (
        r"all ports are allocated",
        ResourceExhausted,
        "free some of the host ports, widen the range in ports, or ask for fewer replicas",
    ),
    (
        PORT_TAKEN,
        FleetError,
        "free the port, or publish another one (a range lets the engine choose)",
    ),
    (
        r"pull access denied|manifest unknown|not found: manifest|no such image",
        FleetError,
        "check the reference, log in to its registry, load it with 'docker load', or give the service a 'build'",
    ),
    (
        r"no such host|i/o timeout|connection refused|TLS handshake timeout|EOF|Client\.Timeout|x509",
        FleetError,
        "the engine cannot reach the registry; load the image with 'docker load', or give the service a 'build'",
    ),
)


@contextmanager
def translated(doing: str, endpoint: str) -> Iterator[None]:
    """Raise our own error for anything that docker-py or its transport raises inside the block. `doing` completes the
    sentence "could not …"."""
    try:
        yield
    except FleetError:
        raise
    except docker.errors.APIError as error:
        raise from_api(error, doing) from error
    except docker.errors.DockerException as error:
        # docker-py wraps whatever goes wrong while it asks for the API's version.
        for cause in causes(error):
            if isinstance(cause, docker.errors.APIError):
                raise from_api(cause, doing) from error
        if is_transport(error):
            raise unreachable(endpoint, error) from error
        raise FleetError(f"could not {doing}: {error}") from error
    except UNREACHABLE as error:
        raise unreachable(endpoint, error) from error


def from_api(error: docker.errors.APIError, doing: str) -> FleetError:
    """What the engine answered with an error status, in our kinds."""
    text = explanation(error)
    for pattern, kind, hint in ENGINE_SAYS:
        if re.search(pattern, text, re.IGNORECASE):
            return kind(f"could not {doing}: {text}", hint=hint)
    return FleetError(f"could not {doing}: {text}")


def explanation(error: docker.errors.APIError) -> str:
    """The engine's own words on one line."""
    text = error.explanation or (error.response.text if error.response is not None else "") or str(error)
    return " ".join(str(text).split())


def is_transport(error: BaseException) -> bool:
    """Whether a DockerException only wraps a failure to talk to the engine."""
    return any(isinstance(cause, UNREACHABLE) for cause in causes(error))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def unreachable(endpoint: str, error: BaseException) -> EngineUnreachable:
    """The engine at `endpoint` does not answer: why, as far as the error tells, and what to do."""
    if isinstance(error, requests.exceptions.JSONDecodeError | docker.errors.StreamParseError):
        return EngineUnreachable(
            f"what answers at {endpoint} does not speak as a Docker engine does, or breaks off",
            hint="see whether DOCKER_HOST names an engine: docker version",
        )
    text = str(error)
    if "timed out" in text.lower() or isinstance(error, TimeoutError | requests.exceptions.Timeout):
        why = "it did not answer in time"
        hint = "see whether it is overloaded or hung: docker version; FLEET_ENGINE_TIMEOUT sets the patience"
    elif "Permission denied" in text or "PermissionError" in text:
        why = "permission denied"
        hint = "run as root, or join the group that owns the socket: sudo usermod -aG docker $USER"
    elif "No such file" in text or "FileNotFoundError" in text:
        why = "there is no such socket"
        hint = "start the engine ('make engine' in the repository does), or set DOCKER_HOST"
    elif "Connection refused" in text or "ConnectionRefusedError" in text:
        why = "the connection was refused"
        hint = "start the engine ('make engine' in the repository does), or set DOCKER_HOST"
    else:
        why = "the connection broke" if "abort" in text.lower() or "reset" in text.lower() else root(error)
        hint = "see whether it runs: docker version"
    return EngineUnreachable(f"the Docker engine at {endpoint} does not answer: {why}", hint=hint)


def root(error: BaseException) -> str:
    """The innermost cause, on one line."""
    *_, innermost = causes(error)
    return " ".join(f"{innermost}".split()) or type(innermost).__name__
